//! Reading and writing: system calls per message, budgets, pauses, and what is kept meanwhile.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::Event;
use sockeye_reactor::Config;
use sockeye_reactor::engine::Conditions;

use crate::frames::{BINARY, CLOSE, PING, PONG, TEXT, masked};
use crate::support::{Moment, Script, Told, echo, silent};
use crate::world::World;

/// Pauses after every message; somebody else resumes.
fn one_at_a_time() -> Script {
    Rc::new(|peer, moment| {
        if let Moment::Event(Event::Text(_) | Event::Binary(_)) = moment {
            peer.pause();
        }
    })
}

#[test]
fn an_unpipelined_message_costs_one_read_and_one_write() {
    let mut world = World::new(echo());
    let mut client = world.open();
    for len in [0, 1, 125, 126, 1000, 60_000] {
        let payload = vec![b'x'; len];
        let (receives, sends) = (world.counters.receives(), world.counters.sends());
        client.wire.write(&masked(TEXT, &payload));
        world.settle();
        assert_eq!(client.next(), Some((TEXT, payload)));
        assert_eq!(world.counters.receives() - receives, 1, "{len} bytes");
        assert_eq!(world.counters.sends() - sends, 1, "{len} bytes");
    }
    let stats = world.reactor.stats();
    assert_eq!((stats.messages_received, stats.messages_sent), (6, 6));
}

#[test]
fn thirty_two_pipelined_messages_cost_one_read_and_one_write() {
    let mut world = World::new(echo());
    let mut client = world.open();
    let (receives, sends) = (world.counters.receives(), world.counters.sends());
    client.wire.write(&masked(TEXT, b"twenty bytes of text").repeat(32));
    world.settle();
    assert_eq!(client.frames().len(), 32);
    assert_eq!(world.counters.receives() - receives, 1);
    assert_eq!(world.counters.sends() - sends, 1);
}

/// Ten connections with four messages of 64 KiB under way each, as they come where nobody is slow.
#[test]
fn large_pipelined_messages_cost_at_most_one_and_four_tenths_of_a_call() {
    let mut conditions = Conditions::default();
    conditions.window_bytes = 1 << 20;
    let mut world = World::with(echo(), Config::default(), conditions);
    let mut clients = Vec::from_iter((0..10).map(|_| world.open()));
    let (messages, payload) = (10 * 4 * 5, vec![b'x'; 65_536]);
    let calls = |world: &World| world.counters.receives() + world.counters.sends();
    let (before, polls) = (calls(&world), world.counters.polls());
    for _ in 0..5 {
        for client in &clients {
            client.wire.write(&masked(TEXT, &payload).repeat(4));
        }
        world.settle();
        for client in &mut clients {
            assert_eq!(client.frames().len(), 4);
        }
    }
    let (calls, polls) = (calls(&world) - before, world.counters.polls() - polls);
    println!("{calls} reads and writes and {polls} polls for {messages} messages");
    assert!(calls * 10 <= messages * 14, "{calls} reads and writes for {messages} messages");
}

#[test]
fn behind_a_long_message_one_read_brings_a_beginning_and_the_next_ones_all() {
    let mut conditions = Conditions::default();
    conditions.window_bytes = 4 << 20;
    let mut world = World::with(silent(), Config::default(), conditions);
    let client = world.open();
    let long = vec![b'x'; 1 << 20];
    let small = masked(BINARY, &[7; 1000]).repeat(100);
    let mut reads = |bytes: &[u8]| {
        let before = world.counters.receives();
        client.wire.write(bytes);
        world.settle();
        world.counters.receives() - before
    };
    assert_eq!(reads(&small), 1);
    reads(&masked(TEXT, &long));
    assert_eq!((reads(&small), reads(&small)), (2, 1));
    reads(&[masked(TEXT, &long), masked(TEXT, &long), small.clone()].concat());
    assert_eq!((reads(&small), reads(&small)), (1, 1));
    let told = world.count(|told| matches!(told, Told::Binary(..)));
    assert_eq!((told, world.texts().len()), (600, 3));
    assert!(world.texts().iter().all(|text| text.len() == 1 << 20));
}

