//! Sending from elsewhere: order, budget, waiting for room, closing.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sockeye_protocol::{CloseCode, CloseReason, Event, Prepared, SendError};

use crate::frames::{CLOSE, PING, TEXT, close};
use crate::support::{Moment, Told, echo, silent};
use crate::world::World;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_a_sender_sends_leaves_in_order_and_in_one_write() {
    let mut world = World::new(silent());
    let mut client = world.open();
    let sender = world.sender();
    let sends = world.counters.sends();
    sender.send_text("one").expect("room");
    sender.send_binary(vec![2]).expect("room");
    sender.send_prepared(Prepared::text("three")).expect("room");
    sender.send_ping(vec![4]).expect("room");
    sender.clone().send_text("five").expect("room");
    assert!(sender.outstanding() > 0);
    world.settle();
    let firsts: Vec<u8> = client.frames().iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [TEXT, 0x82, TEXT, PING, TEXT]);
    assert_eq!(world.counters.sends() - sends, 1);
    assert_eq!(sender.outstanding(), 0, "the kernel has all of it");
}

#[test]
fn frg_09_threat_q5_threads_that_send_at_once_never_interleave_within_a_message_and_keep_their_order()
 {
    let mut world = World::new(silent());
    let mut client = world.open();
    let sender = world.sender();
    std::thread::scope(|scope| {
        for name in 0..4 {
            let sender = sender.clone();
            scope.spawn(move || {
                for number in 0..500 {
                    sender.send_text(format!("{name} {number}")).expect("room");
                }
            });
        }
    });
    world.settle();
    let mut next = [0; 4];
    for (first, payload) in client.frames() {
        assert_eq!(first, TEXT, "a whole message in each frame");
        let text = String::from_utf8(payload).expect("a text");
        let (name, number) = text.split_once(' ').expect("two numbers");
        let name: usize = name.parse().expect("a number");
        assert_eq!(number, next[name].to_string());
        next[name] += 1;
    }
    assert_eq!(next, [500; 4]);
}

#[test]
fn threat_q2_the_budget_covers_queue_and_outbox_and_a_waiter_is_woken_when_half_of_it_is_free() {
    let mut world = World::new(silent());
    let mut client = world.open();
    client.wire.set_window(0);
    let sender = world.sender();
    let message = vec![0; 100_000];
    let mut sent = 0;
    while sender.send_binary(message.clone()).is_ok() {
        sent += 1;
        world.settle();
        assert!(sender.outstanding() <= sender.bytes_max());
    }
    assert_eq!(sent, 10, "a megabyte");
    assert_eq!(sender.send_text("no room"), Ok(()), "a small one still fits");
    assert_eq!(sender.send_binary(message.clone()), Err(SendError::Full));

    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    assert_eq!(sender.poll_ready(&mut context), Poll::Pending);
    client.wire.set_window(400_000);
    world.settle();
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    assert_eq!(sender.poll_ready(&mut context), Poll::Pending);
    client.wire.set_window(800_000);
    world.settle();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(sender.poll_ready(&mut context), Poll::Ready(Ok(())));
    client.wire.set_window(usize::MAX);
    world.settle();
    assert_eq!(client.frames().len(), 11);
    assert_eq!(sender.outstanding(), 0);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}

#[test]
fn an_empty_outbox_takes_one_message_of_any_size() {
    let mut world = World::new(silent());
    let mut client = world.open();
    let sender = world.sender();
    sender.send_binary(vec![7; 3_000_000]).expect("nothing is owed yet");
    assert_eq!(sender.send_text("more"), Err(SendError::Full));
    let mut got = Vec::new();
    for _ in 0..100 {
        world.settle();
        got.extend(client.frames());
    }
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].1.len(), 3_000_000);
    sender.send_text("more").expect("room again");
}

#[test]
fn what_a_handler_sends_counts_towards_the_senders_budget() {
    let mut world = World::new(silent());
    let mut client = world.open();
    client.wire.set_window(0);
    let sender = world.sender();
    world.with_peer(world.last_key(), |peer| peer.send_binary(&[0; 900_000]).expect("room"));
    world.settle();
    assert!(sender.outstanding() > 900_000);
    assert_eq!(sender.send_binary(vec![0; 200_000]), Err(SendError::Full));
    client.wire.set_window(usize::MAX);
    for _ in 0..10 {
        world.settle();
        let _ = client.frames();
    }
    assert_eq!(sender.outstanding(), 0);
    sender.send_binary(vec![0; 200_000]).expect("room");
}

#[test]
fn a_sender_closes_behind_what_it_sent() {
    let mut world = World::new(silent());
    let mut client = world.open();
    let sender = world.sender();
    sender.send_text("and now").expect("room");
    let reason = CloseReason::new(CloseCode::from_u16(4001), "the end");
    sender.close(Some(reason)).expect("an open session");
    assert_eq!(sender.send_text("too late"), Err(SendError::NotOpen));
    assert_eq!(sender.close(None), Err(SendError::NotOpen));
    assert!(!sender.is_open());
    world.settle();
    assert_eq!(client.next_text(), "and now");
    assert_eq!(client.close_code(), 4001);
    client.wire.write(&close(4001));
    world.settle();
    assert_eq!(world.count(|told| matches!(told, Told::Closed(outcome) if outcome.clean)), 1);
}

