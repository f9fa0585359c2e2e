//! What is published in one turn reaches each member as one piece, and everything keeps its place.

use std::rc::Rc;
use std::sync::Arc;

use sockeye_protocol::{Event, Prepared};
use sockeye_reactor::engine::Conditions;
use sockeye_reactor::{Cause, Config, Group, Key, Peer, Policy};

use crate::frames::{PING, TEXT};
use crate::support::{Moment, Script, Told, silent};
use crate::world::{Client, World};

fn joining(group: &Group, policy: Policy) -> Script {
    let group = group.clone();
    Rc::new(move |peer, moment| {
        if let Moment::Open = moment {
            peer.join(&group, policy);
        }
    })
}

fn publish(group: &Group, texts: std::ops::Range<usize>) {
    for number in texts {
        group.publish(Prepared::text(&number.to_string()));
    }
}

fn texts(client: &mut Client) -> Vec<String> {
    let text = |(opcode, payload)| match opcode {
        TEXT => String::from_utf8(payload).expect("a text"),
        opcode => format!("#{opcode:x}"),
    };
    client.frames().into_iter().map(text).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn who_joins_between_two_messages_of_a_turn_gets_the_second() {
    let group = Group::new();
    let mut world = World::new(silent());
    let (mut first, one) = (world.open(), world.last_key());
    let (mut second, two) = (world.open(), world.last_key());
    let joined = group.clone();
    world.with_peer(one, move |peer| {
        peer.join(&joined, Policy::Close);
    });
    publish(&group, 0..5);
    let sends = world.counters.sends();
    let joined = group.clone();
    world.with_peer(two, move |peer| {
        assert_eq!(peer.join(&joined, Policy::Close), 5);
        publish(&joined, 5..10);
    });
    assert_eq!(world.counters.sends() - sends, 2, "one write for each, in one turn");
    world.settle();
    assert_eq!(texts(&mut first), numbers(0..10));
    assert_eq!(texts(&mut second), numbers(5..10));
    assert_eq!(world.reactor.stats().deliveries, 15);
}

/// What the member is sent in the tasks phase of the turn in which it is published to.
fn in_one_turn(act: impl FnOnce(&mut Peer<'_>, &Group) + 'static) -> Vec<String> {
    let group = Group::new();
    let mut world = World::new(joining(&group, Policy::Close));
    let mut client = world.open();
    publish(&group, 0..3);
    let sends = world.counters.sends();
    let of_task = group.clone();
    world.with_peer(world.last_key(), move |peer| act(peer, &of_task));
    assert_eq!(world.counters.sends() - sends, 1);
    world.settle();
    texts(&mut client)
}

#[test]
fn what_is_sent_after_publishing_comes_after_it() {
    let sent = in_one_turn(|peer, group| {
        peer.send_text("sent").expect("room");
        publish(group, 3..5);
    });
    assert_eq!(sent, ["0", "1", "2", "sent", "3", "4"]);
    let pinged = in_one_turn(|peer, _| peer.send_ping(b"").expect("room"));
    assert_eq!(pinged, ["0".into(), "1".into(), "2".into(), format!("#{PING:x}")]);
    let closed = in_one_turn(|peer, _| peer.close(None).expect("an open session"));
    assert_eq!(closed, ["0", "1", "2", "#88"]);
    let queued = in_one_turn(|peer, group| {
        peer.sender().send_text("queued").expect("room");
        publish(group, 3..4);
    });
    assert_eq!(queued, ["0", "1", "2", "queued", "3"]);
    let left = in_one_turn(|peer, group| {
        assert!(peer.leave(group));
        publish(group, 3..4);
    });
    assert_eq!(left, ["0", "1", "2"]);
    let back = in_one_turn(|peer, group| {
        peer.leave(group);
        publish(group, 3..4);
        peer.join(group, Policy::Close);
        publish(group, 4..5);
    });
    assert_eq!(back, ["0", "1", "2", "4"]);
}

#[test]
fn a_member_of_two_groups_gets_both_in_the_order_in_which_they_were_published_to() {
    let (left, right) = (Group::new(), Group::new());
    let (of_left, of_right) = (left.clone(), right.clone());
    let mut world = World::new(Rc::new(move |peer, moment| match moment {
        Moment::Open => {
            peer.join(&of_left, Policy::Close);
        }
        Moment::Event(Event::Text(_)) => {
            peer.join(&of_right, Policy::Close);
        }
        _ => {}
    }));
    let (mut of_one, mut of_both) = (world.open(), world.open());
    of_both.text("both");
    world.settle();
    let sends = world.counters.sends();
    for number in 0..4 {
        publish(&left, number..number + 1);
        publish(&right, number + 100..number + 101);
    }
    world.settle();
    assert_eq!(world.counters.sends() - sends, 2);
    assert_eq!(texts(&mut of_one), numbers(0..4));
    assert_eq!(texts(&mut of_both), ["0", "100", "1", "101", "2", "102", "3", "103"]);
}

/// One member that takes `window` bytes and one that takes all, of whose outboxes 1,000 bytes is the
/// limit, and 100 messages of 102 bytes in one turn, then one more. Returns what the first one has
/// got when it reads again.
fn lagging(policy: Policy, window: usize) -> (Vec<usize>, World, Group) {
    let group = Group::new();
    let mut world = World::configured(joining(&group, policy), |config| {
        let mut connection = sockeye_protocol::Config::default();
        connection.outbox_bytes_max = 1000;
        connection.outbox_high_mark = 500;
        config.connection = Arc::new(connection);
    });
    let mut lagging = world.open();
    lagging.wire.set_window(window);
    let mut reading = world.open();
    for number in 0..101 {
        if number == 100 {
            world.settle();
        }
        group.publish(Prepared::text(&format!("{number:0100}")));
    }
    world.settle();
    assert_eq!(texts(&mut reading).len(), 101, "{policy:?}");
    lagging.wire.set_window(usize::MAX);
    world.settle();
    let got = texts(&mut lagging);
    (got.iter().filter_map(|text| text.parse().ok()).collect(), world, group)
}

#[test]
fn policies_hold_for_what_is_published_in_one_turn() {
    for window in [0, 50, 510, 2000] {
        let (got, world, group) = lagging(Policy::Close, window);
        let is_behind = |told: &Told| matches!(told, Told::Closed(outcome) if outcome.cause == Cause::FellBehind);
        assert_eq!((group.closed(), world.count(is_behind)), (1, 1));
        assert!(got.iter().copied().eq(0..got.len()) && got.len() <= 30, "{got:?}");

        let (got, _, group) = lagging(Policy::DropNewest, window);
        assert!(got.iter().copied().eq(0..got.len()), "{got:?}");
        assert!((9..=30).contains(&got.len()), "{window}: {got:?}");
        assert_eq!(group.dropped(), 101 - got.len() as u64);

        let (got, _, group) = lagging(Policy::DropOldest { bytes_max: 306 }, window);
        assert_eq!(got[got.len() - 3..], [98, 99, 100], "{window}");
        assert!(got.is_sorted() && got.len() <= 30, "{got:?}");
        assert_eq!(group.dropped(), 101 - got.len() as u64);

        let (got, _, group) = lagging(Policy::KeepLatest, window);
        assert_eq!(got.last(), Some(&100));
        assert_eq!(got.iter().filter(|number| **number > 30).count(), 1, "{got:?}");
        assert_eq!(group.dropped(), 101 - got.len() as u64);
    }
}

#[test]
fn a_piece_that_leaves_in_parts_leaves_whole() {
    for seed in 0..20 {
        let mut conditions = Conditions::default();
        conditions.seed = seed;
        conditions.send_bytes_max = Some(3000);
        let group = Group::new();
        let script = joining(&group, Policy::Close);
        let mut world = World::with(script, Config::default(), conditions);
        let mut members: Vec<Client> = (0..3).map(|_| world.open()).collect();
        let text = |number: usize| format!("{number:0len$}", len = 1 + number * 37 % 9000);
        for number in 0..100 {
            group.publish(Prepared::text(&text(number)));
        }
        world.settle();
        let expected: Vec<String> = (0..100).map(text).collect();
        assert!(members.iter_mut().all(|member| texts(member) == expected));
    }
}

#[test]
fn who_is_excepted_is_left_out_and_the_others_have_one_piece() {
    let group = Group::new();
    // Keys are a reactor's own, so the first session of another one has the same.
    let mut worlds = [World::new(joining(&group, Policy::Close)), World::new(silent())];
    let mut first = worlds[0].open();
    let (sender, key) = (worlds[0].sender(), worlds[0].last_key());
    let mut others = [worlds[0].open(), worlds[0].open()];
    let mut elsewhere = worlds[1].open();
    assert_eq!(worlds[1].last_key(), key);
    let joined = group.clone();
    worlds[1].with_peer(key, move |peer| {
        peer.join(&joined, Policy::Close);
    });
    let sends = worlds[0].counters.sends();
    publish(&group, 0..2);
    assert_eq!(group.publish_except(Prepared::text("2"), &sender), 2);
    publish(&group, 3..5);
    worlds.iter_mut().for_each(World::settle);
    assert_eq!(worlds[0].counters.sends() - sends, 3, "one write for each");
    assert_eq!(texts(&mut first), ["0", "1", "3", "4"]);
    assert_eq!(texts(&mut elsewhere), numbers(0..5));
    assert!(others.iter_mut().all(|other| texts(other) == numbers(0..5)));
    // A session that is gone excepts nobody, and who has its place is another.
    first.wire.reset();
    worlds[0].settle();
    let mut next = worlds[0].open();
    assert_eq!(worlds[0].last_key().index(), key.index());
    group.publish_except(Prepared::text("5"), &sender);
    worlds[0].settle();
    assert_eq!(texts(&mut next), ["5"]);
    assert!(others.iter_mut().all(|other| texts(other) == ["5"]));
    assert_eq!((group.dropped(), group.closed()), (0, 0));
}

#[test]
fn what_a_policy_holds_back_is_not_given_up_for_what_its_member_is_excepted_from() {
    for policy in [Policy::KeepLatest, Policy::DropOldest { bytes_max: 1 }] {
        let group = Group::new();
        let mut world = World::configured(joining(&group, policy), |config| {
            let mut connection = sockeye_protocol::Config::default();
            connection.outbox_high_mark = 1;
            config.connection = Arc::new(connection);
        });
        let mut lagging = world.open();
        let sender = world.sender();
        lagging.wire.set_window(0);
        for _ in 0..2 {
            publish(&group, 0..2);
            group.publish_except(Prepared::text("2"), &sender);
            world.settle();
        }
        lagging.wire.set_window(usize::MAX);
        world.settle();
        let got = texts(&mut lagging);
        assert_eq!(got.last().map(String::as_str), Some("1"), "{policy:?}: {got:?}");
        assert!(!got.contains(&"2".into()), "{policy:?}: {got:?}");
        assert_eq!(group.dropped(), 4 - got.len() as u64, "{policy:?}: {got:?}");
    }
}

/// Numbers below a limit, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below).expect("a small number")
    }
}