#[test]
fn what_a_turn_says_to_one_peer_leaves_in_one_write() {
    let mut world = World::new(Rc::new(|peer, moment| {
        if let Moment::Event(Event::Text(_)) = moment {
            for _ in 0..10 {
                peer.send_text("again").expect("room");
            }
            peer.send_ping(b"and").expect("room");
        }
    }));
    let mut client = world.open();
    let sends = world.counters.sends();
    client.text("go");
    world.settle();
    assert_eq!(client.frames().len(), 11);
    assert_eq!(world.counters.sends() - sends, 1);
}

#[test]
fn a_greedy_peer_does_not_starve_the_others() {
    let mut world = World::configured(silent(), |config| config.turn_bytes_max = 16 * 1024);
    let greedy = world.open();
    let modest = world.open();
    let message = masked(BINARY, &[7; 1000]);
    greedy.wire.write(&message.repeat(2000));
    modest.text("me too");
    world.network.set_horizon(Some(world.network.now()));
    // One turn may be spent before both are read: the modest one is in the same turn's list.
    world.turn();
    assert_eq!(world.texts(), ["me too"]);
    let taken = world.count(|told| matches!(told, Told::Binary(..)));
    assert!(taken < 2000, "the greedy one has {taken} of 2000 delivered after one turn");
    world.settle();
    assert_eq!(world.count(|told| matches!(told, Told::Binary(..))), 2000);
}

#[test]
fn a_peer_that_is_alone_is_read_further_but_still_in_turns() {
    let mut world = World::configured(silent(), |config| config.turn_bytes_max = 128 * 1024);
    let greedy = world.open();
    let message = masked(BINARY, &[7; 1000]);
    greedy.wire.write(&message.repeat(2000));
    world.network.set_horizon(Some(world.network.now()));
    world.turn();
    let taken = world.count(|told| matches!(told, Told::Binary(..)));
    assert!((400..700).contains(&taken), "{taken}");
    world.settle();
    assert_eq!(world.count(|told| matches!(told, Told::Binary(..))), 2000);
}

#[test]
fn a_pause_takes_effect_after_each_message_and_nothing_is_lost() {
    const MESSAGES: usize = 40;
    let mut world = World::new(one_at_a_time());
    let client = world.open();
    let mut bytes = Vec::new();
    // A short one between two of medium length, with a ping between some, so that each follows each.
    let text = |number: usize| format!("{number:0len$}", len = [1, 300, 2000][number % 3]);
    for number in 0..MESSAGES {
        bytes.extend(masked(TEXT, text(number).as_bytes()));
        if number % 4 == 0 {
            bytes.extend(masked(PING, b""));
        }
    }
    client.wire.write(&bytes);
    for expected in 1..=MESSAGES {
        world.settle();
        assert_eq!(world.texts().len(), expected, "one message for each resume");
        let sender = world.sender();
        sender.resume();
    }
    world.settle();
    assert_eq!(world.texts(), Vec::from_iter((0..MESSAGES).map(text)));
}

#[test]
fn ten_thousand_messages_in_one_write_wait_for_a_slow_handler() {
    let mut world = World::new(one_at_a_time());
    let client = world.open();
    client.wire.write(&masked(BINARY, b"x").repeat(10_000));
    world.settle();
    let sender = world.sender();
    let before = world.log.borrow().len() - 1;
    for expected in 1..=10_000 {
        assert_eq!(world.log.borrow().len() - before, expected);
        sender.resume();
        world.network.set_horizon(Some(world.network.now()));
        // Commands come after dispatch, so what they resume is read in the next turn.
        world.turn();
        world.turn();
    }
    assert_eq!(world.count(|told| matches!(told, Told::Binary(..))), 10_000);
}

#[test]
fn while_paused_the_transport_holds_the_peer_back() {
    let mut world = World::new(one_at_a_time());
    let client = world.open();
    let message = masked(BINARY, &[7; 1000]);
    client.wire.write(&message.repeat(1000));
    world.settle();
    let reads = world.counters.receives();
    assert!(client.wire.unread() > 800_000, "one receive buffer at most is kept here");
    client.wire.write(&message.repeat(1000));
    world.settle();
    assert_eq!(world.counters.receives(), reads);
    assert_eq!(world.count(|told| matches!(told, Told::Binary(..))), 1);
}

