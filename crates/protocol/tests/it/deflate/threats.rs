//! The classes of defects of docs/security.md that compression brings.

use std::thread;

use sockeye_protocol::handshake::{
    ClientHandshake, ClientRequest, HeadLimits, Reply, ServerHandshake, Url,
};
use sockeye_protocol::{Config, DeflateConfig, Outbox, Role, Violation, WindowBits};

use super::{compressed, deflating, endpoint_with};
use crate::support::{Endpoint, frame};

fn inflating(role: Role) -> Endpoint {
    endpoint_with(role, Config::default(), &deflating())
}

/// What a peer may write for a size of window, and what is none.
const NO_WINDOWS: [&str; 12] =
    ["0", "7", "16", "1000", "08", "015", "", "-1", "+9", "9 ", "\"\"", "99999999999999999999"];

/// Whether a server agrees on anything, given this as its offer.
fn is_taken(offer: &str) -> bool {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: {offer}\r\n\r\n"
    );
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let head = handshake.receive(request.as_bytes()).expect("well-formed").expect("whole");
    head.upgrade().is_ok_and(|upgrade| upgrade.deflate(&DeflateConfig::default()).is_some())
}

/// Whether a client takes this for an answer to its offer.
fn is_agreed(answer: &str) -> bool {
    let url = Url::parse("ws://a/").expect("a URL");
    let request = ClientRequest::new(&url).deflate(DeflateConfig::default());
    let limits = HeadLimits::default();
    let nonce = *b"the sample nonce";
    let mut handshake = ClientHandshake::start(&request, nonce, limits, &mut Outbox::new());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Extensions: {answer}\r\n\r\n"
    );
    matches!(handshake.receive(head.as_bytes()), Ok(Some(Reply::Switched(_))))
}

/// A size of window that is none never gets as far as the codec.
#[test]
fn threat_c4_a_window_is_8_to_15_bits() {
    for bits in 0..=u8::MAX {
        assert_eq!(WindowBits::new(bits).is_some(), (8..=15).contains(&bits), "{bits}");
    }
    assert!(is_taken("permessage-deflate; server_max_window_bits=9"));
    // Our offer asks the server to forget its context.
    let agreement = "permessage-deflate; server_no_context_takeover";
    assert!(is_agreed(&format!("{agreement}; server_max_window_bits=9")));
    for bits in NO_WINDOWS {
        for side in ["server", "client"] {
            let text = format!("permessage-deflate; {side}_max_window_bits={bits}");
            // A space behind a value belongs to the line.
            assert_eq!(is_taken(&text), bits == "9 ", "{text}");
            let answer = format!("{agreement}; {side}_max_window_bits={bits}");
            assert!(bits == "9 " || !is_agreed(&answer), "{answer}");
        }
    }
}

/// Without an agreement the bit that marks compression is an error, whatever the frame.
#[test]
fn frm_06_threat_c5_nothing_is_inflated_without_an_agreement() {
    for role in [Role::Server, Role::Client] {
        for first in (0..=u8::MAX).filter(|first| first & 0x40 != 0) {
            let mut endpoint = Endpoint::new(role, Config::default());
            let error = endpoint.feed(&frame(role, first, &compressed(b"x"))).expect_err("a bit");
            assert_eq!(error.violation, Violation::ReservedBit, "{first:#x}");
        }
    }
}

/// With one it is an error on control frames, with FIN and without, and on later fragments.
#[test]
fn pmc_02_threat_c6_control_frames_and_later_fragments_are_never_compressed() {
    for role in [Role::Server, Role::Client] {
        for first in [0xC8, 0xC9, 0xCA, 0x48, 0x49, 0x4A, 0xC0, 0x40] {
            let mut endpoint = inflating(role);
            if first & 0x0F == 0 {
                endpoint.feed(&frame(role, 0x42, &compressed(b"x")[..1])).expect("legal");
            }
            let error = endpoint.feed(&frame(role, first, b"")).expect_err("a bit");
            assert_eq!(error.violation, Violation::ReservedBit, "{first:#x}");
        }
    }
}

/// A compressed frame that ends where its buffer ends, in every cut: the tail that the receiver adds
/// is written nowhere near it, and the frame that lies behind it stays as it was.
#[test]
fn threat_c7_the_tail_is_written_over_nothing() {
    let text = "tail and head and tail and head".repeat(3);
    let first = frame(Role::Server, 0xC2, &compressed(text.as_bytes()));
    let second = frame(Role::Server, 0x82, b"untouched");
    for cut in 0..=first.len() {
        let mut endpoint = inflating(Role::Server);
        // A boxed slice has no spare room.
        for piece in [&first[..cut], &[&first[cut..], &second].concat()] {
            endpoint.feed(&piece.to_vec().into_boxed_slice()).expect("legal");
        }
        assert_eq!(endpoint.events.len(), 2, "cut at {cut}");
        assert_eq!(endpoint.events[1], "binary untouched", "cut at {cut}");
        let mut alone = inflating(Role::Server);
        alone.feed(&first.clone().into_boxed_slice()).expect("legal");
        assert_eq!(alone.events[0], endpoint.events[0]);
    }
}

/// Messages that are not compressed go by the inflater, alone, in fragments, and between others.
#[test]
fn pmc_04_threat_c8_messages_may_be_uncompressed_after_an_agreement() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = inflating(role);
        for round in 0..3 {
            let stream = [
                frame(role, 0x81, b"plain"),
                frame(role, 0xC1, &compressed(b"packed")),
                frame(role, 0x01, b"in "),
                frame(role, 0x80, b"two"),
                frame(role, 0x82, b""),
                frame(role, 0xC2, &compressed(b"")),
            ];
            endpoint.feed(&stream.concat()).expect("legal");
            let events = endpoint.events.split_off(0);
            let expected = ["text plain", "text packed", "text in two", "binary ", "binary "];
            assert_eq!(events, expected, "round {round}");
        }
    }
}

/// The codec on a small stack: whatever it is fed, it neither recurses nor panics, and every end is
/// a message, an error, or a wait for more.
#[test]
fn pmc_20_threat_c9_the_codec_needs_no_deep_stack() {
    let work = || {
        let mut state = 7_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let (mut inflated, mut refused) = (0, 0);
        for round in 0..2000 {
            let mut data: Vec<u8> = (0..round % 200).map(|_| random()).collect();
            if round % 2 == 0 {
                // Nearly right is more telling than noise.
                data = compressed(&data);
                let at = usize::from(random()) % data.len().max(1);
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << (random() % 8);
                }
            }
            let mut endpoint = inflating(Role::Server);
            match endpoint.feed(&frame(Role::Server, 0xC2, &data)) {
                Ok(()) => inflated += 1,
                Err(_) => refused += 1,
            }
            assert_eq!(endpoint.events.len(), 1);
        }
        assert!(inflated > 50 && refused > 500, "{inflated} {refused}");
    };
    let thread = thread::Builder::new().stack_size(128 * 1024).spawn(work).expect("a thread");
    thread.join().expect("no panic");
}
