//! What the sockets of one thread share: buffers, and random bytes.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use sockeye_protocol::{Buffers, MaskKeys};

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
    uses: u32,
}

impl Memory {
    fn new() -> Self {
        let buffers = Buffers::new(IDLE_BYTES_MAX);
        Self { buffers, keys: Entropy { bytes: Vec::new() }, uses: 0 }
    }
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
