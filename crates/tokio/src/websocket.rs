//! A WebSocket over one transport.

mod halves;
mod streaming;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
#[cfg(feature = "deflate")]
use sockeye_protocol::Deflate;
use sockeye_protocol::{Closed, Config, Connection, Event, Instant, Prepared, Role, SendError};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::agreed::Agreed;
use crate::clock::Clock;
use crate::error::Error;
use crate::memory::Lent;
use crate::message::{CloseFrame, Message};
use crate::outgoing::Outgoing;
use crate::port::Whole;
use crate::receiving::{Flow, Pressure, Receiving};
use crate::writing::Side;

/// A WebSocket connection over any transport, after its opening handshake and for either role.
///
/// [`accept`](crate::accept()) and [`connect`](crate::connect()) make one. It is a
/// [`Stream`](futures_core::Stream) and a [`Sink`](futures_sink::Sink) of [`Message`]s too.
///
/// # When what is said leaves
///
/// - [`feed`](Self::feed) puts a message behind what waits already. It leaves with the next
///   [`flush`](Self::flush) or [`send`](Self::send), or as soon as [`recv`](Self::recv) finds that
///   it has to wait for the transport, and everything leaves in one write. So a loop of `recv` and
///   `feed` answers all that one read has brought with one write, and needs no `flush`. It does not
///   leave while the task is busy with something else.
/// - [`send`](Self::send) is `feed` and `flush`: when it is done, the transport has the message. It
///   costs a write each time.
/// - Pongs and the answer to a Close leave as if fed by `recv`.
///
/// Somebody has to receive: pings are answered, deadlines kept and the peer's Close seen only while
/// `recv`, or one of its kind, is polled. While nobody does, nothing is held against the peer: so
/// sending waits as long as the peer takes nothing. While somebody does, a peer that takes nothing
/// of what it is sent, and says nothing that is read, is given up as any silent one is, after
/// [`Config::ping_after`] and [`Config::pong_within`].
///
/// # Cancelling
///
/// Every method may be dropped at any await. A message is received whole or not at all, and nothing
/// that a dropped `recv` has read is lost. What `feed` and `send` were given was either not taken at
/// all, if there was no room for it yet, or leaves whole with the next flush; `send` that is dropped
/// while it writes has taken it.
///
/// # Memory
///
/// Reading and writing borrow buffers of the thread. A socket holds one only while something is
/// unread, unsent or not whole; while it waits for the peer it holds none.
///
/// # The end
///
/// After a Close frame of the peer, which is received as [`Message::Close`] and was answered then,
/// or after an error, go on receiving until `None`: that ends the transport in order, within
/// [`Config::close_within`]. [`close`](Self::close) does both from this end. A socket that is dropped
/// while it is open says goodbye with 1000, or with 1011 while the thread panics, if the transport
/// takes that at once.
///
/// # Panics
///
/// Receiving panics outside of a tokio runtime with time enabled, as soon as there is a deadline.
pub struct WebSocket<S: AsyncRead + AsyncWrite + Unpin> {
    /// Boxed, since futures keep what they are given twice, and a socket waits in a future.
    receiving: Box<Receiving<Whole<S>>>,
    agreed: Agreed,
}

/// Making one.
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// A socket over `stream`, whose opening handshake somebody else has completed.
    ///
    /// Bytes of the peer that were read with the handshake go to
    /// [`with_early_bytes`](Self::with_early_bytes).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sockeye_tokio::Error> {
    /// use sockeye_tokio::{Config, Message, Role, WebSocket};
    ///
    /// let (one, other) = tokio::io::duplex(1024);
    /// let mut client = WebSocket::new(one, Role::Client, Config::default());
    /// let mut server = WebSocket::new(other, Role::Server, Config::default());
    /// client.send("Hello".into()).await?;
    /// assert_eq!(server.recv().await.transpose()?, Some(Message::text("Hello")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(stream: S, role: Role, config: impl Into<Arc<Config>>) -> Self {
        let clock = Clock::new();
        let mut connection = Connection::new(role, config.into(), Instant::ZERO);
        let seed = u16::from_ne_bytes(Lent::take().keys.draw());
        connection.spread_pings(seed);
        let receiving = Receiving::new(Whole::new(stream), connection, clock);
        Self { receiving: Box::new(receiving), agreed: Agreed::default() }
    }

    /// The same, beginning with what came behind the opening handshake.
    #[must_use]
    pub fn with_early_bytes(mut self, early: &[u8]) -> Self {
        self.receiving.put_unread(early);
        self
    }

    /// The same with the subprotocol that was agreed on, for [`subprotocol`](Self::subprotocol).
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: Option<&str>) -> Self {
        self.agreed.set_subprotocol(subprotocol);
        self
    }

    /// The same with what a server has answered, for [`response_headers`](Self::response_headers).
    pub(crate) fn with_response_headers(mut self, headers: Vec<(String, Bytes)>) -> Self {
        self.agreed.set_headers(headers);
        self
    }

    /// The same with the compression that was agreed on (RFC 7692).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: Option<Deflate>) -> Self {
        if let Some(agreed) = &deflate {
            self.receiving.connection.set_deflate(agreed);
        }
        self.agreed.deflate = deflate.map(Box::new);
        self
    }
}

