//! Buffers that are lent: the kernel chooses one when bytes come, and gets it back when they are taken.
// The kernel is given addresses, which is unsafe; this file is where that is proved for these.
#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use io_uring::Submitter;

/// How many there are, a power of two, and how large each is.
const BUFFERS: u16 = 256;
const BUFFER_BYTES: u32 = 16 * 1024;
/// The name of their group.
pub(crate) const GROUP: u16 = 0;

/// A buffer with what has come; give it back soon.
pub(crate) struct Lent {
    pub(crate) bytes: &'static mut [u8],
    id: u16,
}

pub(crate) struct Buffers {
    entries: &'static Entries,
    /// The first byte of all of them. INVARIANT: `BUFFERS * BUFFER_BYTES` bytes that are never freed.
    /// Each buffer belongs to the kernel, or to one `Lent`.
    bytes: *mut u8,
    /// How often a buffer was given to the kernel, modulo 2^16.
    given: u16,
}

/// The ring of buffers that the kernel takes from: an address, then length, name and nothing, for
/// each. The nothing of the first entry is the ring's tail instead.
#[repr(C, align(4096))]
struct Entries([AtomicU64; 2 * BUFFERS as usize]);

impl Buffers {
    /// Gives the kernel all of them.
    pub(crate) fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        // Both are leaked: the kernel may use them as long as the ring of operations exists, and that
        // lasts as long as its program.
        let entries: &'static Entries =
            Box::leak(Box::new(Entries([const { AtomicU64::new(0) }; 2 * BUFFERS as usize])));
        let bytes = vec![0; usize::from(BUFFERS) * BUFFER_BYTES as usize];
        let bytes = Box::leak(bytes.into_boxed_slice()).as_mut_ptr();
        let address = std::ptr::from_ref(entries) as u64;
        // SAFETY: `entries` is page-aligned memory of that many entries, is never freed, and is only
        // read by the kernel; all stores to it are atomic.
        unsafe {
            submitter.register_buf_ring_with_flags(address, BUFFERS, GROUP, 0)?;
        }
        let mut buffers = Self { entries, bytes, given: 0 };
        (0..BUFFERS).for_each(|id| buffers.give(id));
        Ok(buffers)
    }

    /// The buffer `id`, of which the kernel has filled `len` bytes.
    ///
    /// # Safety
    ///
    /// A completion has just named this buffer: so it is no longer the kernel's, and nobody else's yet.
    pub(crate) unsafe fn lend(&self, id: u16, len: usize) -> Lent {
        assert!(id < BUFFERS && len <= BUFFER_BYTES as usize);
        // SAFETY: these bytes are within the buffers, which are initialized and never freed. The
        // kernel gets them again only for the `Lent` that has them now, so nobody else reads or
        // writes them meanwhile.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.buffer(id), len) };
        Lent { bytes, id }
    }

    /// Gives a buffer back, for the next bytes.
    pub(crate) fn give_back(&mut self, lent: Lent) {
        assert!(std::ptr::eq(lent.bytes.as_ptr(), self.buffer(lent.id)), "another ring's buffer");
        self.give(lent.id);
    }

    fn buffer(&self, id: u16) -> *mut u8 {
        self.bytes.wrapping_add(usize::from(id) * BUFFER_BYTES as usize)
    }

    /// Puts a buffer, which nobody has, at the tail of the ring of buffers.
    fn give(&mut self, id: u16) {
        let place = 2 * usize::from(self.given % BUFFERS);
        self.given = self.given.wrapping_add(1);
        let Entries(words) = self.entries;
        let tail = |of: u16| u64::from_ne_bytes(word(0, 0, of));
        words[place].store(self.buffer(id) as u64, Ordering::Relaxed);
        let described = u64::from_ne_bytes(word(BUFFER_BYTES, id, 0));
        if place > 0 {
            words[place + 1].store(described, Ordering::Relaxed);
        }
        // The first entry's second word ends in the tail; everything above is seen before it.
        let first = if place == 0 { described } else { words[1].load(Ordering::Relaxed) };
        let without_tail = first & !tail(u16::MAX);
        words[1].store(without_tail | tail(self.given), Ordering::Release);
    }
}

/// An entry's second word, as it lies in memory.
fn word(len: u32, id: u16, tail: u16) -> [u8; 8] {
    let mut word = [0; 8];
    word[..4].copy_from_slice(&len.to_ne_bytes());
    word[4..6].copy_from_slice(&id.to_ne_bytes());
    word[6..].copy_from_slice(&tail.to_ne_bytes());
    word
}
