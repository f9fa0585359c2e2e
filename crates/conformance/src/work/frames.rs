//! Frames and messages, whole and in pieces.

use sockeye_protocol::Role;
use sockeye_protocol::frame::mask;

use super::case::{Case, Endpoint, append_frame, feeding, frame};

/// A lone read is never longer than this in a reactor.
const READ_BYTES: usize = 128 * 1024;

const fn case(
    name: &'static str,
    unit: &'static str,
    units: usize,
    prepare: fn(usize) -> Box<dyn FnMut()>,
) -> Case {
    Case { name, unit, units, prepare }
}

pub(super) const CASES: &[Case] = &[
    case("messages-20", "message", 1000, |count| messages(20, count)),
    case("messages-125", "message", 1000, |count| messages(125, count)),
    case("messages-1024", "message", 250, |count| messages(1024, count)),
    case("binary-byte-by-byte", "byte", 4000, |len| in_pieces(0x82, vec![0xFF; len], 1)),
    case("text-byte-by-byte", "byte", 4000, |len| in_pieces(0x81, vec![b'x'; len], 1)),
    case("characters-byte-by-byte", "byte", 4000, |len| in_pieces(0x81, characters(len), 1)),
    case("characters-in-pieces-of-63", "byte", 64_000, |len| in_pieces(0x81, characters(len), 63)),
    case("one-byte-fragments", "fragment", 31_250, |count| fragments(count, b"x", READ_BYTES)),
    case("empty-fragments", "fragment", 31_250, |count| fragments(count, b"", READ_BYTES)),
    case("fragments-byte-by-byte", "fragment", 1000, |count| fragments(count, b"x", 1)),
    case("fragments-between-pings", "fragment", 2000, between_pings),
    case("characters-over-fragments", "fragment", 2000, over_fragments),
    case("pings-that-nobody-reads-for", "ping", 4000, |count| control(0x89, count)),
    case("pongs", "pong", 4000, |count| control(0x8A, count)),
    case("close-reason-byte-by-byte", "byte", 30, close_reason),
    case("unmasking", "byte", 64_000, unmasking),
    case("sending-to-one-who-takes-a-byte-at-a-time", "byte", 4000, sending),
];

/// Two bytes for each character: every other cut lies within one.
fn characters(len: usize) -> Vec<u8> {
    "é".repeat(len / 2).into_bytes()
}

/// Messages of so many bytes, as many as fit a read at a time.
fn messages(payload_bytes: usize, count: usize) -> Box<dyn FnMut()> {
    let one = frame(0x81, &vec![b'x'; payload_bytes]);
    let whole = READ_BYTES / one.len() * one.len();
    feeding(Endpoint::new(Role::Server), one.repeat(count), whole, count)
}

fn in_pieces(first: u8, payload: Vec<u8>, piece_bytes: usize) -> Box<dyn FnMut()> {
    feeding(Endpoint::new(Role::Server), frame(first, &payload), piece_bytes, 1)
}

fn fragments(count: usize, payload: &[u8], piece_bytes: usize) -> Box<dyn FnMut()> {
    let mut stream = frame(0x02, payload);
    for _ in 1..count {
        append_frame(&mut stream, 0x00, payload);
    }
    feeding(Endpoint::new(Role::Server), stream, piece_bytes, 0)
}

fn between_pings(count: usize) -> Box<dyn FnMut()> {
    let mut stream = frame(0x01, b"x");
    for _ in 1..count {
        append_frame(&mut stream, 0x89, b"");
        append_frame(&mut stream, 0x00, b"x");
    }
    feeding(Endpoint::new(Role::Server), stream, READ_BYTES, count - 1)
}

/// Each character begins in one fragment and ends in the next.
fn over_fragments(count: usize) -> Box<dyn FnMut()> {
    let [first, second] = [&"é".as_bytes()[..1], &"é".as_bytes()[1..]];
    let mut stream = frame(0x01, first);
    for number in 1..count {
        append_frame(&mut stream, 0x00, if number % 2 == 0 { first } else { second });
    }
    feeding(Endpoint::new(Role::Server), stream, READ_BYTES, 0)
}

/// The answers are never written.
fn control(first: u8, count: usize) -> Box<dyn FnMut()> {
    feeding(Endpoint::new(Role::Server), frame(first, &[7; 125]).repeat(count), READ_BYTES, count)
}

fn close_reason(len: usize) -> Box<dyn FnMut()> {
    let body = [&1000_u16.to_be_bytes()[..], &characters(len)].concat();
    feeding(Endpoint::new(Role::Server), frame(0x88, &body), 1, 1)
}

fn unmasking(len: usize) -> Box<dyn FnMut()> {
    let mut payload = vec![7; len];
    Box::new(move || mask([1, 2, 3, 4], &mut payload))
}

/// Messages of a byte, which wait while one byte at a time is taken from before them.
fn sending(len: usize) -> Box<dyn FnMut()> {
    let mut endpoint = Endpoint::new(Role::Server);
    Box::new(move || {
        for _ in 0..len {
            endpoint.send(|connection, output| {
                connection.send_binary(b"x", output).expect("room");
            });
            endpoint.outbox.advance(1);
        }
        assert_eq!(endpoint.outbox.len(), 2 * len, "a frame of three bytes came, one byte went");
    })
}