#[test]
fn a_large_backlog_leaves_before_the_close() {
    let mut world = World::new(silent());
    let mut client = world.open();
    client.wire.set_window(100_000);
    let sender = world.sender();
    for _ in 0..10 {
        sender.send_binary(vec![0; 100_000]).expect("room");
    }
    sender.close(None).expect("an open session");
    let mut frames = Vec::new();
    for _ in 0..50 {
        world.settle();
        frames.extend(client.frames());
    }
    assert_eq!(frames.len(), 11);
    assert_eq!(frames.last(), Some(&(CLOSE, Vec::new())));
}

#[test]
fn a_sender_of_a_dead_session_says_so_and_its_waiters_are_woken() {
    let mut world = World::new(silent());
    let client = world.open();
    client.wire.set_window(0);
    let sender = world.sender();
    sender.send_binary(vec![0; 900_000]).expect("room");
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    assert_eq!(sender.poll_ready(&mut Context::from_waker(&waker)), Poll::Pending);
    client.wire.reset();
    world.settle();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(sender.send_text("hello?"), Err(SendError::NotOpen));
    let polled = sender.poll_ready(&mut Context::from_waker(&waker));
    assert_eq!(polled, Poll::Ready(Err(SendError::NotOpen)));
    world.assert_empty();
}

#[test]
fn what_a_handler_says_in_two_ways_leaves_in_the_order_in_which_it_said_it() {
    let mut world = World::new(Rc::new(|peer, moment| {
        if let Moment::Event(Event::Text(_)) = moment {
            let sender = peer.sender();
            sender.send_text("1").expect("room");
            peer.send_text("2").expect("room");
            sender.send_text("3").expect("room");
            peer.send_text("4").expect("room");
        }
    }));
    let mut client = world.open();
    client.text("count");
    world.settle();
    assert_eq!(["1", "2", "3", "4"], [(); 4].map(|()| client.next_text()));
    assert_eq!(world.sender().outstanding(), 0);
}

#[test]
fn a_waiter_that_panics_when_it_is_woken_keeps_no_other_waiting() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("as the test wants it");
        }
    }
    let mut world = World::new(silent());
    let client = world.open();
    client.wire.set_window(0);
    let sender = world.sender();
    sender.send_binary(vec![0; 1 << 20]).expect("room");
    let woken = Arc::new(Count::default());
    for waker in [Waker::from(Arc::new(Bomb)), Waker::from(woken.clone())] {
        assert!(sender.poll_ready(&mut Context::from_waker(&waker)).is_pending());
    }
    client.wire.set_window(2 << 20);
    world.settle();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(world.reactor.open_sessions(), 1);
}

#[test]
fn a_handle_closes_and_sends_by_key() {
    let mut world = World::new(echo());
    let mut client = world.open();
    let handle = world.reactor.handle();
    let key = world.last_key();
    handle.send_prepared(key, Prepared::text("by key")).expect("room");
    let reason = CloseReason::new(CloseCode::GOING_AWAY, "bye");
    handle.close(key, Some(reason)).expect("room");
    world.settle();
    assert_eq!(client.next_text(), "by key");
    assert_eq!(client.close_code(), 1001);
}

#[test]
fn a_reason_that_cannot_be_sent_closes_all_the_same() {
    let mut world = World::new(echo());
    let mut client = world.open();
    let reason = CloseReason::new(CloseCode::ABNORMAL, "never on the wire");
    world.reactor.handle().close(world.last_key(), Some(reason)).expect("room");
    world.settle();
    assert_eq!(client.close_code(), 1000);
}

#[test]
fn an_idle_session_with_a_sender_does_not_keep_the_loop_awake() {
    let mut world = World::new(silent());
    let _client = world.open();
    let sender = world.sender();
    sender.send_text("one").expect("room");
    world.pass(Duration::from_secs(10));
    let polls = world.counters.polls();
    world.pass(Duration::from_secs(5));
    assert!(world.counters.polls() - polls < 20);
}

/// What has no room in the outbox waits for a peer that does not read, and the loop waits with it.
#[test]
fn threat_q7_a_message_that_waits_for_room_behind_a_short_one_does_not_keep_the_loop_awake() {
    let mut world = World::new(silent());
    let mut client = world.open();
    client.wire.set_window(0);
    world.with_peer(world.last_key(), |peer| {
        let sender = peer.sender();
        peer.send_binary(&[1; 20_000]).expect("room");
        sender.send_binary(vec![2; 1 << 20]).expect("a queue that owes nothing");
    });
    let polls = world.counters.polls();
    world.pass(Duration::from_secs(5));
    assert!(world.counters.polls() - polls < 50, "{} polls", world.counters.polls() - polls);
    client.wire.set_window(2 << 20);
    world.settle();
    let lens: Vec<usize> = client.frames().iter().map(|(_, payload)| payload.len()).collect();
    assert_eq!(lens, [20_000, 1 << 20]);
}

#[test]
fn a_sender_closes_with_what_can_be_sent_or_not_at_all() {
    let mut world = World::new(silent());
    let mut client = world.open();
    let sender = world.sender();
    let reason = |code, len| Some(CloseReason::new(code, "x".repeat(len)));
    let closed = sender.close(reason(CloseCode::ABNORMAL, 1));
    assert_eq!(closed, Err(SendError::IllegalCloseCode));
    assert_eq!(sender.close(reason(CloseCode::NORMAL, 124)), Err(SendError::ReasonTooLong));
    sender.close(reason(CloseCode::NORMAL, 123)).expect("an open session");
    world.settle();
    assert_eq!(client.close_code(), 1000);
}