#[test]
fn a_pause_within_a_large_message_goes_on_where_it_was() {
    // The first message pauses; the second is large enough to be read straight into its buffer.
    let mut world = World::new(one_at_a_time());
    let client = world.open();
    let mut bytes = masked(BINARY, b"small");
    bytes.extend(masked(BINARY, &vec![9; 700_000]));
    bytes.extend(masked(TEXT, b"end"));
    client.wire.write(&bytes);
    world.settle();
    let sender = world.sender();
    for _ in 0..3 {
        sender.resume();
        world.settle();
    }
    assert_eq!(world.texts(), ["end"]);
    assert_eq!(world.count(|told| matches!(told, Told::Binary(700_000))), 1);
}

#[test]
fn any_cut_of_reads_and_writes_gives_the_same_messages() {
    for seed in 0..8_u8 {
        let mut conditions = Conditions::default();
        conditions.seed = seed.into();
        conditions.read_bytes_max = Some(700);
        conditions.send_bytes_max = Some(5000);
        conditions.window_bytes = 20_000;
        let mut world = World::with(echo(), Config::default(), conditions);
        let mut client = world.open();
        let lens = [0, 1, 125, 126, 5000, 70_000, 3, 65_535];
        for len in lens {
            client.wire.write(&masked(BINARY, &vec![seed; len]));
        }
        let mut frames = Vec::new();
        for _ in 0..1000 {
            world.settle();
            frames.extend(client.frames());
            if frames.len() == lens.len() {
                break;
            }
        }
        let received: Vec<usize> = frames.iter().map(|(_, payload)| payload.len()).collect();
        assert_eq!(received, lens, "seed {seed}");
    }
}

#[test]
fn a_handler_that_says_more_than_is_read_is_told_when_there_is_room_again() {
    let sent = Rc::new(Cell::new(0));
    let counter = sent.clone();
    // Sends until the outbox is full, whenever it may.
    let mut world = World::new(Rc::new(move |peer, moment| {
        if matches!(moment, Moment::Open | Moment::Writable) {
            while counter.get() < 5000 && peer.send_binary(&[1; 1000]).is_ok() {
                counter.set(counter.get() + 1);
            }
        }
    }));
    let mut client = world.open();
    assert!(sent.get() < 1500, "the outbox took {} KB", sent.get());
    let mut received = 0;
    for _ in 0..100 {
        received += client.frames().len();
        world.settle();
    }
    assert_eq!((sent.get(), received), (5000, 5000));
    assert!(world.count(|told| matches!(told, Told::Writable)) >= 4);
}

#[test]
fn ctl_06_threat_q1_a_ping_flood_from_a_peer_that_never_reads_grows_nothing() {
    let mut world = World::configured(silent(), |config| {
        Arc::make_mut(&mut config.connection).control_rate_max = u32::MAX;
    });
    let mut client = world.open();
    client.wire.set_window(0);
    let pings = masked(PING, &[b'p'; 125]).repeat(1000);
    for _ in 0..20 {
        client.wire.write(&pings);
        world.settle();
    }
    let taken = world.count(|told| matches!(told, Told::Ping));
    assert!(taken < 2100, "{taken} of 20,000 pings were taken");
    assert!(client.wire.unread() > 2_000_000, "the rest waits in the transport");
    client.wire.set_window(usize::MAX);
    world.settle();
    let pongs = client.frames();
    assert!(pongs.iter().all(|(first, _)| *first == PONG));
    assert_eq!(world.count(|told| matches!(told, Told::Ping)), 20_000);
}

