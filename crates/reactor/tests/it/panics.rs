//! User code that panics, or closes, wherever it is called.

use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::handshake::{ClientRequest, Head, Url};
use sockeye_protocol::{CloseCode, CloseReason, Event};
use sockeye_reactor::engine::{Address, Conditions, Memory, Network, Remote};
use sockeye_reactor::{
    Accept, Cause, Config, ConnectError, Decision, DrainPlan, Handler, Notice, Outcome, Outward,
    Peer, Peers, Reactor, Service,
};

use crate::frames::{BINARY, CLOSE, TEXT, close, masked, request};
use crate::support::{Brittle, Moment, Script, Told, echo};
use crate::world::{Client, World};

/// Where something is done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Request,
    Open,
    Event,
    Writable,
    Close,
    Drop,
    Tasks,
    Observe,
    Deadline,
    Connect,
    FailedToConnect,
}

/// A service that panics in one place, once for each session.
struct Fragile {
    place: Place,
    tripped: bool,
    panics: usize,
}

struct Glass(Place);

impl Glass {
    fn trip(&self, place: Place) {
        assert!(self.0 != place, "as the test wants it");
    }
}

impl Handler for Glass {
    fn open(&mut self, peer: &mut Peer<'_>) {
        self.trip(Place::Open);
        if self.0 == Place::Writable {
            peer.send_binary(&[0; 100_000]).expect("room");
        }
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        if let Event::Text(text) = event {
            self.trip(Place::Event);
            peer.send_text(&text).expect("room");
        }
    }

    fn writable(&mut self, _: &mut Peer<'_>) {
        self.trip(Place::Writable);
    }

    fn close(&mut self, _: Outcome) {
        self.trip(Place::Close);
    }

    fn failed_to_connect(&mut self, _: ConnectError) {
        self.trip(Place::FailedToConnect);
    }
}

impl Drop for Glass {
    fn drop(&mut self) {
        self.trip(Place::Drop);
    }
}

impl Fragile {
    fn trip(&mut self, place: Place) {
        if self.place == place && !self.tripped {
            self.tripped = true;
            panic!("as the test wants it");
        }
    }
}

impl Service for Fragile {
    type Handler = Glass;

    fn request(&mut self, head: &Head<'_>, _: &Remote) -> Decision<Glass> {
        let wanted = if head.request().path() == "/safe" { Place::Tasks } else { self.place };
        if wanted != Place::Tasks {
            self.trip(Place::Request);
        }
        Decision::Accept(Accept::new(Glass(wanted)))
    }

    fn tasks(&mut self, _: &mut Peers<'_>) {
        self.trip(Place::Tasks);
    }

    fn deadline(&self) -> Option<sockeye_protocol::Instant> {
        assert!(self.place != Place::Deadline, "as the test wants it");
        None
    }

    fn connect(&mut self) -> Option<Outward<Glass>> {
        self.trip(Place::Connect);
        if self.place != Place::FailedToConnect || std::mem::replace(&mut self.tripped, true) {
            return None;
        }
        let url = Url::parse("ws://nowhere.example.com/").expect("a URL");
        let request = ClientRequest::new(&url);
        Some(Outward::new(Address::Memory(404), request, Glass(Place::FailedToConnect)))
    }

    fn observe(&mut self, notice: Notice<'_>) {
        if let Notice::Panicked { .. } = notice {
            self.panics += 1;
        }
        self.trip(Place::Observe);
    }
}

fn settle(network: &Network, reactor: &mut Reactor<Fragile, Memory>) {
    network.set_horizon(Some(network.now()));
    for _ in 0..20 {
        reactor.turn().expect("an engine that works");
    }
}

