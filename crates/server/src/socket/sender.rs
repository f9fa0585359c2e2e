//! The half that sends and closes.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use sockeye_protocol::{CloseCode, Prepared, SendError};
use sockeye_reactor::Policy;
use sockeye_reactor::engine::Remote;

use super::handle::{Canceller, SocketHandle};
use super::home::Order;
use super::id::SocketId;
use super::ping::{self, PingPolicy};
use super::queue::{Closed, For, State};
use super::shared::Shared;
use super::watch::Watch;
use crate::error::Error;
use crate::executor::{Timer, slot};
use crate::group::Group;
use crate::message::Message;

/// Sends whole messages, from any thread. Clones are halves of the same connection, and senders never interleave within
/// a message.
///
/// What is sent leaves with the loop's next turn. A peer that reads slowly is waited for by the methods that are `async`:
/// they return when their message is within the limit of 1 MiB that may wait for it. What tasks of the loop say in one
/// turn, and what others send during that, are each held against what is free of it before: together at most twice as much.
#[derive(Debug, Clone)]
pub struct Sender {
    half: Half,
}

impl Sender {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { half: Half::new(Arc::clone(shared)) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.half.0
    }

    /// Sends a text message; waits while too much is waiting to be sent.
    ///
    /// # Errors
    /// [`Error::Closed`] if the connection is ending or has ended.
    pub async fn send_text(&self, text: &str) -> Result<(), Error> {
        match self.shared().send_text(text) {
            // In a box of its own: waiting is rare, and every parked route carries this future's size.
            Err(SendError::Full) => Box::pin(self.send(text)).await,
            sent => sent.map_err(|error| self.shared().send_error(error)),
        }
    }

    /// Sends a binary message; waits while too much is waiting to be sent. Owned bytes are not copied.
    ///
    /// # Errors
    /// As for [`send_text`](Self::send_text).
    pub async fn send_binary(&self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.send(bytes.into()).await
    }

