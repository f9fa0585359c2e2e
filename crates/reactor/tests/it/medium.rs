//! Whatever a handler does while it is told of messages, it comes to the same whichever way the messages take: those of
//! up to 125 bytes, of up to 65,535, and of more have ways of their own in both directions.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use sockeye_protocol::{Event, Prepared};
use sockeye_reactor::engine::Conditions;
use sockeye_reactor::{Batch, Cause, Config, Group, Outcome, Policy, Sender};

use crate::frames::{PING, TEXT, close, masked};
use crate::support::{Moment, Script, Told};
use crate::world::World;

/// What is done by the first character of a text, which tells all that is sent for it where it belongs.
fn obeying(group: &Group) -> Script {
    let group = group.clone();
    let sender: RefCell<Option<Sender>> = RefCell::default();
    let batch = RefCell::new(Batch::default());
    Rc::new(move |peer, moment| {
        let Moment::Event(Event::Text(text)) = moment else { return };
        let answer = format!("{}.", &**text);
        match text.as_bytes().first() {
            Some(b'd') => _ = peer.send_text(&answer),
            Some(b'b') => _ = peer.send_binary(answer.as_bytes()),
            Some(b'j') => _ = peer.join(&group, Policy::Close),
            Some(b'l') => _ = peer.leave(&group),
            Some(b'p') => _ = group.publish(Prepared::text(&answer)),
            Some(b's') => {
                let sender = sender.borrow_mut().get_or_insert_with(|| peer.sender()).clone();
                sender.send_text(answer).expect("room");
            }
            Some(b't') => {
                let (own, mut batch) = (peer.sender(), batch.borrow_mut());
                if peer.begin_batch(&mut batch) {
                    own.put_text(answer, &mut batch).expect("room");
                }
                peer.end_batch(&mut batch);
            }
            Some(b'n') => peer.send_ping(b"now").expect("room"),
            Some(b'c') => _ = peer.close(None),
            Some(b'h') => peer.pause(),
            Some(b'!') => panic!("as the test wants it"),
            _ => {}
        }
    })
}

/// Where nothing waits for room: above its mark a session is told when it is below again, which is about bytes.
fn wide_world(script: Script) -> World {
    let (mut config, mut conditions) = (Config::default(), Conditions::default());
    conditions.window_bytes = 16 << 20;
    let limits = Arc::make_mut(&mut config.connection);
    (limits.outbox_high_mark, limits.outbox_bytes_max) = (16 << 20, 16 << 20);
    World::with(script, config, conditions)
}

/// What came of it, but for the lengths of messages.
fn run(commands: &str, len: usize) -> Vec<String> {
    let mut world = wide_world(obeying(&Group::new()));
    let mut client = world.open();
    let (mut bytes, mut begins) = (Vec::new(), Vec::new());
    for (number, command) in commands.chars().enumerate() {
        begins.push(bytes.len() as u64);
        match command {
            'i' => bytes.extend(masked(PING, number.to_string().as_bytes())),
            'e' => bytes.extend(close(1000)),
            // No UTF-8 at its end, and a reserved bit.
            'u' => bytes.extend(masked(TEXT, &[&vec![b'u'; len - 1][..], b"\xFF"].concat())),
            'r' => bytes.extend(masked(0xC1, &vec![b'r'; len])),
            _ => {
                let text = format!("{command}{}{number:03}", "-".repeat(len - 4));
                bytes.extend(masked(TEXT, text.as_bytes()));
            }
        }
    }
    client.wire.write(&bytes);
    world.settle();
    let mut came = Vec::new();
    for _ in 0..3 {
        came.extend(client.frames().into_iter().map(|(first, payload)| {
            let is_message = matches!(first, 0x81 | 0x82);
            let kept = if is_message { &payload[payload.len() - 4..] } else { &payload[..] };
            format!("{first:x} {:?} {:?}", payload.first(), String::from_utf8_lossy(kept))
        }));
        // What is behind a pause is told of in the next round.
        came.push(format!("{} were told of", world.texts().len()));
        let key = world.last_key();
        if world.reactor.open_sessions() > 0 {
            world.with_peer(key, |peer| peer.resume());
        }
        world.settle();
    }
    for told in &*world.log.borrow() {
        came.push(match told {
            Told::Text(text) => format!("told {} {}", &text[..1], &text[text.len() - 3..]),
            Told::Open(_) => "told open".to_owned(),
            Told::Closed(Outcome { cause: Cause::Protocol(error), .. }) => {
                let frame = begins.iter().position(|begin| *begin == error.frame_offset);
                format!("{:?} in {frame:?}", error.violation)
            }
            Told::Closed(outcome) => format!("closed {:?} {}", outcome.cause, outcome.clean),
            told => format!("told {told:?}"),
        });
    }
    let stats = world.reactor.stats();
    came.push(format!("{} in, {} out", stats.messages_received, stats.messages_sent));
    came
}

#[test]
fn what_a_handler_does_comes_to_the_same_whichever_way_messages_take() {
    let cases = "dbdbdb ddjdpdpdldpd sdsdbsd tdtdbtjdptpd dsjpdtspbd diddiid ddcddd dcpsd d!dd ddhdd hdd ddedd ddudd \
        ddrdd jppdpcpd jsplsd dndnd de dhe ddu ju js!d tcd iuid didhde";
    for commands in cases.split_whitespace() {
        let expected = run(commands, 20);
        for len in [100, 126, 300, 3000, 20_000, 65_534, 65_535, 66_000] {
            assert_eq!(run(commands, len), expected, "{commands}, {len} bytes each");
        }
    }
}
