//! A socket in two halves, for two tasks.
//!
//! ```text
//!  Receiver                                       Sender
//!  the protocol's state, time                     a Connection that only sends
//!  its outbox: pongs, pings, Close                its outbox: what is fed
//!        │ when there is something                      │ when it flushes
//!        └──────────────► Pen (one lock) ◄──────────────┘
//!                         one outbox, the transport's writing end
//! ```
//!
//! Feeding and receiving share nothing but a flag that says whether a Close frame has been sent. The
//! pen is locked once for each flush, however many messages it carries, and by the receiver only
//! when it has something to say; nobody holds it across an await.

mod reuniting;
mod receiver;
mod sender;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use sockeye_protocol::{Connection, Instant, Outbox};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use receiver::Receiver;
pub use reuniting::ReuniteError;
pub(crate) use reuniting::reunite;
pub use sender::Sender;

use crate::agreed::Agreed;
use crate::port::{Port, poll_append};
use crate::receiving::Receiving;
use crate::writing::{self, Side, Writing};

/// What both halves reach.
struct Shared<W> {
    pen: Mutex<Pen<W>>,
    /// No frame may follow: a Close frame is in the pen, or the connection is over.
    is_closed: AtomicBool,
    /// The sender is gone and has left something in the pen, which the receiver writes.
    is_orphaned: AtomicBool,
}

/// The writing end of the transport, and what waits for it in the order in which it will leave.
struct Pen<W> {
    stream: Option<W>,
    outbox: Outbox,
    writing: Writing,
    broken: Option<io::ErrorKind>,
    /// The task that receives, to be told of a Close frame.
    receiver: Option<Waker>,
    halves: u8,
}

impl<W> Shared<W> {
    /// Nothing under the lock leaves the pen half-way.
    fn pen(&self) -> MutexGuard<'_, Pen<W>> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

/// What stands behind what a half has to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// There may be more.
    More,
    /// Nothing: it ends with a Close frame.
    Nothing,
}

