//! Byte vectors that are used again instead of allocated again.

use alloc::vec::Vec;

/// Idle byte vectors in classes by capacity (powers of two).
#[derive(Debug)]
pub(super) struct Classes {
    classes: [Class; CLASSES],
    bytes: usize,
    bytes_max: usize,
    /// How many that lay badly were freed for it.
    refused: u8,
}

#[derive(Debug, Default)]
struct Class {
    idle: Vec<Vec<u8>>,
    /// The fewest that lay idle since the last trim: so many were not needed.
    idle_min: usize,
}

impl Classes {
    /// Keeps at most `bytes_max` bytes.
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            classes: [const { Class { idle: Vec::new(), idle_min: 0 } }; CLASSES],
            bytes: 0,
            bytes_max,
            refused: 0,
        }
    }

    /// Bytes of idle buffers.
    pub(super) const fn idle_bytes(&self) -> usize {
        self.bytes
    }

    /// An empty buffer whose capacity is at least `capacity_min`.
    pub(super) fn take(&mut self, capacity_min: usize) -> Vec<u8> {
        let Some((class, capacity)) = class_for(capacity_min) else {
            return Vec::with_capacity(capacity_min);
        };
        self.pop(class).unwrap_or_else(|| Vec::with_capacity(capacity))
    }

    /// An idle buffer whose capacity is at least `capacity_min`, and less than four times that or
    /// 2 KiB.
    pub(super) fn take_idle(&mut self, capacity_min: usize) -> Option<Vec<u8>> {
        let class = class_of(capacity_min.max(CLASS_BYTES_MIN))?;
        let newest = self.classes.get(class)?.idle.last();
        if newest.is_some_and(|buffer| buffer.capacity() >= capacity_min) {
            return self.pop(class);
        }
        self.pop(class + 1)
    }

    fn pop(&mut self, class: usize) -> Option<Vec<u8>> {
        let class = self.classes.get_mut(class)?;
        let buffer = class.idle.pop()?;
        class.idle_min = class.idle_min.min(class.idle.len());
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Gives a buffer back, or frees it: if it is smaller or larger than what the pool deals in, if
    /// the pool is full, or if it lies badly and another may lie better.
    pub(super) fn give_back(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity >= MAPPED_BYTES_MIN
            && self.refused < REFUSED_MAX
            && is_slow_to_read_into(buffer.as_ptr().addr())
        {
            self.refused += 1;
            return;
        }
        let class = class_of(capacity).and_then(|class| self.classes.get_mut(class));
        let Some(class) = class else { return };
        if self.bytes + capacity > self.bytes_max {
            return;
        }
        buffer.clear();
        self.bytes += capacity;
        class.idle.push(buffer);
    }

    /// Frees half of the buffers that lay idle ever since the last trim.
    pub(super) fn trim(&mut self) {
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
pub(super) const CLASS_BYTES_MIN: usize = 512;

/// From so many bytes on an allocator may map pages for a buffer alone, and put it at the same place
/// in a page every time.
const MAPPED_BYTES_MIN: usize = 128 * 1024;

/// How often a buffer is freed for its place: C libraries that map pages stop doing so for a size
/// when one of it was freed, and where they don't, enough was tried.
const REFUSED_MAX: u8 = 32;

/// Whether a long copy to this address, as the kernel makes it when a message is read straight into
/// a buffer, is likely to be among those that take ten times as long as they should (see
/// [`copying`](crate::copying)): a target 1 to 31 bytes behind its source, modulo a page. Between
/// processes of one machine a frame's header mostly begins where a page does, and the payload of one
/// that is this long follows 10 or 14 bytes later.
const fn is_slow_to_read_into(address: usize) -> bool {
    let in_page = address % PAGE_BYTES;
    in_page > 10 && in_page < 14 + 32
}

const PAGE_BYTES: usize = 4096;

/// 512 B to 4 MiB; what is larger costs more to touch than to allocate.
const CLASSES: usize = 14;

/// The class whose buffers all have at least `capacity_min`, with their least capacity.
fn class_for(capacity_min: usize) -> Option<(usize, usize)> {
    let capacity = capacity_min.max(CLASS_BYTES_MIN).checked_next_power_of_two()?;
    Some((class_of(capacity)?, capacity))
}

/// The class whose buffers all have at least this capacity's power of two, rounded down.
fn class_of(capacity: usize) -> Option<usize> {
    let class = capacity.checked_ilog2()?.checked_sub(CLASS_BYTES_MIN.ilog2())? as usize;
    (class < CLASSES).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let mut buffers = Classes::new(1 << 20);
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
        let mut buffers = Classes::new(1 << 26);
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
        let mut buffers = Classes::new(10_000);
        for _ in 0..100 {
            buffers.give_back(Vec::with_capacity(4096));
        }
        assert_eq!(buffers.idle_bytes(), 8192);
        let mut buffers = Classes::new(usize::MAX / 2);
        buffers.give_back(Vec::new());
        buffers.give_back(Vec::with_capacity(100));
        buffers.give_back(Vec::with_capacity(1 << 24));
        assert_eq!(buffers.idle_bytes(), 0);
    }

    #[test]
    fn large_buffers_that_lie_badly_are_freed_for_others_and_not_for_ever() {
        let slow = Vec::from_iter((0..8192).filter(|address| is_slow_to_read_into(*address)));
        let expected = (11..46).chain(4096 + 11..4096 + 46);
        assert_eq!(slow, Vec::from_iter(expected));
        let mut buffers = Classes::new(1 << 30);
        for _ in 0..1000 {
            buffers.give_back(Vec::with_capacity(MAPPED_BYTES_MIN));
        }
        assert!(buffers.refused <= REFUSED_MAX);
        // Wherever the allocator puts them.
        let kept = buffers.idle_bytes() / MAPPED_BYTES_MIN;
        assert!(kept >= 1000 - usize::from(REFUSED_MAX), "{kept}");
    }

    #[test]
    fn memory_comes_back_after_a_peak_and_stays_in_steady_state() {
        let mut buffers = Classes::new(1 << 30);
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
}