    /// Sends a message in its type: what [`Message::reply`] makes, or one that was received.
    ///
    /// # Errors
    /// As for [`send_text`](Self::send_text).
    pub fn send(&self, message: impl Into<Message>) -> Sending<'_> {
        Sending { sender: self, stage: Stage::Begun(message.into()) }
    }

    async fn send_when_ready(&self, mut message: Message) -> Result<(), Error> {
        let shared = self.shared();
        loop {
            let bytes = message.len();
            let ready = poll_fn(|context| shared.outward.poll_room(bytes, context)).await;
            ready.map_err(|error| shared.send_error(error))?;
            match shared.offer(message) {
                Err((SendError::Full, refused)) => message = refused,
                sent => return sent.map_err(|(error, _message)| shared.send_error(error)),
            }
        }
    }

    /// Sends a message as it is, even where compression was agreed on: for secrets, since the length of what is compressed
    /// beside an attacker's text tells about it (RFC 7692 section 8).
    ///
    /// # Errors
    /// As for [`send_text`](Self::send_text).
    pub async fn send_uncompressed(&self, message: impl Into<Message>) -> Result<(), Error> {
        let prepared = message.into().prepared().uncompressed();
        let shared = self.shared();
        while let Err(error) = shared.send_prepared(prepared.clone()) {
            if error != SendError::Full {
                return Err(shared.send_error(error));
            }
            let bytes = prepared.frame_len();
            let ready = poll_fn(|context| shared.outward.poll_room(bytes, context)).await;
            ready.map_err(|error| shared.send_error(error))?;
        }
        Ok(())
    }

    /// Sends a message if there is room for it, and never waits.
    ///
    /// # Errors
    /// [`Error::Full`]: nothing was sent and the connection stays. Otherwise as for [`send_text`](Self::send_text).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.shared().send_now(message.into())
    }

    /// Closes with a code and a reason, and waits for the peer's answer: at most 5 s, after which the transport is cut.
    /// What was sent before is sent before; messages that still arrive are dropped. The code 1005 sends a Close frame
    /// without code and reason. Closing what is closing or closed already is no error, and waits as well.
    ///
    /// # Errors
    /// [`Error::NotSendable`]: the code is not one that may be sent (RFC 6455 section 7.4), or the reason has over 123
    /// bytes. The connection stays open.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.shared().close(code, reason)?;
        self.closed().await;
        Ok(())
    }

    /// Waits for the end of the connection, and says what it was. Works although nobody receives, as long as what
    /// arrives fits into the inbox.
    pub async fn closed(&self) -> Closed {
        let mut watch = Watch::new(self.shared(), For::Program);
        poll_fn(|context| watch.poll(context.waker()).map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Waits for the time to pass, or for the end of the connection.
    ///
    /// # Errors
    /// [`Error::Closed`] as soon as the connection has ended.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Error> {
        let shared = self.shared();
        let deadline = shared.now() + duration;
        let mut timer = Timer::new(Arc::clone(&shared.home.remote));
        let mut watch = Watch::new(shared, For::Program);
        poll_fn(|context| match watch.poll(context.waker()) {
            Some(closed) => Poll::Ready(Err(closed.into())),
            None => timer.poll(deadline, context.waker()).map(Ok),
        })
        .await
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.shared().state()
    }

    /// The socket's identifier.
    pub fn id(&self) -> SocketId {
        self.shared().id()
    }

    /// Gives the socket a name of the program's own, such as that of a user, by which
    /// [`Server::socket_named`](crate::Server::socket_named) finds it for as long as it is open. Returns the socket that
    /// had the name until now: it goes on without it, so close it if there is to be one only.
    pub fn set_name(&self, name: &str) -> Option<SocketHandle> {
        self.shared().home.registry.name(self.id(), name).map(SocketHandle::new)
    }

    /// A parameter of the route's path, decoded: of `/ws/{version}/productos` the one named `version`.
    ///
    /// # Panics
    /// If the route has no parameter of that name, which is a mistake in the program. In a route it ends this connection
    /// with 1011 and nothing else.
    #[track_caller]
    pub fn param(&self, name: &str) -> &str {
        self.shared().kept.param(name)
    }

    /// What followed the question mark in the target that was asked for, not decoded: where a page puts a token, since it
    /// can set no headers. A [guard](crate::ServerBuilder::guard) sees all of the request.
    pub fn query(&self) -> Option<&str> {
        self.shared().kept.query()
    }

    /// What a [guard](crate::ServerBuilder::guard) has attached to the request, of exactly this type: the user that it
    /// found, for instance. `None` if it attached no such, and for a connection that was made outward. What is found may be
    /// kept: it does not borrow the socket, nor keep it open.
    pub fn attached<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.shared().kept.attached()
    }

    /// The group of this name; one group for the whole server.
    pub fn group(&self, name: &str) -> Group {
        self.shared().home.groups.named(name)
    }

    /// Joins a group, until the connection ends or [`leave`](Self::leave). Returns the offset of the first message that
    /// will be received; the policy says what happens when this peer does not read them as fast as they come.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn join(&self, group: &Group, policy: Policy) -> Result<u64, Error> {
        let (filler, joined) = slot();
        let shared = self.shared();
        shared.home.order(shared.outward.key(), Order::Join(group.clone(), policy, filler));
        joined.await.ok_or_else(|| shared.send_error(SendError::NotOpen))
    }

    /// Leaves a group. Messages published before may still come.
    pub fn leave(&self, group: &Group) {
        let shared = self.shared();
        shared.home.order(shared.outward.key(), Order::Leave(group.clone()));
    }

    /// The subprotocol that the handshake agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.shared().subprotocol.as_deref().map(AsRef::as_ref)
    }

    /// Where the peer is.
    pub fn remote(&self) -> Remote {
        self.shared().remote()
    }

    /// The time that the latest ping took to be answered.
    pub fn round_trip(&self) -> Option<Duration> {
        self.shared().round_trip()
    }

    /// Bytes that were sent and not yet taken by the kernel.
    pub fn outstanding(&self) -> usize {
        self.shared().outstanding()
    }

    /// Messages that have arrived and have not been received.
    pub fn inbox_len(&self) -> usize {
        self.shared().inbox_len()
    }

    /// What refers to this socket without keeping it open.
    pub fn handle(&self) -> SocketHandle {
        SocketHandle::new(Arc::clone(self.shared()))
    }

    /// What ends a wait for a message from elsewhere.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(Arc::clone(self.shared()))
    }

    /// Starts to ping, in place of an earlier policy of this socket. The server's own keepalive goes on beside it.
    pub fn start_ping(&self, policy: PingPolicy) {
        ping::start(self.shared(), policy);
    }

    /// Ends what [`start_ping`](Self::start_ping) began.
    pub fn stop_ping(&self) {
        ping::stop(self.shared());
    }
}