#[test]
fn cls_40_threat_q11_a_panic_anywhere_ends_one_session_and_the_loop_goes_on() {
    for (place, code) in [
        (Place::Request, None),
        (Place::Open, Some(1011)),
        (Place::Event, Some(1011)),
        (Place::Writable, Some(1011)),
        (Place::Close, Some(1000)),
        (Place::Drop, Some(1000)),
        (Place::Tasks, Some(1000)),
        (Place::Observe, Some(1000)),
        (Place::Deadline, Some(1000)),
        (Place::Connect, Some(1000)),
        (Place::FailedToConnect, Some(1000)),
    ] {
        let network = Network::new(Conditions::default());
        let service = Fragile { place, tripped: false, panics: 0 };
        let mut reactor = Reactor::new(network.engine(), service, Config::default());
        let address = reactor.listen(&Address::Memory(0)).expect("an address");
        let mut safe = Client::new(network.connect(&address).expect("a listener"));
        safe.wire.write(&request("/safe"));
        settle(&network, &mut reactor);
        assert!(safe.head().is_some(), "{place:?}");

        let mut client = Client::new(network.connect(&address).expect("a listener"));
        client.wire.write(&request("/"));
        settle(&network, &mut reactor);
        let head = client.head().expect("an answer");
        if place == Place::Request {
            assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
        } else {
            client.wire.write(&masked(TEXT, b"hello"));
            client.wire.write(&close(1000));
            settle(&network, &mut reactor);
            let last = client.frames().pop();
            let body = last.filter(|(first, _)| *first == 0x88).map(|(_, body)| body);
            let got = body.map(|body| u16::from_be_bytes([body[0], body[1]]));
            assert_eq!(got, code, "{place:?}");
        }
        drop(client);

        safe.wire.write(&masked(TEXT, b"still here"));
        settle(&network, &mut reactor);
        assert_eq!(safe.next_text(), "still here", "{place:?}");
        assert_eq!(reactor.sessions(), 1, "{place:?}");
        assert!(reactor.stats().panics > 0, "{place:?}");
        if place != Place::Observe {
            assert!(reactor.service_mut().panics > 0, "{place:?}: the observer is told");
        }
    }
}

#[test]
fn a_handler_that_panicked_is_dropped_and_not_called_again() {
    let mut world = World::new(Rc::new(|_, moment| {
        assert!(!matches!(moment, Moment::Event(_)), "as the test wants it");
    }));
    let mut client = world.open();
    client.wire.write(&masked(TEXT, b"one").repeat(10));
    world.settle();
    assert_eq!(client.close_code(), 1011);
    assert!(client.wire.is_ended());
    let log = world.log.borrow();
    assert!(
        matches!(log[..], [Told::Open(_), Told::Text(..), Told::Dropped, Told::Panicked]),
        "{log:?}"
    );
}

/// In line, behind others, put together in a buffer of its own, behind the request, and out of what a pause has left.
#[test]
fn threat_q11_a_panic_ends_its_session_however_its_message_came() {
    let script: Script = Rc::new(|peer, moment| match moment {
        Moment::Event(Event::Text(text)) if &**text == "pause" => peer.pause(),
        Moment::Event(Event::Text(text)) => peer.send_text(text).expect("room"),
        Moment::Event(Event::Binary(_)) => panic!("as the test wants it"),
        _ => {}
    });
    let (short, large) = (masked(BINARY, b"x"), masked(BINARY, &[7; 300_000]));
    let text = |text: &str| masked(TEXT, text.as_bytes());
    let in_two = [masked(0x02, b"x"), masked(0x80, b"y")].concat();
    for (what, bytes, said) in [
        ("alone", short.clone(), 0),
        ("between others", [text("a"), short.clone(), text("b")].concat(), 1),
        ("before the end", [text("a"), short.clone(), close(1000)].concat(), 1),
        ("in a buffer of its own", large, 0),
        ("in fragments", in_two, 0),
        ("behind a pause", [text("a"), text("pause"), text("b"), short.clone()].concat(), 2),
    ] {
        for is_behind_the_request in [true, false] {
            let mut world = World::new(script.clone());
            let mut other = world.open();
            let mut client = world.connect();
            client.wire.write(&request("/"));
            if !is_behind_the_request {
                world.settle();
            }
            client.wire.write(&bytes);
            world.settle();
            if what == "behind a pause" {
                world.sender().resume();
                world.settle();
            }
            assert!(client.head().is_some());
            for _ in 0..said {
                assert!(["a", "b"].contains(&&*client.next_text()), "{what}");
            }
            assert_eq!(client.close_code(), 1011, "{what}");
            client.wire.shutdown_write();
            world.settle();
            assert_eq!(world.reactor.stats().panics, 1, "{what}");
            assert_eq!(world.count(|told| matches!(told, Told::Dropped)), 1, "{what}");
            assert_eq!(world.count(|told| matches!(told, Told::Panicked)), 1, "{what}");
            assert_eq!((world.reactor.sessions(), world.reactor.open_sessions()), (1, 1), "{what}");
            other.text("still here");
            world.settle();
            assert_eq!(other.next_text(), "still here");
        }
    }
}

