//! Values that know their own key, found by it, in the slots that somebody else numbered.

use crate::slab::Key;

/// Slots in one chunk. A chunk is allocated whole and never moves, so growing copies nothing.
const CHUNK_SLOTS: usize = 256;

/// What is kept in a [`Table`].
pub(crate) trait Keyed {
    /// The value's key, which never changes.
    fn key(&self) -> Key;
}

/// A table of values by the slots of their keys.
///
/// It gives out no keys: whoever does says with a key's slot where a value lies, keeps slots dense,
/// and gives a slot a new generation before it comes again. So nothing but the value lies in a
/// slot, and a key whose value was removed finds nothing.
///
/// An empty chunk is given back to the allocator, except one that is kept for the next growth.
#[derive(Debug)]
pub(crate) struct Table<T> {
    chunks: Vec<Chunk<T>>,
    /// The one chunk that is empty and not given back.
    spare: Option<usize>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    /// As long as its highest slot that was ever used; without capacity while it is given back.
    slots: Vec<Option<T>>,
    occupied: usize,
}

impl<T: Keyed> Table<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), spare: None, len: 0 }
    }

    /// How many values there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Puts a value into the slot of its key, and returns the key.
    ///
    /// # Panics
    ///
    /// If the slot has a value: whoever numbers slots gave one out twice.
    pub(crate) fn insert(&mut self, value: T) -> Key {
        let key = value.key();
        let (number, offset) = locate(key.index());
        while self.chunks.len() <= number {
            self.chunks.push(Chunk { slots: Vec::new(), occupied: 0 });
        }
        let chunk = &mut self.chunks[number];
        if chunk.slots.capacity() == 0 {
            chunk.slots.reserve_exact(CHUNK_SLOTS);
        }
        if chunk.slots.len() <= offset {
            chunk.slots.resize_with(offset + 1, || None);
        }
        let former = chunk.slots[offset].replace(value);
        assert!(former.is_none(), "a slot is free before it is given out again");
        chunk.occupied += 1;
        if self.spare == Some(number) {
            self.spare = None;
        }
        self.len += 1;
        key
    }

    /// The value of `key`, if it has not been removed.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let (number, offset) = locate(key.index());
        let value = self.chunks.get(number)?.slots.get(offset)?.as_ref()?;
        (value.key() == key).then_some(value)
    }

    /// The value of `key`, if it has not been removed.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (number, offset) = locate(key.index());
        let value = self.chunks.get_mut(number)?.slots.get_mut(offset)?.as_mut()?;
        (value.key() == key).then_some(value)
    }

    /// The key of the value that is in slot `index` now.
    pub(crate) fn key_at(&self, index: u32) -> Option<Key> {
        let (number, offset) = locate(index);
        self.chunks.get(number)?.slots.get(offset)?.as_ref().map(T::key)
    }

    /// Takes the value out; from now on `key` is stale.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let (number, offset) = locate(key.index());
        let chunk = self.chunks.get_mut(number)?;
        let value = chunk.slots.get_mut(offset)?.take_if(|value| value.key() == key)?;
        chunk.occupied -= 1;
        self.len -= 1;
        if chunk.occupied == 0 {
            self.give_back_empty_chunk(number);
        }
        Some(value)
    }

    /// All values with their keys, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let slots = self.chunks.iter().flat_map(|chunk| &chunk.slots);
        slots.flatten().map(|value| (value.key(), value))
    }

    /// All values with their keys, by slot.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        let slots = self.chunks.iter_mut().flat_map(|chunk| &mut chunk.slots);
        slots.flatten().map(|value| (value.key(), value))
    }

    /// Chunk `number` has become empty: of two empty chunks the upper one is given back.
    fn give_back_empty_chunk(&mut self, number: usize) {
        let Some(other) = self.spare.replace(number) else { return };
        self.spare = Some(number.min(other));
        self.chunks[number.max(other)].slots = Vec::new();
    }
}

/// The chunk of slot `index`, and the place within it.
const fn locate(index: u32) -> (usize, usize) {
    (index as usize / CHUNK_SLOTS, index as usize % CHUNK_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    impl Keyed for (Key, usize) {
        fn key(&self) -> Key {
            self.0
        }
    }

    #[test]
    fn stale_keys_find_nothing() {
        let mut table = Table::new();
        let (first, second) = (Key::new(3, 0), Key::new(3, 1));
        assert_eq!(table.insert((first, 1)), first);
        assert_eq!(
            (table.key_at(3), table.key_at(2), table.key_at(999)),
            (Some(first), None, None)
        );
        assert_eq!(table.remove(first), Some((first, 1)));
        table.insert((second, 2));
        assert_eq!(table.get(first), None);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&(second, 2)));
        assert_eq!((table.get(Key::new(u32::MAX, 0)), table.len()), (None, 1));
    }

    #[test]
    #[should_panic(expected = "a slot is free")]
    fn a_slot_that_is_given_out_twice_is_a_mistake() {
        let mut table = Table::new();
        table.insert((Key::new(3, 0), 1));
        table.insert((Key::new(3, 1), 2));
    }

    #[test]
    fn empty_chunks_are_given_back() {
        let (mut slab, mut table) = (Slab::new(), Table::new());
        let keys: Vec<Key> = (0..4 * CHUNK_SLOTS).map(|_| slab.insert(())).collect();
        let held = |table: &Table<(Key, usize)>| {
            table.chunks.iter().filter(|chunk| chunk.slots.capacity() > 0).count()
        };
        for _ in 0..2 {
            for key in &keys {
                table.insert((*key, 0));
            }
            assert_eq!(held(&table), 4);
            for key in &keys {
                assert!(table.remove(*key).is_some());
            }
            assert_eq!((held(&table), table.len()), (1, 0));
        }
    }

    #[test]
    fn a_table_behaves_like_the_slab_that_numbers_it() {
        use proptest::prelude::*;

        proptest!(|(steps in proptest::collection::vec((0..3_u8, any::<prop::sample::Index>()), 0..2_000))| {
            let (mut slab, mut table) = (Slab::new(), Table::new());
            let mut given = Vec::new();
            for (number, (step, choice)) in steps.iter().enumerate() {
                if *step > 0 || given.is_empty() {
                    let key = slab.insert_with(|key| (key, number));
                    prop_assert_eq!(table.insert((key, number)), key);
                    given.push(key);
                } else {
                    let key = *choice.get(&given);
                    prop_assert_eq!(table.remove(key), slab.remove(key));
                }
            }
            prop_assert_eq!(table.len(), slab.len());
            prop_assert!(table.iter().eq(slab.iter()));
            prop_assert!(table.iter_mut().eq(slab.iter_mut()));
            for key in given {
                prop_assert_eq!(table.get(key), slab.get(key));
                let at = slab.at_mut(key.index()).map(|(key, _)| key);
                prop_assert_eq!(table.key_at(key.index()), at);
            }
        });
    }
}