#[test]
fn whatever_is_done_in_whatever_turn_everyone_gets_what_is_meant_for_it_in_order() {
    const MEMBERS: usize = 4;
    for seed in 1..60 {
        let mut dice = Dice(seed);
        let mut world = World::new(silent());
        let groups = [Group::new(), Group::new()];
        let (mut clients, mut keys): (Vec<Client>, Vec<Key>) = (Vec::new(), Vec::new());
        let mut senders = Vec::new();
        for _ in 0..MEMBERS {
            clients.push(world.open());
            keys.push(world.last_key());
            senders.push(world.sender());
        }
        let (mut is_member, mut expected) = ([[false; 2]; MEMBERS], vec![Vec::new(); MEMBERS]);
        for number in 0..300 {
            let (who, which) = (dice.roll(MEMBERS as u64), dice.roll(2));
            let (key, group) = (keys[who], groups[which].clone());
            match dice.roll(13) {
                0..6 => {
                    publish(&group, number..number + 1);
                    for (member, expected) in is_member.iter().zip(&mut expected) {
                        expected.extend(member[which].then(|| number.to_string()));
                    }
                }
                6 => {
                    world.with_peer(key, move |peer| {
                        peer.join(&group, Policy::Close);
                    });
                    is_member[who][which] = true;
                }
                7 => {
                    let was_member = is_member[who][which];
                    world.with_peer(key, move |peer| assert_eq!(peer.leave(&group), was_member));
                    is_member[who][which] = false;
                }
                8 => {
                    world.with_peer(key, move |peer| {
                        peer.send_text(&number.to_string()).expect("room");
                    });
                    expected[who].push(number.to_string());
                }
                9 => world.settle(),
                _ => {
                    group.publish_except(Prepared::text(&number.to_string()), &senders[who]);
                    for (member, expected) in expected.iter_mut().enumerate() {
                        let gets_it = is_member[member][which] && member != who;
                        expected.extend(gets_it.then(|| number.to_string()));
                    }
                }
            }
        }
        world.settle();
        for (client, expected) in clients.iter_mut().zip(&expected) {
            assert_eq!(texts(client), *expected, "seed {seed}");
        }
    }
}
