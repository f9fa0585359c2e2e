//! The server's side of the opening handshake.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::{
    Acceptance, BodyMode, HandshakeError, Head, HeadLimits, Response, ServerHandshake, Upgrade,
};
use sockeye_protocol::{Config, Outbox, Role};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::memory::Lent;
use crate::opening::{HEAD_BYTES, deadline, read_more, write, write_last};
use crate::websocket::WebSocket;

/// How long a client may take to send its request, unless told otherwise.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// Accepts a WebSocket over `stream`, whatever it asks for, with the default limits.
///
/// `stream` stays as it is. TCP holds small messages back unless it is told not to.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sockeye_tokio::Error> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9002").await?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     stream.set_nodelay(true)?;
///     tokio::spawn(async move {
///         let mut socket = sockeye_tokio::accept(stream).await?;
///         while let Some(message) = socket.recv().await {
///             let message = message?;
///             if message.is_text() || message.is_binary() {
///                 socket.feed(message).await?;
///             }
///         }
///         Ok::<(), sockeye_tokio::Error>(())
///     });
/// }
/// # }
/// ```
///
/// # Errors
///
/// As [`Acceptor::request`].
pub fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
) -> impl Future<Output = Result<WebSocket<S>, Error>> {
    accept_with(stream, |_| Ok(Acceptance::default()))
}

/// As [`accept`], where `decide` has a look at the request first: it returns what the answer says
/// beside the upgrade, or the response that refuses it.
///
/// ```
/// # async fn serve(stream: tokio::net::TcpStream) -> Result<(), sockeye_tokio::Error> {
/// use sockeye_tokio::handshake::{Acceptance, Response};
///
/// let socket = sockeye_tokio::accept_with(stream, |upgrade| {
///     if upgrade.request().path() != "/chat" {
///         return Err(Response::new(404));
///     }
///     let subprotocol = upgrade.subprotocols().find(|offered| *offered == "chat.v1");
///     let subprotocol = subprotocol.map(|_| "chat.v1".into());
///     Ok(Acceptance { subprotocol, ..Acceptance::default() })
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`Acceptor::request`], and [`Error::Rejected`].
pub fn accept_with<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    decide: impl FnOnce(&Upgrade<'_>) -> Result<Acceptance, Response>,
) -> impl Future<Output = Result<WebSocket<S>, Error>> {
    let acceptor = Acceptor::new();
    Box::pin(async move { acceptor.accept_in_place(stream, decide).await })
}

/// Accepts WebSockets with limits of its own; one serves any number of connections.
#[derive(Debug, Clone)]
pub struct Acceptor {
    config: Arc<Config>,
    limits: HeadLimits,
    within: Duration,
}

