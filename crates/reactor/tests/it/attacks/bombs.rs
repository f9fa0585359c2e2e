//! Compressed messages that inflate to much more than they are.

use std::sync::Arc;

use sockeye_protocol::{DeflateConfig, Prepared};

use crate::attacks::TURNS_MAX;
use crate::frames::{TEXT, masked};
use crate::heap::heap_of;
use crate::support::{Told, silent};
use crate::world::{Client, World};

const COMPRESSED_TEXT: u8 = 0xC1;
const LIMIT: usize = 1 << 20;

fn deflating() -> World {
    World::configured(silent(), |config| {
        let mut limits = sockeye_protocol::Config::default();
        limits.deflate = Some(DeflateConfig::default());
        config.connection = Arc::new(limits);
    })
}

fn open(world: &mut World) -> Client {
    let mut client = world.connect();
    client.wire.write(
        b"GET / HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
          Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
    world.settle();
    assert!(client.head().is_some_and(|head| head.contains("permessage-deflate")));
    client
}

/// The payload of a compressed text of so many bytes: a server compresses as an attacker would.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut world = deflating();
    let mut victim = open(&mut world);
    let prepared = Prepared::text(&"a".repeat(bytes));
    world.with_peer(world.last_key(), move |peer| peer.send_prepared(&prepared).expect("open"));
    world.settle();
    victim.next().expect("a message").1
}

#[test]
fn attack_11_a_bomb_is_refused_while_it_is_inflated_whole_and_in_fragments() {
    let payload = bomb(64 * LIMIT);
    assert!(payload.len() < 128 * 1024);
    let pieces: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(50)).collect();
    let mut fragmented = masked(0x41, pieces[0]);
    for piece in &pieces[1..pieces.len() - 1] {
        fragmented.extend(masked(0x00, piece));
    }
    fragmented.extend(masked(0x80, pieces[pieces.len() - 1]));
    for bytes in [masked(COMPRESSED_TEXT, &payload), fragmented] {
        let mut world = deflating();
        // What the thread keeps for inflating is there after this, and what it lends to outboxes.
        let warm = open(&mut world);
        warm.wire.write(&masked(COMPRESSED_TEXT, &bomb(1000)));
        warm.wire.write(&masked(TEXT, &[b'a'; 100_000]));
        world.settle();
        let mut attacker = open(&mut world);
        attacker.wire.write(&bytes);
        let ((), heap) = heap_of(|| world.settle());
        assert_eq!(attacker.close_code(), 1009);
        assert!(heap.peak_bytes < (LIMIT + 64 * 1024) as i64, "{heap:?}");
        assert_eq!(world.count(|told| matches!(told, Told::Text(text) if text.len() > 100_000)), 0);
    }
}

#[test]
fn attack_12_bombs_of_the_largest_size_wait_for_the_others_one_each_turn() {
    let bomb = masked(COMPRESSED_TEXT, &bomb(LIMIT));
    let mut world = deflating();
    let attacker = open(&mut world);
    let modest: Vec<Client> = (0..10).map(|_| open(&mut world)).collect();
    for _ in 0..10 {
        attacker.wire.write(&bomb.repeat(10));
        world.log.borrow_mut().clear();
        for client in &modest {
            client.wire.write(&masked(TEXT, b"me too"));
        }
        world.network.set_horizon(Some(world.network.now()));
        for _ in 0..TURNS_MAX {
            world.turn();
        }
        let texts = world.texts();
        assert_eq!(texts.iter().filter(|text| *text == "me too").count(), modest.len());
        let bombs = texts.iter().filter(|text| text.len() == LIMIT).count();
        assert!(bombs <= TURNS_MAX, "{bombs} bombs in {TURNS_MAX} turns");
    }
}