/// With the limits as they are, a flood is answered up to its burst and ended.
#[test]
fn ctl_10_a_ping_flood_is_ended() {
    let mut world = World::new(silent());
    let mut client = world.open();
    client.wire.write(&masked(PING, b"p").repeat(20_000));
    world.settle();
    let frames = client.frames();
    assert!(frames[..200].iter().all(|frame| *frame == (PONG, b"p".to_vec())));
    assert_eq!(frames[200..], [(CLOSE, b"\x03\xF0".to_vec())]);
    world.pass(Duration::from_secs(6));
    world.assert_empty();
    assert_eq!(world.count(|told| matches!(told, Told::Ping)), 200);
    assert_eq!(world.count(|told| matches!(told, Told::Closed(_))), 1);
}

#[test]
fn what_arrived_before_the_end_is_delivered_through_every_pause_then_the_end() {
    let mut world = World::new(one_at_a_time());
    let client = world.open();
    client.wire.write(&masked(TEXT, b"one of ten").repeat(10));
    client.wire.shutdown_write();
    world.settle();
    let sender = world.sender();
    for taken in 1..=10 {
        assert_eq!(world.texts().len(), taken);
        assert_eq!(world.reactor.open_sessions(), 1);
        sender.resume();
        world.settle();
    }
    world.assert_empty();
    assert_eq!(world.count(|told| matches!(told, Told::Closed(_))), 1);
}

#[test]
fn a_handler_may_pause_before_the_first_message() {
    let mut world = World::new(Rc::new(|peer, moment| {
        if let Moment::Open = moment {
            peer.pause();
        }
    }));
    let client = world.connect();
    let mut bytes = crate::frames::request("/");
    bytes.extend(masked(TEXT, b"in one segment with the head"));
    client.wire.write(&bytes);
    world.settle();
    client.text("and behind it");
    world.settle();
    assert_eq!(world.texts(), Vec::<String>::new());
    world.sender().resume();
    world.settle();
    assert_eq!(world.texts(), ["in one segment with the head", "and behind it"]);
}

/// The answer to the message is above the high mark when the ping is read, and gone right behind it.
#[test]
fn a_ping_behind_a_message_with_a_long_answer_is_answered() {
    for len in [65_000, 66_000, 70_000, 150_000, 300_000] {
        let mut world = World::new(echo());
        let mut client = world.open();
        client.wire.set_window(1 << 20);
        let mut bytes = masked(BINARY, &vec![7; len]);
        bytes.extend(masked(PING, b"one"));
        bytes.extend(masked(PING, b"two"));
        client.wire.write(&bytes);
        world.settle();
        let mut frames = client.frames();
        assert_eq!((frames[0].0, frames[0].1.len()), (BINARY, len));
        let last = frames.pop().filter(|(first, _)| *first == PONG);
        assert_eq!(last, Some((PONG, b"two".to_vec())), "{len} bytes");
    }
}

#[test]
fn a_low_mark_holds_a_peer_that_does_not_read_back() {
    let mut world = World::configured(echo(), |config| {
        Arc::make_mut(&mut config.connection).outbox_high_mark = 1000;
    });
    let client = world.open();
    client.wire.set_window(0);
    for _ in 0..100 {
        client.wire.write(&masked(BINARY, &[7; 600]));
        world.settle();
    }
    assert_eq!(world.count(|told| matches!(told, Told::Binary(600))), 2);
    client.wire.set_window(usize::MAX);
    world.settle();
    assert_eq!(world.count(|told| matches!(told, Told::Binary(600))), 100);
}

/// It stops by itself above the mark, so that nothing is refused, and goes on when it is told.
#[test]
fn a_handler_that_answers_above_the_mark_is_told_when_it_is_below() {
    let sent = Rc::new(Cell::new(0));
    let counter = sent.clone();
    let mut world = World::new(Rc::new(move |peer, moment| {
        if matches!(moment, Moment::Event(_) | Moment::Writable) {
            while counter.get() < 500 && peer.outbox_len() <= 64 * 1024 {
                peer.send_binary(&[1; 1000]).expect("room");
                counter.set(counter.get() + 1);
            }
        }
    }));
    let mut client = world.open();
    client.wire.set_window(1 << 20);
    client.text("go");
    world.settle();
    assert_eq!((sent.get(), client.frames().len()), (500, 500));
}
