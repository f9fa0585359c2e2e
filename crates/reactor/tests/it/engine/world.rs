//! Engines with peers for them: real sockets, and the simulated network.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sockeye_protocol::Outbox;
use sockeye_reactor::engine::{
    Address, Carrier, Completion, Conditions, Engine, Input, ListenerId, Mio, Network, Wire,
};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// An engine, and what it has told so far.
pub(super) struct Pump<E> {
    pub(super) engine: E,
    seen: Vec<Completion>,
}

impl<E: Engine> Pump<E> {
    pub(super) fn new(engine: E) -> Self {
        Self { engine, seen: Vec::new() }
    }

    /// Sleeps until `completion` has come, and forgets it.
    #[track_caller]
    pub(super) fn wait(&mut self, completion: Completion) {
        let deadline = self.engine.now() + PATIENCE;
        while !self.take(completion) {
            let remaining = deadline.saturating_duration_since(self.engine.now());
            assert!(!remaining.is_zero(), "{completion:?} never came; {:?} did", self.seen);
            self.engine.poll(Some(remaining), &mut self.seen).expect("poll");
        }
    }

    /// Whether `completion` has come, without waiting long.
    pub(super) fn is_told(&mut self, completion: Completion) -> bool {
        let moment = Duration::from_millis(1);
        self.engine.poll(Some(moment), &mut self.seen).expect("poll");
        self.take(completion)
    }

    pub(super) fn has_seen(&self, completion: Completion) -> bool {
        self.seen.contains(&completion)
    }

    fn take(&mut self, completion: Completion) -> bool {
        let before = self.seen.len();
        self.seen.retain(|seen| *seen != completion);
        self.seen.len() < before
    }

    #[track_caller]
    pub(super) fn accept(&mut self, listener: ListenerId) -> Carrier {
        loop {
            if let Some((carrier, _)) = self.engine.accept(listener).expect("accept") {
                return carrier;
            }
            self.wait(Completion::Acceptable(listener));
        }
    }

    /// Receives exactly `len` bytes, waiting only when the engine says that nothing is left.
    #[track_caller]
    pub(super) fn receive_len(&mut self, carrier: Carrier, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            match self.engine.receive(carrier).expect("receive") {
                Input::Bytes { bytes: more, drained } => {
                    assert!(!more.is_empty());
                    bytes.extend_from_slice(more);
                    if drained && bytes.len() < len {
                        self.wait(Completion::Readable(carrier));
                    }
                }
                Input::Nothing => self.wait(Completion::Readable(carrier)),
                Input::End => panic!("the end came after {} bytes", bytes.len()),
            }
        }
        assert_eq!(bytes.len(), len);
        bytes
    }

    #[track_caller]
    pub(super) fn send(&mut self, carrier: Carrier, bytes: &[u8]) {
        let mut outbox = Outbox::new();
        outbox.append(bytes);
        while self.engine.send(carrier, &mut outbox).expect("send").blocked {
            self.wait(Completion::Writable(carrier));
        }
        assert!(outbox.is_empty());
    }
}

/// The other end of an engine's connection.
pub(super) trait Peer {
    fn write(&mut self, bytes: &[u8]);
    /// What is there now; `None`: the end.
    fn try_read(&mut self) -> Option<Vec<u8>>;
    fn shutdown_write(&mut self);

    #[track_caller]
    fn read_some(&mut self) -> Vec<u8> {
        self.try_read().expect("the engine's end did not close")
    }

    #[track_caller]
    fn read_len(&mut self, pump: &mut Pump<impl Engine>, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let deadline = pump.engine.now() + PATIENCE;
        while bytes.len() < len {
            bytes.extend(self.read_some());
            assert!(pump.engine.now() < deadline, "only {} bytes of {len} came", bytes.len());
            pump.engine.poll(Some(Duration::from_millis(1)), &mut pump.seen).expect("poll");
        }
        assert_eq!(bytes.len(), len);
        bytes
    }

    #[track_caller]
    fn read_to_end(&mut self, pump: &mut Pump<impl Engine>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let deadline = pump.engine.now() + PATIENCE;
        while let Some(more) = self.try_read() {
            bytes.extend(more);
            assert!(pump.engine.now() < deadline, "the end never came");
            pump.engine.poll(Some(Duration::from_millis(1)), &mut pump.seen).expect("poll");
        }
        bytes
    }
}

/// Where engines and peers meet.
pub(super) trait World {
    type Engine: Engine;
    type Peer: Peer;

    fn engine(&mut self) -> Self::Engine;
    fn address(&self) -> Address;
    fn call(&mut self, address: &Address) -> Self::Peer;

