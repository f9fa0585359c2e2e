//! Compression, where the limits of a connection ask for it.

use std::sync::Arc;

use sockeye_protocol::{DeflateConfig, Prepared};
use sockeye_reactor::{Accept, Decision};

use crate::frames::{TEXT, masked};
use crate::support::{Scripted, Told, echo, silent};
use crate::world::{Client, World};

/// "Hello", compressed (RFC 7692, section 7.2.3.1).
const HELLO: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];

const COMPRESSED_TEXT: u8 = 0xC1;

fn deflating() -> DeflateConfig {
    let mut config = DeflateConfig::default();
    config.payload_bytes_min = 0;
    config
}

fn limits(deflate: Option<DeflateConfig>) -> Arc<sockeye_protocol::Config> {
    let mut limits = sockeye_protocol::Config::default();
    limits.deflate = deflate;
    Arc::new(limits)
}

/// A peer that offers to compress, and what it was answered.
fn offer(world: &mut World) -> (Client, String) {
    let mut client = world.connect();
    client.wire.write(
        b"GET / HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
          Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
    );
    world.settle();
    let head = client.head().expect("an answer");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    (client, head)
}

#[test]
fn pmd_24_nothing_is_agreed_on_unless_the_limits_ask_for_it() {
    let mut world = World::new(echo());
    let (mut client, head) = offer(&mut world);
    assert!(!head.contains("Extensions"), "{head}");
    client.wire.write(&masked(COMPRESSED_TEXT, HELLO));
    world.settle();
    assert_eq!(client.close_code(), 1002);
}

#[test]
fn an_echo_is_compressed_both_ways() {
    let mut world =
        World::configured(echo(), |config| config.connection = limits(Some(deflating())));
    let (mut client, head) = offer(&mut world);
    assert!(
        head.contains(
            "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n"
        ),
        "{head}"
    );
    client.wire.write(&masked(COMPRESSED_TEXT, HELLO));
    client.wire.write(&masked(TEXT, b"Hello"));
    world.settle();
    // Five bytes do not get shorter.
    assert_eq!(client.frames(), vec![(TEXT, b"Hello".to_vec()); 2]);
    client.wire.write(&masked(TEXT, &[b'a'; 1000]));
    world.settle();
    let (first, payload) = client.next().expect("an echo");
    assert_eq!(first, COMPRESSED_TEXT);
    assert!(payload.len() < 20);
    // Who offers nothing is not compressed for.
    let mut plain = world.open();
    plain.wire.write(&masked(TEXT, &[b'a'; 1000]));
    world.settle();
    assert_eq!(plain.next(), Some((TEXT, vec![b'a'; 1000])));
    // From a queue as well.
    world.sender().send_text("b".repeat(1000)).expect("open");
    world.settle();
    assert_eq!(plain.next(), Some((TEXT, vec![b'b'; 1000])));
    let key = world.last_key();
    world.with_peer(key, |peer| {
        peer.send_prepared(&Prepared::text(&"c".repeat(1000)).uncompressed()).expect("open");
    });
}

#[test]
fn a_decision_may_bring_its_own_limits() {
    let mut world = World::new(echo());
    let (log, script) = (world.log.clone(), echo());
    world.reactor.service_mut().decide = Some(Box::new(move |_| {
        let mut accept = Accept::new(Scripted::new(&log, &script));
        accept.config = Some(limits(Some(deflating())));
        Decision::Accept(accept)
    }));
    let (mut client, head) = offer(&mut world);
    assert!(head.contains("permessage-deflate"), "{head}");
    client.wire.write(&masked(COMPRESSED_TEXT, HELLO));
    world.settle();
    assert_eq!(client.next(), Some((TEXT, b"Hello".to_vec())));
}

#[test]
fn pmc_22_one_turn_inflates_a_bounded_number_of_bytes() {
    let message_bytes = 1 << 20;
    let mut world = World::configured(silent(), |config| {
        config.connection = limits(Some(deflating()));
        config.turn_bytes_max = 64 * 1024;
    });
    // A message of the largest size, compressed by a server as an attacker would.
    let prepared = Prepared::text(&"a".repeat(message_bytes));
    let (mut victim, _) = offer(&mut world);
    let key = world.last_key();
    world.with_peer(key, move |peer| peer.send_prepared(&prepared).expect("open"));
    world.settle();
    let (first, bomb) = victim.next().expect("a message");
    assert_eq!(first, COMPRESSED_TEXT);
    assert!(bomb.len() < 2000);

    let (attacker, _) = offer(&mut world);
    let (other, _) = offer(&mut world);
    attacker.wire.write(&masked(COMPRESSED_TEXT, &bomb).repeat(20));
    other.wire.write(&masked(TEXT, b"x").repeat(20));
    let mut turns = 0;
    let mut before = 0;
    while world.texts().iter().filter(|text| text.len() == message_bytes).count() < 20 {
        world.turn();
        let bombs = world.texts().iter().filter(|text| text.len() == message_bytes).count();
        assert!(bombs - before <= 1, "{} in one turn", bombs - before);
        before = bombs;
        turns += 1;
        assert!(turns < 1000, "the bombs go off one after the other");
    }
    assert!(turns >= 20);
    assert_eq!(world.count(|told| matches!(told, Told::Text(text) if text == "x")), 20);
}

/// Bytes that inflate to nothing, and still have a window copied for every two or seven of them.
#[test]
fn pmc_22_one_turn_copies_a_bounded_number_of_windows() {
    let mut keeping = deflating();
    keeping.keeps_peer_context = true;
    // A window full of zeros, from a client's deflater.
    let mut stored = vec![0x00, 0x00, 0x80, 0xFF, 0x7F];
    stored.resize(5 + (1 << 15), b'a');
    stored.push(0x00);
    let mut final_blocks = [0x03, 0x00].repeat(256);
    final_blocks.push(0x00);
    // What a message is, and how many of them a turn may take: the share of a window in the
    // budget is a sixteenth of it, and a message costs two more than it has final blocks.
    let window = (1 << 15) / 16;
    for (payload, copies) in [(&final_blocks[..], 258), (&[0x00], 2)] {
        let budget = 64 * 1024;
        let in_one_turn = (budget / (copies * window)).max(1);
        let mut world = World::configured(silent(), |config| {
            config.connection = limits(Some(keeping));
            config.turn_bytes_max = budget;
        });
        let (attacker, _) = offer(&mut world);
        let (other, _) = offer(&mut world);
        attacker.wire.write(&masked(COMPRESSED_TEXT, &stored));
        world.settle();
        let count = 100;
        attacker.wire.write(&masked(COMPRESSED_TEXT, payload).repeat(count));
        other.wire.write(&masked(TEXT, b"x").repeat(20));
        let (mut before, mut turns) = (0, 0);
        while before < count {
            world.turn();
            let empty = world.count(|told| matches!(told, Told::Text(text) if text.is_empty()));
            // Alone, a session may take four times as much.
            assert!(empty - before <= 4 * in_one_turn, "{} in one turn", empty - before);
            before = empty;
            turns += 1;
            assert!(turns < 1000, "they come one after the other");
        }
        assert!(turns >= count / (4 * in_one_turn), "{turns} turns");
        assert_eq!(world.count(|told| matches!(told, Told::Text(text) if text == "x")), 20);
    }
}
