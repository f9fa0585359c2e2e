//! Batches: what the reactor's own thread puts together for a session keeps its place among all else.

use std::rc::Rc;

use bytes::Bytes;
use sockeye_protocol::Prepared;
use sockeye_reactor::{Batch, Group, Peer, Policy};

use crate::frames::TEXT;
use crate::support::{Moment, silent};
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

/// A payload whose owner panics when it goes.
struct Brittle;

impl AsRef<[u8]> for Brittle {
    fn as_ref(&self) -> &[u8] {
        &[7; 20_000]
    }
}

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("as the test wants it");
    }
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
