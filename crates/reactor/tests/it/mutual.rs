//! Two ends that both say much, and answers behind others: nobody waits for an end that waits for him, and
//! nothing is refused that nobody would ask for again, by the default limits.

use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::handshake::{ClientRequest, Url};
use sockeye_protocol::{Event, Prepared, SendError};
use sockeye_reactor::engine::{Conditions, Network};
use sockeye_reactor::{Cause, Config, Group, Policy, Sender};

use crate::frames::{BINARY, PING, PONG, TEXT, masked};
use crate::support::{Moment, Script, Scripted, Told, echo, silent};
use crate::world::World;

const MIB: usize = 1 << 20;

/// Two reactors in one network, and one session between them.
struct Pair([World; 2]);

impl Pair {
    fn new(script: Script) -> Self {
        let network = Network::new(Conditions::default());
        let of = |script: &Script| World::within(&network, script.clone(), Config::default());
        let mut pair = Self([of(&script), of(&script)]);
        let [server, client] = &mut pair.0;
        let url = Url::parse("ws://server.example.com/").expect("a URL");
        let handler = Scripted::new(&client.log, &script);
        let request = ClientRequest::new(&url);
        client.reactor.connect(&server.address, &request, handler).expect("a listener");
        network.set_horizon(Some(network.now()));
        pair.turn(10);
        pair
    }

    /// No time passes.
    fn turn(&mut self, turns: usize) {
        for _ in 0..turns {
            for world in &mut self.0 {
                world.turn();
            }
        }
    }

    fn pass(&mut self, duration: Duration) {
        let network = self.0[0].network.clone();
        network.set_horizon(Some(network.now() + duration));
        self.turn(100);
    }

    fn senders(&mut self) -> [Sender; 2] {
        self.0.each_mut().map(World::sender)
    }

    /// How many binary messages each was told of.
    fn heard(&self) -> [usize; 2] {
        let is_binary = |told: &Told| matches!(told, Told::Binary(_));
        self.0.each_ref().map(|world| world.count(is_binary))
    }
}

/// Sends while there is room.
fn fill(sender: &Sender, left: &mut usize) {
    while *left > 0 && sender.send_binary(vec![7; 64 * 1024]).is_ok() {
        *left -= 1;
    }
}

#[test]
fn two_ends_whose_senders_say_much_do_not_wait_for_each_other() {
    let mut pair = Pair::new(silent());
    let senders = pair.senders();
    let mut left = [128; 2];
    for _ in 0..200 {
        for (sender, left) in senders.iter().zip(&mut left) {
            fill(sender, left);
        }
        pair.turn(2);
    }
    assert_eq!((left, pair.heard()), ([0, 0], [128, 128]));
}

#[test]
fn two_ends_that_publish_to_each_other_do_not_wait_for_each_other() {
    let mut pair = Pair::new(silent());
    let groups = [Group::new(), Group::new()];
    for (world, group) in pair.0.iter_mut().zip(&groups) {
        let group = group.clone();
        world.with_peer(world.last_key(), move |peer| {
            peer.join(&group, Policy::Close);
        });
    }
    for _ in 0..8 {
        for group in &groups {
            for _ in 0..15 {
                group.publish(Prepared::binary(&[7; 64 * 1024]));
            }
        }
        pair.turn(20);
    }
    assert_eq!((pair.heard(), groups.map(|group| group.closed())), ([120, 120], [0, 0]));
}

/// The tasks of both say as much as there is room for, and go on when they are told.
#[test]
fn two_handlers_that_go_on_when_there_is_room_do_not_wait_for_each_other() {
    let script: Script = Rc::new(|peer, moment| {
        if let Moment::Open | Moment::Writable = moment {
            while peer.send_binary(&[7; 64 * 1024]).is_ok() {}
        }
    });
    let mut pair = Pair::new(script);
    pair.turn(500);
    assert!(pair.heard().iter().all(|heard| *heard > 500), "{:?}", pair.heard());
}

