//! What a client's masking must keep from an application that is not trusted.

use std::cell::RefCell;
use std::rc::Rc;

use sockeye_protocol::handshake::{Acceptance, ClientRequest, HeadLimits, ServerHandshake, Url};
use sockeye_protocol::{Outbox, SendError};
use sockeye_reactor::engine::{Address, Answer};

use crate::support::{Scripted, silent};
use crate::world::{Client, World};

const NUMBER: u64 = 700;
/// What a cache between client and server would take for a request of its own.
const PAYLOAD: &[u8] = b"GET /x HTTP/1.1\r\nHost: v\r\n\r\n";
const FRAME_LEN: usize = 2 + 4 + PAYLOAD.len();
const FRAMES: usize = 1_000_000;
const BATCH: usize = 1000;
/// Keys of which more is counted.
const SAMPLE: usize = 100_000;

/// A reactor whose only session is a client's, and the server's end of it.
fn client() -> (World, Client) {
    let mut world = World::new(silent());
    world.network.set_answer(NUMBER, Answer::Accept);
    let handler = Scripted::new(&world.log, &silent());
    let url = Url::parse("ws://server.example.com/").expect("a URL");
    let request = ClientRequest::new(&url);
    world.reactor.connect(&Address::Memory(NUMBER), &request, handler).expect("no error at once");
    world.settle();
    let mut server = Client::new(world.network.accept(NUMBER).expect("a connection"));
    let head = server.head().expect("a request");
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let head = handshake.receive(head.as_bytes()).expect("a request").expect("all of it");
    let mut outbox = Outbox::new();
    let upgrade = head.upgrade().expect("an upgrade");
    upgrade.accept(&Acceptance::default(), &mut outbox).expect("accepted");
    server.wire.write(&outbox.chunks().collect::<Vec<_>>().concat());
    world.settle();
    (world, server)
}

#[test]
fn attack_22_no_payload_of_a_million_appears_on_the_wire_and_no_key_can_be_foreseen() {
    let (mut world, server) = client();
    let key = world.last_key();
    let mut keys = Vec::with_capacity(FRAMES);
    for _ in 0..FRAMES / BATCH {
        let refused = Rc::new(RefCell::new(None));
        let note = refused.clone();
        world.with_peer(key, move |peer| {
            let sent = (0..BATCH).try_for_each(|_| peer.send_binary(PAYLOAD));
            *note.borrow_mut() = sent.err();
        });
        assert_eq!(*refused.borrow(), None::<SendError>);
        let bytes = server.wire.read();
        assert_eq!(bytes.len(), BATCH * FRAME_LEN);
        for frame in bytes.chunks_exact(FRAME_LEN) {
            assert_ne!(&frame[FRAME_LEN - PAYLOAD.len()..], PAYLOAD, "it is on the wire as given");
            keys.push(u32::from_be_bytes(frame[2..6].try_into().expect("four bytes")));
        }
    }
    // 16 bits of 32 are expected to be set; the deviation of so many keys is 2,800 bits.
    let ones: usize = keys.iter().map(|key| key.count_ones() as usize).sum();
    assert!(ones.abs_diff(16 * FRAMES) < 20_000, "{ones} bits are set");
    let mut sample = keys[..SAMPLE].to_vec();
    for bit in 0..32 {
        let ones = sample.iter().filter(|key| *key >> bit & 1 == 1).count();
        assert!(ones.abs_diff(SAMPLE / 2) < 1000, "bit {bit} is set {ones} times");
    }
    let mut steps: Vec<u32> = sample.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
    for (what, numbers) in [("keys", &mut sample), ("steps from key to key", &mut steps)] {
        numbers.sort_unstable();
        numbers.dedup();
        // One pair is expected to meet by chance among 2^32.
        assert!(numbers.len() > SAMPLE - 30, "{} different {what}", numbers.len());
    }
}
