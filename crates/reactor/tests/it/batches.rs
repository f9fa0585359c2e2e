//! Batches: what the reactor's own thread puts together for a session keeps its place among all else.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_protocol::Prepared;
use sockeye_reactor::engine::Conditions;
use sockeye_reactor::{Batch, Config, Group, Peer, Policy};

use crate::frames::TEXT;
use crate::support::{Brittle, Moment, silent};
use crate::world::{Client, World};

fn shown(client: &mut Client) -> Vec<String> {
    let text = |(opcode, payload)| match opcode {
        TEXT => String::from_utf8(payload).expect("a text"),
        opcode => format!("#{opcode:x}"),
    };
    client.frames().into_iter().map(text).collect()
}

/// What a peer is sent by a batch and what is done while it is at hand.
fn around_a_batch(act: impl FnOnce(&mut Peer<'_>, &mut Batch) + 'static) -> Vec<String> {
    let mut world = World::new(silent());
    let mut client = world.open();
    world.with_peer(world.last_key(), move |peer| {
        let sender = peer.sender();
        let mut batch = Batch::new();
        assert!(peer.begin_batch(&mut batch));
        sender.put_text_copy("first", &mut batch).expect("room");
        act(peer, &mut batch);
        peer.end_batch(&mut batch);
        assert!(batch.is_empty());
    });
    world.settle();
    shown(&mut client)
}

#[test]
fn a_close_from_elsewhere_comes_behind_a_batch_that_is_older() {
    let ended = around_a_batch(|peer, _| peer.sender().close(None).expect("an open session"));
    assert_eq!(ended, ["first", "#88"]);
    // The same if the batch goes by way of the queue, since something lies there.
    let queued = around_a_batch(|peer, batch| {
        let sender = peer.sender();
        sender.put_text("second".into(), batch).expect("room");
        sender.send_text("from elsewhere").expect("room");
        sender.close(None).expect("an open session");
        assert!(sender.is_queued());
        sender.send_batch(batch);
        assert!(batch.is_empty());
    });
    assert_eq!(queued, ["first", "second", "from elsewhere", "#88"]);
}

#[test]
fn a_batch_of_a_session_that_has_closed_is_dropped_and_leaves_the_budget_as_it_was() {
    let mut world = World::new(silent());
    let mut client = world.open();
    let sender = world.sender();
    let own = sender.clone();
    world.with_peer(world.last_key(), move |peer| {
        let mut batch = Batch::new();
        assert!(peer.begin_batch(&mut batch));
        own.put_text_copy("too late", &mut batch).expect("room");
        peer.close(None).expect("an open session");
        peer.end_batch(&mut batch);
        assert!(batch.is_empty() && !peer.begin_batch(&mut batch));
        peer.end_batch(&mut batch);
    });
    world.settle();
    assert_eq!((shown(&mut client), sender.outstanding()), (vec!["#88".into()], 0));
    let mut batch = Batch::new();
    let _ = sender.put_text("x".repeat(20), &mut batch);
    sender.send_batch(&mut batch);
    assert!(batch.is_empty() && sender.outstanding() == 0 && !sender.is_queued());
}

#[test]
fn what_was_published_in_a_turn_comes_before_a_batch_that_begins_in_it() {
    let group = Group::new();
    let joined = group.clone();
    let mut world = World::new(Rc::new(move |peer, moment| {
        if let Moment::Open = moment {
            peer.join(&joined, Policy::Close);
            // It has been at hand before, so it has a queue.
            let _ = peer.sender();
        }
    }));
    let mut client = world.open();
    group.publish(Prepared::text("published"));
    world.with_peer(world.last_key(), |peer| {
        let mut batch = Batch::new();
        assert!(peer.begin_batch(&mut batch));
        peer.sender().put_text_copy("said", &mut batch).expect("room");
        peer.end_batch(&mut batch);
    });
    world.settle();
    assert_eq!(shown(&mut client), ["published", "said"]);
}

#[test]
fn threat_q11_several_payloads_of_a_batch_that_panic_when_they_go_end_no_process() {
    let mut world = World::new(silent());
    let mut client = world.open();
    world.with_peer(world.last_key(), |peer| {
        let sender = peer.sender();
        let mut batch = Batch::new();
        assert!(peer.begin_batch(&mut batch));
        for _ in 0..3 {
            sender.put_binary(Bytes::from_owner(Brittle), &mut batch).expect("room");
        }
        peer.close(None).expect("an open session");
        peer.end_batch(&mut batch);
    });
    world.settle();
    assert_eq!((shown(&mut client), world.reactor.stats().panics), (vec!["#88".into()], 1));
}

#[test]
fn threat_q11_several_payloads_of_a_batch_that_comes_too_late_panic_each_by_itself() {
    let mut world = World::new(silent());
    let client = world.open();
    let sender = world.sender();
    let mut batch = Batch::new();
    let own = sender.clone();
    world.with_peer(world.last_key(), move |peer| {
        assert!(peer.begin_batch(&mut batch));
        for _ in 0..3 {
            own.put_binary(Bytes::from_owner(Brittle), &mut batch).expect("room");
        }
        own.close(None).expect("an open session");
        // The close leaves the queue, and the session is closing with it.
        peer.close(None).expect("an open session");
        own.send_batch(&mut batch);
        assert!(batch.is_empty() && !own.is_open());
        peer.end_batch(&mut batch);
    });
    world.settle();
    client.wire.write(&crate::frames::close(1000));
    world.settle();
    assert_eq!((world.reactor.open_sessions(), sender.outstanding()), (0, 0));
    assert!(!sender.is_open(), "nobody was left with the lock");
}

/// What a task says in one poll, and what others send meanwhile, are each held against what was free before.
#[test]
fn a_session_holds_at_most_twice_its_budget_for_the_length_of_a_batch() {
    const BUDGET: usize = 10_000;
    let mut config = Config::default();
    Arc::make_mut(&mut config.connection).outbox_bytes_max = BUDGET;
    for len in [100, 2_990, 9_000] {
        let mut world = World::with(silent(), config.clone(), Conditions::default());
        let client = world.open();
        client.wire.set_window(0);
        let sender = world.sender();
        for turn in 0..3 {
            let own = sender.clone();
            world.with_peer(world.last_key(), move |peer| {
                let mut batch = Batch::new();
                peer.begin_batch(&mut batch);
                while own.put_text("x".repeat(len), &mut batch).is_ok() {}
                while own.send_text("y".repeat(len)).is_ok() {}
                peer.end_batch(&mut batch);
            });
            world.settle();
            let outstanding = sender.outstanding();
            assert!(outstanding > BUDGET, "{len}: more than once, {outstanding} in turn {turn}");
            assert!(outstanding <= 2 * BUDGET, "{len}: {outstanding} in turn {turn}");
            assert!(sender.send_text("z").is_err(), "nothing more until it is below its budget");
        }
    }
}

/// What two told to send, each within the budget, is more than the outbox takes at once.
fn overfull(world: &mut World, end: impl FnOnce(&mut Peer<'_>) + 'static) {
    world.with_peer(world.last_key(), |peer| {
        let sender = peer.sender();
        let mut batch = Batch::new();
        assert!(peer.begin_batch(&mut batch));
        sender.put_text("first".repeat(180), &mut batch).expect("room");
        sender.send_text("other".repeat(180)).expect("room");
        peer.end_batch(&mut batch);
        assert!(peer.outbox_len() < 1000, "the other waits");
        end(peer);
    });
}

fn with_little_room(config: &mut Config) {
    Arc::make_mut(&mut config.connection).outbox_bytes_max = 1000;
}

#[test]
fn a_close_comes_behind_what_waits_for_room() {
    for by_sender in [false, true] {
        let mut world = World::configured(silent(), with_little_room);
        let mut client = world.open();
        overfull(&mut world, move |peer| {
            let closed = if by_sender { peer.sender().close(None) } else { peer.close(None) };
            closed.expect("an open session");
        });
        world.settle();
        let expected = ["first".repeat(180), "other".repeat(180), "#88".into()];
        assert_eq!(shown(&mut client), expected, "by a sender: {by_sender}");
    }
}

#[test]
fn a_close_behind_what_waits_for_room_is_bounded_as_any() {
    for by_sender in [false, true] {
        let mut world = World::configured(silent(), with_little_room);
        let client = world.open();
        client.wire.set_window(10);
        overfull(&mut world, move |peer| {
            let closed = if by_sender { peer.sender().close(None) } else { peer.close(None) };
            closed.expect("an open session");
        });
        for _ in 0..6 {
            world.pass(Duration::from_secs(1));
            // It takes a little now and then, so the write is not stalled.
            let _ = client.wire.read();
        }
        assert_eq!(world.reactor.open_sessions(), 0, "by a sender: {by_sender}");
    }
}
