//! Putting a server together.

use std::fmt;
use std::io;
use std::mem::take;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::{Header, InvalidHeader};
use sockeye_reactor::engine::{Address, GivenListener, Mio};
use sockeye_reactor::{Handler, Spreading};

use super::{Running, Server};
use crate::error::Error;
use crate::origin::is_origin;
use crate::request::{Request, Response};
use crate::router::InvalidPattern;
use crate::service::{App, Endpoints, Loops, SocketRoute, async_route, blocking_route};
use crate::socket::{BlockingSocket, Socket};

/// Threads of blocking routes at most, unless told otherwise.
const BLOCKING_ROUTES_MAX: usize = 512;

/// Routes, rules and limits of a server that is to be. Every limit has a default that is safe to leave.
#[must_use = "a builder does nothing until it is bound"]
pub struct ServerBuilder {
    app: App,
    config: sockeye_reactor::Config,
    connection: sockeye_protocol::Config,
    loops: usize,
    spreading: Spreading,
    listens: Vec<Address>,
    given: Vec<GivenListener>,
    /// The first mistake in what was asked for, told when the server is bound.
    mistake: Option<Box<str>>,
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            app: App::new(BLOCKING_ROUTES_MAX),
            config: sockeye_reactor::Config::default(),
            connection: sockeye_protocol::Config::default(),
            loops: 1,
            spreading: Spreading::default(),
            listens: Vec::new(),
            given: Vec::new(),
            mistake: None,
        }
    }

    /// Adds a straight-line conversation: an async function that is polled on the loop that accepted the connection. Its
    /// future need not be `Send`, and it must not block. The connection ends when the socket is dropped: with code 1000,
    /// or with 1011 if the function returned an error or panicked.
    ///
    /// When the connection ends the function runs on until it returns, to clean up for instance; a
    /// [`shutdown`](Server::shutdown) waits for it until the deadline, and drops it then at the await where it is.
    ///
    /// A path may have parameters, such as `/ws/{version}/productos`: see [`Sender::param`](crate::Sender::param).
    pub fn route<F>(self, path: &str, route: F) -> Self
    where
        F: AsyncFn(Socket) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.socket_route(path, async_route(route))
    }

    /// Adds the same on a thread of its own, for libraries that block. At most 512 run at once (see
    /// [`blocking_routes_max`](Self::blocking_routes_max)); the next upgrade is answered with 503.
    ///
    /// A [`shutdown`](Server::shutdown) waits for the function to return, but not beyond the deadline: a thread cannot be
    /// ended from outside, so it is left behind, and a program that then exits takes it along.
    pub fn route_blocking<F>(self, path: &str, route: F) -> Self
    where
        F: Fn(BlockingSocket) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.socket_route(path, blocking_route(route))
    }

    /// Adds events: the function makes a [`Handler`] for each connection, or refuses it with a response. The handler is
    /// called on the loop's thread, with messages that lie where they were received; it must not block. The fastest way.
    pub fn route_events<F, H>(self, path: &str, route: F) -> Self
    where
        F: Fn(&Request<'_>) -> Result<H, Response> + Send + Sync + 'static,
        H: Handler + 'static,
    {
        let make = move |request: &Request<'_>| {
            route(request).map(|handler| -> Box<dyn Handler> { Box::new(handler) })
        };
        self.socket_route(path, SocketRoute::Events(Box::new(make)))
    }

    /// Adds a small response for a plain GET, such as a page, health or metrics. The same path may have a socket as well:
    /// whoever asks for an upgrade gets that.
    pub fn get<F>(self, path: &str, page: F) -> Self
    where
        F: Fn(&Request<'_>) -> Response + Send + Sync + 'static,
    {
        self.endpoint(path, |endpoints| {
            let taken = endpoints.page.is_some();
            endpoints.page = Some(Box::new(page));
            taken
        })
    }

    /// Asks before every upgrade that nothing else has refused: `Err` is the answer, such as 401 or a redirect. What it
    /// finds out it [attaches](Request::attach) for the route.
    ///
    /// ```
    /// use sockeye::{Error, Response, Server, Socket};
    ///
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// async fn greet(socket: Socket) -> Result<(), Error> {
    ///     let user = socket.attached::<User>().expect("the guard lets nobody else in");
    ///     socket.send_text(&format!("Hello, {}!", user.name)).await
    /// }
    ///
    /// # fn user_of(token: &[u8]) -> Option<User> {
    /// #     (token == b"Bearer 1234").then(|| User { name: "Ana".into() })
    /// # }
    /// let builder = Server::builder().route("/greet", greet).guard(|request| {
    ///     let user = request.header("Authorization").and_then(user_of);
    ///     request.attach(user.ok_or_else(|| Response::new(401))?);
    ///     Ok(())
    /// });
    /// # drop(builder);
    /// ```
    pub fn guard<F>(mut self, guard: F) -> Self
    where
        F: Fn(&Request<'_>) -> Result<(), Response> + Send + Sync + 'static,
    {
        self.app.guard = Some(Box::new(guard));
        self
    }

    /// Told of every error that an async or a blocking route returned, and of its panic as an error with the panic's
    /// message, on the thread that ran it. It must not block.
    ///
    /// Not told of a goodbye: an [`Error::Closed`] that the route passed on when both sides had agreed to close.
    pub fn on_error<F>(mut self, report: F) -> Self
    where
        F: Fn(&Error) + Send + Sync + 'static,
    {
        self.app.report = Some(Box::new(report));
        self
    }

    /// Lets pages of another origin in, such as `https://app.example.com`; compared exactly. Without it only pages of the
    /// same host and port are, and programs that send no Origin.
    ///
    /// What no browser would send, such as an origin with a path or with the port that its scheme implies, is a mistake
    /// that [`bind`](Self::bind) returns.
    pub fn allow_origin(mut self, origin: &str) -> Self {
        if !is_origin(origin) {
            return self.note_mistake(format!(
                "{origin:?}: an origin is what a browser sends, such as https://app.example.com"
            ));
        }
        self.app.origins.allow(origin);
        self
    }

    /// Lets every page in. A foreign page can then use its visitor's cookies here, so only for servers that have none.
    pub fn dangerous_allow_any_origin(mut self) -> Self {
        self.app.origins.allow_any();
        self
    }

    /// A subprotocol that the server speaks. The handshake agrees on the first one of the client's that it does.
    ///
    /// A name that cannot stand in a handshake, such as one with a space, is a mistake that [`bind`](Self::bind) returns.
    pub fn subprotocol(mut self, name: &str) -> Self {
        // Both are tokens (RFC 6455 section 4.1); a name that is reserved as a header's is none that is in use here.
        if matches!(Header::new(name.to_owned(), ""), Err(InvalidHeader::Name)) {
            return self.note_mistake(format!(
                "{name:?}: a subprotocol is one word of ASCII letters, digits and marks"
            ));
        }
        self.app.subprotocols.push(name.into());
        self
    }

    /// Loops, each on a thread of its own, that share the port; 1 by default. None is a mistake that
    /// [`bind`](Self::bind) returns.
    pub fn threads(mut self, loops: usize) -> Self {
        if loops == 0 {
            return self.note_mistake("a server has one thread at least".to_owned());
        }
        self.loops = loops;
        self
    }

    /// How connections come to the loops; by default as the system does it best.
    pub fn spreading(mut self, spreading: Spreading) -> Self {
        self.spreading = spreading;
        self
    }

    /// Threads of blocking routes; 512 by default.
    pub fn blocking_routes_max(mut self, threads: usize) -> Self {
        self.app.threads = App::threads(threads);
        self
    }

    /// Bytes of a message; 1 MiB by default, and 1009 for a larger one.
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.connection.message_bytes_max = bytes;
        self
    }

    /// Messages and bytes in the inbox of a socket before the loop stops reading for it; 64 and 256 KiB by default.
    pub fn inbox_max(mut self, messages: usize, bytes: usize) -> Self {
        self.app.inbox_limits.messages_max = messages.max(1);
        self.app.inbox_limits.bytes_max = bytes.max(1);
        self
    }

    /// Ping frames after so much silence, and how long the peer may take to answer; 20 s and 20 s by default. `None`: no
    /// keepalive, and a peer that vanished is found only when something is sent to it.
    pub fn keepalive(mut self, after: Option<Duration>, within: Duration) -> Self {
        self.connection.ping_after = after;
        self.connection.pong_within = within;
        self
    }

    /// Connections that are open at once, per loop; 100,000 by default, and 503 above it.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.config.connections_max = connections;
        self
    }

    /// Agrees on compression with clients that offer it (RFC 7692); without this, no client's offer is accepted. It saves
    /// bandwidth and costs time and, if contexts are kept, memory: see [`DeflateConfig`](crate::DeflateConfig).
    /// [`Sender::send_uncompressed`](crate::Sender::send_uncompressed) is for secrets.
    ///
    /// ```
    /// use sockeye::{DeflateConfig, Server};
    ///
    /// let builder = Server::builder().deflate(DeflateConfig::default());
    /// # drop(builder);
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, config: sockeye_protocol::DeflateConfig) -> Self {
        self.connection.deflate = Some(config);
        self
    }

    /// Changes the further limits of connections: see [`ConnectionConfig`](crate::ConnectionConfig).
    pub fn connection(mut self, change: impl FnOnce(&mut sockeye_protocol::Config)) -> Self {
        change(&mut self.connection);
        self
    }

    /// Changes the further limits of the loops: see [`LoopConfig`](crate::LoopConfig).
    pub fn event_loop(mut self, change: impl FnOnce(&mut sockeye_reactor::Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Listens at a Unix socket as well. What a dead server left at its path is replaced; all loops accept there.
    pub fn listen_unix(mut self, path: impl AsRef<Path>) -> Self {
        self.listens.push(Address::Unix(path.as_ref().to_owned()));
        self
    }

    /// Serves on a socket that listens already, as well: a [`TcpListener`](std::net::TcpListener) or a
    /// [`UnixListener`](std::os::unix::net::UnixListener) that the program made, with options of its own or before it gave
    /// up a privilege, or that a service manager left open for it (socket activation). All loops serve what it brings: the
    /// first accepts it, and hands each connection to the loop with the fewest.
    ///
    /// From now on it does not block, nor do clones of it. It is closed when the server drains or stops; clones and other
    /// processes that hold the same socket go on with it. The file of a Unix listener is left where it is.
    ///
    /// One that does not listen, or is of another kind than its type says, is an [`Error::Io`] of
    /// [`start`](Self::start) and [`bind`](Self::bind), with an [`InvalidListener`](crate::InvalidListener) inside.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use std::time::Duration;
    /// use sockeye::{Error, Server, Socket, connect_blocking};
    ///
    /// async fn echo(mut socket: Socket) -> Result<(), Error> {
    ///     loop {
    ///         let message = socket.recv().await?;
    ///         socket.send(message).await?;
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Error> {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let server = Server::builder().route("/echo", echo).listen_on(listener).start()?;
    /// assert_eq!(server.local_addr(), Some(address));
    ///
    /// let mut socket = connect_blocking(&format!("ws://{address}/echo"))?;
    /// socket.send_text("hi")?;
    /// assert_eq!(socket.recv()?.as_text(), Some("hi"));
    /// # drop(socket);
    /// server.shutdown(Duration::from_secs(10));
    /// # Ok(())
    /// # }
    /// ```
    pub fn listen_on(mut self, listener: impl Into<GivenListener>) -> Self {
        self.given.push(listener.into());
        self
    }

    /// Listens, and starts the server. Port 0 leaves the choice to the system: see [`Server::local_addr`].
    ///
    /// # Errors
    /// [`Error::Io`], which names the address, if that is in use or not ours; [`Error::Other`] for a mistake in a
    /// route's path, an origin, a subprotocol or the number of threads.
    pub fn bind(mut self, address: impl ToSocketAddrs) -> Result<Server, Error> {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let mut failure = None;
        for address in addresses {
            let address = Address::Tcp(address);
            match ensure_unused(&address) {
                Ok(()) => {
                    self.listens.insert(0, address);
                    return self.start();
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.map_or_else(|| Error::message("the address has no host"), Error::Io))
    }

    /// Listens, and serves until the process ends.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn serve(self, address: impl ToSocketAddrs) -> Result<(), Error> {
        self.bind(address)?.wait();
        Ok(())
    }

    /// Starts the server at the Unix sockets and on the given listeners alone.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); and [`Error::Other`] if there is none.
    pub fn start(mut self) -> Result<Server, Error> {
        let (loops, spreading) = (self.loops, self.spreading);
        let (listens, given) = (take(&mut self.listens), take(&mut self.given));
        let (app, config) = self.into_parts()?;
        if listens.is_empty() && given.is_empty() {
            return Err(Error::message(
                "the server has no address: bind it to one, listen_unix, or listen_on a listener",
            ));
        }
        for address in &listens {
            ensure_unused(address)?;
        }
        let loops = Loops::start(given, loops, spreading, &app, &config, &listens)?;
        Ok(Server { running: Arc::new(Running { app, loops }) })
    }

    pub(crate) fn into_parts(self) -> Result<(Arc<App>, sockeye_reactor::Config), Error> {
        if let Some(mistake) = self.mistake {
            return Err(Error::message(mistake));
        }
        let mut config = self.config;
        config.connection = Arc::new(self.connection);
        Ok((Arc::new(self.app), config))
    }

    fn socket_route(self, path: &str, route: SocketRoute) -> Self {
        self.endpoint(path, |endpoints| endpoints.socket.replace(route).is_some())
    }

    fn endpoint(mut self, path: &str, put: impl FnOnce(&mut Endpoints) -> bool) -> Self {
        let mistake = match self.app.routes.entry(path, Endpoints::default) {
            Ok(endpoints) => put(endpoints).then_some(InvalidPattern::Taken),
            Err(mistake) => Some(mistake),
        };
        match mistake {
            Some(mistake) => self.note_mistake(format!("{path}: {mistake}")),
            None => self,
        }
    }

    fn note_mistake(mut self, mistake: String) -> Self {
        self.mistake.get_or_insert_with(|| mistake.into());
        self
    }
}

/// The system's error does not say which address it is about.
fn ensure_unused(address: &Address) -> io::Result<()> {
    Mio::ensure_unused(address)
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerBuilder").field("loops", &self.loops).finish_non_exhaustive()
    }
}