impl Group {
    /// As [`broadcast`](Self::broadcast), but not to the connection of this socket, which knows already. It keeps its
    /// place in the order of everything else that is published, and need not be a member.
    ///
    /// ```
    /// use sockeye::{Error, Policy, Socket};
    ///
    /// async fn chat(mut socket: Socket) -> Result<(), Error> {
    ///     let room = socket.group(socket.param("room"));
    ///     socket.join(&room, Policy::Close).await?;
    ///     loop {
    ///         let message = socket.recv().await?;
    ///         room.broadcast_message_except(&message, &socket);
    ///     }
    /// }
    /// # drop(sockeye::Server::builder().route("/{room}", chat));
    /// ```
    pub fn broadcast_except(&self, text: &str, except: &Sender) -> u64 {
        self.publish_except(Prepared::text(text), &except.shared().outward)
    }

    /// As [`broadcast_except`](Self::broadcast_except), with a message of any type.
    pub fn broadcast_message_except(&self, message: &Message, except: &Sender) -> u64 {
        self.publish_except(message.prepared(), &except.shared().outward)
    }
}

/// The future of [`Sender::send`]. Nothing is sent before it is polled, nor if it is dropped before it is ready.
///
/// Not that of an async function, so that a message is sent from where the caller put it.
///
/// # Panics
/// If it is polled again after it was ready, as futures of async functions do.
#[must_use = "a future does nothing until it is awaited"]
pub struct Sending<'s> {
    sender: &'s Sender,
    stage: Stage<'s>,
}

enum Stage<'s> {
    Begun(Message),
    Waits(Waiting<'s>),
    /// It was ready.
    Over,
}

/// In a box of its own, as above.
type Waiting<'s> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 's>>;

impl<'s> Sending<'s> {
    /// `None`: it waits.
    #[cold]
    #[inline(never)]
    fn begin(&mut self, message: Message, context: &mut Context<'_>) -> Option<Result<(), Error>> {
        let (sender, shared) = (self.sender, self.sender.shared());
        match shared.offer(message) {
            Err((SendError::Full, refused)) => {
                self.wait(Box::pin(sender.send_when_ready(refused)), context)
            }
            sent => Some(sent.map_err(|(error, _message)| shared.send_error(error))),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait(
        &mut self,
        mut waiting: Waiting<'s>,
        context: &mut Context<'_>,
    ) -> Option<Result<(), Error>> {
        match waiting.as_mut().poll(context) {
            Poll::Ready(sent) => Some(sent),
            Poll::Pending => {
                self.stage = Stage::Waits(waiting);
                None
            }
        }
    }
}

impl Future for Sending<'_> {
    type Output = Result<(), Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let sent = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begun(message) => match self.sender.shared().say_short(message) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(message) => self.begin(message, context),
            },
            Stage::Waits(waiting) => self.wait(waiting, context),
            Stage::Over => panic!("a send that was ready is not polled again"),
        };
        sent.map_or(Poll::Pending, Poll::Ready)
    }
}

impl fmt::Debug for Sending<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sending")
    }
}

thread_local! {
    /// The socket whose route this thread is polling, and whether its last half was dropped during that.
    static POLLING: Cell<Option<(SocketId, bool)>> = const { Cell::new(None) };
}

/// Keeps a connection open. The last one to go ends it.
#[derive(Debug)]
pub(super) struct Half(pub(super) Arc<Shared>);

impl Half {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.add_half();
        Self(shared)
    }
}

impl Clone for Half {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Half {
    /// While its own route is being polled it is about to return, or not, and the code depends on that.
    fn drop(&mut self) {
        if !self.0.remove_half() {
            return;
        }
        match POLLING.get() {
            Some((id, _)) if id == self.0.id() => POLLING.set(Some((id, true))),
            _ => self.0.close_by_verdict(),
        }
    }
}

/// Runs one poll of the route of a socket. `true`: the last half was dropped in it, and the caller must end the
/// connection once it knows what the route came to.
pub(super) fn while_polling<R>(id: SocketId, poll: impl FnOnce() -> R) -> (R, bool) {
    let outer = POLLING.replace(Some((id, false)));
    let result = poll();
    let dropped = POLLING.replace(outer).is_some_and(|(_, dropped)| dropped);
    (result, dropped)
}