/// Closes wherever it is called.
fn closing(place: Place) -> Script {
    Rc::new(move |peer, moment| {
        let here = match moment {
            Moment::Open => Place::Open,
            Moment::Event(_) => Place::Event,
            Moment::Writable => Place::Writable,
        };
        if place == Place::Writable && here == Place::Open {
            peer.send_binary(&[0; 100_000]).expect("room");
        }
        if here == place {
            let reason = CloseReason::new(CloseCode::from_u16(4000), "enough");
            let _ = peer.close(Some(reason));
            assert!(!peer.is_open() && peer.send_text("too late").is_err());
            peer.pause();
            peer.resume();
        }
    })
}

#[test]
fn threat_q8_closing_in_every_callback_is_a_clean_end() {
    for place in [Place::Open, Place::Event, Place::Writable] {
        let mut world = World::new(closing(place));
        let mut client = world.open();
        client.text("hello");
        world.settle();
        let (_, payload) = client.frames().pop().expect("a Close frame");
        assert_eq!(payload, [&4000_u16.to_be_bytes()[..], b"enough"].concat(), "{place:?}");
        client.wire.write(&close(4000));
        world.settle();
        assert!(client.wire.is_ended(), "{place:?}");
        drop(client);
        world.settle();
        world.assert_empty();
        let log = world.log.borrow();
        let closed = log.iter().filter_map(|told| match told {
            Told::Closed(outcome) => Some(outcome),
            _ => None,
        });
        let outcomes: Vec<&Outcome> = closed.collect();
        assert_eq!(outcomes.len(), 1, "close is told exactly once: {place:?}");
        assert!(outcomes[0].clean && outcomes[0].cause == Cause::Closed, "{place:?}");
    }
}

#[test]
fn threat_q5_q6_a_handler_may_end_another_session_that_has_events_in_the_same_batch() {
    let mut world = World::new(echo());
    let first = world.open();
    let victim_key = world.last_key();
    let second = world.open();
    let handle = world.reactor.handle();
    handle.close(victim_key, None).expect("room in the mailbox");
    first.text("crossing");
    second.text("hello");
    world.settle();
    first.wire.write(&close(1000));
    world.settle();
    assert_eq!(world.reactor.open_sessions(), 1);
    // The key is stale now, whoever has its slot.
    drop(first);
    world.settle();
    let mut third = world.open();
    assert_eq!(world.last_key().index(), victim_key.index(), "the slot is used again");
    handle.close(victim_key, None).expect("room in the mailbox");
    handle
        .send_prepared(victim_key, sockeye_protocol::Prepared::text("not for you"))
        .expect("room in the mailbox");
    world.settle();
    assert_eq!(third.next(), None, "a stale command finds nothing");
    assert_eq!(world.reactor.open_sessions(), 2);
}

#[test]
fn threat_q11_a_payload_that_panics_when_it_is_dropped_ends_its_session_and_no_other() {
    for by_sender in [false, true] {
        let mut world = World::new(Rc::new(move |peer, moment| match moment {
            Moment::Event(Event::Text(text)) if **text == *"brittle" => {
                let payload = bytes::Bytes::from_owner(Brittle);
                if by_sender {
                    peer.sender().send_binary(payload).expect("room");
                } else {
                    peer.send_binary_owned(payload).expect("room");
                }
            }
            Moment::Event(Event::Text(text)) => peer.send_text(text).expect("room"),
            _ => {}
        }));
        let mut other = world.open();
        let client = world.open();
        client.text("brittle");
        other.text("hello");
        world.settle();
        assert_eq!(other.next_text(), "hello");
        assert_eq!(world.reactor.open_sessions(), 1);
        assert_eq!(world.reactor.sessions(), 1, "nothing of it is left");
        assert!(world.reactor.stats().panics > 0);
    }
}

