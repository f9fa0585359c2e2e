//! Buffers whose place in their page changes from one use to the next.
//!
//! Where a buffer begins in its page decides how often loads and stores cross a cache line or a
//! page, and whether a store hides a load that follows it: tens of per cent, by chance, for as long
//! as a process lives. So every bench goes through the same places in turn.

/// The size of a page, in bytes.
pub const PAGE_BYTES: usize = 4096;

/// Places in a page where a cache line begins.
pub const ALIGNED: [usize; 8] = [0, 1088, 2176, 3264, 320, 1408, 2496, 3584];

/// Places in a page where not even a word of two bytes begins, or no word of four.
pub const UNALIGNED: [usize; 8] = [1, 1097, 2187, 3269, 331, 1415, 2501, 3594];

/// A buffer that lies elsewhere in its page each time.
#[derive(Debug)]
pub struct Paged {
    memory: Vec<u8>,
    /// Where a page begins in `memory`.
    base: usize,
    len: usize,
    offsets: &'static [usize; 8],
    turn: usize,
}

impl Paged {
    /// A buffer of `len` bytes that begins at each of `offsets` in turn.
    #[must_use]
    pub fn new(len: usize, offsets: &'static [usize; 8]) -> Self {
        let memory = vec![0x5A; len + 2 * PAGE_BYTES];
        let base = memory.as_ptr().align_offset(PAGE_BYTES);
        Self { memory, base, len, offsets, turn: 0 }
    }

    /// The buffer at its next place. What is in it is left from other places.
    #[inline]
    pub fn next_place(&mut self) -> &mut [u8] {
        let start = self.base + self.offsets[self.turn % self.offsets.len()];
        self.turn += 1;
        &mut self.memory[start..start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::{ALIGNED, PAGE_BYTES, Paged, UNALIGNED};

    #[test]
    fn a_buffer_lies_where_it_should_in_its_page() {
        for offsets in [&ALIGNED, &UNALIGNED] {
            let mut paged = Paged::new(100, offsets);
            for offset in offsets.iter().chain(offsets) {
                let place = paged.next_place();
                assert_eq!((place.len(), place.as_ptr().addr() % PAGE_BYTES), (100, *offset));
            }
        }
        assert!(ALIGNED.iter().all(|offset| offset % 64 == 0));
        assert!(UNALIGNED.iter().all(|offset| offset % 4 != 0));
    }
}