impl<W: AsyncWrite + Unpin> Shared<W> {
    /// Takes over what is in `outbox` as soon as less than `mark` waits, and writes it all.
    ///
    /// What comes behind a Close frame is discarded. For the half that sends, which has lost messages,
    /// that is an error of the kind `NotConnected`.
    fn poll_flush(
        &self,
        context: &mut Context<'_>,
        outbox: &mut Outbox,
        behind: Behind,
        mark: usize,
        side: Side,
    ) -> Poll<io::Result<()>> {
        let mut pen = self.pen();
        loop {
            if !outbox.is_empty() && self.is_closed() {
                outbox.advance(outbox.len());
                if side == Side::Sending {
                    return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                }
            }
            if !outbox.is_empty() && pen.outbox.len() <= mark {
                writing::append(&mut pen.outbox, outbox);
                if behind == Behind::Nothing {
                    self.is_closed.store(true, Ordering::Release);
                    if let Some(receiver) = &pen.receiver {
                        receiver.wake_by_ref();
                    }
                }
            }
            ready!(pen.poll_write(context, side))?;
            if outbox.is_empty() {
                // What was written last has left its memory.
                if let Some(spare) = pen.outbox.take_spare() {
                    outbox.lend(spare);
                }
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> Pen<W> {
    fn poll_write(&mut self, context: &mut Context<'_>, side: Side) -> Poll<io::Result<()>> {
        if let Some(kind) = self.broken {
            self.outbox.advance(self.outbox.len());
            return Poll::Ready(Err(kind.into()));
        }
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let written = ready!(self.writing.poll_flush(stream, &mut self.outbox, side, context));
        if let Err(error) = &written {
            self.broken = Some(error.kind());
            self.outbox.advance(self.outbox.len());
        }
        Poll::Ready(written)
    }
}

/// The transport as the receiving half sees it.
pub(crate) struct Half<R, W> {
    read: R,
    shared: Arc<Shared<W>>,
    mark: usize,
    /// Some of what this half has said may still be in the pen.
    has_posted: bool,
    behind: Behind,
    /// The waker that the pen knows.
    known: Option<Waker>,
}

impl<R, W> Half<R, W> {
    /// The pen must know which task waits to read.
    #[inline]
    fn wait(&mut self, context: &Context<'_>) {
        if self.known.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            return;
        }
        self.known = Some(context.waker().clone());
        self.shared.pen().receiver = self.known.clone();
        if self.shared.is_closed() {
            // The other half may have closed a moment before it could know whom to tell.
            context.waker().wake_by_ref();
        }
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Port for Half<R, W> {
    #[inline]
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.read).poll_read(context, buffer);
        if polled.is_pending() {
            self.wait(context);
        }
        polled
    }

    fn poll_append(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let polled = poll_append(&mut self.read, context, buffer);
        if polled.is_pending() {
            self.wait(context);
        }
        polled
    }

    #[inline]
    fn is_done(&self, outbox: &Outbox) -> bool {
        outbox.is_empty() && !self.has_posted && !self.shared.is_orphaned.load(Ordering::Acquire)
    }

    #[inline]
    fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        outbox: &mut Outbox,
        side: Side,
    ) -> Poll<io::Result<()>> {
        if self.is_done(outbox) {
            return Poll::Ready(Ok(()));
        }
        // Whatever a sender has left is posted by this half from now on.
        self.shared.is_orphaned.store(false, Ordering::Release);
        self.has_posted = true;
        let Self { shared, behind, mark, .. } = self;
        ready!(shared.poll_flush(context, outbox, *behind, *mark, side))?;
        self.has_posted = false;
        Poll::Ready(Ok(()))
    }

    fn has_taken(&mut self) -> bool {
        self.shared.pen().writing.take_progress()
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.shared.pen().stream {
            Some(stream) => Pin::new(stream).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn has_closed_elsewhere(&self) -> bool {
        self.shared.is_closed()
    }

    fn note_close(&mut self) {
        self.behind = Behind::Nothing;
    }

    fn leave(&mut self) -> bool {
        let mut pen = self.shared.pen();
        pen.receiver = None;
        pen.halves -= 1;
        pen.halves == 0
    }

    fn end(&mut self) {
        let mut pen = self.shared.pen();
        self.shared.is_closed.store(true, Ordering::Release);
        pen.stream = None;
        pen.outbox = Outbox::new();
        pen.writing.wake_all();
    }
}

/// Makes two halves of a socket, over two halves of its transport.
pub(crate) fn split<P: Port, R, W>(
    receiving: Receiving<P>,
    agreed: Agreed,
    divide: impl FnOnce(P) -> (R, W),
) -> (Sender<W>, Receiver<R, W>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (role, clock) = (receiving.connection.role(), receiving.clock());
    let config = Arc::clone(receiving.connection.config());
    let mark = config.outbox_high_mark;
    let is_open = receiving.connection.is_open();
    #[cfg_attr(not(feature = "deflate"), expect(unused_mut))]
    let mut connection = Connection::new(role, config, Instant::ZERO);
    #[cfg(feature = "deflate")]
    if let Some(deflate) = &agreed.deflate {
        // It begins without a context, which the peer's inflater cannot tell.
        connection.set_deflate(deflate);
    }
    let mut halves = None;
    let mut receiving = receiving.over(|port, outbox| {
        let (read, write) = divide(port);
        let has_posted = !outbox.is_empty();
        let shared = shared(Some(write), outbox, !is_open);
        halves = Some(Arc::clone(&shared));
        Some(Half { read, shared, mark, has_posted, behind: Behind::More, known: None })
    });
    if !is_open && let Some(port) = &mut receiving.port {
        port.note_close();
    }
    let shared = halves.unwrap_or_else(|| shared(None, Outbox::new(), true));
    (Sender::new(Arc::clone(&shared), connection, clock), Receiver::new(receiving, agreed, shared))
}

fn shared<W>(stream: Option<W>, outbox: Outbox, is_closed: bool) -> Arc<Shared<W>> {
    let pen =
        Pen { stream, outbox, writing: Writing::new(), broken: None, receiver: None, halves: 2 };
    Arc::new(Shared {
        pen: Mutex::new(pen),
        is_closed: AtomicBool::new(is_closed),
        is_orphaned: AtomicBool::new(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flushes one half's "Hello" into a pen that the other one has closed a moment before.
    fn flush_behind_a_close(side: Side) -> (Poll<io::Result<()>>, Outbox) {
        let shared = shared(Some(tokio::io::sink()), Outbox::new(), true);
        let mut outbox = Outbox::new();
        outbox.append(b"\x8a\x05Hello");
        let context = &mut Context::from_waker(Waker::noop());
        (shared.poll_flush(context, &mut outbox, Behind::More, 0, side), outbox)
    }

    #[test]
    fn cls_10_a_pong_behind_the_other_half_s_close_is_dropped_and_ends_nothing() {
        let (flushed, outbox) = flush_behind_a_close(Side::Receiving);
        assert!(matches!(flushed, Poll::Ready(Ok(()))), "{flushed:?}");
        assert!(outbox.is_empty());
    }

    #[test]
    fn cls_10_a_message_behind_the_other_half_s_close_is_dropped_and_told_of() {
        let (flushed, outbox) = flush_behind_a_close(Side::Sending);
        let Poll::Ready(Err(error)) = flushed else { panic!("{flushed:?}") };
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        assert!(outbox.is_empty());
    }
}
