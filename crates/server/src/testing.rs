//! A server to test against without ports, threads or waiting: the real loop on a simulated network with a virtual
//! clock.
//!
//! ```
//! use std::time::Duration;
//! use sockeye::testing::{Received, TestServer};
//! use sockeye::{CloseCode, Error, Server, Socket};
//!
//! async fn greet(mut socket: Socket) -> Result<(), Error> {
//!     while let Ok(message) = socket.recv_timeout(Duration::from_secs(10)).await {
//!         socket.send(message).await?;
//!     }
//!     socket.close(CloseCode::NORMAL, "").await
//! }
//!
//! let mut server = TestServer::new(Server::builder().route("/connect", greet))?;
//! let mut client = server.connect("/connect");
//! client.send_text("hi");
//! server.settle();
//! assert_eq!(client.receive(), Some(Received::Text("hi".into())));
//!
//! server.advance(Duration::from_secs(10));
//! assert_eq!(client.receive(), Some(Received::Close(Some(CloseCode::NORMAL), String::new())));
//! # Ok::<(), Error>(())
//! ```
//!
//! Every run with the same seed in its [`Conditions`] is the same. Blocking routes run here as well, but their threads
//! keep the machine's time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "deflate")]
use sockeye_protocol::handshake::{ClientHandshake, ClientRequest, HeadLimits, Reply, Url};
use sockeye_protocol::{
    Buffers, CloseCode, CloseReason, Connection, Event, Instant, MaskKeys, Outbox, Output, Role,
};
use sockeye_reactor::engine::{Address, Engine, Memory};
use sockeye_reactor::{DrainPlan, Reactor};

use crate::error::Error;
use crate::executor::Clock;
use crate::group::Group;
use crate::server::ServerBuilder;
use crate::service::{App, LoopService, Stats};
use crate::socket::{SocketHandle, SocketId};
#[cfg(feature = "deflate")]
use crate::{Deflate, DeflateConfig};

pub use sockeye_reactor::Draining;
pub use sockeye_reactor::engine::{Conditions, Network, Wire};

/// A loop that needs more turns than this to come to rest spins.
const TURNS_MAX: usize = 1_000_000;

/// A server with one loop that turns only when it is told to.
pub struct TestServer {
    pub(crate) app: Arc<App>,
    network: Network,
    address: Address,
    /// `None` only while it is dropped.
    reactor: Option<Reactor<LoopService, Memory>>,
}

impl TestServer {
    /// A server in a network that delivers at once and whole.
    ///
    /// # Errors
    /// [`Error::Other`] for a mistake in a route's path.
    pub fn new(builder: ServerBuilder) -> Result<Self, Error> {
        Self::with_conditions(builder, Conditions::default())
    }

