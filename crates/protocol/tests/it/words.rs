//! What errors, codes and statuses say, and the small conversions of public types.

use std::time::Duration;

use sockeye_protocol::handshake::{BodyMode, Header, Response, UrlError};
use sockeye_protocol::{
    Buffers, CloseCode, CloseReason, Config, Connection, Event, Instant, Outbox, Output, Prepared,
    Role, SendError, Unmasked, Violation,
};

use crate::support::{Endpoint, frame};

#[test]
fn every_violation_has_its_words() {
    for (violation, said) in [
        (Violation::ReservedOpcode(0xB), "reserved opcode 0xb"),
        (Violation::IllegalCloseCode(1005), "close code 1005 must not be sent"),
        (Violation::ReservedBit, "reserved bit without an extension"),
        (Violation::Unmasked, "frame from a client is not masked"),
        (Violation::Masked, "frame from a server is masked"),
        (Violation::FragmentedControl, "control frame is fragmented"),
        (Violation::ControlTooLong, "control frame is longer than 125 bytes"),
        (Violation::LengthNotMinimal, "payload length is not in its shortest form"),
        (Violation::LengthTopBit, "top bit of the payload length is set"),
        (Violation::UnexpectedContinuation, "continuation frame without a message"),
        (Violation::ExpectedContinuation, "new message before the last one has ended"),
        (Violation::MessageTooLong, "message is longer than the limit"),
        (Violation::DeflateInvalid, "compressed message does not inflate"),
        (Violation::TooManyFinalBlocks, "compressed message has too many final blocks"),
        (Violation::TooManyFragments, "message has more frames than the limit"),
        (Violation::TooManyControlFrames, "control frames come faster than the limit"),
        (Violation::TextNotUtf8, "text message is not UTF-8"),
        (Violation::CloseBodyTooShort, "close frame has a body of one byte"),
        (Violation::ReasonNotUtf8, "close reason is not UTF-8"),
    ] {
        assert_eq!(violation.to_string(), said);
    }
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    let mut bytes = frame(Role::Server, 0x82, b"12");
    bytes.extend(b"\x83\x80");
    let error = endpoint.feed(&bytes).expect_err("a reserved opcode");
    assert_eq!(error.to_string(), "reserved opcode 0x3, in the frame at byte 8");
}

#[test]
fn every_refusal_to_send_has_its_words() {
    for (error, said) in [
        (SendError::NotOpen, "connection is not open"),
        (SendError::Full, "outbox is full"),
        (SendError::ControlTooLong, "control payload is longer than 125 bytes"),
        (SendError::ReasonTooLong, "close reason is longer than 123 bytes"),
        (SendError::IllegalCloseCode, "close code must not be sent by this endpoint"),
    ] {
        assert_eq!(error.to_string(), said);
    }
}

#[test]
fn every_deadline_has_its_words() {
    let mut message = Endpoint::new(Role::Server, Config::default());
    message.feed(&frame(Role::Server, 0x01, b"a")).expect("a fragment");
    let mut ping = Endpoint::new(Role::Server, Config::default());
    ping.now = Instant::ZERO + Duration::from_secs(20);
    ping.with(|connection, output| connection.handle_timeout(output)).expect("a ping is sent");
    let mut close = Endpoint::new(Role::Server, Config::default());
    close.with(|connection, output| connection.close(None, output)).expect("open");
    for (mut endpoint, said) in [
        (message, "message was not finished in time"),
        (ping, "peer did not answer a ping in time"),
        (close, "peer did not answer the close in time"),
    ] {
        let due = endpoint.connection.poll_timeout().expect("a deadline");
        endpoint.now = due.max(endpoint.now + Duration::from_secs(30));
        let error = endpoint.with(|connection, output| connection.handle_timeout(output));
        assert_eq!(error.expect_err("it is over").to_string(), said);
    }
}