/// Receiving.
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Receives the next message, or `None` when the connection is over.
    ///
    /// Before it waits for the transport it flushes. It is cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`], [`Error::TimedOut`], [`Error::Io`] and [`Error::Interrupted`] end the
    /// connection: `None` comes next. Everything that arrived whole before was received before.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`recv`](Self::recv), by hand.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        let mut message = None;
        let mut visit = |event: Event<'_>, _: &mut Outgoing<'_>| {
            message = Some(Message::from(event));
            Flow::Enough
        };
        let polled = self.receiving.poll_events(context, Pressure::Ignored, &mut visit);
        polled.map(|received| match received {
            Some(Err(error)) => Some(Err(error)),
            _ => message.map(Ok),
        })
    }

    /// Receives the next message where it lies, or returns `None` when the connection is over.
    ///
    /// `visit` gets what [`recv`](Self::recv) would return, before it is copied: it borrows the
    /// buffer that it was read into, unless it had to be put together. It can answer, too.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_borrowed<T>(
        &mut self,
        visit: impl FnOnce(Event<'_>, &mut Outgoing<'_>) -> T,
    ) -> Option<Result<T, Error>> {
        let (mut visit, mut visited) = (Some(visit), None);
        let received = poll_fn(|context| {
            let mut visit = |event: Event<'_>, outgoing: &mut Outgoing<'_>| {
                visited = visit.take().map(|visit| visit(event, outgoing));
                Flow::Enough
            };
            self.receiving.poll_events(context, Pressure::Heeded, &mut visit)
        });
        match received.await {
            Some(Err(error)) => Some(Err(error)),
            _ => visited.map(Ok),
        }
    }

    /// Receives what is here, or the next that comes, and hands each message to `visit` where it
    /// lies; returns when what was read is used up, and `None` when the connection is over.
    ///
    /// While more waits to be written than [`Config::outbox_high_mark`] nothing is received: a peer
    /// that does not read what it is answered is not answered more. [`recv`](Self::recv) goes on
    /// receiving, and leaves it to `feed` to wait.
    ///
    /// This is the fastest way: nothing is allocated or copied for a message that lies whole in its
    /// read, and all answers of a read leave in one write before the next call waits.
    ///
    /// ```
    /// # async fn echo(mut socket: sockeye_tokio::WebSocket<tokio::net::TcpStream>) -> Result<(), sockeye_tokio::Error> {
    /// use sockeye_tokio::Event;
    ///
    /// while let Some(received) = socket
    ///     .recv_each(|event, outgoing| match event {
    ///         Event::Text(text) => outgoing.text(&text),
    ///         Event::Binary(payload) => outgoing.binary(&payload),
    ///         _ => Ok(()),
    ///     })
    ///     .await
    /// {
    ///     received?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); and what `visit` returns, which ends nothing: the messages behind are
    /// received by the next call.
    pub async fn recv_each(
        &mut self,
        mut visit: impl FnMut(Event<'_>, &mut Outgoing<'_>) -> Result<(), SendError>,
    ) -> Option<Result<(), Error>> {
        let mut refused = None;
        let received = poll_fn(|context| {
            let mut visit =
                |event: Event<'_>, outgoing: &mut Outgoing<'_>| match visit(event, outgoing) {
                    Ok(()) => Flow::More,
                    Err(error) => {
                        refused = Some(error);
                        Flow::Enough
                    }
                };
            self.receiving.poll_events(context, Pressure::Heeded, &mut visit)
        });
        match received.await {
            Some(Ok(())) => Some(refused.map_or(Ok(()), |error| Err(error.into()))),
            over => over,
        }
    }
}