    /// A server in a network that delays and cuts what travels through it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_conditions(builder: ServerBuilder, conditions: Conditions) -> Result<Self, Error> {
        let (app, config) = builder.into_parts()?;
        let network = Network::new(conditions);
        let engine = network.engine();
        let service = LoopService::new(Arc::clone(&app), Clock::virtual_at(engine.now()));
        let remote = Arc::clone(service.executor().remote());
        let mut reactor = Reactor::new(engine, service, config);
        let handle = reactor.handle();
        remote.set_wake(move || handle.wake());
        let address = reactor.listen(&Address::Memory(0))?;
        Ok(Self { app, network, address, reactor: Some(reactor) })
    }

    /// A client whose handshake at this path is over.
    ///
    /// # Panics
    /// If the server does not upgrade.
    #[track_caller]
    pub fn connect(&mut self, path: &str) -> TestClient {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let wire = self.wire();
        wire.write(request.as_bytes());
        self.settle();
        let mut client = TestClient::new(wire, self.network.clone());
        let head = client.take_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "the server answered {head:?}");
        client
    }

    /// A client that offers to compress as `config` says, and whose handshake at this path is over.
    /// [`TestClient::compression`] says what the server made of it.
    ///
    /// # Panics
    /// If the server does not upgrade, or answers what was not offered.
    #[cfg(feature = "deflate")]
    #[track_caller]
    pub fn connect_deflating(&mut self, path: &str, config: DeflateConfig) -> TestClient {
        let url = Url::parse(&format!("ws://test{path}")).expect("a path");
        let request = ClientRequest::new(&url).deflate(config);
        let mut outbox = Outbox::new();
        let limits = HeadLimits::default();
        let mut handshake =
            ClientHandshake::start(&request, *b"the sample nonce", limits, &mut outbox);
        let wire = self.wire();
        outbox.chunks().for_each(|chunk| wire.write(chunk));
        self.settle();
        let mut client = TestClient::new(wire, self.network.clone());
        client.read();
        let switched = match handshake.receive(&client.bytes) {
            Ok(Some(Reply::Switched(switched))) => switched,
            other => panic!("the server answered {other:?}"),
        };
        client.bytes.drain(..switched.head_len);
        client.bytes_received = 0;
        if let Some(agreed) = &switched.deflate {
            client.connection.set_deflate(agreed);
        }
        client.compression = switched.deflate;
        client
    }

    /// What the server answers to these bytes, up to where it ends or waits for more.
    pub fn respond(&mut self, request: &[u8]) -> String {
        let wire = self.wire();
        wire.write(request);
        self.settle();
        String::from_utf8_lossy(&wire.read()).into_owned()
    }

    /// A transport to the server on which nothing has been said.
    ///
    /// # Panics
    /// If the server has stopped listening.
    pub fn wire(&self) -> Wire {
        self.network.connect(&self.address).expect("the server listens")
    }

    /// Turns until nothing happens any more; no time passes.
    ///
    /// # Panics
    /// If that does not come, because some task is ready for ever.
    pub fn settle(&mut self) {
        self.network.set_horizon(Some(self.network.now()));
        let mut quiet = 0;
        for _ in 0..TURNS_MAX {
            let before = self.fingerprint();
            self.turn();
            let rests = before == self.fingerprint() && !self.is_busy() && self.network.is_quiet();
            quiet = if rests { quiet + 1 } else { 0 };
            if quiet == 3 {
                return;
            }
        }
        panic!("the loop does not come to rest");
    }

    /// Lets time pass, and everything happen that falls due in it.
    ///
    /// # Panics
    /// As [`settle`](Self::settle).
    pub fn advance(&mut self, duration: Duration) {
        self.settle();
        let target = self.network.now() + duration;
        self.network.set_horizon(Some(target));
        for _ in 0..TURNS_MAX {
            if self.network.now() >= target {
                return self.settle();
            }
            self.turn();
        }
        panic!("the loop does not let time pass");
    }

    /// One turn of the loop.
    pub fn turn(&mut self) {
        let Some(reactor) = &mut self.reactor else { return };
        let _entered = reactor.service_mut().enter();
        reactor.turn().expect("a simulated network does not fail");
    }

    /// The time on the virtual clock.
    pub fn now(&self) -> Instant {
        self.network.now()
    }

    /// The network, to make it worse.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Group {
        self.app.groups.named(name)
    }

    /// The socket with this identifier, if it is open.
    pub fn socket(&self, id: SocketId) -> Option<SocketHandle> {
        self.app.registry.find(id).map(SocketHandle::new)
    }

    /// The open socket that was given this name.
    pub fn socket_named(&self, name: &str) -> Option<SocketHandle> {
        self.app.registry.find_named(name).map(SocketHandle::new)
    }

    /// All open sockets.
    pub fn sockets(&self) -> Vec<SocketHandle> {
        self.app.registry.all().into_iter().map(SocketHandle::new).collect()
    }

    /// The figures as of the latest turn.
    pub fn stats(&mut self) -> Stats {
        self.reactor
            .as_mut()
            .map(|reactor| reactor.service_mut().figures().read())
            .unwrap_or_default()
    }

    /// Begins to drain; the report comes when enough time was let pass.
    ///
    /// # Panics
    /// Never: the loop exists as long as this does.
    pub fn drain(&mut self, plan: DrainPlan) -> Draining {
        self.reactor.as_ref().expect("the loop exists").handle().drain(plan)
    }

    fn is_busy(&mut self) -> bool {
        use sockeye_reactor::Service;
        self.reactor
            .as_mut()
            .is_some_and(|reactor| reactor.service_mut().deadline() == Some(Instant::ZERO))
    }

    fn fingerprint(&mut self) -> (Stats, usize) {
        let stats = self.stats();
        (Stats { turns: 0, ..stats }, self.reactor.as_ref().map_or(0, Reactor::sessions))
    }
}

