//! The buffer into which an engine receives.

use std::ops::{Deref, DerefMut};

/// The buffer into which an engine receives. It begins on a page: copies from and to addresses that
/// lie a few bytes apart modulo the page can be slow on some processors, and large allocations
/// begin at page offset 16.
#[derive(Debug)]
pub struct ReceiveBuffer {
    /// Never grows, so it never moves; ends where the buffer ends.
    allocation: Vec<u8>,
    start: usize,
}

impl ReceiveBuffer {
    /// A zeroed buffer of `len` bytes.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let mut allocation = vec![0; len + PAGE_BYTES];
        let start = allocation.as_ptr().align_offset(PAGE_BYTES);
        // `align_offset` may refuse (it says so); then the buffer begins where it begins.
        let start = if start < PAGE_BYTES { start } else { 0 };
        allocation.truncate(start + len);
        Self { allocation, start }
    }
}

impl Deref for ReceiveBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.allocation[self.start..]
    }
}

impl DerefMut for ReceiveBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.allocation[self.start..]
    }
}

const PAGE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receive_buffer_begins_on_a_page() {
        for len in [1, 4096, 100_000, 131_072] {
            let mut buffer = ReceiveBuffer::new(len);
            assert_eq!(buffer.len(), len);
            if !cfg!(miri) {
                assert_eq!(buffer.as_ptr() as usize % PAGE_BYTES, 0);
            }
            buffer.fill(1);
        }
    }
}
