//! After everything that can happen to a session, nothing of it is left.

use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::Event;
use sockeye_reactor::Config;
use sockeye_reactor::engine::{Address, Answer};

use crate::frames::{BINARY, PING, PONG, TEXT, close, masked, request};
use crate::heap::HELD_BYTES;
use crate::outward;
use crate::support::{Moment, Script, Scripted};
use crate::world::{Client, World};

/// Echoes, and closes when it is told to.
fn obeying() -> Script {
    Rc::new(|peer, moment| {
        if let Moment::Event(Event::Text(text)) = moment {
            let done = if **text == *"close" { peer.close(None) } else { peer.send_text(text) };
            done.expect("an open session with room");
        }
    })
}

/// What a peer does before it is gone.
type Scenario = (&'static str, fn(&mut World));

const SCENARIOS: [Scenario; 12] = [
    ("a clean end", |world| {
        let client = world.open();
        client.text("hello");
        client.wire.write(&close(1000));
        world.settle();
    }),
    ("pongs that nobody asked for", |world| {
        let client = world.open();
        client.wire.write(&masked(PONG, &[7; 125]).repeat(50));
        world.settle();
    }),
    ("a close that is never answered", |world| {
        let client = world.open();
        client.text("close");
        world.pass(Duration::from_secs(30));
        drop(client);
    }),
    ("a reset in the middle of a message", |world| {
        let client = world.open();
        client.wire.write(&masked(BINARY, &[7; 300_000])[..200_000]);
        world.settle();
        client.wire.reset();
    }),
    ("an end in the middle of a head", |world| {
        let client = world.connect();
        client.wire.write(&request("/")[..40]);
        world.settle();
    }),
    ("a handshake that is never finished", |world| {
        let client = world.connect();
        client.wire.write(&request("/")[..40]);
        world.pass(Duration::from_secs(30));
        drop(client);
    }),
    ("a refusal", |world| {
        let client = world.connect();
        client.wire.write(&request("/missing"));
        world.settle();
    }),
    ("a violation", |world| {
        let client = world.open();
        client.wire.write(&masked(0x83, b"x"));
        world.settle();
    }),
    ("a peer that vanishes", |world| {
        let client = world.open();
        client.wire.vanish();
        world.pass(Duration::from_secs(120));
    }),
    ("a peer that never reads", |world| {
        let client = world.open();
        client.wire.set_window(0);
        client.wire.write(&masked(TEXT, &[b'x'; 50_000]).repeat(10));
        world.pass(Duration::from_secs(60));
        drop(client);
    }),
    ("pings that nobody reads for", |world| {
        let client = world.open();
        client.wire.set_window(0);
        client.wire.write(&masked(PING, &[7; 125]).repeat(150));
        world.settle();
    }),
    ("half a fragmented message", |world| {
        let client = world.open();
        client.wire.write(&[masked(0x01, b"half"), masked(0x00, b"")].concat());
        world.pass(Duration::from_secs(60));
        drop(client);
    }),
];

/// How many sessions meet the same fate, so that what is left of each adds up.
const SESSIONS: usize = 20;

/// What comes and goes: the list of those who give way in a crowd, which forgets some hundreds at a
/// time, and idle buffers.
const KEPT_BYTES_MAX: i64 = 32 * 1024;

/// Sessions, connections and heap, once all that happened is over and the pools have been trimmed.
fn left(world: &mut World, scenario: fn(&mut World)) -> i64 {
    for _ in 0..SESSIONS {
        scenario(world);
    }
    world.pass(Duration::from_secs(120));
    world.assert_empty();
    assert_eq!(world.network.connections(), 0);
    *world.log.borrow_mut() = Vec::new();
    HELD_BYTES.get()
}

#[test]
fn threat_q4_nothing_is_left_of_a_session_whatever_became_of_it() {
    let mut world = World::with(obeying(), Config::default(), Default::default());
    // What the slab, the wheel and the simulated network keep for later is there after some rounds.
    for (_, scenario) in SCENARIOS {
        left(&mut world, scenario);
    }
    for (name, scenario) in SCENARIOS {
        // What is kept for later comes and goes, a list or a buffer at a time; what is lost adds up.
        let rounds: [i64; 4] = std::array::from_fn(|_| left(&mut world, scenario));
        let [first, second, third, fourth] = rounds;
        let before = first.max(second) + KEPT_BYTES_MAX;
        assert!(third.min(fourth) <= before, "{name}: held after each round: {rounds:?}");
    }
}

/// Connections that this side makes come and go as those do that it accepts.
#[test]
fn threat_q4_nothing_is_left_of_the_connections_that_were_made_outward() {
    let script = obeying();
    let mut world = World::new(script.clone());
    let mut round = || {
        for _ in 0..2_000 {
            let handler = Scripted::new(&world.log, &script);
            let address = Address::Memory(outward::NUMBER);
            world.network.set_answer(outward::NUMBER, Answer::Accept);
            world
                .reactor
                .connect(&address, &outward::request(), handler)
                .expect("no error at once");
            world.settle();
            let mut server = Client::new(world.network.accept(outward::NUMBER).expect("a caller"));
            let head = server.head().expect("a request");
            server.wire.write(&outward::accepting(&head));
            world.settle();
        }
        world.pass(Duration::from_secs(120));
        world.assert_empty();
        *world.log.borrow_mut() = Vec::new();
        world.reactor.service_mut().observed = Vec::new();
        HELD_BYTES.get()
    };
    let rounds = [(); 4].map(|()| round());
    assert!(rounds[3] <= rounds[1] + KEPT_BYTES_MAX, "held after each round: {rounds:?}");
}

#[test]
fn threat_q4_what_a_burst_of_commands_took_is_given_back() {
    let mut world = World::new(obeying());
    drop(world.open());
    world.settle();
    let (handle, gone) = (world.reactor.handle(), world.last_key());
    let before = HELD_BYTES.get();
    for _ in 0..2 {
        for _ in 0..100_000 {
            handle.close(gone, None).expect("room");
        }
        world.pass(Duration::from_secs(5));
    }
    let kept = HELD_BYTES.get() - before;
    assert!(kept < 2 << 20, "{kept} bytes are held for commands that were carried out");
}

/// A peer that floods a session whose fate is not decided yet fills one receive buffer, and then its
/// own transport: what stands behind the request is not read, and is no request.
#[test]
fn threat_q3_h8_requests_behind_a_request_are_not_read() {
    let mut world = World::with(obeying(), Config::default(), Default::default());
    let asked = Rc::new(std::cell::Cell::new(0));
    let (ticket, deferred) = sockeye_reactor::deferred();
    let (mut deferred, count) = (Some(deferred), asked.clone());
    world.reactor.service_mut().decide = Some(Box::new(move |_| {
        count.set(count.get() + 1);
        sockeye_reactor::Decision::Defer(deferred.take().expect("asked once"))
    }));
    let mut client = world.connect();
    for _ in 0..1000 {
        client.wire.write(&request("/").repeat(50));
        world.settle();
    }
    assert!(client.wire.unread() > 7_700_000, "{} bytes wait outside", client.wire.unread());
    assert_eq!(world.reactor.stats().reads, 1);
    let response = sockeye_protocol::handshake::Response::new(403);
    ticket.answer(sockeye_reactor::Decision::Respond(response));
    world.settle();
    // Whoever has so much on its way behind an answer is cut off, and may miss that.
    assert!(client.head().is_none_or(|head| head.starts_with("HTTP/1.1 403 ")));
    assert_eq!(client.rest(), b"", "one answer at most");
    assert_eq!((asked.get(), world.reactor.stats().responded), (1, 1));
    drop(client);
    world.pass(Duration::from_secs(30));
    world.assert_empty();
}
