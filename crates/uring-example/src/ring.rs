//! An io_uring behind a safe interface: what the kernel writes to or reads from belongs to the ring
//! until the kernel says that it is done with it.
// The kernel is given addresses, which is unsafe; this file is where that is proved.
#![allow(unsafe_code)]

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};
use sockeye_protocol::Segment;

use crate::buffers::{Buffers, GROUP, Lent};

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

pub(crate) struct Ring {
    uring: IoUring,
    /// What is being sent for each token. INVARIANT: while the kernel may read from a segment, it
    /// lies here, untouched.
    segments: Vec<Option<Segment>>,
    /// What is received lies in one of these.
    pub(crate) buffers: Buffers,
}

impl Ring {
    pub(crate) fn new() -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let buffers = Buffers::register(&uring.submitter())?;
        Ok(Self { uring, segments: Vec::new(), buffers })
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
        // SAFETY: it names no memory but the group of buffers, which are registered.
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
                    // SAFETY: this completion names the buffer, and no other one does.
                    let lend = |id, len| unsafe { self.buffers.lend(id, len) };
                    let result = result.map(|len| id.map(|id| lend(id, len)));
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

/// What the kernel says when the time to wait has passed (ETIME).
const TIME: i32 = 62;

impl Drop for Ring {
    /// What is being sent is leaked, since the kernel may be reading it yet.
    fn drop(&mut self) {
        self.segments.drain(..).flatten().for_each(std::mem::forget);
    }
}
