//! What the sockets of one thread share: buffers, and random bytes.

use std::cell::Cell;
use std::mem;
use std::ops::{Deref, DerefMut};

use sockeye_protocol::{Buffers, MaskKeys};

/// Room for one read: four messages of 64 KiB with their headers, and little enough to stay in the
/// nearer caches.
pub(crate) const READ_BYTES: usize = 264 * 1024;

/// A read goes to the beginning of a page: what stands so in the system's memory is copied slowly by
/// some processors to a place a few bytes further on in a page, which is where large allocations
/// begin.
const PAGE_BYTES: usize = 4096;

/// So many idle buffers for reads: only sockets that leave much of a read for later need more than one.
const READING_MAX: usize = 16;

/// A larger buffer for what is said goes to the pool, which frees it when nobody needs it.
const SAYING_BYTES_MAX: usize = 256 * 1024;

/// Idle buffers of one thread hold at most this many bytes.
const IDLE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// After so many uses, half of what nobody needed meanwhile is freed.
const USES_BETWEEN_TRIMS: u32 = 4096;

/// One call of the system fills this many bytes: 256 masking keys.
const ENTROPY_BYTES: usize = 1024;

thread_local! {
    static MEMORY: Cell<Option<Box<Memory>>> = const { Cell::new(None) };
}

/// Buffers and random bytes of one thread.
///
/// It is taken out while a socket works, and never across an await. A socket that works within
/// another one's visitor finds none and makes one of its own.
pub(crate) struct Memory {
    pub(crate) buffers: Buffers,
    pub(crate) keys: Entropy,
    /// What reads go into, each of the whole length and a page more, since the pool would forget that they are filled.
    reading: Vec<Vec<u8>>,
    /// What answers go into: every message needs it, so it has a place beside the pool.
    saying: Vec<u8>,
    uses: u32,
}

impl Memory {
    fn new() -> Self {
        let buffers = Buffers::new(IDLE_BYTES_MAX);
        let keys = Entropy { bytes: Vec::new() };
        Self { buffers, keys, reading: Vec::new(), saying: Vec::new(), uses: 0 }
    }

    /// A buffer for a read, of any content: the read begins at [`read_start`].
    #[inline]
    pub(crate) fn take_reading(&mut self) -> Vec<u8> {
        self.reading.pop().unwrap_or_else(|| vec![0; READ_BYTES + PAGE_BYTES])
    }

    /// Keeps what [`take_reading`](Self::take_reading) has given, or any other buffer.
    #[inline]
    pub(crate) fn keep_reading(&mut self, buffer: Vec<u8>) {
        if !is_for_reads(&buffer) {
            self.buffers.give_back(buffer);
        } else if self.reading.len() < READING_MAX {
            self.reading.push(buffer);
        }
    }

    /// An empty buffer for what is said, of at least `capacity_min` bytes.
    #[inline]
    pub(crate) fn take_saying(&mut self, capacity_min: usize) -> Vec<u8> {
        if self.saying.capacity() < capacity_min {
            return self.buffers.take(capacity_min);
        }
        mem::take(&mut self.saying)
    }

    /// Keeps what [`take_saying`](Self::take_saying) has given, or any other buffer.
    #[inline]
    pub(crate) fn keep_saying(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity > self.saying.capacity() && capacity <= SAYING_BYTES_MAX {
            buffer.clear();
            mem::swap(&mut self.saying, &mut buffer);
        }
        if buffer.capacity() > 0 {
            self.buffers.give_back(buffer);
        }
    }
}

/// Whether this is a buffer for a whole read.
#[inline]
pub(crate) const fn is_for_reads(buffer: &[u8]) -> bool {
    buffer.len() == READ_BYTES + PAGE_BYTES
}

/// Where in a buffer for reads the first page begins.
#[inline]
pub(crate) fn read_start(buffer: &[u8]) -> usize {
    // It may refuse; then a read goes to the beginning of the buffer.
    let start = buffer.as_ptr().align_offset(PAGE_BYTES);
    if start < PAGE_BYTES { start } else { 0 }
}

/// The thread's memory, which goes back when this is dropped.
pub(crate) struct Lent(Option<Box<Memory>>);

impl Lent {
    /// Takes what the thread has.
    #[inline]
    pub(crate) fn take() -> Self {
        let memory = MEMORY.try_with(Cell::take).ok().flatten();
        Self(Some(memory.unwrap_or_else(|| Box::new(Memory::new()))))
    }
}

impl Deref for Lent {
    type Target = Memory;

    #[inline]
    fn deref(&self) -> &Memory {
        self.0.as_ref().expect("it is taken on drop only")
    }
}

impl DerefMut for Lent {
    #[inline]
    fn deref_mut(&mut self) -> &mut Memory {
        self.0.as_mut().expect("it is taken on drop only")
    }
}

impl Drop for Lent {
    #[inline]
    fn drop(&mut self) {
        let Some(mut memory) = self.0.take() else { return };
        memory.uses += 1;
        if memory.uses >= USES_BETWEEN_TRIMS {
            memory.uses = 0;
            memory.buffers.trim();
            let kept = memory.reading.len().div_ceil(2);
            memory.reading.truncate(kept);
        }
        // A thread that is ending keeps nothing.
        let _ = MEMORY.try_with(|slot| slot.set(Some(memory)));
    }
}

/// Random bytes of the operating system. Every byte is given out once, so a masking key says
/// nothing about the next one (RFC 6455, section 10.3).
pub(crate) struct Entropy {
    bytes: Vec<u8>,
}

impl Entropy {
    /// The next bytes.
    pub(crate) fn draw<const N: usize>(&mut self) -> [u8; N] {
        if self.bytes.len() < N {
            self.bytes.resize(ENTROPY_BYTES, 0);
            // There is no safe way on without them.
            getrandom::fill(&mut self.bytes).expect("the operating system gives random bytes");
        }
        let rest = self.bytes.len() - N;
        let mut drawn = [0; N];
        drawn.copy_from_slice(&self.bytes[rest..]);
        self.bytes.truncate(rest);
        drawn
    }
}

impl MaskKeys for Entropy {
    fn next_key(&mut self) -> [u8; 4] {
        self.draw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn msk_03_no_byte_is_given_out_twice() {
        let mut entropy = Entropy { bytes: Vec::new() };
        let mut keys: Vec<[u8; 16]> = (0..10_000).map(|_| entropy.draw()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 10_000);
    }

    #[test]
    fn who_finds_the_memory_taken_makes_its_own() {
        let mut outer = Lent::take();
        outer.buffers.give_back(Vec::with_capacity(4096));
        assert_eq!(Lent::take().buffers.idle_bytes(), 0);
        drop(outer);
        assert_eq!(Lent::take().buffers.idle_bytes(), 4096);
    }
}
