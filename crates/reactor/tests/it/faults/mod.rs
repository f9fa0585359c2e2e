//! Faults at the edge of the machine, on real sockets: the loop runs on the thread of the test, turn by
//! turn, and the test is every peer.

mod broadcast;
mod crowds;
mod draining;
mod edges;
mod outward;
mod panics;
mod phases;
mod spy;
mod stalled;
mod vanishing;

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use sockeye_reactor::engine::Address;
use sockeye_reactor::{Cause, Config, Key, Peer, Reactor};

use crate::frames::{TEXT, masked, request, take, take_head};
use crate::support::{Log, Script, Scripts, Told};
use spy::{Call, Errors, Spy};

/// How long anything may take: far longer than it does, so that only a hang fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A loop on real sockets with one peer that behaves, and must never notice anything.
struct Shore {
    reactor: Reactor<Scripts, Spy>,
    address: SocketAddr,
    log: Log,
    errors: Errors,
}

impl Shore {
    fn new(script: Script) -> Self {
        Self::configured(script, |_| {})
    }

    fn configured(script: Script, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let engine = Spy::new();
        let errors = engine.errors.clone();
        let service = Scripts::new(script);
        let log = service.log.clone();
        let mut reactor = Reactor::new(engine, service, config);
        let wanted = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let Ok(Address::Tcp(address)) = reactor.listen(&wanted) else { panic!("no TCP address") };
        Self { reactor, address, log, errors }
    }

    /// One turn that does not sleep.
    fn turn(&mut self) {
        self.reactor.handle().wake();
        self.reactor.turn().expect("an engine that works");
    }

    /// Turns until something is so.
    #[track_caller]
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < PATIENCE, "never {what}: {:?}", self.log.borrow());
            self.turn();
        }
    }

    fn call(&self) -> Caller {
        let stream = TcpStream::connect(self.address).expect("a listener");
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Caller { stream, bytes: Vec::new() }
    }

    /// A peer whose transport was accepted.
    #[track_caller]
    fn accepted(&mut self) -> Caller {
        let before = self.reactor.stats().accepted;
        let caller = self.call();
        self.until("accepted", |shore| shore.reactor.stats().accepted > before);
        caller
    }

    /// A peer whose session is open.
    #[track_caller]
    fn open(&mut self) -> Caller {
        let mut caller = self.accepted();
        caller.write(&request("/"));
        let mut head = None;
        self.until("open", |_| {
            head = head.take().or_else(|| caller.head());
            head.is_some()
        });
        assert!(head.is_some_and(|head| head.starts_with("HTTP/1.1 101 ")));
        caller
    }

    /// The next frame that comes to a peer.
    #[track_caller]
    fn next(&mut self, caller: &mut Caller) -> (u8, Vec<u8>) {
        let mut frame = None;
        self.until("a frame", |_| {
            frame = frame.take().or_else(|| caller.next());
            frame.is_some()
        });
        frame.expect("it was waited for")
    }

    /// Asserts that a peer gets its echo.
    #[track_caller]
    fn assert_served(&mut self, caller: &mut Caller) {
        caller.write(&masked(TEXT, b"am I served?"));
        while self.next(caller) != (TEXT, b"am I served?".to_vec()) {}
    }

    /// The key of the session that opened last.
    fn last_key(&self) -> Key {
        let opened = |told: &Told| match told {
            Told::Open(key) => Some(*key),
            _ => None,
        };
        self.log.borrow().iter().rev().find_map(opened).expect("a session that opened")
    }

    /// Does something with an open session, in the tasks phase of the next turn.
    fn with_peer(&mut self, key: Key, act: impl FnOnce(&mut Peer<'_>) + 'static) {
        let done = Rc::new(RefCell::new(false));
        let told = done.clone();
        self.reactor.service_mut().task = Some(Box::new(move |peers| {
            act(&mut peers.get(key).expect("an open session"));
            *told.borrow_mut() = true;
        }));
        self.until("a task", |_| *done.borrow());
    }

    /// Why sessions ended, in order.
    fn causes(&self) -> Vec<Cause> {
        let closed = |told: &Told| match told {
            Told::Closed(outcome) => Some(outcome.cause),
            _ => None,
        };
        self.log.borrow().iter().filter_map(closed).collect()
    }

    fn count(&self, is_such: impl Fn(&Told) -> bool) -> usize {
        self.log.borrow().iter().filter(|told| is_such(told)).count()
    }

    /// Whether the system has said such a thing.
    fn has_met(&self, call: Call, kind: io::ErrorKind) -> bool {
        self.errors.borrow().contains(&(call, kind))
    }
}

/// A peer on a socket that does not block.
struct Caller {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Caller {
    /// Writes what fits the system's buffers for certain.
    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("room");
    }

    /// Writes as much as there is room for.
    fn write_some(&mut self, bytes: &[u8]) -> usize {
        match self.stream.write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads what is there. False: the stream has ended, or is broken.
    fn read(&mut self) -> bool {
        let mut chunk = [0; 65536];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    fn head(&mut self) -> Option<String> {
        self.read();
        take_head(&mut self.bytes)
    }

    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        if let Some(frame) = take(&mut self.bytes) {
            return Some(frame);
        }
        self.read();
        take(&mut self.bytes)
    }

    /// Ends its sending direction.
    fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("an open stream");
    }

    /// Ends the connection with a reset.
    fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}