impl Drop for TestServer {
    /// Within the loop: tasks and sockets are dropped with it.
    fn drop(&mut self) {
        if let Some(mut reactor) = self.reactor.take() {
            let _entered = reactor.service_mut().enter();
            drop(reactor);
        }
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TestServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What a test's client received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping; its pong has been sent.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A Close frame, with its code and reason; its answer has been sent.
    Close(Option<CloseCode>, String),
    /// The end of the transport.
    End,
}

/// A client that a test plays by hand. It reads when it is asked for the next thing, and not before.
pub struct TestClient {
    wire: Wire,
    network: Network,
    connection: Connection,
    outbox: Outbox,
    buffers: Buffers,
    bytes: Vec<u8>,
    received: VecDeque<Received>,
    ended: bool,
    bytes_received: usize,
    #[cfg(feature = "deflate")]
    compression: Option<Deflate>,
}

/// Masking hides nothing from a simulated network.
struct FixedKey;

impl MaskKeys for FixedKey {
    fn next_key(&mut self) -> [u8; 4] {
        *b"mask"
    }
}

impl TestClient {
    fn new(wire: Wire, network: Network) -> Self {
        let mut config = sockeye_protocol::Config::default();
        // A client's own deadlines would only disturb what the server's are tested for.
        (config.ping_after, config.message_within) = (None, None);
        config.message_bytes_max = 64 << 20;
        let connection = Connection::new(Role::Client, Arc::new(config), network.now());
        Self {
            wire,
            network,
            connection,
            outbox: Outbox::new(),
            buffers: Buffers::default(),
            bytes: Vec::new(),
            received: VecDeque::new(),
            ended: false,
            bytes_received: 0,
            #[cfg(feature = "deflate")]
            compression: None,
        }
    }

    /// What was agreed on about compression, if anything was.
    #[cfg(feature = "deflate")]
    pub const fn compression(&self) -> Option<&Deflate> {
        self.compression.as_ref()
    }

    /// How many bytes have been read from the transport since the handshake.
    pub const fn bytes_received(&self) -> usize {
        self.bytes_received
    }

    /// Sends a text message.
    pub fn send_text(&mut self, text: &str) {
        self.send(|connection, output| connection.send_text(text, output));
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.send(|connection, output| connection.send_binary(bytes, output));
    }

    /// Sends a ping.
    pub fn send_ping(&mut self, payload: &[u8]) {
        self.send(|connection, output| connection.send_ping(payload, output));
    }

    /// Sends a Close frame; without a code it has no body.
    pub fn send_close(&mut self, code: Option<CloseCode>, reason: &str) {
        let reason = code.map(|code| CloseReason::new(code, reason));
        self.send(|connection, output| connection.close(reason, output));
    }

    /// What came next, if anything did.
    pub fn receive(&mut self) -> Option<Received> {
        if self.received.is_empty() {
            self.read();
            self.take_events();
        }
        if self.received.is_empty() && self.wire.is_ended() && !self.ended {
            self.ended = true;
            // As any client does when the server has said everything.
            self.wire.shutdown_write();
            return Some(Received::End);
        }
        self.received.pop_front()
    }

    /// Everything that came.
    pub fn rest(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.receive()).collect()
    }

    /// The texts among what came.
    pub fn texts(&mut self) -> Vec<String> {
        let text = |received| match received {
            Received::Text(text) => Some(text),
            _ => None,
        };
        self.rest().into_iter().filter_map(text).collect()
    }

    /// The transport, to write bytes of one's own, or not to read.
    pub const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Leaves the client behind and keeps the transport.
    pub fn into_wire(self) -> Wire {
        self.wire
    }

    fn send<E: fmt::Debug>(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), E>,
    ) {
        let now = self.network.now();
        let mut output = Output {
            outbox: &mut self.outbox,
            mask_keys: &mut FixedKey,
            buffers: &mut self.buffers,
            now,
        };
        send(&mut self.connection, &mut output)
            .expect("the connection is open, and so is the outbox");
        self.flush();
    }

    fn flush(&mut self) {
        let bytes = self.outbox.chunks().collect::<Vec<_>>().concat();
        self.outbox.advance(bytes.len());
        self.wire.write(&bytes);
    }

    fn read(&mut self) {
        let read = self.wire.read();
        self.bytes_received += read.len();
        self.bytes.extend(read);
    }

    fn take_head(&mut self) -> String {
        self.read();
        let end = self
            .bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map_or(self.bytes.len(), |at| at + 4);
        self.bytes_received = 0;
        String::from_utf8_lossy(&self.bytes.drain(..end).collect::<Vec<_>>()).into_owned()
    }

    fn take_events(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut input = &mut bytes[..];
        let now = self.network.now();
        let mut output = Output {
            outbox: &mut self.outbox,
            mask_keys: &mut FixedKey,
            buffers: &mut self.buffers,
            now,
        };
        while let Some(event) = self
            .connection
            .receive(&mut input, &mut output)
            .expect("the server speaks the protocol")
        {
            self.received.push_back(match event {
                Event::Text(text) => Received::Text(text.into_string()),
                Event::Binary(payload) => Received::Binary(payload.into_vec()),
                Event::Ping(payload) => Received::Ping(payload.into_vec()),
                Event::Pong(payload) => Received::Pong(payload.into_vec()),
                Event::Close(reason) => Received::Close(
                    reason.as_ref().map(CloseReason::code),
                    reason.as_ref().map_or("", CloseReason::reason).to_owned(),
                ),
                _ => continue,
            });
        }
        self.flush();
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TestClient")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
