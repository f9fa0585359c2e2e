//! Where nothing happens, nothing is done; and every end is an end in every phase.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{Event, Prepared};
use sockeye_reactor::engine::Conditions;
use sockeye_reactor::{Config, Decision, Group, Policy};

use crate::frames::{BINARY, PING, TEXT, close, masked, request};
use crate::support::{Moment, Script, Told};
use crate::world::{Client, World};

fn ignore<T>(_: T) {}

/// Does what a text says.
fn obeying() -> Script {
    Rc::new(|peer, moment| match moment {
        Moment::Event(Event::Text(text)) => match &**text {
            "pause" => peer.pause(),
            "close" => ignore(peer.close(None)),
            text => ignore(peer.send_text(text)),
        },
        Moment::Event(Event::Binary(payload)) => ignore(peer.send_binary(payload)),
        _ => {}
    })
}

fn config() -> Config {
    let mut config = Config::default();
    let mut connection = sockeye_protocol::Config::default();
    connection.ping_after = None;
    config.connection = Arc::new(connection);
    config
}

/// A member of a group that takes nothing, with messages of the group behind a full outbox.
fn hold_back(world: &mut World, policy: Policy) -> Client {
    let client = world.open();
    client.wire.set_window(10);
    let group = Group::new();
    let joined = group.clone();
    world.with_peer(world.last_key(), move |peer| ignore(peer.join(&joined, policy)));
    for _ in 0..100 {
        group.publish(Prepared::binary(&[7; 10_000]));
    }
    world.settle();
    assert!(group.dropped() > 0);
    client
}

/// How a session comes to rest.
type Rest = (&'static str, fn(&mut World) -> Client);

const RESTS: [Rest; 13] = [
    ("connected", |world| world.connect()),
    ("half a head", |world| {
        let client = world.connect();
        client.wire.write(&request("/")[..20]);
        client
    }),
    ("undecided, with bytes behind the head", |world| {
        // Forgetting the ticket would answer.
        let (ticket, deferred) = sockeye_reactor::deferred();
        let mut deferred = Some(deferred);
        world.reactor.service_mut().decide = Some(Box::new(move |_| {
            let _ = &ticket;
            Decision::Defer(deferred.take().expect("asked once"))
        }));
        let client = world.connect();
        client.wire.write(&[request("/"), vec![0; 300_000]].concat());
        client
    }),
    ("refused, and it goes on sending", |world| {
        let client = world.connect();
        client.wire.write(&[request("/missing"), vec![0; 100_000]].concat());
        client
    }),
    ("open", World::open),
    ("in a message", |world| {
        let client = world.open();
        client.wire.write(&masked(BINARY, &[7; 200_000])[..150_000]);
        client
    }),
    ("paused, with messages waiting", |world| {
        let client = world.open();
        client.wire.write(&masked(TEXT, b"pause").repeat(50_000));
        client
    }),
    ("paused, with an end waiting", |world| {
        let client = world.open();
        client.text("pause");
        client.text("more");
        client.wire.shutdown_write();
        client
    }),
    ("blocked, with messages waiting", |world| {
        let client = world.open();
        client.wire.set_window(10);
        client.wire.write(&masked(BINARY, &[7; 50_000]).repeat(20));
        client
    }),
    ("blocked, with the latest message of a group held back", |world| {
        hold_back(world, Policy::KeepLatest)
    }),
    ("blocked, with many messages of a group held back", |world| {
        hold_back(world, Policy::DropOldest { bytes_max: 100_000 })
    }),
    ("closing, without an answer", |world| {
        let client = world.open();
        client.text("close");
        client
    }),
    ("failed, and it goes on sending", |world| {
        let client = world.open();
        client.wire.write(&[masked(0x83, b""), vec![0; 100_000]].concat());
        client
    }),
];

/// The meter: how often the loop goes round in four seconds without traffic. No deadline of ours is
/// that near, so all there is are the wheel's own steps.
#[test]
fn threat_q7_the_loop_does_not_turn_while_nothing_happens() {
    for (name, begin) in RESTS {
        let mut world = World::with(obeying(), config(), Conditions::default());
        let client = begin(&mut world);
        world.settle();
        let before = world.counters.polls();
        // Three quiet turns at either end are the test's own.
        world.pass(Duration::from_secs(4));
        let polls = world.counters.polls() - before;
        assert!(polls <= 4 + 8, "{name}: {polls} polls in 4 s");
        let reads = world.counters.receives();
        world.settle();
        assert_eq!(world.counters.receives(), reads, "{name}: nothing is there to be read");
        drop(client);
        world.pass(Duration::from_secs(400));
        world.assert_empty();
    }
}

/// How a peer goes.
#[derive(Clone, Copy, Debug)]
enum End {
    Reset,
    Shutdown,
    Vanish,
}

/// A whole conversation, cut off after each byte by a reset, an end, or silence, over a transport
/// that takes and gives a byte at a time: every session ends, once, and the loop comes to rest.
#[test]
fn threat_q7_every_end_in_every_phase_ends_the_session() {
    let mut conversation = request("/");
    conversation.extend(masked(TEXT, b"hello"));
    conversation.extend(masked(PING, b"ping"));
    conversation.extend(masked(0x02, b"half"));
    conversation.extend(masked(0x80, b"and half"));
    conversation.extend(close(1000));
    for (end, step) in [(End::Reset, 1), (End::Shutdown, 2), (End::Vanish, 9)] {
        for cut in (0..=conversation.len()).step_by(step) {
            let mut conditions = Conditions::default();
            conditions.seed = cut as u64;
            conditions.read_bytes_max = Some(8);
            conditions.send_bytes_max = Some(3);
            let mut world = World::with(obeying(), Config::default(), conditions);
            let client = world.connect();
            client.wire.write(&conversation[..cut]);
            if cut % 2 == 0 {
                world.settle();
            }
            match end {
                End::Reset => client.wire.reset(),
                End::Vanish => client.wire.vanish(),
                End::Shutdown => {
                    client.wire.shutdown_write();
                    world.settle();
                    drop(client);
                }
            }
            world.pass(Duration::from_secs(120));
            world.assert_empty();
            let opened = world.count(|told| matches!(told, Told::Open(_)));
            let closed = world.count(|told| matches!(told, Told::Closed(_)));
            assert_eq!(opened, closed, "{end:?} after {cut} bytes");
        }
    }
}