    /// An engine that listens.
    fn listening(&mut self) -> (ListenerId, Address, Pump<Self::Engine>) {
        let mut engine = self.engine();
        let (listener, address) = engine.listen(&self.address()).expect("listen");
        (listener, address, Pump::new(engine))
    }

    /// An engine with one accepted connection.
    fn accepted(&mut self) -> (Pump<Self::Engine>, Carrier, Self::Peer) {
        let (listener, address, mut pump) = self.listening();
        let peer = self.call(&address);
        pump.wait(Completion::Acceptable(listener));
        let carrier = pump.accept(listener);
        assert!(pump.engine.accept(listener).expect("accept").is_none());
        (pump, carrier, peer)
    }
}

pub(super) struct TcpWorld;

impl TcpWorld {
    pub(super) fn new() -> Self {
        Self
    }
}

impl World for TcpWorld {
    type Engine = Mio;
    type Peer = TcpStream;

    fn engine(&mut self) -> Mio {
        Mio::new().expect("an engine")
    }

    fn address(&self) -> Address {
        Address::Tcp(([127, 0, 0, 1], 0).into())
    }

    fn call(&mut self, address: &Address) -> TcpStream {
        let Address::Tcp(address) = address else { panic!("{address} is no TCP address") };
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_nonblocking(true).expect("nonblocking");
        stream
    }
}

pub(super) struct UnixWorld(PathBuf);

impl UnixWorld {
    pub(super) fn new() -> Self {
        Self(socket_path())
    }
}

/// A path for a socket file that nobody else has.
pub(super) fn socket_path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("sockeye-{}-{number}.sock", std::process::id()))
}

impl World for UnixWorld {
    type Engine = Mio;
    type Peer = UnixStream;

    fn engine(&mut self) -> Mio {
        Mio::new().expect("an engine")
    }

    fn address(&self) -> Address {
        Address::Unix(self.0.clone())
    }

    fn call(&mut self, address: &Address) -> UnixStream {
        let Address::Unix(path) = address else { panic!("{address} is no Unix socket") };
        let stream = UnixStream::connect(path).expect("connect");
        stream.set_nonblocking(true).expect("nonblocking");
        stream
    }
}

pub(super) struct MemoryWorld {
    network: Network,
}

impl MemoryWorld {
    pub(super) fn plain() -> Self {
        Self { network: Network::new(Conditions::default()) }
    }

    /// A network in which everything takes time and comes in pieces.
    pub(super) fn rough(seed: u64) -> Self {
        let mut conditions = Conditions::default();
        conditions.seed = seed;
        let size = usize::try_from(seed).expect("a small seed");
        conditions.read_bytes_max = Some(1 + size % 5 * 1000);
        conditions.send_bytes_max = Some(1000 + size * 9000);
        conditions.latency_to_callee = Duration::from_millis(seed % 3 * 20);
        conditions.latency_to_caller = Duration::from_millis(seed % 2 * 30);
        conditions.window_bytes = 65_536;
        Self { network: Network::new(conditions) }
    }
}

impl World for MemoryWorld {
    type Engine = sockeye_reactor::engine::Memory;
    type Peer = Wire;

    fn engine(&mut self) -> Self::Engine {
        self.network.engine()
    }

    fn address(&self) -> Address {
        Address::Memory(0)
    }

    fn call(&mut self, address: &Address) -> Wire {
        self.network.connect(address).expect("connect")
    }
}

macro_rules! real_peer {
    ($stream:ty) => {
        impl Peer for $stream {
            fn write(&mut self, bytes: &[u8]) {
                self.write_all(bytes).expect("write");
            }

            fn try_read(&mut self) -> Option<Vec<u8>> {
                let mut buffer = vec![0; 65_536];
                match self.read(&mut buffer) {
                    Ok(0) => return None,
                    Ok(count) => buffer.truncate(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => buffer.clear(),
                    Err(error) => panic!("{error}"),
                }
                Some(buffer)
            }

            fn shutdown_write(&mut self) {
                self.shutdown(Shutdown::Write).expect("shutdown");
            }
        }
    };
}

real_peer!(TcpStream);
real_peer!(UnixStream);

impl Peer for Wire {
    fn write(&mut self, bytes: &[u8]) {
        Self::write(self, bytes);
    }

    fn try_read(&mut self) -> Option<Vec<u8>> {
        let bytes = self.read();
        if bytes.is_empty() && self.is_ended() { None } else { Some(bytes) }
    }

    fn shutdown_write(&mut self) {
        Self::shutdown_write(self);
    }
}
