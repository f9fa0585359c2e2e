//! Places where a slip would pass by the tables: each was found by changing the code there and
//! seeing that no test failed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::panic::catch_unwind;

use sockeye_protocol::handshake::{
    Acceptance, BodyMode, ClientHandshake, ClientRequest, Head, HeadLimits, Header, InvalidHeader,
    Response, ServerHandshake, Url,
};
use sockeye_protocol::{Config, FrameReader, MaskKeys, Outbox, Role, Unmasked, Violation};

use crate::support::{Endpoint, KEY, frame};
use crate::zero_copy::allocated_by;

const ROLES: [Role; 2] = [Role::Server, Role::Client];

#[test]
fn frm_21_who_masks_nothing_has_no_keys() {
    let drawn = catch_unwind(|| Unmasked.next_key());
    assert!(drawn.is_err(), "a client without keys must not send");
}

#[test]
fn frm_11_18_19_a_reader_gives_whole_frames_unmasked_with_their_key() {
    for role in ROLES {
        let mut reader = FrameReader::new(role, &Config::default());
        let mut bytes = frame(role, 0x81, b"Hello");
        let mut input = &mut bytes[..];
        let chunk = reader.next(&mut input).unwrap().expect("a whole frame");
        assert_eq!(chunk.payload, b"Hello");
        assert_eq!(chunk.header.mask, (role == Role::Server).then_some(KEY));
    }
}

#[test]
fn frm_15_sec_05_a_whole_message_above_the_limit_fails_as_well() {
    for role in ROLES {
        for (len, fits) in
            [(0, true), (9, true), (10, true), (11, false), (12, false), (200, false)]
        {
            for first in [0x81, 0x82] {
                let mut config = Config::default();
                config.message_bytes_max = 10;
                let mut endpoint = Endpoint::new(role, config);
                let result = endpoint.feed(&frame(role, first, &vec![b'a'; len]));
                let violation = result.map_err(|error| error.violation);
                let expected = if fits { Ok(()) } else { Err(Violation::MessageTooLong) };
                assert_eq!(violation, expected, "{role:?}: {len} bytes");
            }
        }
    }
}

#[test]
fn hss_32_the_limits_are_as_documented() {
    let limits = HeadLimits::default();
    assert_eq!(
        (limits.head_bytes_max, limits.target_bytes_max, limits.header_lines_max),
        (16_384, 8_192, 100)
    );
    let request = |target_len: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(target_len - 1)).into_bytes()
    };
    let receive = |bytes: &[u8]| {
        ServerHandshake::new(limits)
            .receive(bytes)
            .map(|head| head.is_some())
            .map_err(|e| e.status())
    };
    assert_eq!(receive(&request(8_192)), Ok(true));
    assert_eq!(receive(&request(8_193)), Err(414));
}

/// Besides its target a request line has room for 64 bytes, its CR included.
#[test]
fn http_06_the_room_for_the_rest_of_the_request_line() {
    let limits = HeadLimits { target_bytes_max: 10, ..HeadLimits::default() };
    for (method_len, expected) in [(52, Ok(())), (53, Ok(())), (54, Err(414))] {
        let line = format!("{} /aaaaaaaaa HTTP/1.1\r\nHost: h\r\n\r\n", "M".repeat(method_len));
        let received = ServerHandshake::new(limits).receive(line.as_bytes());
        assert_eq!(received.map(|_| ()).map_err(|error| error.status()), expected, "{method_len}");
    }
}

#[test]
fn headers_tell_what_they_are() {
    let header = Header::new("Cookie", "a=b").unwrap();
    assert_eq!((header.name(), header.value()), ("Cookie", "a=b"));
    for (error, said) in [
        (InvalidHeader::Name, "the header name is not a token"),
        (
            InvalidHeader::Value,
            "the header value holds something other than visible ASCII, spaces and tabs",
        ),
        (InvalidHeader::Reserved, "the header belongs to the handshake"),
        (InvalidHeader::Subprotocol, "the subprotocol is not a token"),
        (InvalidHeader::SubprotocolRepeated, "the subprotocol is offered already"),
        (InvalidHeader::TooManySubprotocols, "too many subprotocols are offered"),
    ] {
        assert_eq!(error.to_string(), said);
    }
}

/// What is written finds its room made: one allocation, and not much more than is needed.
#[track_caller]
fn check_room(write: impl Fn(&mut Outbox)) {
    let mut outbox = Outbox::new();
    let ((), heap) = allocated_by(|| write(&mut outbox));
    assert_eq!(heap.allocations, 1, "{heap:?}");
    let len = outbox.len() as u64;
    assert!(heap.allocated_bytes <= len + 300, "{heap:?} for {len} bytes");
}

#[test]
fn heads_are_written_into_room_that_was_made_for_them() {
    let url = format!("ws://{}.example/{}", "h".repeat(60), "p".repeat(3000));
    let request = ClientRequest::new(&Url::parse(&url).unwrap());
    check_room(|outbox| {
        let _ = ClientHandshake::start(&request, [0; 16], HeadLimits::default(), outbox);
    });

    let mut acceptance = Acceptance::default();
    let mut response = Response::new(404);
    for index in 0..20 {
        let header = Header::new(format!("X-{index}"), "v".repeat(index * 10)).unwrap();
        response = response.header(header.clone());
        acceptance.headers.push(header);
    }
    check_room(|outbox| response.write(BodyMode::Whole, outbox));

    let subprotocol = "s".repeat(200);
    let request = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    );
    acceptance.subprotocol = Some(subprotocol.into());
    let head = ServerHandshake::new(HeadLimits::default()).receive(request.as_bytes());
    let Ok(Some(Head::Upgrade(upgrade))) = head else { panic!("an upgrade") };
    check_room(|outbox| upgrade.accept(&acceptance, outbox).unwrap());
}
