//! Compressed messages, whole and in pieces.

use sockeye::DeflateConfig;
use sockeye_protocol::handshake::{HeadLimits, ServerHandshake};
use sockeye_protocol::{Deflate, Role};

use super::case::{Case, Endpoint, append_frame, feeding, frame};

const fn case(
    name: &'static str,
    unit: &'static str,
    units: usize,
    prepare: fn(usize) -> Box<dyn FnMut()>,
) -> Case {
    Case { name, unit, units, prepare }
}

pub(super) const CASES: &[Case] = &[
    case("inflating-byte-by-byte", "byte", 2000, |len| inflating(stored(len, 100), 1)),
    case("inflating-empty-blocks", "byte", 4000, |len| inflating(stored(len, 0), 65_536)),
    case("inflating-one-byte-blocks", "byte", 4000, |len| inflating(stored(len, 1), 65_536)),
    case("inflating-blocks-byte-by-byte", "byte", 2000, |len| inflating(stored(len, 1), 1)),
    case("inflating-fragments", "fragment", 1000, inflating_fragments),
    case("inflating-zeros", "byte", 256_000, inflating_zeros),
    case("compressed-messages", "message", 50, compressed_messages),
];

/// What a server with our defaults agrees on with a client that offers nothing in particular.
fn agreed() -> Deflate {
    let request = b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let head = handshake.receive(request).expect("well-formed").expect("complete");
    let mut config = DeflateConfig::default();
    config.keeps_peer_context = true;
    head.upgrade().expect("an upgrade").deflate(&config).expect("an offer that suits")
}

/// About `len` bytes of stored blocks that hold so many bytes each, and what stands before the tail
/// that the receiver adds (RFC 7692, section 7.2.1).
fn stored(len: usize, block_bytes: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(len);
    let block = usize::from(block_bytes) + 5;
    for _ in 0..len / block {
        message.push(0);
        message.extend(block_bytes.to_le_bytes());
        message.extend((!block_bytes).to_le_bytes());
        message.extend((0..block_bytes).map(|index| index.to_le_bytes()[0]));
    }
    message.push(0);
    message
}

fn inflating(message: Vec<u8>, piece_bytes: usize) -> Box<dyn FnMut()> {
    feeding(Endpoint::inflating(&agreed()), frame(0xC2, &message), piece_bytes, 1)
}

/// Each refers to those before it, and the window that they refer to is full from the beginning.
fn compressed_messages(count: usize) -> Box<dyn FnMut()> {
    let mut endpoint = Endpoint::inflating(&agreed());
    assert_eq!(endpoint.feed(&mut frame(0xC2, &stored(65_536, 1000))), 1);
    feeding(endpoint, frame(0xC2, &stored(105, 100)).repeat(count), 65_536, count)
}

/// A fragment for each byte.
fn inflating_fragments(count: usize) -> Box<dyn FnMut()> {
    let message = stored(count, 20);
    let mut stream = frame(0x42, &message[..1]);
    for byte in &message[1..message.len() - 1] {
        append_frame(&mut stream, 0x00, &[*byte]);
    }
    append_frame(&mut stream, 0x80, &message[message.len() - 1..]);
    feeding(Endpoint::inflating(&agreed()), stream, 65_536, 1)
}

/// What our own deflater makes of zeros: a thousandth of them.
fn inflating_zeros(len: usize) -> Box<dyn FnMut()> {
    let mut sender = Endpoint::new(Role::Client);
    sender.send(|connection, output| {
        connection.set_deflate(&agreed());
        connection.send_binary(&vec![0; len], output).expect("room");
    });
    let stream: Vec<u8> = sender.outbox.chunks().flatten().copied().collect();
    assert!(stream.len() < len / 100, "it was compressed");
    feeding(Endpoint::inflating(&agreed()), stream, 65_536, 1)
}
