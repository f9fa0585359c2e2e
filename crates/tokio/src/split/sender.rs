//! The half that sends.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use futures_sink::Sink;
use sockeye_protocol::{CloseCode, Connection, Instant, Outbox, Prepared, SendError};
use tokio::io::AsyncWrite;

use super::{Behind, Shared};
use crate::clock::Clock;
use crate::error::Error;
use crate::memory::Lent;
use crate::message::{CloseFrame, Message};
use crate::outgoing::Outgoing;
use crate::writing::{self, Side};

/// The half of a socket that sends; a [`Sink`] of [`Message`]s too.
///
/// Everything is as with [`WebSocket`](crate::WebSocket), except that what is fed leaves by
/// [`flush`](Self::flush) and [`send`](Self::send) only: the [`Receiver`](super::Receiver) does not
/// see it.
pub struct Sender<W: AsyncWrite + Unpin> {
    pub(super) shared: Arc<Shared<W>>,
    /// Its reading side is never used.
    pub(super) connection: Connection,
    pub(super) outbox: Outbox,
    clock: Clock,
    /// Some of what was said may still be in the pen.
    pub(super) has_posted: bool,
}

impl<W: AsyncWrite + Unpin> Sender<W> {
    pub(super) const fn new(shared: Arc<Shared<W>>, connection: Connection, clock: Clock) -> Self {
        Self { shared, connection, outbox: Outbox::new(), clock, has_posted: false }
    }

    /// Sends a message, and waits until the transport has it and all before it.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](crate::WebSocket::send).
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Puts a message behind what waits already; it waits only while that is too much.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](crate::WebSocket::send).
    pub async fn feed(&mut self, message: Message) -> Result<(), Error> {
        poll_fn(|context| self.poll_room(context)).await?;
        Ok(self.say(|outgoing| outgoing.message(message))?)
    }

    /// As [`send`](Self::send), for a message that was encoded once for many sockets.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_prepared`](crate::WebSocket::send_prepared).
    pub async fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), Error> {
        poll_fn(|context| self.poll_room(context)).await?;
        self.say(|outgoing| outgoing.prepared(prepared))?;
        self.flush().await
    }

    /// Says something without waiting; it leaves with the next flush.
    pub fn say<T>(&mut self, say: impl FnOnce(&mut Outgoing<'_>) -> T) -> T {
        let memory = &mut *Lent::take();
        let Self { shared, connection, outbox, clock, .. } = self;
        let (now, clock) = (Instant::ZERO, *clock);
        let any_below = connection.config().outbox_high_mark;
        let mut outgoing = Outgoing { connection, outbox, memory, now, clock, room: 0, any_below };
        if shared.is_closed() && outgoing.is_open() {
            outgoing.close_elsewhere();
        }
        say(&mut outgoing)
    }

    /// Waits until the transport has everything that was said.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Send`] if the connection was closed before it left.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_written(context)).await
    }

    /// Begins the closing handshake: sends a Close frame, and tells the
    /// [`Receiver`](super::Receiver), which receives the peer's and ends the transport, within
    /// [`Config::close_within`](crate::Config::close_within). While nobody receives, nobody keeps that
    /// deadline, and this waits for as long as the peer takes nothing.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        self.say(|outgoing| outgoing.close(frame.as_ref()))?;
        self.flush().await
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection.is_open() && !self.shared.is_closed()
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mark = self.connection.config().outbox_high_mark;
        if self.outbox.len() <= mark {
            return Poll::Ready(Ok(()));
        }
        match self.poll_written(context) {
            Poll::Pending if self.outbox.len() <= mark => Poll::Ready(Ok(())),
            polled => polled,
        }
    }

    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.outbox.is_empty() && !self.has_posted {
            return Poll::Ready(Ok(()));
        }
        let mark = self.connection.config().outbox_high_mark;
        let Self { shared, outbox, connection, .. } = self;
        let behind = if connection.is_open() { Behind::More } else { Behind::Nothing };
        self.has_posted = true;
        let flushed = ready!(shared.poll_flush(context, outbox, behind, mark, Side::Sending));
        self.has_posted = false;
        if let Some(spare) = outbox.take_spare() {
            Lent::take().keep_saying(spare);
        }
        Poll::Ready(flushed.map_err(|error| match error.kind() {
            io::ErrorKind::NotConnected => SendError::NotOpen.into(),
            _ => Error::Io(error),
        }))
    }
}

impl<W: AsyncWrite + Unpin> Drop for Sender<W> {
    /// What was said leaves with what the receiver writes. If nobody receives any more it leaves if
    /// the transport takes it at once, and behind it a Close frame.
    fn drop(&mut self) {
        let is_last = {
            let mut pen = self.shared.pen();
            pen.halves -= 1;
            pen.halves == 0
        };
        if is_last && self.is_open() {
            let is_panicking = std::thread::panicking();
            let code = if is_panicking { CloseCode::INTERNAL } else { CloseCode::NORMAL };
            let _ = self.say(|outgoing| outgoing.close_for(Some(code.into())));
        }
        let context = &mut Context::from_waker(Waker::noop());
        let is_written = self.poll_written(context).is_ready();
        let mut pen = self.shared.pen();
        if is_last {
            if is_written && let Some(stream) = &mut pen.stream {
                let _ = Pin::new(stream).poll_shutdown(context);
            }
        } else if !is_written {
            if !self.shared.is_closed() && !self.outbox.is_empty() {
                writing::append(&mut pen.outbox, &mut self.outbox);
                // It may end with a Close frame, behind which nothing may come.
                self.shared.is_closed.store(!self.connection.is_open(), Ordering::Release);
            }
            self.shared.is_orphaned.store(true, Ordering::Release);
            if let Some(receiver) = &pen.receiver {
                receiver.wake_by_ref();
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> fmt::Debug for Sender<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sender").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

/// `close` sends a Close frame with 1000 if none was sent, and flushes.
impl<W: AsyncWrite + Unpin> Sink<Message> for Sender<W> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_room(context)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Ok(self.get_mut().say(|outgoing| outgoing.message(message))?)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_written(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let sender = self.get_mut();
        if sender.is_open() {
            sender.say(|outgoing| outgoing.close_for(Some(CloseCode::NORMAL.into())))?;
        }
        sender.poll_written(context)
    }
}
