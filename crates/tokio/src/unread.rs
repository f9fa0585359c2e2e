//! What was read and not yet taken.

use sockeye_protocol::Buffers;

/// Room for one read: what a peer can have under way in a usual window, and little enough to stay
/// in the nearer caches.
pub(crate) const READ_BYTES: usize = 128 * 1024;

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
    pub(crate) fn begin_read(&mut self, pool: &mut Buffers) -> &mut Vec<u8> {
        debug_assert!(self.is_empty());
        self.start = 0;
        if self.bytes.capacity() < READ_BYTES {
            let small = std::mem::replace(&mut self.bytes, pool.take(READ_BYTES));
            pool.give_back(small);
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
    pub(crate) fn tidy(&mut self, pool: &mut Buffers) {
        let rest = self.len();
        if rest == 0 {
            self.start = 0;
            pool.give_back(std::mem::take(&mut self.bytes));
        } else if rest < REST_COPIED_MAX && self.bytes.capacity() >= READ_BYTES {
            let copy = pool.copy_of(self.as_mut_slice());
            pool.give_back(std::mem::replace(&mut self.bytes, copy));
            self.start = 0;
        }
    }
}