/// The panic interrupts the outbox while it forgets what was written.
#[test]
fn threat_q11_an_outbox_in_which_a_payload_panicked_serves_nobody_else() {
    for len in [5, 30_000] {
        let mut world = World::new(Rc::new(move |peer, moment| match moment {
            Moment::Event(Event::Text(text)) if **text == *"brittle" => {
                let payload = bytes::Bytes::from_owner(Brittle);
                peer.send_binary_owned(payload).expect("room");
                peer.send_text_owned("x".repeat(len)).expect("room");
            }
            Moment::Event(Event::Text(text)) => peer.send_text(text).expect("room"),
            _ => {}
        }));
        let mut other = world.open();
        let client = world.open();
        client.text("brittle");
        world.settle();
        assert_eq!(world.reactor.sessions(), 1);
        for _ in 0..3 {
            other.text("hello");
            world.settle();
            assert_eq!(other.next_text(), "hello");
        }
        assert_eq!(world.reactor.open_sessions(), 1);
    }
}

/// Sends several payloads that panic when they are dropped, behind each other.
fn brittle(count: usize) -> Script {
    Rc::new(move |peer, moment| {
        if let Moment::Event(Event::Text(_)) = moment {
            for _ in 0..count {
                let _ = peer.send_binary_owned(bytes::Bytes::from_owner(Brittle));
            }
        }
    })
}

#[test]
fn threat_q11_several_payloads_that_panic_in_one_outbox_end_no_more_than_their_session() {
    // Written, and left over when the transport is cut.
    for window in [usize::MAX, 0] {
        let mut world = World::new(brittle(3));
        let mut other = world.open();
        let client = world.open();
        client.wire.set_window(window);
        client.text("brittle");
        world.settle();
        client.wire.reset();
        world.settle();
        assert_eq!(world.reactor.sessions(), 1, "{window}");
        assert!(world.reactor.stats().panics > 0);
        world.pass(Duration::from_millis(1));
        assert!(other.frames().is_empty());
    }
}

/// They wait in the queue of a session's senders when it closes, and when its reactor goes.
#[test]
fn threat_q11_several_payloads_that_panic_in_a_senders_queue_end_no_more_than_their_session() {
    let send_several = |sender: &sockeye_reactor::Sender| {
        for _ in 0..3 {
            sender.send_binary(bytes::Bytes::from_owner(Brittle)).expect("room");
        }
    };
    let mut world = World::new(Rc::new(move |peer, moment| match moment {
        Moment::Event(Event::Text(text)) if **text == *"fill" => {
            peer.send_binary(&[0; 100_000]).expect("room");
        }
        Moment::Event(Event::Text(text)) => peer.send_text(text).expect("room"),
        // In the flush phase, so that nothing takes it out of the queue any more.
        Moment::Writable => {
            peer.close(None).expect("an open session");
            send_several(&peer.sender());
        }
        _ => {}
    }));
    let mut other = world.open();
    let mut client = world.open();
    client.text("fill");
    world.settle();
    assert_eq!(client.frames().last(), Some(&(CLOSE, vec![])), "it has said goodbye");
    client.wire.write(&close(1000));
    other.text("hello");
    world.settle();
    assert_eq!((other.next_text(), world.reactor.open_sessions()), ("hello".into(), 1));
    assert_eq!(world.reactor.stats().panics, 1);

    let _client = world.open();
    let sender = world.sender();
    let waiting = sender.clone();
    send_several(&sender);
    drop(world.reactor);
    assert!(!waiting.is_open() && waiting.send_text("too late").is_err());
}

#[test]
fn threat_q11_who_is_given_up_after_a_panic_is_in_the_report_of_a_drain() {
    let mut world = World::new(brittle(2));
    let _closed_first = world.open();
    let client = world.open();
    let plan = DrainPlan::within(Duration::from_secs(10)).spread(Duration::from_secs(5));
    let draining = world.reactor.handle().drain(plan);
    world.turn();
    client.text("brittle");
    world.pass(Duration::from_secs(11));
    let report = draining.try_report().expect("it is over");
    assert_eq!(report.open, 2);
    assert_eq!(report.closed_cleanly + report.ended + report.cut, 2, "{report:?}");
}