/// Each answers what it hears with more than that, for ever: that has no end within bounds, so they
/// hold each other back, and both end.
#[test]
fn threat_q2_two_handlers_that_answer_with_more_than_they_hear_end_within_bounds() {
    let script: Script = Rc::new(|peer, moment| {
        if let Moment::Event(Event::Binary(payload)) = moment {
            for _ in 0..2 {
                let said = peer.send_binary(payload);
                assert_ne!(said, Err(SendError::Full), "reading rests before that");
            }
        }
    });
    let mut pair = Pair::new(script);
    let [sender, _] = pair.senders();
    sender.send_binary(vec![7; 64 * 1024]).expect("room");
    pair.turn(500);
    let heard = pair.heard();
    pair.turn(500);
    assert_eq!(pair.heard(), heard, "neither goes on");
    let waiting = pair.senders().map(|sender| sender.outstanding());
    assert!(waiting.iter().all(|waiting| *waiting < 512 * 1024), "{waiting:?}");
    pair.pass(Duration::from_secs(32));
    let is_stalled =
        |told: &Told| matches!(told, Told::Closed(outcome) if outcome.cause == Cause::WriteStalled);
    assert!(pair.0.iter().any(|world| world.count(is_stalled) == 1), "by whom time is up first");
    for world in &pair.0 {
        assert_eq!(world.count(|told| matches!(told, Told::Closed(_))), 1);
        world.assert_empty();
    }
}

#[test]
fn the_longest_messages_are_answered_behind_others_however_late_they_are_read() {
    for len in [Config::default().connection.message_bytes_max, 300 * 1024, 64 * 1024] {
        for window in [0, 50_000] {
            let mut world = World::new(echo());
            let mut client = world.open();
            client.wire.set_window(window);
            (0..200).for_each(|_| client.text("small"));
            (0..4).for_each(|_| client.wire.write(&masked(BINARY, &vec![7; len])));
            world.settle();
            let answered = world.count(|told| matches!(told, Told::Binary(_)));
            assert!(answered * len <= MIB + 328 * 1024, "{answered} of {len} bytes are held");
            assert_eq!((world.texts().len(), answered > 0), (200, true));
            let mut frames = Vec::new();
            for _ in 0..8 {
                client.wire.set_window(MIB);
                world.settle();
                frames.extend(client.frames());
            }
            let (small, long) = frames.split_at(200);
            assert!(small.iter().all(|frame| *frame == (TEXT, b"small".to_vec())));
            let lens = long.iter().map(|(opcode, payload)| (*opcode, payload.len()));
            assert!(lens.eq([(BINARY, len); 4]), "{len}");
            assert_eq!(world.reactor.open_sessions(), 1);
        }
    }
}

/// What is said of this side's own accord neither keeps the peer from being heard nor takes the room of
/// the answers, which hold it back by themselves.
#[test]
fn a_peer_is_heard_and_answered_behind_what_a_sender_says() {
    let mut world = World::new(echo());
    let mut client = world.open();
    client.wire.set_window(0);
    let sender = world.sender();
    let mut left = usize::MAX;
    fill(&sender, &mut left);
    world.settle();
    client.text("stop");
    world.settle();
    assert_eq!(world.texts(), ["stop"]);
    for _ in 0..100 {
        client.wire.write(&masked(BINARY, &[1; 10_000]));
        world.settle();
    }
    let answered = world.count(|told| matches!(told, Told::Binary(_)));
    assert!((5..40).contains(&answered), "{answered}");
    assert!(sender.outstanding() < MIB + 400 * 1024, "{}", sender.outstanding());
    let (mut streamed, mut answers) = (0, 0);
    for _ in 0..20 {
        client.wire.set_window(MIB);
        world.settle();
        for (_, payload) in client.frames() {
            streamed += usize::from(payload.len() == 64 * 1024);
            answers += usize::from(payload.len() == 10_000);
        }
    }
    assert_eq!((streamed, answers), (usize::MAX - left, 100));
}

