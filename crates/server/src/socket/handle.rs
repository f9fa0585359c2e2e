//! What refers to a socket without keeping it open.

use std::sync::Arc;

use sockeye_protocol::CloseCode;
use sockeye_reactor::engine::Remote;

use super::id::SocketId;
use super::queue::State;
use super::shared::Shared;
use crate::error::Error;
use crate::message::Message;

/// A socket found by its identifier: sends and closes from any thread and never waits. It does not keep the socket open.
#[derive(Debug, Clone)]
pub struct SocketHandle(Arc<Shared>);

impl SocketHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The socket's identifier.
    pub fn id(&self) -> SocketId {
        self.0.id()
    }

    /// Where the peer is.
    pub fn remote(&self) -> Remote {
        self.0.remote()
    }

    /// What a guard has attached to the request: see [`Sender::attached`](crate::Sender::attached). It lives as long as
    /// there is a handle.
    pub fn attached<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.kept.attached()
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// Sends a message if there is room for it.
    ///
    /// # Errors
    /// [`Error::Full`]: too much waits to be sent to this peer. [`Error::Closed`]: the connection is ending.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.0.send_now(message.into())
    }

    /// Begins the closing handshake; does nothing if the connection is closing already.
    ///
    /// # Errors
    /// [`Error::NotSendable`] for a code or reason that a Close frame cannot carry.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.0.close(code, reason)
    }
}

/// Ends a socket's wait for a message, from any thread. It does not keep the socket open.
///
/// The receive that is pending, or else the next one, fails with [`Error::Cancelled`]; no message is lost and the
/// connection stays.
#[derive(Debug, Clone)]
pub struct Canceller(Arc<Shared>);

impl Canceller {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Ends the wait, once.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}
