//! Everything that user code may call, from everywhere that it is called.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::handshake::Head;
use sockeye_protocol::{CloseCode, CloseReason, Event, Prepared};
use sockeye_reactor::engine::{Address, Conditions, Memory, Network, Remote};
use sockeye_reactor::{
    Accept, Config, Decision, Group, Handle, Handler, Key, Outcome, Peer, Policy, Reactor, Sender,
    Service,
};

use crate::frames::{TEXT, close, masked, request};
use crate::world::Client;

/// Where something is called.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Open,
    Event,
    Writable,
    Close,
    Drop,
}

const PLACES: [Place; 5] = [Place::Open, Place::Event, Place::Writable, Place::Close, Place::Drop];

/// What handlers know of each other.
#[derive(Default)]
struct Known {
    group: Group,
    sender: Option<Sender>,
    handle: Option<Handle>,
    own: Option<Key>,
    other: Option<Key>,
}

type Shared = Rc<RefCell<Known>>;

/// Whether it could be done makes no difference.
fn ignore<T>(_: T) {}

type Act = fn(&Known);
type PeerAct = fn(&mut Peer<'_>, &Known);

/// What needs no peer, so that it can be done everywhere.
const ACTIONS: [(&str, Act); 11] = [
    ("nothing", |_| {}),
    ("close by sender", |known| ignore(known.sender().close(None))),
    ("send by sender", |known| ignore(known.sender().send_text("x"))),
    ("fill by sender", |known| while known.sender().send_binary(vec![7; 100_000]).is_ok() {}),
    ("close itself by handle", |known| ignore(known.handle().close(known.own(), None))),
    ("close the other by handle", |known| {
        let reason = CloseReason::new(CloseCode::POLICY, "by its neighbour");
        ignore(known.handle().close(known.other(), Some(reason)));
    }),
    ("send to the other by handle", |known| {
        ignore(known.handle().send_prepared(known.other(), Prepared::text("x")));
    }),
    ("publish", |known| ignore(known.group.publish(Prepared::text("news")))),
    ("resume by sender", |known| known.sender().resume()),
    ("wake", |known| known.handle().wake()),
    ("panic", |_| panic!("as the test wants it")),
];

/// What only a peer can do.
const PEER_ACTIONS: [(&str, PeerAct); 10] = [
    ("close", |peer, _| ignore(peer.close(None))),
    ("close twice and send", |peer, _| {
        ignore(peer.close(None));
        assert!(peer.close(None).is_err() && peer.send_text("late").is_err());
    }),
    ("fill", |peer, _| while peer.send_binary(&[7; 100_000]).is_ok() {}),
    ("fill with pings", |peer, _| while peer.send_ping(&[7; 125]).is_ok() {}),
    ("pause", |peer, _| peer.pause()),
    ("pause and resume", |peer, _| {
        peer.pause();
        peer.resume();
        peer.resume();
    }),
    ("join and leave", |peer, known| {
        peer.join(&known.group, Policy::Close);
        peer.join(&known.group, Policy::DropNewest);
        known.group.publish(Prepared::text("news"));
        assert!(peer.leave(&known.group) && !peer.leave(&known.group));
    }),
    ("join and close", |peer, known| {
        peer.join(&known.group, Policy::KeepLatest);
        ignore(peer.close(None));
        known.group.publish(Prepared::text("news"));
    }),
    ("close by its own sender and by itself", |peer, _| {
        let sender = peer.sender();
        ignore(sender.close(None));
        ignore(peer.close(None));
        ignore(sender.send_text("late"));
    }),
    ("hand out many senders", |peer, _| {
        let senders: Vec<Sender> = (0..100).map(|_| peer.sender()).collect();
        for sender in senders {
            ignore(sender.send_text("x"));
        }
    }),
];

impl Known {
    fn sender(&self) -> &Sender {
        self.sender.as_ref().expect("the session has opened")
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("the session has opened")
    }

    fn own(&self) -> Key {
        self.own.expect("the session has opened")
    }

    fn other(&self) -> Key {
        self.other.expect("the other has opened before")
    }
}

#[derive(Clone, Copy)]
enum Action {
    Anywhere(Act),
    Peer(PeerAct),
}

struct Busy {
    place: Option<Place>,
    action: Action,
    known: Shared,
    /// An action that panics does so once, or nothing would be left to be seen.
    done: bool,
}

impl Busy {
    fn act(&mut self, here: Place, peer: Option<&mut Peer<'_>>) {
        if self.place != Some(here) || std::mem::replace(&mut self.done, true) {
            return;
        }
        let known = self.known.borrow();
        match (self.action, peer) {
            (Action::Anywhere(act), _) => act(&known),
            (Action::Peer(act), Some(peer)) => act(peer, &known),
            (Action::Peer(_), None) => {}
        }
    }
}

impl Handler for Busy {
    fn open(&mut self, peer: &mut Peer<'_>) {
        let mut known = self.known.borrow_mut();
        if self.place.is_none() {
            known.other = Some(peer.key());
            return;
        }
        known.own = Some(peer.key());
        known.sender = Some(peer.sender());
        known.handle = Some(peer.handle());
        drop(known);
        if self.place == Some(Place::Writable) {
            peer.send_binary(&[0; 100_000]).expect("room");
        }
        self.act(Place::Open, Some(peer));
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        if let Event::Text(text) = &event {
            let _ = peer.send_text(text);
            self.act(Place::Event, Some(peer));
        }
    }

    fn writable(&mut self, peer: &mut Peer<'_>) {
        self.act(Place::Writable, Some(peer));
    }

    fn close(&mut self, _: Outcome) {
        self.act(Place::Close, None);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.act(Place::Drop, None);
    }
}

/// The first two sessions do nothing of their own; the third does it.
struct Office {
    place: Place,
    action: Action,
    known: Shared,
}

impl Service for Office {
    type Handler = Busy;

    fn request(&mut self, head: &Head<'_>, _: &Remote) -> Decision<Busy> {
        let place = (head.request().path() == "/busy").then_some(self.place);
        let known = self.known.clone();
        Decision::Accept(Accept::new(Busy { place, action: self.action, known, done: false }))
    }
}

fn settle(network: &Network, reactor: &mut Reactor<Office, Memory>) {
    network.set_horizon(Some(network.now()));
    for _ in 0..40 {
        reactor.turn().expect("an engine that works");
    }
}

fn open(
    network: &Network,
    reactor: &mut Reactor<Office, Memory>,
    address: &Address,
    path: &str,
) -> Client {
    let mut client = Client::new(network.connect(address).expect("a listener"));
    client.wire.write(&request(path));
    settle(network, reactor);
    assert!(client.head().is_some(), "{path}");
    client
}

/// Does one thing in one place, then lets the session end in every way at once, while two others go
/// on: the loop comes to rest, the bystander is served, and nothing of the session is left.
fn check(name: &str, place: Place, action: Action) {
    let network = Network::new(Conditions::default());
    let known = Shared::default();
    let service = Office { place, action, known: known.clone() };
    let mut reactor = Reactor::new(network.engine(), service, Config::default());
    let address = reactor.listen(&Address::Memory(0)).expect("an address");
    let mut bystander = open(&network, &mut reactor, &address, "/");
    let other = open(&network, &mut reactor, &address, "/");
    let mut busy = open(&network, &mut reactor, &address, "/busy");
    busy.wire.write(&masked(TEXT, b"one").repeat(3));
    other.wire.write(&masked(TEXT, b"crossing"));
    settle(&network, &mut reactor);
    drop(busy.rest());
    settle(&network, &mut reactor);
    busy.wire.write(&masked(TEXT, b"two"));
    busy.wire.write(&close(1000));
    settle(&network, &mut reactor);
    drop(busy.rest());
    drop(busy);
    drop(other);
    network.set_horizon(Some(network.now() + Duration::from_secs(400)));
    while network.now().as_nanos() < 400_000_000_000 {
        reactor.turn().expect("an engine that works");
        // It answers pings, as a living one would.
        for (first, payload) in bystander.frames() {
            if first == 0x89 {
                bystander.wire.write(&masked(0x8A, &payload));
            }
        }
    }
    bystander.wire.write(&masked(TEXT, b"still here"));
    settle(&network, &mut reactor);
    let frames = bystander.frames();
    assert!(frames.contains(&(TEXT, b"still here".to_vec())), "{name} in {place:?}: {frames:?}");
    assert_eq!(reactor.sessions(), 1, "{name} in {place:?}");
    // Whoever keeps a sender of a dead session can do nothing with it.
    let known = known.borrow();
    assert!(known.sender().send_text("late").is_err() && !known.sender().is_open());
    assert!(known.handle().close(known.own(), None).is_ok(), "a stale command is none");
}

#[test]
fn threat_q8_q11_every_call_from_every_callback() {
    for place in PLACES {
        for (name, act) in ACTIONS {
            check(name, place, Action::Anywhere(act));
        }
        for (name, act) in PEER_ACTIONS {
            check(name, place, Action::Peer(act));
        }
    }
}
