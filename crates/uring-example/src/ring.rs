//! An io_uring behind a safe interface: what the kernel writes to or reads from belongs to the ring
//! until the kernel says that it is done with it.
// The kernel is given addresses, which is unsafe; this file is where that is proved.
#![allow(unsafe_code)]

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};
use sockeye_protocol::Segment;

/// How many buffers are lent for receiving, a power of two, and how large each is.
const BUFFERS: u16 = 256;
const BUFFER_BYTES: u32 = 16 * 1024;
/// The name of the group of these buffers.
const GROUP: u16 = 0;
/// Entries of the submission queue; when it is full, what is in it is submitted.
const SUBMISSIONS: u32 = 1024;
/// Entries of the completion queue: a burst that does not fit costs the kernel's memory instead.
const COMPLETIONS: u32 = 8192;

/// What the kernel was asked to do, in the lowest bits of an operation's name.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;
const CANCEL: u64 = 3;

/// Something that the kernel has done.
pub(crate) enum Done {
    /// A peer has come. Unless `goes_on`, [`Ring::accept`] must be called again.
    Accepted { result: io::Result<TcpStream>, goes_on: bool },
    /// Bytes have come, or their end with `None`. Unless `goes_on`, [`Ring::receive`] must be called
    /// again.
    Received { token: usize, result: io::Result<Option<Lent>>, goes_on: bool },
    /// So many bytes were sent; here is what they were part of.
    Sent { token: usize, result: io::Result<usize>, segment: Segment },
}

/// A buffer with what has come; give it back soon.
pub(crate) struct Lent {
    pub(crate) bytes: &'static mut [u8],
    id: u16,
}

pub(crate) struct Ring {
    uring: IoUring,
    /// What is being sent for each token. INVARIANT: while the kernel may read from a segment, it
    /// lies here, untouched.
    segments: Vec<Option<Segment>>,
    entries: &'static Entries,
    /// The first byte of all buffers. INVARIANT: `BUFFERS * BUFFER_BYTES` bytes that are never
    /// freed. Each buffer belongs to the kernel, or to one `Lent`.
    buffers: *mut u8,
    /// How often a buffer was given to the kernel, modulo 2^16.
    given: u16,
}