/// Sending.
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Sends a message, and waits until the transport has it and all before it.
    ///
    /// [`Message::Close`] begins the closing handshake; go on receiving then.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the connection is closing or the message cannot be sent, which leaves
    /// everything as it was; [`Error::Io`].
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Puts a message behind what waits already. It waits only while more waits than
    /// [`Config::outbox_high_mark`], and writes until that is no longer so.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn feed(&mut self, message: Message) -> Result<(), Error> {
        poll_fn(|context| self.poll_room(context)).await?;
        Ok(self.receiving.say(|outgoing| outgoing.message(message))?)
    }

    /// As [`send`](Self::send), for a message that was encoded once for many sockets.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), Error> {
        poll_fn(|context| self.poll_room(context)).await?;
        self.receiving.say(|outgoing| outgoing.prepared(prepared))?;
        self.flush().await
    }

    /// Says something without waiting; it leaves with the next flush.
    ///
    /// ```
    /// # async fn greet(mut socket: sockeye_tokio::WebSocket<tokio::net::TcpStream>) -> Result<(), sockeye_tokio::Error> {
    /// socket.say(|outgoing| {
    ///     outgoing.text("two messages")?;
    ///     outgoing.text("in one write")
    /// })?;
    /// socket.flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn say<T>(&mut self, say: impl FnOnce(&mut Outgoing<'_>) -> T) -> T {
        self.receiving.say(say)
    }

    /// Waits until the transport has everything that was said.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_written(context)).await
    }

    /// Closes: sends a Close frame if none was sent, receives and discards what the peer still sends,
    /// and ends the transport. It takes no longer than [`Config::close_within`] for each of the two,
    /// and is done at once where the connection is over already.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the peer does not answer in time, [`Error::Send`] if the frame cannot be
    /// sent as it is (nothing has happened then), and as [`recv`](Self::recv).
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        if self.receiving.connection.is_open() {
            self.receiving.say(|outgoing| outgoing.close(frame.as_ref()))?;
        }
        let mut result = Ok(());
        while let Some(received) = self.recv_each(|_, _| Ok(())).await {
            result = result.and(received);
        }
        result
    }

    /// Ready when there is room for a message.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.has_room() {
            return Poll::Ready(Ok(()));
        }
        match self.poll_written(context) {
            Poll::Pending if self.has_room() => Poll::Ready(Ok(())),
            polled => polled,
        }
    }

    fn has_room(&self) -> bool {
        let Receiving { outbox, connection, .. } = &*self.receiving;
        outbox.len() <= connection.config().outbox_high_mark
    }

    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.receiving.outbox.is_empty() && self.receiving.port.is_none() {
            return Poll::Ready(Ok(()));
        }
        let mut memory = Lent::take();
        let polled = self.receiving.poll_flush(context, &mut memory, Side::Sending);
        self.receiving.tidy_outbox(&mut memory);
        polled.map_err(Error::from)
    }
}

/// What it is.
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.agreed.subprotocol()
    }

    /// The header lines of the server's answer, in their order, if the client was told to
    /// [keep them](crate::Client::keep_response_headers); else none.
    #[must_use]
    pub fn response_headers(&self) -> &[(String, Bytes)] {
        self.agreed.headers()
    }

    /// Which side this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.receiving.connection.role()
    }

    /// The limits and deadlines.
    #[must_use]
    pub const fn config(&self) -> &Arc<Config> {
        self.receiving.connection.config()
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.receiving.connection.is_open()
    }

    /// How the connection ended, as soon as that is known.
    #[must_use]
    pub fn closed(&self) -> Option<&Closed> {
        self.receiving.connection.closed()
    }

    /// The round-trip time of the last ping of the keepalive that was answered.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.receiving.connection.round_trip()
    }

    /// The transport, `None` if it has been ended.
    #[must_use]
    pub fn get_ref(&self) -> Option<&S> {
        self.receiving.port.as_ref().map(|whole| &whole.stream)
    }

    /// Gives the transport back as it is, and forgets the connection: no Close frame is sent, and
    /// what is unread or unsent is lost. `None` if it has been ended.
    #[must_use]
    pub fn into_inner(mut self) -> Option<S> {
        self.receiving.port.take().map(|whole| whole.stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for WebSocket<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut socket = formatter.debug_struct("WebSocket");
        socket.field("role", &self.role()).field("is_open", &self.is_open());
        socket.field("closed", &self.closed()).finish_non_exhaustive()
    }
}
