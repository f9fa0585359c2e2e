//! Memory of small messages that is used again: what a route sends back held what it received.

use bytes::Bytes;
use sockeye_protocol::{Payload, Text};

/// Larger messages lie in memory of their own, which goes with them to the transport.
const BYTES_MAX: usize = 1 << CLASS_MAX;
/// Classes are powers of two, so that a small message never keeps much more memory than it needs.
const CLASS_MIN: u32 = 5;
const CLASS_MAX: u32 = 14;
const CLASSES: usize = (CLASS_MAX - CLASS_MIN + 1) as usize;

/// What is copied by one call; see `Text::append_to` for longer ones.
pub(super) const COPIED_AT_ONCE_MAX: usize = 2 * 1024;

/// How many of a class lie idle at most: what a full inbox holds of the small ones, and 32 KiB of the others.
const IDLE_MAX: [usize; CLASSES] = {
    let mut idle_max = [64; CLASSES];
    let mut class = 5;
    while class < CLASSES {
        idle_max[class] = (32 * 1024) >> (class + CLASS_MIN as usize);
        class += 1;
    }
    idle_max
};

/// Idle memory of one thread.
pub(super) struct Shelf {
    texts: [Vec<String>; CLASSES],
    /// Each as long as it may be: then `Bytes` takes it without another allocation. All of a class are equally long.
    payloads: [Vec<Vec<u8>>; CLASSES],
}

/// The class whose members have room for so many bytes, at most `BYTES_MAX`.
#[inline]
fn class_of(len: usize) -> usize {
    let last = len.saturating_sub(1) | ((1 << CLASS_MIN) - 1);
    (last.ilog2() - (CLASS_MIN - 1)) as usize
}

impl Shelf {
    pub(super) const fn new() -> Self {
        Self { texts: [const { Vec::new() }; CLASSES], payloads: [const { Vec::new() }; CLASSES] }
    }

    /// A text to keep: moved if it is owned, and if not copied into memory from here.
    #[inline]
    pub(super) fn keep_text(&mut self, text: Text<'_>) -> String {
        if !text.is_borrowed() || text.len() > BYTES_MAX {
            return text.into_string();
        }
        let class = class_of(text.len());
        let mut copy = match self.texts[class].pop() {
            Some(spare) => spare,
            None => String::with_capacity(1 << (class + CLASS_MIN as usize)),
        };
        text.append_to(&mut copy);
        copy
    }

    /// Takes the memory of a text for another.
    #[inline]
    pub(super) fn reuse_text(&mut self, mut text: String) {
        let capacity = text.capacity();
        if (1 << CLASS_MIN..=BYTES_MAX).contains(&capacity) {
            // The class whose members need no more than it has.
            let class = (capacity.ilog2() - CLASS_MIN) as usize;
            let idle = &mut self.texts[class];
            if idle.len() < IDLE_MAX[class] {
                text.clear();
                idle.push(text);
            }
        }
    }

    /// A payload to keep: moved if it is owned, and if not copied, into memory from here if there is some of its length.
    pub(super) fn keep_bytes(&mut self, payload: Payload<'_>) -> Bytes {
        let len = payload.len();
        if !payload.is_borrowed() || len > BYTES_MAX || len == 0 {
            return payload.into_bytes();
        }
        let spare = self.payloads[class_of(len)].pop_if(|spare| spare.capacity() == len);
        let mut copy = spare.unwrap_or_else(|| Vec::with_capacity(len));
        payload.append_to(&mut copy);
        copy.into()
    }

    /// Takes the memory of a payload for another, if nobody else has a part in it.
    pub(super) fn reuse_bytes(&mut self, payload: Bytes) {
        if payload.len() > BYTES_MAX || payload.is_empty() || !payload.is_unique() {
            return;
        }
        let mut memory = Vec::from(payload);
        let capacity = memory.capacity();
        if capacity > BYTES_MAX {
            return;
        }
        let class = class_of(capacity);
        let idle = &mut self.payloads[class];
        if idle.last().is_some_and(|other| other.capacity() != capacity) {
            idle.clear();
        }
        if idle.len() < IDLE_MAX[class] {
            memory.clear();
            idle.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_room_for_its_members() {
        for len in 0..=BYTES_MAX {
            let size = 1 << (class_of(len) + CLASS_MIN as usize);
            assert!(len <= size && (size == 32 || size < 2 * len), "{len} in {size}");
        }
    }

    fn held(shelf: &Shelf) -> usize {
        let texts = shelf.texts.iter().flatten().map(String::capacity).sum::<usize>();
        texts + shelf.payloads.iter().flatten().map(Vec::capacity).sum::<usize>()
    }

    #[test]
    fn what_lies_idle_is_bounded() {
        let mut shelf = Shelf::new();
        for round in 0..200 {
            for len in (0..=BYTES_MAX).step_by(100) {
                shelf.reuse_text("x".repeat(len));
                shelf.reuse_bytes(vec![7; len].into());
            }
            assert!(held(&shelf) <= 1 << 20, "{} bytes after {round} rounds", held(&shelf));
        }
        assert!(held(&shelf) > 100_000);
    }

    #[test]
    fn only_what_is_ours_alone_is_used_again() {
        let mut shelf = Shelf::new();
        let shared = Bytes::from(vec![7; 100]);
        shelf.reuse_bytes(shared.clone());
        shelf.reuse_bytes(Bytes::from_static(b"static"));
        shelf.reuse_text("x".repeat(BYTES_MAX + 1));
        assert_eq!((held(&shelf), shared.len()), (0, 100));
        // What is too short for its class serves the one below.
        shelf.reuse_text("x".repeat(1000));
        assert_eq!(shelf.texts[class_of(512)].len(), 1);
        shelf.reuse_bytes(vec![7; 100].into());
        shelf.reuse_bytes(vec![7; 101].into());
        assert_eq!(held(&shelf), 1000 + 101, "only one length of a class is kept");
    }
}
