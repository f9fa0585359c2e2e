//! A reactor in a simulated network, and the peers that a test plays.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_reactor::engine::{Address, Conditions, Counters, Counting, Memory, Network, Wire};
use sockeye_reactor::{Config, Key, Peer, Reactor, Sender, Stats, Turn};

use crate::frames::{TEXT, masked, request, take, take_head};
use crate::support::{Log, Script, Scripts, Told};

/// A loop that needs more turns than this to come to rest spins.
const TURNS_MAX: usize = 10_000;

pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) reactor: Reactor<Scripts, Counting<Memory>>,
    pub(crate) address: Address,
    pub(crate) log: Log,
    pub(crate) counters: Arc<Counters>,
}

impl World {
    pub(crate) fn new(script: Script) -> Self {
        Self::with(script, Config::default(), Conditions::default())
    }

    pub(crate) fn configured(script: Script, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self::with(script, config, Conditions::default())
    }

    pub(crate) fn with(script: Script, config: Config, conditions: Conditions) -> Self {
        Self::within(&Network::new(conditions), script, config)
    }

    /// One of several reactors in one network.
    pub(crate) fn within(network: &Network, script: Script, config: Config) -> Self {
        let engine = Counting::new(network.engine());
        let counters = engine.counters();
        let service = Scripts::new(script);
        let log = service.log.clone();
        let mut reactor = Reactor::new(engine, service, config);
        let address = reactor.listen(&Address::Memory(0)).expect("an address");
        Self { network: network.clone(), reactor, address, log, counters }
    }

    /// Turns until nothing happens any more; no time passes.
    pub(crate) fn settle(&mut self) {
        self.network.set_horizon(Some(self.network.now()));
        let mut quiet = 0;
        for _ in 0..TURNS_MAX {
            let before = self.fingerprint();
            self.turn();
            quiet = if before == self.fingerprint() { quiet + 1 } else { 0 };
            if quiet == 3 && self.network.is_quiet() {
                return;
            }
        }
        panic!("the loop does not come to rest");
    }

    /// Lets time pass, and the loop run in it.
    pub(crate) fn pass(&mut self, duration: Duration) {
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

    pub(crate) fn turn(&mut self) -> Turn {
        self.reactor.turn().expect("an engine that works")
    }

    /// Does something with an open session, in the tasks phase of the next turn.
    pub(crate) fn with_peer(&mut self, key: Key, act: impl FnOnce(&mut Peer<'_>) + 'static) {
        self.reactor.service_mut().task = Some(Box::new(move |peers| {
            act(&mut peers.get(key).expect("an open session"));
        }));
        self.network.set_horizon(Some(self.network.now()));
        self.turn();
    }

    /// The key of the session that opened last.
    pub(crate) fn last_key(&self) -> Key {
        let opened = |told: &Told| match told {
            Told::Open(key) => Some(*key),
            _ => None,
        };
        self.log.borrow().iter().rev().find_map(opened).expect("a session that opened")
    }

    /// A sender for the session that opened last.
    pub(crate) fn sender(&mut self) -> Sender {
        let sender = Rc::new(RefCell::new(None));
        let made = sender.clone();
        self.with_peer(self.last_key(), move |peer| *made.borrow_mut() = Some(peer.sender()));
        sender.take().expect("the task was run")
    }

    fn fingerprint(&self) -> (Stats, usize) {
        let mut stats = self.reactor.stats();
        stats.turns = 0;
        (stats, self.log.borrow().len())
    }

    /// A peer whose transport is connected.
    pub(crate) fn connect(&self) -> Client {
        let wire = self.network.connect(&self.address).expect("a listener");
        Client { wire, bytes: Vec::new() }
    }

    /// A peer whose session is open.
    pub(crate) fn open(&mut self) -> Client {
        let mut client = self.connect();
        client.wire.write(&request("/"));
        self.settle();
        let head = client.head().expect("an answer");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// The texts that handlers were given, in order.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |told: &Told| match told {
            Told::Text(text) => Some(text.clone()),
            _ => None,
        };
        self.log.borrow().iter().filter_map(text).collect()
    }

    /// How many entries of the log are of this kind.
    pub(crate) fn count(&self, is_such: impl Fn(&Told) -> bool) -> usize {
        self.log.borrow().iter().filter(|told| is_such(told)).count()
    }

    /// Nothing is left of any session, here or in the network.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.reactor.sessions(), 0, "sessions are left: {:?}", self.log.borrow());
        assert_eq!(self.reactor.open_sessions(), 0);
    }
}

/// A peer that a test plays by hand.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    bytes: Vec<u8>,
}

impl Client {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, bytes: Vec::new() }
    }

    pub(crate) fn text(&self, text: &str) {
        self.wire.write(&masked(TEXT, text.as_bytes()));
    }

    /// The next head of a response or request that has arrived.
    pub(crate) fn head(&mut self) -> Option<String> {
        self.bytes.extend(self.wire.read());
        take_head(&mut self.bytes)
    }

    /// The next frame that has arrived.
    pub(crate) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        self.bytes.extend(self.wire.read());
        take(&mut self.bytes)
    }

    /// The payload of the next frame, which must be a text.
    #[track_caller]
    pub(crate) fn next_text(&mut self) -> String {
        match self.next() {
            Some((TEXT, payload)) => String::from_utf8(payload).expect("a text"),
            other => panic!("no text but {other:?}"),
        }
    }

    /// All frames that have arrived.
    pub(crate) fn frames(&mut self) -> Vec<(u8, Vec<u8>)> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// The code of the Close frame that comes next.
    #[track_caller]
    pub(crate) fn close_code(&mut self) -> u16 {
        match self.next() {
            Some((0x88, payload)) => u16::from_be_bytes([payload[0], payload[1]]),
            other => panic!("no Close frame but {other:?}"),
        }
    }

    /// What has arrived and was not taken yet.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.bytes.extend(self.wire.read());
        std::mem::take(&mut self.bytes)
    }
}