/// More answers wait than there is room for; behind our Close frame none can follow.
#[test]
fn behind_our_close_frame_the_peer_is_heard_whatever_waits() {
    let mut world = World::new(Rc::new(|peer, moment| {
        if let Moment::Event(Event::Binary(payload)) = moment {
            peer.send_binary(payload).expect("an open session");
        }
    }));
    let client = world.open();
    client.wire.set_window(0);
    client.wire.write(&masked(BINARY, &vec![7; MIB]));
    world.settle();
    client.text("not yet");
    world.settle();
    assert!(world.texts().is_empty(), "its answer might be long");
    world.with_peer(world.last_key(), |peer| peer.close(None).expect("an open session"));
    world.settle();
    assert_eq!(world.texts(), ["not yet"]);
    client.text("on its way");
    client.wire.write(&masked(0x88, b""));
    world.settle();
    assert_eq!(world.texts(), ["not yet", "on its way"]);
    assert_eq!(world.count(|told| matches!(told, Told::CloseFrame)), 1);
}

/// A handler that is told of room has room for what was refused, and the loop sleeps until then.
#[test]
fn what_was_refused_has_room_when_the_handler_is_told() {
    let mut world = World::new(Rc::new(|peer, moment| {
        if let Moment::Writable = moment {
            peer.send_binary(&[2; MIB]).expect("room below the mark");
        }
    }));
    let mut client = world.open();
    client.wire.set_window(0);
    let key = world.last_key();
    world.with_peer(key, |peer| {
        peer.send_binary(&[1; 100_000]).expect("room");
        assert_eq!(peer.send_binary(&[2; MIB]), Err(SendError::Full));
    });
    world.settle();
    client.wire.set_window(90_000);
    world.settle();
    assert_eq!(world.count(|told| matches!(told, Told::Writable)), 1);
    let mut lens = Vec::new();
    for _ in 0..4 {
        client.wire.set_window(MIB);
        world.settle();
        lens.extend(client.frames().into_iter().map(|(_, payload)| payload.len()));
    }
    assert_eq!(lens[..2], [100_000, MIB]);
}

/// The outbox never falls below its mark, and the peer reads all the time.
#[test]
fn a_ping_behind_a_stream_without_an_end_is_answered() {
    let mut world = World::new(silent());
    let mut client = world.open();
    let sender = world.sender();
    let mut left = usize::MAX;
    fill(&sender, &mut left);
    world.settle();
    let mut pongs = Vec::new();
    for round in 0..40 {
        if round < 10 {
            client.wire.write(&masked(PING, &[round]));
        }
        let frames = client.frames();
        pongs.extend(frames.into_iter().filter(|(opcode, _)| *opcode == PONG));
        world.settle();
        fill(&sender, &mut left);
        world.settle();
        assert!(sender.outstanding() > 512 * 1024);
    }
    assert!((2..=10).contains(&pongs.len()), "{}", pongs.len());
    assert_eq!(pongs.pop(), Some((PONG, vec![9])), "the newest one is answered in any case");
    let before = sender.outstanding();
    for _ in 0..100 {
        client.wire.write(&masked(PING, &[1; 125]));
        world.settle();
    }
    assert_eq!(sender.outstanding(), before, "who does not read makes nothing grow");
}

/// While much waits pings are heard, and the newest is answered when it has gone.
#[test]
fn threat_q1_a_ping_behind_what_a_sender_says_is_answered_when_that_has_gone() {
    let mut world = World::new(silent());
    let mut client = world.open();
    client.wire.set_window(0);
    world.sender().send_binary(vec![7; 200_000]).expect("room");
    world.settle();
    client.wire.write(&masked(PING, b"one"));
    client.wire.write(&masked(PING, b"two"));
    world.settle();
    assert_eq!(world.count(|told| matches!(told, Told::Ping)), 2);
    client.wire.set_window(MIB);
    world.settle();
    assert_eq!(client.frames().pop(), Some((PONG, b"two".to_vec())));
}
