//! What a handler says between the end of a session and the answer to it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{CloseCode, Event};
use sockeye_reactor::engine::Conditions;
use sockeye_reactor::{Batch, Cause, Config, Group, Policy};

use crate::frames::{BINARY, CLOSE, TEXT, close, masked};
use crate::support::{Moment, Script, Told};
use crate::world::World;

/// Pauses at the peer's Close frame.
fn holding() -> Script {
    Rc::new(|peer, moment| {
        if let Moment::Event(Event::Close(_)) = moment {
            peer.pause();
        }
    })
}

fn is_closed(told: &Told) -> bool {
    matches!(told, Told::Closed(_))
}

#[test]
fn cls_07_a_handler_that_pauses_at_a_close_answers_it_when_it_resumes() {
    let mut world = World::new(holding());
    let mut client = world.open();
    let sender = world.sender();
    client.wire.write(&[masked(TEXT, b"a"), close(4000), masked(TEXT, b"late")].concat());
    world.settle();
    assert_eq!(client.frames(), []);
    assert_eq!((world.texts(), world.count(is_closed)), (vec!["a".to_owned()], 0));
    sender.send_text("one").expect("it can be sent still");
    world.settle();
    assert_eq!(client.frames(), [(TEXT, b"one".to_vec())]);
    // In one turn, in the order in which it was said.
    sender.send_text("two").expect("it can be sent still");
    sender.resume();
    sender.send_text("three").expect("it can be sent still");
    world.settle();
    let expected =
        [(TEXT, b"two".to_vec()), (TEXT, b"three".to_vec()), (CLOSE, b"\x0F\xA0".to_vec())];
    assert_eq!(client.frames(), expected);
    assert_eq!(world.count(is_closed), 1);
    assert!(sender.send_text("too late").is_err());
    client.wire.shutdown_write();
    world.settle();
    world.assert_empty();
}

#[test]
fn cls_07_an_answer_that_is_held_is_given_in_time_by_itself() {
    let mut world = World::new(holding());
    let mut client = world.open();
    client.wire.write(&close(1000));
    world.pass(Duration::from_millis(480));
    assert_eq!((client.frames(), world.count(is_closed)), (vec![], 0));
    world.pass(Duration::from_millis(40));
    assert_eq!((client.close_code(), world.count(is_closed)), (1000, 1));
}

#[test]
fn a_pause_that_may_be_shorter_ends_with_the_answer() {
    let mut world = World::configured(holding(), |config| {
        config.pause_within = Duration::from_millis(100);
    });
    let mut client = world.open();
    client.wire.write(&close(1000));
    world.pass(Duration::from_millis(80));
    assert_eq!(client.frames(), []);
    world.pass(Duration::from_millis(40));
    assert_eq!((client.close_code(), world.count(is_closed)), (1000, 1));
}

#[test]
fn who_holds_an_answer_may_close_with_a_code_of_its_own() {
    let mut world = World::new(holding());
    let mut client = world.open();
    let sender = world.sender();
    client.wire.write(&close(4000));
    world.settle();
    sender.send_text("bye").expect("it can be sent still");
    sender.close(Some(CloseCode::from_u16(4001).into())).expect("it has not been closed here");
    world.settle();
    assert_eq!(client.frames(), [(TEXT, b"bye".to_vec()), (CLOSE, b"\x0F\xA1".to_vec())]);
    let outcome = world.reactor.service_mut().observed.pop().expect("it is over");
    assert_eq!((outcome.code.as_u16(), outcome.clean, outcome.cause), (4000, true, Cause::Closed));
}

#[test]
fn a_group_and_its_members_go_on_while_an_answer_is_held() {
    let group = Group::new();
    let joined = group.clone();
    let mut world = World::new(Rc::new(move |peer, moment| match moment {
        Moment::Open => {
            peer.join(&joined, Policy::Close);
        }
        Moment::Event(Event::Close(_)) => peer.pause(),
        _ => {}
    }));
    let mut client = world.open();
    let sender = world.sender();
    client.wire.write(&close(1000));
    world.settle();
    group.publish(sockeye_protocol::Prepared::text("published"));
    sender.resume();
    world.settle();
    let expected = [(TEXT, b"published".to_vec()), (CLOSE, b"\x03\xe8".to_vec())];
    assert_eq!(client.frames(), expected);
}

#[test]
fn an_answer_waits_for_what_waits_for_room() {
    let script: Script = Rc::new(|peer, moment| {
        if let Moment::Event(Event::Close(_)) = moment {
            let (sender, mut batch) = (peer.sender(), Batch::new());
            assert!(peer.begin_batch(&mut batch));
            sender.put_binary(vec![1; 9_000].into(), &mut batch).expect("room");
            sender.send_binary(vec![2; 9_000]).expect("what is in the batch is not counted yet");
            peer.end_batch(&mut batch);
        }
    });
    let mut config = Config::default();
    Arc::make_mut(&mut config.connection).outbox_bytes_max = 10_000;
    let mut conditions = Conditions::default();
    conditions.window_bytes = 1_000;
    let mut world = World::with(script, config, conditions);
    let mut client = world.open();
    client.wire.write(&close(1000));
    let mut frames = Vec::new();
    for _ in 0..30 {
        world.settle();
        frames.extend(client.frames());
    }
    let expected = [
        (BINARY, vec![1; 9_000]),
        (BINARY, vec![2; 9_000]),
        (CLOSE, CloseCode::NORMAL.as_u16().to_be_bytes().to_vec()),
    ];
    assert!(frames == expected, "{} frames", frames.len());
}

#[test]
fn a_transport_that_breaks_while_an_answer_is_held_ends_the_session() {
    let mut world = World::new(holding());
    let client = world.open();
    let sender = world.sender();
    client.wire.write(&close(1000));
    world.settle();
    client.wire.reset();
    sender.send_text("into the void").expect("nobody knows yet");
    world.settle();
    assert_eq!(world.count(is_closed), 1);
    world.assert_empty();
}

/// It pauses with the first message; what breaks a rule is not read before it resumes.
#[test]
fn a_violation_is_told_as_soon_as_it_is_read_behind_what_was_answered() {
    for pauses in [false, true] {
        let mut world = World::new(Rc::new(move |peer, moment| {
            if let Moment::Event(Event::Text(text)) = moment {
                peer.send_text(text).expect("an open session");
                if pauses {
                    peer.pause();
                }
            }
        }));
        let mut client = world.open();
        let sender = world.sender();
        client.wire.write(&[masked(TEXT, b"a"), masked(0x83, b"")].concat());
        world.settle();
        if pauses {
            assert_eq!(world.count(is_closed), 0);
            sender.resume();
            world.settle();
        }
        let expected = [(TEXT, b"a".to_vec()), (CLOSE, b"\x03\xea".to_vec())];
        assert_eq!((client.frames(), world.count(is_closed)), (expected.to_vec(), 1));
    }
}
