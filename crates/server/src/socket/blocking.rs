//! The same sockets for threads that may block.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sockeye_protocol::CloseCode;
use sockeye_reactor::Policy;

use super::Socket;
use super::queue::Closed;
use super::receiver::Receiver;
use super::sender::Sender;
use super::shared::Shared;
use crate::error::Error;
use crate::executor::{block_on, block_on_until};
use crate::group::Group;
use crate::message::{Message, MessageReader, Piece};

/// A [`Socket`] whose methods block. For a thread of its own: they panic on a loop's thread, which they would stop.
///
/// What sends and closes is on [`BlockingSender`], which it dereferences to.
#[derive(Debug)]
pub struct BlockingSocket {
    receiver: BlockingReceiver,
    sender: BlockingSender,
}

impl BlockingSocket {
    pub(crate) fn new(socket: Socket) -> Self {
        let (sender, receiver) = socket.split();
        Self { receiver: BlockingReceiver(receiver), sender: BlockingSender(sender) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        self.sender.0.shared()
    }

    /// Waits for the next message, for as long as it takes.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recv(&mut self) -> Result<Message, Error> {
        self.receiver.recv()
    }

    /// Waits for the next message, at most so long.
    ///
    /// # Errors
    /// As [`Socket::recv_timeout`].
    pub fn recv_timeout(&mut self, duration: Duration) -> Result<Message, Error> {
        self.receiver.recv_timeout(duration)
    }

    /// The next message if one is there.
    ///
    /// # Errors
    /// As [`Socket::try_recv`].
    pub fn try_recv(&mut self) -> Result<Message, Error> {
        self.receiver.try_recv()
    }

    /// Waits for the next piece of a message.
    ///
    /// # Errors
    /// As [`Receiver::recv_into`].
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Piece, Error> {
        self.receiver.recv_into(buffer)
    }

    /// Waits for the next message, to be read as a stream of bytes.
    ///
    /// # Errors
    /// As [`Socket::recv`].
    pub fn recv_reader(&mut self) -> Result<MessageReader, Error> {
        self.receiver.recv().map(Message::into_reader)
    }

    /// Two halves for two threads.
    pub fn split(self) -> (BlockingSender, BlockingReceiver) {
        (self.sender, self.receiver)
    }

    /// The same socket for an executor.
    pub fn into_async(self) -> Socket {
        Socket::new(self.receiver.0)
    }
}

/// The sending half.
impl Deref for BlockingSocket {
    type Target = BlockingSender;

    fn deref(&self) -> &BlockingSender {
        &self.sender
    }
}

/// A [`Sender`] whose methods block.
///
/// It dereferences to that, for what does not wait: `try_send`, `state`, `id`, `param`, `attached`, `group`,
/// `start_ping`.
#[derive(Debug, Clone)]
pub struct BlockingSender(Sender);

impl BlockingSender {
    /// Sends a text message; waits while too much is waiting to be sent.
    ///
    /// # Errors
    /// As [`Sender::send_text`].
    pub fn send_text(&self, text: &str) -> Result<(), Error> {
        block_on(self.0.send_text(text))
    }

    /// Sends a binary message; waits while too much is waiting to be sent.
    ///
    /// # Errors
    /// As [`Sender::send_binary`].
    pub fn send_binary(&self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        block_on(self.0.send_binary(bytes))
    }

    /// Sends a message in its type.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        block_on(self.0.send(message))
    }

    /// Sends a message as it is, even where compression was agreed on.
    ///
    /// # Errors
    /// As [`Sender::send_uncompressed`].
    pub fn send_uncompressed(&self, message: impl Into<Message>) -> Result<(), Error> {
        block_on(self.0.send_uncompressed(message))
    }

    /// Closes with a code and a reason, and waits for the peer's answer, at most 5 s.
    ///
    /// # Errors
    /// As [`Sender::close`].
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        block_on(self.0.close(code, reason))
    }

    /// Waits for the end of the connection.
    pub fn closed(&self) -> Closed {
        block_on(self.0.closed())
    }

    /// Waits for the time to pass, or for the end of the connection.
    ///
    /// # Errors
    /// As [`Sender::sleep`].
    pub fn sleep(&self, duration: Duration) -> Result<(), Error> {
        match block_on_until(self.0.closed(), Instant::now().checked_add(duration)) {
            Some(closed) => Err(closed.into()),
            None => Ok(()),
        }
    }

    /// Joins a group.
    ///
    /// # Errors
    /// As [`Sender::join`].
    pub fn join(&self, group: &Group, policy: Policy) -> Result<u64, Error> {
        block_on(self.0.join(group, policy))
    }

    /// The same half for an executor.
    pub fn into_async(self) -> Sender {
        self.0
    }
}

impl Deref for BlockingSender {
    type Target = Sender;

    fn deref(&self) -> &Sender {
        &self.0
    }
}

/// A [`Receiver`] whose methods block.
#[derive(Debug)]
pub struct BlockingReceiver(Receiver);

impl BlockingReceiver {
    /// Waits for the next message, for as long as it takes.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn recv(&mut self) -> Result<Message, Error> {
        block_on(self.0.recv())
    }

    /// Waits for the next message, at most so long; with a duration of zero it takes what is there.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn recv_timeout(&mut self, duration: Duration) -> Result<Message, Error> {
        // The thread's own clock, so that no timer of the loop's is needed.
        let deadline = Instant::now().checked_add(duration);
        block_on_until(self.0.recv(), deadline).unwrap_or(Err(Error::Timeout))
    }

    /// The next message if one is there.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`].
    pub fn try_recv(&mut self) -> Result<Message, Error> {
        self.0.try_recv()
    }

    /// Waits for the next piece of a message.
    ///
    /// # Errors
    /// As [`Receiver::recv_into`].
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Piece, Error> {
        block_on(self.0.recv_into(buffer))
    }

    /// The same half for an executor.
    pub fn into_async(self) -> Receiver {
        self.0
    }
}