impl Acceptor {
    /// With the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self { config: Arc::default(), limits: HeadLimits::default(), within: REQUEST_WITHIN }
    }

    /// The limits and deadlines of the connections. With `Config::deflate` compression is agreed on
    /// with clients that offer it.
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// The limits of a request's head.
    #[must_use]
    pub const fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a client may take to send its request; 5 s by default.
    #[must_use]
    pub const fn timeout(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Accepts whatever asks for a WebSocket.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> impl Future<Output = Result<WebSocket<S>, Error>> {
        self.accept_with(stream, |_| Ok(Acceptance::default()))
    }

    /// Accepts, or refuses, what `decide` decides.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request), and [`Error::Rejected`].
    pub fn accept_with<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        decide: impl FnOnce(&Upgrade<'_>) -> Result<Acceptance, Response>,
    ) -> impl Future<Output = Result<WebSocket<S>, Error>> {
        // In memory of its own, since a task stays as large as the largest future that it ever waits
        // for, and the opening handshake is larger than the conversation that follows it.
        Box::pin(self.accept_in_place(stream, decide))
    }

    /// Reads the request, and leaves the decision to the caller, who may take time for it.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if it asks for no WebSocket, or badly; it was answered then.
    /// [`Error::OpeningTimedOut`]; [`Error::Io`].
    pub fn request<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> impl Future<Output = Result<Requested<S>, Error>> {
        // As in `accept_with`.
        Box::pin(self.request_in_place(stream))
    }

    /// The request is read once: what it asks for is decided and answered where it lies.
    async fn accept_in_place<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        decide: impl FnOnce(&Upgrade<'_>) -> Result<Acceptance, Response>,
    ) -> Result<WebSocket<S>, Error> {
        let mut head = Lent::take().buffers.take(HEAD_BYTES);
        let mut outbox = Outbox::new();
        let deadline = deadline(self.within);
        let answer = |upgrade: &Upgrade<'_>| {
            outbox.lend(Lent::take().take_saying(HEAD_BYTES));
            let acceptance = decide(upgrade).map_err(|response| {
                let error = Error::Rejected(response.status());
                (response, error)
            })?;
            let switching = Switching::begin(upgrade, acceptance, &self.config, &mut outbox);
            switching.map_err(|error| (Response::from(error), error.into()))
        };
        match self.read_request(&mut stream, &mut head, deadline, answer).await? {
            Ok(switching) => {
                send(&mut stream, &mut outbox, deadline).await?;
                let socket = switching.socket(stream, &head, Arc::clone(&self.config));
                let mut memory = Lent::take();
                memory.buffers.give_back(head);
                memory.keep_saying(outbox.take_spare().unwrap_or_default());
                Ok(socket)
            }
            Err((response, error)) => {
                Box::pin(refuse(stream, &response)).await;
                Err(error)
            }
        }
    }

    async fn request_in_place<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
    ) -> Result<Requested<S>, Error> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let deadline = deadline(self.within);
        self.read_request(&mut stream, &mut head, deadline, |_| ()).await?;
        let Self { config, limits, within } = self.clone();
        Ok(Requested { stream, head, config, limits, within })
    }

    /// Reads a request into `head` until it is whole, and gives it to `take`. What is wrong with it was
    /// answered when this returns.
    async fn read_request<S: AsyncRead + AsyncWrite + Unpin, T>(
        &self,
        stream: &mut S,
        head: &mut Vec<u8>,
        deadline: Instant,
        take: impl FnOnce(&Upgrade<'_>) -> T,
    ) -> Result<T, Error> {
        // Awaited where it is made: a function in between would keep what it reads with twice.
        let read = timeout_at(deadline, self.read(stream, head, take)).await;
        let read = read.unwrap_or(Err(Error::OpeningTimedOut));
        let response = match &read {
            Err(Error::Handshake(error)) => Response::from(*error),
            Err(Error::OpeningTimedOut) => Response::new(408),
            _ => return read,
        };
        Box::pin(refuse(stream, &response)).await;
        read
    }

    async fn read<S: AsyncRead + Unpin, T>(
        &self,
        stream: &mut S,
        received: &mut Vec<u8>,
        take: impl FnOnce(&Upgrade<'_>) -> T,
    ) -> Result<T, Error> {
        let mut handshake = ServerHandshake::new(self.limits);
        loop {
            read_more(stream, received).await?;
            if let Some(head) = handshake.receive(received)? {
                return Ok(take(head.upgrade()?));
            }
        }
    }
}

impl Default for Acceptor {
    fn default() -> Self {
        Self::new()
    }
}

/// A request for a WebSocket that was not answered yet.
pub struct Requested<S> {
    stream: S,
    /// The head, and what came behind it.
    head: Vec<u8>,
    config: Arc<Config>,
    limits: HeadLimits,
    within: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Requested<S> {
    /// The request.
    ///
    /// # Errors
    ///
    /// None: it was read before.
    pub fn upgrade(&self) -> Result<Upgrade<'_>, HandshakeError> {
        match ServerHandshake::new(self.limits).receive(&self.head)? {
            Some(Head::Upgrade(upgrade)) => Ok(upgrade),
            _ => Err(HandshakeError::UpgradeRequired),
        }
    }

    /// The transport.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Answers with 101, and what `acceptance` adds to it. If compression is wanted by the config and
    /// `acceptance` says nothing about it, it is agreed on with a client that offers it.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the subprotocol was not offered: the answer was 500 then.
    /// [`Error::Io`]; [`Error::OpeningTimedOut`] if the client does not read.
    pub async fn accept(self, acceptance: Acceptance) -> Result<WebSocket<S>, Error> {
        Box::pin(self.accept_in_place(acceptance)).await
    }

    async fn accept_in_place(self, acceptance: Acceptance) -> Result<WebSocket<S>, Error> {
        let mut outbox = Outbox::new();
        let upgrade = self.upgrade()?;
        match Switching::begin(&upgrade, acceptance, &self.config, &mut outbox) {
            Ok(switching) => {
                let Self { mut stream, head, config, within, .. } = self;
                send(&mut stream, &mut outbox, deadline(within)).await?;
                Ok(switching.socket(stream, &head, config))
            }
            Err(error) => {
                self.reject(&Response::from(error)).await;
                Err(error.into())
            }
        }
    }

    /// Answers with another status, and ends the transport when the client has read it, or after a
    /// second.
    pub async fn reject(self, response: &Response) {
        Box::pin(refuse(self.stream, response)).await;
    }
}

/// A request that is being answered with 101.
struct Switching {
    head_len: usize,
    acceptance: Acceptance,
}

impl Switching {
    /// Puts the answer into `outbox`. If `config` wants compression and `acceptance` says nothing about
    /// it, it is agreed on with a client that offers it.
    fn begin(
        upgrade: &Upgrade<'_>,
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut))] mut acceptance: Acceptance,
        #[cfg_attr(not(feature = "deflate"), expect(unused_variables))] config: &Config,
        outbox: &mut Outbox,
    ) -> Result<Self, HandshakeError> {
        #[cfg(feature = "deflate")]
        if let (None, Some(config)) = (&acceptance.deflate, &config.deflate) {
            acceptance.deflate = upgrade.deflate(config);
        }
        upgrade.accept(&acceptance, outbox)?;
        Ok(Self { head_len: upgrade.request().head_len(), acceptance })
    }

    /// The connection that has begun with the answer. What came behind the request's head is the
    /// connection's.
    fn socket<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: S,
        head: &[u8],
        config: Arc<Config>,
    ) -> WebSocket<S> {
        let early = head.get(self.head_len..).unwrap_or_default();
        let socket = WebSocket::new(stream, Role::Server, config)
            .with_early_bytes(early)
            .with_subprotocol(self.acceptance.subprotocol.as_deref());
        #[cfg(feature = "deflate")]
        let socket = socket.with_deflate(self.acceptance.deflate);
        socket
    }
}

/// Sends the answer that upgrades.
async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    outbox: &mut Outbox,
    deadline: Instant,
) -> Result<(), Error> {
    let written = timeout_at(deadline, write(stream, outbox)).await;
    Ok(written.map_err(|_| Error::OpeningTimedOut)??)
}

/// Answers with a response that refuses, and ends the transport when the client has read it, or after
/// a second.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, response: &Response) {
    let mut outbox = Outbox::new();
    response.write(BodyMode::Whole, &mut outbox);
    write_last(&mut stream, outbox).await;
}

impl<S> fmt::Debug for Requested<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Requested").finish_non_exhaustive()
    }
}
