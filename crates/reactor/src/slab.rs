//! Values in numbered slots, found by keys that go stale when their value is removed.

/// Slots in one chunk. A chunk is allocated whole and never moves, so growing copies nothing.
const CHUNK_SLOTS: usize = 256;

/// Stands for "no slot" in a chunk's list of free slots.
const NONE: u32 = u32::MAX;

/// The name of a value in a [`Slab`]: a slot and the slot's generation.
///
/// A key whose value was removed finds nothing, also when its slot holds another value by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The key of slot `index` in its generation number `generation`. A key that no slab gave out
    /// finds nothing.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The slot; dense, so that it can index a table beside the slab.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which of the slot's successive values this is.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// A table of values with stable slots, in chunks.
///
/// Inserting takes the lowest chunk with room, so a table that shrinks again empties its upper
/// chunks; an empty chunk is given back to the allocator, except one that is kept for the next
/// growth. What remains of it is the generation at which its keys go on.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// One bit for each chunk that has a free slot.
    open: Vec<u64>,
    /// No word of `open` before this one has a bit.
    open_from: usize,
    /// The one chunk that is empty and not given back.
    spare: Option<usize>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    /// Without capacity while the chunk is given back.
    slots: Vec<Slot<T>>,
    /// The first free slot among `slots`, linked on through the free ones.
    free: u32,
    occupied: usize,
    /// The generation with which new slots begin, above all that were ever given out here.
    generation_next: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Free { next: u32 },
    Value(T),
}