/// The ring of buffers that the kernel takes from: an address, then length, name and nothing, for
/// each. The nothing of the first entry is the ring's tail instead.
#[repr(C, align(4096))]
struct Entries([AtomicU64; 2 * BUFFERS as usize]);

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        // Both are leaked: the kernel may use them as long as the ring exists, and a ring lasts as
        // long as its program.
        let entries: &'static Entries =
            Box::leak(Box::new(Entries([const { AtomicU64::new(0) }; 2 * BUFFERS as usize])));
        let buffers = vec![0; usize::from(BUFFERS) * BUFFER_BYTES as usize];
        let buffers = Box::leak(buffers.into_boxed_slice()).as_mut_ptr();
        let address = std::ptr::from_ref(entries) as u64;
        // SAFETY: `entries` is page-aligned memory of that many entries, is never freed, and is only
        // read by the kernel; all stores to it are atomic.
        unsafe {
            uring.submitter().register_buf_ring_with_flags(address, BUFFERS, GROUP, 0)?;
        }
        let mut ring = Self { uring, segments: Vec::new(), entries, buffers, given: 0 };
        (0..BUFFERS).for_each(|id| ring.give(id));
        Ok(ring)
    }

    /// Accepts peers until told otherwise.
    pub(crate) fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build();
        // SAFETY: it names no memory.
        unsafe { self.push(&accept.user_data(ACCEPT)) }
    }

    /// Receives from a peer until told otherwise.
    pub(crate) fn receive(&mut self, token: usize, stream: &TcpStream) -> io::Result<()> {
        let receive = opcode::RecvMulti::new(Fd(stream.as_raw_fd()), GROUP).build();
        // SAFETY: it names no memory but the group of buffers, of which `new` says what must hold.
        unsafe { self.push(&receive.user_data((token as u64) << 2 | RECEIVE)) }
    }

    /// Ends receiving from a peer. Bytes may still come, until one `Received` does not go on.
    pub(crate) fn stop_receiving(&mut self, token: usize) -> io::Result<()> {
        let cancel = opcode::AsyncCancel::new((token as u64) << 2 | RECEIVE).build();
        // SAFETY: it names no memory.
        unsafe { self.push(&cancel.user_data(CANCEL)) }
    }

    /// Sends what lies in `segment` from `from` on. A peer has one send at a time.
    pub(crate) fn send(
        &mut self,
        token: usize,
        stream: &TcpStream,
        segment: Segment,
        from: usize,
    ) -> io::Result<()> {
        if self.segments.len() <= token {
            self.segments.resize_with(token + 1, || None);
        }
        assert!(self.segments[token].is_none(), "one send at a time");
        let bytes = &self.segments[token].insert(segment).as_slice()[from..];
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let send = opcode::Send::new(Fd(stream.as_raw_fd()), bytes.as_ptr(), len).build();
        // SAFETY: `len` bytes from `bytes` on lie on the heap or are static, so they stay where they
        // are when the segment moves, and the segment is neither changed nor dropped before the
        // completion of this send: `next` takes it then, and `drop` forgets it.
        unsafe { self.push(&send.user_data((token as u64) << 2 | SEND)) }
    }

    /// Submits everything, and waits until something is done or the time has passed.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        use io::ErrorKind::{Interrupted, ResourceBusy, TimedOut};
        let waited = match timeout.map(Timespec::from) {
            None => self.uring.submit_and_wait(1),
            Some(time) => {
                let arguments = SubmitArgs::new().timespec(&time);
                self.uring.submitter().submit_with_args(1, &arguments)
            }
        };
        match waited {
            // Busy is a completion queue that has overflowed; it is emptied next.
            Err(error) if matches!(error.kind(), Interrupted | ResourceBusy | TimedOut) => Ok(()),
            Err(error) if error.raw_os_error() == Some(TIME) => Ok(()),
            waited => waited.map(drop),
        }
    }

    /// What has been done next; `None` when that was all.
    pub(crate) fn next(&mut self) -> Option<Done> {
        loop {
            let entry = self.uring.completion().next()?;
            let result = match entry.result() {
                error @ ..0 => Err(io::Error::from_raw_os_error(-error)),
                result => Ok(result.cast_unsigned() as usize),
            };
            let token = (entry.user_data() >> 2) as usize;
            let goes_on = cqueue::more(entry.flags());
            return Some(match entry.user_data() & 3 {
                ACCEPT => {
                    // SAFETY: it is a new descriptor, which the kernel gave to nobody else.
                    let own = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
                    let result = result.map(|_| TcpStream::from(own(entry.result())));
                    Done::Accepted { result, goes_on }
                }
                RECEIVE => {
                    let id = cqueue::buffer_select(entry.flags());
                    let result = result.map(|len| id.map(|id| self.lend(id, len)));
                    Done::Received { token, result, goes_on }
                }
                SEND => {
                    let segment = self.segments[token].take().expect("it was kept for this");
                    Done::Sent { token, result, segment }
                }
                _ => continue,
            });
        }
    }

    /// Gives a buffer back, for the next bytes.
    pub(crate) fn give_back(&mut self, lent: Lent) {
        assert!(std::ptr::eq(lent.bytes.as_ptr(), self.buffer(lent.id)), "another ring's buffer");
        self.give(lent.id);
    }

    /// The buffer `id`, of which the kernel has filled `len` bytes.
    fn lend(&self, id: u16, len: usize) -> Lent {
        assert!(id < BUFFERS && len <= BUFFER_BYTES as usize);
        // SAFETY: these bytes are within the buffers, which are initialized and never freed. The
        // kernel has just given this buffer away with a completion, and gets it again only for the
        // `Lent` that has it now, so nobody else reads or writes it.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.buffer(id), len) };
        Lent { bytes, id }
    }

    fn buffer(&self, id: u16) -> *mut u8 {
        self.buffers.wrapping_add(usize::from(id) * BUFFER_BYTES as usize)
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

    /// # Safety
    ///
    /// What `entry` names must stay valid, and exclusively the kernel's where that writes, until its
    /// last completion.
    unsafe fn push(&mut self, entry: &Entry) -> io::Result<()> {
        // SAFETY: as this function's own.
        while unsafe { self.uring.submission().push(entry) }.is_err() {
            self.uring.submit()?;
        }
        Ok(())
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

/// What the kernel says when the time to wait has passed (ETIME).
const TIME: i32 = 62;

impl Drop for Ring {
    /// What is being sent is leaked, since the kernel may be reading it yet.
    fn drop(&mut self) {
        self.segments.drain(..).flatten().for_each(std::mem::forget);
    }
}
