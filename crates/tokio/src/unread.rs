//! What was read and not yet taken.

use crate::memory::{Memory, READ_BYTES};

/// A rest that is shorter than this is copied out of the buffer of a whole read, which the next
/// socket of the thread can use then.
const REST_COPIED_MAX: usize = READ_BYTES / 4;

/// A buffer of the thread's pool, while there is something in it.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    bytes: Vec<u8>,
    start: usize,
}

impl Unread {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// What is here; [`take`](Self::take) tells how much of it was used.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }

    /// All but the last `left` bytes were used.
    pub(crate) fn leave(&mut self, left: usize) {
        self.start = self.bytes.len().saturating_sub(left);
    }

    /// The empty buffer for the next read.
    #[inline]
    pub(crate) fn begin_read(&mut self, memory: &mut Memory) -> &mut Vec<u8> {
        debug_assert!(self.is_empty());
        self.start = 0;
        if self.bytes.capacity() < READ_BYTES {
            let small = std::mem::replace(&mut self.bytes, memory.take_reading());
            memory.keep_reading(small);
        }
        self.bytes.clear();
        &mut self.bytes
    }

    /// Holds a copy of bytes that somebody else has read.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        debug_assert!(self.is_empty());
        self.bytes = bytes.to_vec();
        self.start = 0;
    }

    /// Gives back what need not be held until the next poll.
    #[inline]
    pub(crate) fn tidy(&mut self, memory: &mut Memory) {
        let rest = self.len();
        if rest == 0 {
            self.start = 0;
            memory.keep_reading(std::mem::take(&mut self.bytes));
        } else if rest < REST_COPIED_MAX && self.bytes.capacity() >= READ_BYTES {
            let copy = memory.buffers.copy_of(self.as_mut_slice());
            memory.keep_reading(std::mem::replace(&mut self.bytes, copy));
            self.start = 0;
        }
    }
}