impl<T> Slab<T> {
    /// An empty slab, which holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), open: Vec::new(), open_from: 0, spare: None, len: 0 }
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts `value` into a free slot.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Puts what `make` returns into a free slot; `make` gets the key that it will have.
    ///
    /// # Panics
    ///
    /// If 2^32 values are held already.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let number = self.open_chunk();
        let chunk = &mut self.chunks[number];
        let first =
            u32::try_from(number * CHUNK_SLOTS).expect("a slab holds fewer than 2^32 values");
        let (offset, key) = match chunk.slots.get(chunk.free as usize) {
            Some(slot) => (chunk.free, Key::new(first + chunk.free, slot.generation)),
            None => {
                let offset = u32::try_from(chunk.slots.len()).expect("a chunk is small");
                (offset, Key::new(first + offset, chunk.generation_next))
            }
        };
        let value = make(key);
        if let Some(slot) = chunk.slots.get_mut(offset as usize) {
            if let Content::Free { next } = slot.content {
                chunk.free = next;
            }
            slot.content = Content::Value(value);
        } else {
            if chunk.slots.capacity() == 0 {
                chunk.slots.reserve_exact(CHUNK_SLOTS);
            }
            chunk.slots.push(Slot { generation: key.generation, content: Content::Value(value) });
        }
        chunk.occupied += 1;
        if self.spare == Some(number) {
            self.spare = None;
        }
        if chunk.occupied == CHUNK_SLOTS {
            self.open[number / 64] &= !(1 << (number % 64));
        }
        self.len += 1;
        key
    }

    /// The value of `key`, if it has not been removed.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        let (number, offset) = locate(key.index);
        match self.chunks.get(number)?.slots.get(offset)? {
            Slot { generation, content: Content::Value(value) }
                if *generation == key.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// The value of `key`, if it has not been removed.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (number, offset) = locate(key.index);
        match self.chunks.get_mut(number)?.slots.get_mut(offset)? {
            Slot { generation, content: Content::Value(value) }
                if *generation == key.generation =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// Whether `key` has a value.
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// The value that is in slot `index` now, with its key.
    #[inline]
    pub fn at_mut(&mut self, index: u32) -> Option<(Key, &mut T)> {
        let (number, offset) = locate(index);
        match self.chunks.get_mut(number)?.slots.get_mut(offset)? {
            Slot { generation, content: Content::Value(value) } => {
                Some((Key::new(index, *generation), value))
            }
            _ => None,
        }
    }

    /// Takes the value out; from now on `key` is stale.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let (number, offset) = locate(key.index);
        let chunk = self.chunks.get_mut(number)?;
        let slot = chunk.slots.get_mut(offset)?;
        if slot.generation != key.generation || matches!(slot.content, Content::Free { .. }) {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let next =
            std::mem::replace(&mut chunk.free, u32::try_from(offset).expect("a chunk is small"));
        let content = std::mem::replace(&mut slot.content, Content::Free { next });
        chunk.occupied -= 1;
        self.open[number / 64] |= 1 << (number % 64);
        self.open_from = self.open_from.min(number / 64);
        self.len -= 1;
        if chunk.occupied == 0 {
            self.give_back_empty_chunk(number);
        }
        match content {
            Content::Value(value) => Some(value),
            Content::Free { .. } => None,
        }
    }

    /// All values with their keys, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.chunks.iter().zip(chunk_starts()).flat_map(|(chunk, first)| {
            chunk.slots.iter().zip(first..).filter_map(|(slot, index)| match &slot.content {
                Content::Value(value) => Some((Key::new(index, slot.generation), value)),
                Content::Free { .. } => None,
            })
        })
    }

    /// All values with their keys, by slot.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.chunks.iter_mut().zip(chunk_starts()).flat_map(|(chunk, first)| {
            chunk.slots.iter_mut().zip(first..).filter_map(|(slot, index)| {
                match &mut slot.content {
                    Content::Value(value) => Some((Key::new(index, slot.generation), value)),
                    Content::Free { .. } => None,
                }
            })
        })
    }

    /// The number of the lowest chunk with a free slot; made if there is none.
    fn open_chunk(&mut self) -> usize {
        while let Some(word) = self.open.get(self.open_from) {
            if *word != 0 {
                return self.open_from * 64 + word.trailing_zeros() as usize;
            }
            self.open_from += 1;
        }
        let number = self.chunks.len();
        self.chunks.push(Chunk { slots: Vec::new(), free: NONE, occupied: 0, generation_next: 0 });
        self.open.resize(number / 64 + 1, 0);
        self.open[number / 64] |= 1 << (number % 64);
        self.open_from = number / 64;
        number
    }

    /// Chunk `number` has become empty: of two empty chunks the upper one is given back.
    fn give_back_empty_chunk(&mut self, number: usize) {
        let Some(other) = self.spare.replace(number) else { return };
        self.spare = Some(number.min(other));
        let chunk = &mut self.chunks[number.max(other)];
        debug_assert_eq!(chunk.occupied, 0, "a spare chunk that is used again is no longer spare");
        // A slot's generation was raised when its value was removed, so the highest one is unused.
        let highest = chunk.slots.iter().map(|slot| slot.generation).max();
        chunk.generation_next = highest.unwrap_or_default().max(chunk.generation_next);
        chunk.slots = Vec::new();
        chunk.free = NONE;
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The chunk of slot `index`, and the place within it.
const fn locate(index: u32) -> (usize, usize) {
    (index as usize / CHUNK_SLOTS, index as usize % CHUNK_SLOTS)
}

/// The first slot of each chunk.
fn chunk_starts() -> impl Iterator<Item = u32> {
    (0..).step_by(CHUNK_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_keys_find_nothing() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(first.index(), second.index());
        assert_ne!(first, second);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.at_mut(second.index()), Some((second, &mut "second")));
        assert_eq!(slab.at_mut(u32::MAX), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.get(Key::new(u32::MAX, 0)), None);
    }

    #[test]
    fn slots_are_dense_and_the_lowest_chunk_is_filled_first() {
        let mut slab = Slab::new();
        let keys: Vec<Key> = (0..3 * CHUNK_SLOTS).map(|value| slab.insert(value)).collect();
        assert!(keys.iter().zip(0..).all(|(key, index)| key.index() == index));
        slab.remove(keys[2 * CHUNK_SLOTS + 7]);
        slab.remove(keys[5]);
        assert_eq!(slab.insert(0).index(), 5);
        assert_eq!(
            slab.insert_with(|key| key.index() as usize).index() as usize,
            2 * CHUNK_SLOTS + 7
        );
        assert_eq!(slab.len(), 3 * CHUNK_SLOTS);
    }

    #[test]
    fn empty_chunks_are_given_back_and_their_old_keys_stay_stale() {
        let mut slab = Slab::new();
        let old: Vec<Key> = (0..4 * CHUNK_SLOTS).map(|value| slab.insert(value)).collect();
        for key in &old {
            assert!(slab.remove(*key).is_some());
        }
        assert!(slab.is_empty());
        let held = slab.chunks.iter().filter(|chunk| chunk.slots.capacity() > 0).count();
        assert_eq!(held, 1);
        let new: Vec<Key> = (0..4 * CHUNK_SLOTS).map(|value| slab.insert(value)).collect();
        assert!(old.iter().all(|key| slab.get(*key).is_none()));
        assert!(new.iter().zip(0..).all(|(key, value)| slab.get(*key) == Some(&value)));
        let mut expected = new;
        expected.sort_unstable();
        assert!(slab.iter().map(|(key, _)| key).eq(expected));
    }

    #[test]
    fn a_slab_behaves_like_a_map() {
        use proptest::prelude::*;
        use std::collections::BTreeMap;

        proptest!(|(steps in proptest::collection::vec((0..3_u8, any::<prop::sample::Index>()), 0..2_000))| {
            let mut slab = Slab::new();
            let mut model = BTreeMap::new();
            let mut given = Vec::new();
            for (number, (step, choice)) in steps.iter().enumerate() {
                if *step > 0 || given.is_empty() {
                    let key = slab.insert(number);
                    prop_assert!(model.insert(key, number).is_none());
                    given.push(key);
                } else {
                    let key = *choice.get(&given);
                    prop_assert_eq!(slab.remove(key), model.remove(&key));
                }
            }
            prop_assert_eq!(slab.len(), model.len());
            for key in given {
                prop_assert_eq!(slab.get(key), model.get(&key));
                prop_assert_eq!(slab.contains(key), model.contains_key(&key));
            }
            for (key, value) in slab.iter_mut() {
                prop_assert_eq!(model.get(&key), Some(&*value));
            }
        });
    }
}
