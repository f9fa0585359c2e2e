//! Responses other than 101, and the header lines of our own.

use super::*;
use sockeye_protocol::handshake::{HandshakeError as Error, InvalidHeader};

#[test]
fn http_14_http_19_a_response_closes_and_says_its_length() {
    assert_eq!(
        written(&Response::new(404)),
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    let page = Response::new(200)
        .header(header("Cache-Control", "no-store"))
        .body("hello", "text/html; charset=utf-8");
    assert_eq!(
        written(&page),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello"
    );
    let mut outbox = Outbox::new();
    page.write(BodyMode::for_method("HEAD"), &mut outbox);
    assert!(drain(&outbox).ends_with("\r\nContent-Length: 5\r\n\r\n"));
    assert_eq!(BodyMode::for_method("GET"), BodyMode::Whole);
    assert_eq!(BodyMode::for_method("head"), BodyMode::Whole);
}

#[test]
fn a_large_body_is_sent_whole() {
    for len in [0, 1, 9, 10, 99_999, 100_000] {
        let answer = written(&Response::new(200).body("x".repeat(len), "text/plain"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("\r\nContent-Length: {len}")), "{head}");
        assert_eq!(body.len(), len);
    }
}

#[test]
fn statuses_without_a_body() {
    for status in [204, 304] {
        let answer = written(&Response::new(status).body("no", "text/plain"));
        assert!(!answer.contains("Length") && answer.ends_with("text/plain\r\n\r\n"), "{answer}");
    }
}

#[test]
fn a_status_that_ends_no_request_becomes_500() {
    for status in [0, 99, 100, 101, 199, 600, 999, 1000, u16::MAX] {
        assert_eq!(Response::new(status).status(), 500);
    }
    for status in 200..=599 {
        assert!(written(&Response::new(status)).starts_with(&format!("HTTP/1.1 {status} ")));
    }
}

#[test]
fn hss_29_hss_30_hss_31_challenges_redirects_and_refusals() {
    let challenge = Response::new(401).header(header("WWW-Authenticate", "Basic realm=\"a\""));
    assert!(written(&challenge).contains("\r\nWWW-Authenticate: Basic realm=\"a\"\r\n"));
    let redirect = Response::new(307).header(header("Location", "/elsewhere"));
    assert!(written(&redirect).contains("\r\nLocation: /elsewhere\r\n"));
    for (status, reason) in [
        (400, "Bad Request"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (408, "Request Timeout"),
        (414, "URI Too Long"),
        (426, "Upgrade Required"),
        (431, "Request Header Fields Too Large"),
        (503, "Service Unavailable"),
        (299, ""),
    ] {
        let answer = written(&Response::new(status));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} {reason}\r\nConnection: close")),
            "{answer}"
        );
        assert_eq!(
            answer.contains("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
            status == 426
        );
    }
    assert!(written(&Response::from(Error::Method)).contains("\r\nAllow: GET\r\n"));
}

#[test]
fn http_20_threat_h12_nothing_of_the_request_is_repeated() {
    let marker = "m4rk3r";
    for name in [
        "Host",
        "Origin",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Content-Length",
        "Transfer-Encoding",
        "X",
    ] {
        for value in [marker.to_string(), format!("{marker} {marker}"), format!("{marker}\x01")] {
            let request = upgrade_of(&format!("GET /{marker} HTTP/1.1"), name, &[value.as_bytes()]);
            let answer = match ServerHandshake::new(HeadLimits::default()).receive(&request) {
                Err(error) => written(&Response::from(error)),
                Ok(head) => match head.expect("the head is complete").upgrade() {
                    Err(error) => written(&Response::from(error)),
                    Ok(upgrade) => {
                        let mut outbox = Outbox::new();
                        upgrade.accept(&Default::default(), &mut outbox).unwrap();
                        drain(&outbox)
                    }
                },
            };
            assert!(!answer.contains(marker), "{name}: {answer}");
        }
    }
}

#[test]
fn attack_26_a_header_cannot_end_its_line() {
    for character in (0..=255).map(char::from).chain(['\u{2028}', '\u{85}', '\u{10a}', '\u{20d}']) {
        for (before, after) in [("", ""), ("a", ""), ("", "a"), ("a", "a")] {
            let text = format!("{before}{character}{after}");
            let in_name = Header::new(text.clone(), "value");
            let token = character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character);
            assert_eq!(in_name.is_ok(), token, "name {text:?}");
            let in_value = Header::new("X", text.clone());
            assert_eq!(in_value.is_ok(), matches!(character, '\t' | ' '..='~'), "value {text:?}");
            let in_subprotocol = client_request("ws://h").subprotocol(&text);
            assert_eq!(in_subprotocol.is_ok(), token, "subprotocol {text:?}");
            let in_origin = client_request("ws://h").origin(&text);
            assert_eq!(in_origin.is_ok(), matches!(character, '\t' | ' '..='~'), "origin {text:?}");
        }
    }
    assert_eq!(Header::new("", "b"), Err(InvalidHeader::Name));
    assert_eq!(Header::new("X", "x\r\nEvil: 1"), Err(InvalidHeader::Value));
    assert_eq!(header("X", "").value(), "");
}

#[test]
fn the_handshake_keeps_its_own_headers() {
    for name in [
        "Connection",
        "upgrade",
        "CONTENT-LENGTH",
        "Transfer-Encoding",
        "Sec-WebSocket-Accept",
        "sec-websocket-key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
    ] {
        assert_eq!(Header::new(name, "x"), Err(InvalidHeader::Reserved), "{name}");
    }
    for name in ["Host", "origin"] {
        let refused = client_request("ws://h").header(header(name, "x"));
        assert_eq!(refused.unwrap_err(), InvalidHeader::Reserved, "{name}");
    }
}

#[test]
fn errors_say_what_was_wrong() {
    for error in [Error::KeyInvalid, Error::Version, Error::HeadTooLarge, Error::Accept] {
        let said = error.to_string();
        assert_eq!(said, error.description());
        assert!(said.starts_with(char::is_lowercase) && !said.ends_with('.'), "{said}");
        assert!(written(&Response::from(error)).ends_with(&said), "{said}");
    }
}
