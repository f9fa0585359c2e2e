//! Connecting outward: the same sockets, on this thread's loop or on one that all clients of the process share.

mod shared_loop;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::Instant;
use sockeye_protocol::handshake::{ClientRequest, Header, Url};
use sockeye_reactor::ConnectError;
use sockeye_reactor::engine::Address;

use crate::error::{Error, Refusal};
use crate::executor::{Timer, block_on, slot, spawn_blocking};
use crate::socket::{BlockingSocket, Context, Dial, Socket};

/// How long connecting may take, all addresses of the name together, unless told otherwise.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Connects to a server, such as `ws://127.0.0.1:9001/echo`.
///
/// Within a route or a task of a server it uses that loop; elsewhere, on any runtime, one loop that all clients of the
/// process share.
///
/// # Errors
/// [`Error::Refused`] with the status and the body if the server does not upgrade; [`Error::Timeout`] after 10 s;
/// [`Error::Io`] if there is no connection; [`Error::Other`] for a URL that is none.
pub async fn connect(url: &str) -> Result<Socket, Error> {
    Client::new(url).connect().await
}

/// As [`connect`], and blocks until it is done. Not for a loop's own thread.
///
/// # Errors
/// As [`connect`].
pub fn connect_blocking(url: &str) -> Result<BlockingSocket, Error> {
    Client::new(url).connect_blocking()
}

/// A connection to be made, with more than a URL.
///
/// ```no_run
/// # fn main() -> Result<(), sockeye::Error> {
/// use sockeye::Client;
///
/// let socket = Client::new("ws://127.0.0.1:9001/chat")
///     .header("Authorization", "Bearer 1234")
///     .subprotocol("chat.v1")
///     .connect_blocking()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a client does nothing until it connects"]
pub struct Client {
    url: String,
    headers: Vec<(String, String)>,
    subprotocols: Vec<String>,
    origin: Option<String>,
    within: Duration,
    config: sockeye_protocol::Config,
}

impl Client {
    /// A connection to this URL, with the default limits.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            origin: None,
            within: CONNECT_WITHIN,
            config: sockeye_protocol::Config::default(),
        }
    }

    /// Adds a header to the request. Those of the handshake itself are refused when it connects.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers a subprotocol; the first one offered is preferred. What the server chose is
    /// [`Sender::subprotocol`](crate::Sender::subprotocol).
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.to_owned());
        self
    }

    /// Names an origin, as a browser would.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// How long connecting may take, from the lookup of the name to the answer; 10 s by default.
    pub const fn timeout(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Offers compression (RFC 7692); the server decides.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, config: sockeye_protocol::DeflateConfig) -> Self {
        self.config.deflate = Some(config);
        self
    }

    /// Changes the limits of the connection: see [`ConnectionConfig`](crate::ConnectionConfig).
    pub fn connection(mut self, change: impl FnOnce(&mut sockeye_protocol::Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Connects, as [`connect`](crate::connect()).
    ///
    /// # Errors
    /// As there; and [`Error::Other`] for a header or a subprotocol that cannot be sent.
    pub async fn connect(self) -> Result<Socket, Error> {
        let context = match Context::current() {
            Some(context) => context,
            None => shared_loop::context()?,
        };
        let mut timer = Timer::new(Arc::clone(&context.home.remote));
        let deadline = context.home.remote.clock().now() + self.within;
        let mut attempt = std::pin::pin!(self.attempt(context, deadline));
        std::future::poll_fn(|task| {
            let connected = attempt.as_mut().poll(task);
            if connected.is_ready() {
                return connected;
            }
            timer.poll(deadline, task.waker()).map(|()| Err(Error::Timeout))
        })
        .await
    }

    /// Connects, and blocks until it is done. Not for a loop's own thread.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_blocking(self) -> Result<BlockingSocket, Error> {
        block_on(self.connect()).map(Socket::into_blocking)
    }

    async fn attempt(self, context: Arc<Context>, deadline: Instant) -> Result<Socket, Error> {
        let url = Url::parse(&self.url)?;
        if url.is_secure() {
            return Err(Error::message("wss URLs need TLS, which this client does not have"));
        }
        let request = self.request(&url)?;
        let (host, port) = (url.host().to_owned(), url.port());
        // The system's resolver blocks.
        let lookup =
            spawn_blocking(move || (host.as_str(), port).to_socket_addrs().map(Vec::from_iter));
        let addresses: Vec<SocketAddr> = lookup.await??;
        let config = Arc::new(self.config);
        let mut failure = Error::message("the name has no address");
        for (position, address) in addresses.iter().enumerate() {
            // One that says nothing leaves its share of the time to those that are still to be tried.
            let rest = deadline.saturating_duration_since(context.home.remote.clock().now());
            let within = rest / u32::try_from(addresses.len() - position).unwrap_or(u32::MAX);
            let (filler, answer) = slot();
            let (request, config) = (request.clone(), Arc::clone(&config));
            let address = Address::Tcp(*address);
            context.dial(Dial { address, request, config, within, filler });
            match answer.await {
                Some(Ok(socket)) => return Ok(socket),
                // Who answers is the right one, whatever it says.
                Some(Err(ConnectError::Transport(kind))) => failure = Error::Io(kind.into()),
                Some(Err(ConnectError::TimedOut)) => failure = Error::Timeout,
                Some(Err(error)) => return Err(convert(error)),
                None => failure = Error::message("the loop has ended"),
            }
        }
        Err(failure)
    }

    fn request(&self, url: &Url) -> Result<ClientRequest, Error> {
        let mut request = ClientRequest::new(url);
        for (name, value) in &self.headers {
            request = request.header(Header::new(name.clone(), value.clone())?)?;
        }
        for name in &self.subprotocols {
            request = request.subprotocol(name)?;
        }
        if let Some(origin) = &self.origin {
            request = request.origin(origin)?;
        }
        Ok(request)
    }
}

fn convert(error: ConnectError) -> Error {
    match error {
        ConnectError::Transport(kind) => Error::Io(kind.into()),
        ConnectError::TimedOut => Error::Timeout,
        ConnectError::Refused(refused) => Error::Refused(Box::new(Refusal::from(*refused))),
        error => Error::Other(Box::new(error)),
    }
}
