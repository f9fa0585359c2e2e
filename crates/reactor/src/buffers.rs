//! Byte buffers that are used again instead of allocated again.

use std::ops::{Deref, DerefMut};

/// A pool of byte vectors for one thread, in classes by capacity (powers of two).
///
/// A buffer that was given back is kept for the next taker, so that a message costs no allocation
/// in steady state. Every [`trim`](Self::trim) frees the half of what nobody needed since the one
/// before, so that after a peak the memory comes back within a few trims. What the pool holds is
/// bounded.
#[derive(Debug)]
pub struct Buffers {
    classes: [Class; CLASSES],
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Class {
    idle: Vec<Vec<u8>>,
    /// The fewest that lay idle since the last trim: so many were not needed.
    idle_min: usize,
}

impl Buffers {
    /// An empty pool that keeps at most `bytes_max` bytes of idle buffers.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { classes: std::array::from_fn(|_| Class::default()), bytes: 0, bytes_max }
    }

    /// Bytes of idle buffers that the pool holds.
    #[must_use]
    pub const fn idle_bytes(&self) -> usize {
        self.bytes
    }

    /// An empty buffer whose capacity is at least `capacity_min`.
    #[must_use]
    pub fn take(&mut self, capacity_min: usize) -> Vec<u8> {
        let wanted = capacity_min.max(CLASS_BYTES_MIN).checked_next_power_of_two();
        let Some((wanted, class)) = wanted.and_then(|wanted| Some((wanted, class_of(wanted)?)))
        else {
            return Vec::with_capacity(capacity_min);
        };
        let class = &mut self.classes[class];
        match class.idle.pop() {
            Some(buffer) => {
                class.idle_min = class.idle_min.min(class.idle.len());
                self.bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(wanted),
        }
    }

    /// Gives a buffer back, or frees it: if it is smaller or larger than what the pool deals in, or
    /// if the pool is full.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        let Some(class) = class_of(capacity) else { return };
        if self.bytes + capacity > self.bytes_max {
            return;
        }
        buffer.clear();
        self.bytes += capacity;
        self.classes[class].idle.push(buffer);
    }

    /// Frees half of the buffers that lay idle ever since the last trim. To be called now and then,
    /// say every second in which something was taken or is still idle.
    pub fn trim(&mut self) {
        for class in &mut self.classes {
            let keep = class.idle.len() - class.idle_min.div_ceil(2);
            for buffer in class.idle.drain(keep..) {
                self.bytes -= buffer.capacity();
            }
            if class.idle.is_empty() {
                class.idle = Vec::new();
            }
            class.idle_min = class.idle.len();
        }
    }
}

/// The smallest capacity that is worth keeping.
const CLASS_BYTES_MIN: usize = 512;

/// 512 B to 4 MiB; what is larger costs more to touch than to allocate.
const CLASSES: usize = 14;

/// The class whose buffers all have at least this capacity's power of two, rounded down.
fn class_of(capacity: usize) -> Option<usize> {
    let class = capacity.checked_ilog2()?.checked_sub(CLASS_BYTES_MIN.ilog2())? as usize;
    (class < CLASSES).then_some(class)
}

/// The buffer into which an engine receives. It begins on a page: copies from and to addresses that
/// lie a few bytes apart modulo the page can be slow on some processors, and large allocations
/// begin at page offset 16.
#[derive(Debug)]
pub struct ReceiveBuffer {
    /// Never grows, so it never moves.
    allocation: Vec<u8>,
    start: usize,
    len: usize,
}

impl ReceiveBuffer {
    /// A zeroed buffer of `len` bytes.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let allocation = vec![0; len + PAGE_BYTES];
        let start = allocation.as_ptr().align_offset(PAGE_BYTES);
        // `align_offset` may refuse (it says so); then the buffer begins where it begins.
        let start = if start < PAGE_BYTES { start } else { 0 };
        Self { allocation, start, len }
    }
}

impl Deref for ReceiveBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.allocation[self.start..self.start + self.len]
    }
}

impl DerefMut for ReceiveBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.allocation[self.start..self.start + self.len]
    }
}

const PAGE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let mut buffers = Buffers::new(1 << 20);
        let mut buffer = buffers.take(1000);
        buffer.extend_from_slice(b"old");
        let address = buffer.as_ptr();
        buffers.give_back(buffer);
        assert!(buffers.idle_bytes() >= 1000);
        let again = buffers.take(600);
        assert_eq!(again.as_ptr(), address);
        assert!(again.is_empty() && again.capacity() >= 1000);
        assert_eq!(buffers.idle_bytes(), 0);
    }

    #[test]
    fn what_is_taken_has_the_capacity_that_was_asked_for() {
        let mut buffers = Buffers::new(1 << 26);
        for capacity in
            [0, 1, 511, 512, 513, 1000, 4096, 5000, 65_537, 1 << 22, (1 << 22) + 1, 1 << 24]
        {
            buffers.give_back(Vec::with_capacity(capacity));
            buffers.give_back(Vec::with_capacity(capacity + 3));
        }
        for capacity in [0, 1, 511, 512, 513, 1000, 4097, 5001, 65_536, 1 << 22, 1 << 23] {
            let buffer = buffers.take(capacity);
            assert!(buffer.capacity() >= capacity, "{capacity}");
        }
    }

    #[test]
    fn the_pool_is_bounded_and_refuses_odd_sizes() {
        let mut buffers = Buffers::new(10_000);
        for _ in 0..100 {
            buffers.give_back(Vec::with_capacity(4096));
        }
        assert_eq!(buffers.idle_bytes(), 8192);
        let mut buffers = Buffers::new(usize::MAX / 2);
        buffers.give_back(Vec::new());
        buffers.give_back(Vec::with_capacity(100));
        buffers.give_back(Vec::with_capacity(1 << 24));
        assert_eq!(buffers.idle_bytes(), 0);
    }

    #[test]
    fn memory_comes_back_after_a_peak_and_stays_in_steady_state() {
        let mut buffers = Buffers::new(1 << 30);
        let peak: Vec<_> = (0..64).map(|_| buffers.take(65_536)).collect();
        peak.into_iter().for_each(|buffer| buffers.give_back(buffer));
        buffers.trim();
        assert_eq!(buffers.idle_bytes(), 64 * 65_536, "all were needed since the last trim");
        for _ in 0..8 {
            let busy = [buffers.take(65_536), buffers.take(65_536)];
            busy.into_iter().for_each(|buffer| buffers.give_back(buffer));
            buffers.trim();
        }
        assert_eq!(buffers.idle_bytes(), 2 * 65_536, "only what is in use stays");
        for _ in 0..4 {
            buffers.trim();
        }
        assert_eq!(buffers.idle_bytes(), 0);
    }

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
