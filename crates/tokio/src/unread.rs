//! What was read and not yet taken.

use crate::memory::{Memory, READ_BYTES, is_for_reads, read_start};

/// A rest that is shorter than this is copied out of the buffer of a whole read, which the next
/// socket of the thread can use then.
const REST_COPIED_MAX: usize = READ_BYTES / 4;

/// A buffer of the thread, while there is something in it.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    bytes: Vec<u8>,
    start: usize,
    /// INVARIANT: from `start` to the length of `bytes`.
    end: usize,
}

impl Unread {
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// What is here; [`leave`](Self::leave) tells how much of it was used.
    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// All but the last `left` bytes were used.
    #[inline]
    pub(crate) const fn leave(&mut self, left: usize) {
        self.start = self.end.saturating_sub(left);
    }

    /// The buffer for the next read, to be followed by [`end_read`](Self::end_read).
    #[inline]
    pub(crate) fn begin_read(&mut self, memory: &mut Memory) -> &mut [u8] {
        debug_assert!(self.is_empty());
        if !is_for_reads(&self.bytes) {
            let small = std::mem::replace(&mut self.bytes, memory.take_reading());
            if !small.is_empty() {
                memory.buffers.give_back(small);
            }
        }
        self.start = read_start(&self.bytes);
        self.end = self.start;
        self.bytes.get_mut(self.start..self.start + READ_BYTES).unwrap_or_default()
    }

    /// The read has brought so many bytes.
    #[inline]
    pub(crate) fn end_read(&mut self, bytes: usize) {
        self.end = (self.start + bytes).min(self.bytes.len());
    }

    /// Holds a copy of bytes that somebody else has read.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        debug_assert!(self.is_empty());
        self.hold(bytes.to_vec());
    }

    fn hold(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        (self.start, self.end) = (0, bytes.len());
        std::mem::replace(&mut self.bytes, bytes)
    }

    /// Gives back what need not be held until the next poll.
    #[inline]
    pub(crate) fn tidy(&mut self, memory: &mut Memory) {
        let rest = self.len();
        if rest == 0 {
            if !self.bytes.is_empty() {
                memory.keep_reading(std::mem::take(&mut self.bytes));
                (self.start, self.end) = (0, 0);
            }
        } else if rest < REST_COPIED_MAX && is_for_reads(&self.bytes) {
            let copy = memory.buffers.copy_of(self.as_mut_slice());
            memory.keep_reading(self.hold(copy));
        }
    }
}