#[test]
fn hss_31_every_known_status_has_its_phrase() {
    for (status, phrase) in [
        (200, "OK"),
        (201, "Created"),
        (202, "Accepted"),
        (204, "No Content"),
        (206, ""),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (406, "Not Acceptable"),
        (408, "Request Timeout"),
        (409, "Conflict"),
        (410, "Gone"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (417, "Expectation Failed"),
        (421, "Misdirected Request"),
        (422, "Unprocessable Content"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
        (599, ""),
    ] {
        let mut outbox = Outbox::new();
        Response::new(status).write(BodyMode::Whole, &mut outbox);
        let head = String::from_utf8(outbox.first_chunk().to_vec()).expect("text");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} {phrase}\r\n")), "{head}");
    }
}

#[test]
fn a_response_tells_what_was_added_to_it() {
    let header = Header::new("Location", "/").expect("a header");
    let response = Response::new(302).header(header.clone()).body("gone", "text/plain");
    let content_type = Header::new("Content-Type", "text/plain").expect("a header");
    assert_eq!(response.headers(), [header, content_type]);
    assert_eq!(Response::new(302).headers(), []);
}

#[test]
fn payloads_and_texts_tell_where_they_lie() {
    let seen = |pieces: &[&[u8]]| {
        let mut connection = Connection::new(Role::Client, Config::default().into(), Instant::ZERO);
        let mut outbox = Outbox::new();
        let mut output = Output {
            outbox: &mut outbox,
            mask_keys: &mut Unmasked,
            buffers: &mut Buffers::default(),
            now: Instant::ZERO,
        };
        let mut borrowed = None;
        for piece in pieces {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            match connection.receive(&mut input, &mut output).expect("legal") {
                Some(Event::Text(text)) => {
                    assert_eq!(AsRef::<str>::as_ref(&text), "Hello");
                    borrowed = Some(text.is_borrowed());
                }
                Some(Event::Binary(payload)) => {
                    assert_eq!(AsRef::<[u8]>::as_ref(&payload), b"Hello");
                    borrowed = Some(payload.is_borrowed());
                }
                _ => {}
            }
        }
        borrowed.expect("a message")
    };
    assert!(seen(&[b"\x81\x05Hello"]) && seen(&[b"\x82\x05Hello"]));
    assert!(!seen(&[b"\x01\x02He", b"\x80\x03llo"]) && !seen(&[b"\x02\x02He", b"\x80\x03llo"]));
}

#[test]
fn uri_05_every_refused_url_has_its_words() {
    for (error, said) in [
        (UrlError::Scheme, "the scheme is neither ws:// nor wss://"),
        (UrlError::Fragment, "a WebSocket URI has no fragment, write # as %23"),
        (UrlError::UserInfo, "user names in a WebSocket URI are not supported"),
        (UrlError::Host, "the host is missing or malformed"),
        (UrlError::HostNotAscii, "the host is not ASCII, give its xn-- form"),
        (UrlError::Port, "the port is not a number from 1 to 65535"),
        (UrlError::Resource, "the path or query holds a character that must be percent-encoded"),
    ] {
        assert_eq!(error.to_string(), said);
    }
}

#[test]
fn a_prepared_message_tells_the_length_of_its_frame() {
    for (len, header_len) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        assert_eq!(Prepared::binary(&vec![0; len]).frame_len(), header_len + len);
    }
}

#[test]
fn numbers_come_out_as_they_went_in() {
    assert_eq!(u16::from(CloseCode::from_u16(4321)), 4321);
    assert_eq!(format!("{:?}", CloseCode::GOING_AWAY), "CloseCode(1001)");
    assert!(Outbox::default().is_empty());
    assert_eq!(CloseReason::new(CloseCode::NORMAL, "x").code().as_u16(), 1000);
    assert_eq!(Instant::from_nanos(123_456_789).as_nanos(), 123_456_789);
    let config = Config::default();
    assert_eq!(
        (config.message_bytes_max, config.outbox_bytes_max, config.outbox_high_mark),
        (1_048_576, 1_048_576, 65_536)
    );
    assert_eq!(config.fragments_max(), 16_384);
}
