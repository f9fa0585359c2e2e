//! A socket: a handler on the loop that fills a bounded queue, and the halves that a program holds.
//!
//! ```text
//!   loop's thread                                    any thread
//!   events ─▶ SocketHandler ─▶ Inbox (64, 256 KiB) ─▶ Receiver ─┐
//!                 ▲ pause when full     resume at half ─┘       ├─ Socket
//!   outbox ◀─ the reactor's queue, 1 MiB with the outbox ◀─ Sender ┘
//! ```
//!
//! A task of the loop's own that waits for a message is polled right behind the read that brings some: then both go by
//! way of the hand, which is the thread's own, and neither inbox nor queue is touched.

mod context;
mod route;
mod handler;
mod blocking;
mod receiver;
mod sender;
mod ping;
mod handle;
mod watch;
mod shared;
mod home;
mod registry;
mod address;
mod life;
mod hand;
mod tray;
mod counts;
mod queue;
mod shelf;
mod id;

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use crate::error::Error;
use crate::message::{Message, Piece};

pub use self::blocking::{BlockingReceiver, BlockingSender, BlockingSocket};
pub use self::handle::{Canceller, SocketHandle};
pub use self::id::SocketId;
pub use self::ping::PingPolicy;
pub use self::queue::{Closed, State};
pub use self::receiver::Receiver;
pub use self::sender::{Sender, Sending};

pub(crate) use self::context::{Context, Dial};
pub(crate) use self::hand::Hearing;
pub(crate) use self::handler::{Opening, SocketHandler};
pub(crate) use self::home::Home;
pub(crate) use self::queue::InboxLimits;
pub(crate) use self::registry::Registry;
pub(crate) use self::route::{Running, run_async, run_blocking};
pub(crate) use self::shared::Shared;

/// One WebSocket connection, of a route or of [`connect`](crate::connect), for straight-line code.
///
/// It is both halves in one: what sends and closes is on [`Sender`], which it dereferences to; what receives is here.
/// It is `Send` and needs no runtime: any executor can poll its futures, since the loop that owns the connection wakes
/// them.
///
/// Messages arrive in order and wait in an inbox of 64 messages or 256 KiB. When that is full the loop stops reading and
/// TCP slows the peer down; it reads on when half of it is free. Pings, pongs and closes are handled whatever the
/// program does, as long as the inbox has room.
///
/// When the peer closes, what came before is received first, and can be answered: the answer to the close waits until
/// a receive finds nothing more, or until somebody waits for the end with [`closed`](Sender::closed) or
/// [`sleep`](Sender::sleep), but no longer than half a second. Whatever rule a peer breaks ends the connection at once;
/// a route that is polled by the loop has answered then what came in the same read before.
///
/// Dropping the last half ends the connection: with code 1000, or with 1011 if the route returned an error or panicked.
#[derive(Debug)]
pub struct Socket {
    receiver: Receiver,
}

impl Socket {
    pub(crate) const fn new(receiver: Receiver) -> Self {
        Self { receiver }
    }

    /// Waits for the next message, for as long as it takes. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`] once the connection has ended and all that arrived whole has been received;
    /// [`Error::Cancelled`] if a [`Canceller`] said so.
    pub fn recv(&mut self) -> impl Future<Output = Result<Message, Error>> + Send {
        self.receiver.recv()
    }

    /// Waits for the next message, at most so long. With a duration of zero it takes what is there.
    ///
    /// # Errors
    /// [`Error::Timeout`]: the connection stays open, and a message that was on its way comes with the next call.
    /// Otherwise as [`recv`](Self::recv).
    pub async fn recv_timeout(&mut self, duration: Duration) -> Result<Message, Error> {
        self.receiver.recv_timeout(duration).await
    }

    /// The next message if one is there.
    ///
    /// # Errors
    /// [`Error::Timeout`] if none is. Otherwise as [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Message, Error> {
        self.receiver.try_recv()
    }

    /// Waits for the next piece of a message and copies it into the buffer: see [`Receiver::recv_into`].
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] if the next character of a text does not fit. Otherwise as [`recv`](Self::recv).
    pub async fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Piece, Error> {
        self.receiver.recv_into(buffer).await
    }

    /// Two halves that can be used at the same time, from different tasks or threads. The connection ends when the last
    /// of them, clones included, is dropped.
    pub fn split(self) -> (Sender, Receiver) {
        (self.receiver.sender.clone(), self.receiver)
    }

    /// The same socket for a thread that may block.
    pub fn into_blocking(self) -> BlockingSocket {
        BlockingSocket::new(self)
    }
}

/// The sending half.
impl Deref for Socket {
    type Target = Sender;

    fn deref(&self) -> &Sender {
        &self.receiver.sender
    }
}

impl From<Error> for io::Error {
    /// For readers and writers on top of a socket.
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Timeout => Self::new(io::ErrorKind::TimedOut, error.to_string()),
            Error::Closed { .. } => Self::new(io::ErrorKind::ConnectionAborted, error.to_string()),
            error => Self::other(error.to_string()),
        }
    }
}
