//! The client's request and what it makes of the answer (RFC 6455 section 4.1).

use super::upgrade::stranger;
use super::*;
use sockeye_protocol::handshake::{HandshakeError as Error, InvalidHeader};

const SWITCH: [(&str, &str); 3] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
];

/// A 101 in which the lines of one name are replaced by these, or to which they are added.
pub(super) fn switch_with(name: &str, values: &[&str]) -> Vec<u8> {
    switch_of("HTTP/1.1 101 Switching Protocols", name, values)
}

pub(super) fn switch_of(status_line: &str, name: &str, values: &[&str]) -> Vec<u8> {
    let kept = SWITCH.iter().filter(|(kept, _)| *kept != name);
    let mut lines: Vec<_> = kept.map(|(name, value)| format!("{name}: {value}")).collect();
    lines.extend(values.iter().map(|value| format!("{name}: {value}")));
    head(status_line, &lines.iter().map(String::as_bytes).collect::<Vec<_>>())
}

pub(super) fn asking() -> ClientRequest {
    let request = client_request("ws://server.example.com/chat");
    request.subprotocol("chat").unwrap().subprotocol("superchat").unwrap()
}

#[track_caller]
fn check_failed(response: &[u8], error: Error) {
    let name = response.escape_ascii().to_string();
    assert_eq!(reply(&name, &asking(), response), Err(error), "{name}");
}

#[track_caller]
fn check_switched(response: &[u8], subprotocol: &str) {
    let name = response.escape_ascii().to_string();
    let switched = format!("switched after {}, {subprotocol}", response.len());
    assert_eq!(reply(&name, &asking(), response), Ok(switched), "{name}");
}

#[test]
fn hsc_09_hsc_10_hsc_12_hsc_13_hsc_14_hsc_17_the_request() {
    let (_, sent) =
        start(&client_request("ws://server.example.com/chat?a=b"), HeadLimits::default());
    assert_eq!(
        sent,
        "GET /chat?a=b HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
}

#[test]
fn hsc_11_hsc_16_hsc_18_hsc_19_the_rest_of_the_request() {
    let request = client_request("wss://[::1]:9001").origin("https://a.example").unwrap();
    let request = request.subprotocol("chat").unwrap().header(header("Cookie", "a=b")).unwrap();
    let (_, sent) = start(&request.subprotocol("superchat").unwrap(), HeadLimits::default());
    assert_eq!(
        sent,
        "GET / HTTP/1.1\r\nHost: [::1]:9001\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: https://a.example\r\nCookie: a=b\r\n\r\n"
    );
    assert!(!sent.contains("Extensions"));
}

#[test]
fn hsc_18_subprotocols_are_tokens_and_unique() {
    for subprotocol in ["", "a b", "a,b", "a\r\nb", "\u{fc}", "a;b", " a", "\"a\""] {
        let refused = client_request("ws://h").subprotocol(subprotocol);
        assert_eq!(refused.unwrap_err(), InvalidHeader::Subprotocol, "{subprotocol:?}");
    }
    assert_eq!(asking().subprotocol("chat").unwrap_err(), InvalidHeader::SubprotocolRepeated);
    let full = (0..64).fold(client_request("ws://h"), |request, index| {
        request.subprotocol(&format!("p{index}")).unwrap()
    });
    assert_eq!(full.subprotocol("more").unwrap_err(), InvalidHeader::TooManySubprotocols);
}

#[test]
fn hsc_08_our_own_server_takes_it() {
    let request = asking().origin("https://a.example").unwrap();
    let (_, sent) = start(&request, HeadLimits::default());
    check("our own", sent.as_bytes(), &Upgrade);
    let head = head_of(sent.as_bytes());
    let upgrade = head.upgrade().unwrap();
    assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), ["chat", "superchat"]);
    assert_eq!(
        (upgrade.request().path(), upgrade.request().host()),
        ("/chat", "server.example.com")
    );
}

#[test]
fn hsc_21_other_statuses_are_refusals() {
    for (response, refused) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", "refused 200 \"OK\", body Some(12)"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "refused 204 \"No Content\", body Some(0)"),
        ("HTTP/1.1 301 Moved\r\nLocation: /a\r\n\r\n", "refused 301 \"Moved\", body None"),
        ("HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n", "refused 401 \"\", body Some(0)"),
        ("HTTP/1.1 403\r\n\r\n", "refused 403 \"\", body None"),
        ("HTTP/1.0 426 Upgrade Required\r\n\r\n", "refused 426 \"Upgrade Required\", body None"),
        ("HTTP/1.1 500 \tA b\r\nTransfer-Encoding: chunked\r\n\r\n", "refused 500 \"\", body None"),
        ("HTTP/1.2 999 \r\n\r\n", "refused 999 \"\", body None"),
        ("HTTP/1.1 503 \u{fc}\r\n\r\nbody", "refused 503 \"\u{fc}\", body None"),
    ] {
        assert_eq!(
            reply(response, &asking(), response.as_bytes()),
            Ok(refused.into()),
            "{response}"
        );
    }
    // Neither what is no text nor what a terminal might obey is shown to anybody.
    for reason in [&b"\xff"[..], b"a\tb", b"\xc2\x9b31m"] {
        let response = [b"HTTP/1.1 404 ", reason, b"\r\n\r\n"].concat();
        let refused = reply("obs-text", &asking(), &response);
        assert_eq!(refused, Ok("refused 404 \"\", body None".into()));
    }
}

#[test]
fn hsc_21_interim_responses_are_skipped() {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".as_slice();
    let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".as_slice();
    let switch = switch_with("X", &[]);
    check_switched(&[interim, &switch].concat(), "none");
    check_switched(&[interim, hints, interim, &switch].concat(), "none");
    check_switched(&[&interim.repeat(8), &switch[..]].concat(), "none");
    check_failed(&[&interim.repeat(9), &switch[..]].concat(), Error::TooManyInterim);
    check_failed(&[interim, b"\r\n", &switch[..]].concat(), Error::StartLine);
    let refusal = [interim, b"HTTP/1.1 404 Not Found\r\n\r\n"].concat();
    assert_eq!(
        reply("refused", &asking(), &refusal),
        Ok("refused 404 \"Not Found\", body None".into())
    );
}

#[test]
fn hsc_22_the_upgrade() {
    for value in ["websocket", "WebSocket", " websocket\t"] {
        check_switched(&switch_with("Upgrade", &[value]), "none");
    }
    for values in [
        &[][..],
        &[""],
        &["h2c"],
        &["websocket2"],
        &["websocket, h2c"],
        &["websocket", "websocket"],
    ] {
        check_failed(&switch_with("Upgrade", values), Error::UpgradeMissing);
    }
}

#[test]
fn hsc_23_the_connection() {
    for values in [
        &["Upgrade"][..],
        &["keep-alive, upgrade"],
        &["keep-alive", "UPGRADE"],
        &["Upgrade", "Upgrade"],
    ] {
        check_switched(&switch_with("Connection", values), "none");
    }
    for values in [&[][..], &[""], &["keep-alive"], &["xupgrade"]] {
        check_failed(&switch_with("Connection", values), Error::Connection);
    }
}

#[test]
fn hsc_24_hdr_04_hdr_13_the_accept() {
    let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    check_switched(&switch_with("Sec-WebSocket-Accept", &[&format!(" \t{right} \t")]), "none");
    let lower = right.to_lowercase();
    for values in [
        &[][..],
        &[""],
        &["ICX+Yqv66kxgM0FcWaLWlFLwTAI="],
        &[&lower],
        &[&right[..27]],
        &["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=="],
        &[right, right],
        &[right, "x"],
        &["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, x"],
        &["dGhlIHNhbXBsZSBub25jZQ=="],
    ] {
        check_failed(&switch_with("Sec-WebSocket-Accept", values), Error::Accept);
    }
}

#[test]
fn hsc_25_hdr_03_ext_02_ext_07_no_extension_was_offered() {
    for value in ["permessage-deflate", "foo", "a; b=c", "permessage-deflate, permessage-deflate"] {
        check_failed(
            &switch_with("Sec-WebSocket-Extensions", &[value]),
            Error::ExtensionNotOffered,
        );
    }
    for values in [&[""][..], &["a;"], &["a", "b"], &["a=b"], &["x; a=\"b c\""], &["a", "a"]] {
        check_failed(&switch_with("Sec-WebSocket-Extensions", values), Error::Extensions);
    }
}

#[test]
fn hsc_26_hdr_05_hdr_12_the_subprotocol() {
    check_switched(&switch_with("Sec-WebSocket-Protocol", &["chat"]), "chat");
    check_switched(&switch_with("Sec-WebSocket-Protocol", &[" superchat "]), "superchat");
    for value in ["", "Chat", "other", "chat, superchat", "chat,", "\"chat\""] {
        check_failed(
            &switch_with("Sec-WebSocket-Protocol", &[value]),
            Error::SubprotocolNotOffered,
        );
    }
    for values in [["chat", "chat"], ["chat", "superchat"]] {
        check_failed(&switch_with("Sec-WebSocket-Protocol", &values), Error::SubprotocolRepeated);
    }
    let unasked = switch_with("Sec-WebSocket-Protocol", &["chat"]);
    let refused = reply("none offered", &client_request("ws://h"), &unasked);
    assert_eq!(refused, Err(Error::SubprotocolNotOffered));
}

#[test]
fn hsc_27_anything_else_that_is_wrong() {
    for (line, error) in [
        ("HTTP/1.0 101 Switching Protocols", Error::HttpVersion),
        ("HTTP/2.0 101 Switching Protocols", Error::HttpVersion),
        ("HTTP/1.1 101Switching", Error::StartLine),
        ("HTTP/1.1  101 Switching", Error::StartLine),
        ("HTTP/1.1 1010", Error::StartLine),
        ("HTTP/1.1 10", Error::StartLine),
        ("HTTP/1.1 099 No", Error::StartLine),
        ("HTTP/1.1 1x1 No", Error::StartLine),
        ("HTTP/1.1 101 \u{1}", Error::StartLine),
        ("HTTP/1.1 101 \u{7f}", Error::StartLine),
        ("HTTP/1.1", Error::StartLine),
        ("http/1.1 101 No", Error::StartLine),
        ("SSH-2.0-OpenSSH", Error::StartLine),
        ("", Error::StartLine),
        ("\r\nHTTP/1.1 101 Switching Protocols", Error::StartLine),
    ] {
        let response = switch_with("X", &[]);
        let rest = response.strip_prefix(b"HTTP/1.1 101 Switching Protocols").unwrap();
        check_failed(&[line.as_bytes(), rest].concat(), error);
    }
    check_failed(&switch_with("Content-Length", &["0"]), Error::Body);
    check_failed(&switch_with("Content-Length", &["5"]), Error::Body);
    check_failed(&switch_with("Transfer-Encoding", &["chunked"]), Error::Body);
    check_failed(&switch_with("X", &["a\r\n b"]), Error::HeaderName);
    check_failed(&switch_with("X ", &["a"]), Error::HeaderName);
    check_failed(&switch_with("X", &["a\nb"]), Error::LineEnding);
    check_failed(&switch_with("X", &["a\rb"]), Error::HeaderValue);
    check_failed(&switch_with("X", &["a\0b"]), Error::HeaderValue);
    check_failed(b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", Error::ContentLength);
    check_failed(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        Error::ContentLength,
    );
    check_failed(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n",
        Error::ContentLength,
    );
}

#[test]
fn hsc_27_strangers_with_nearly_a_known_name_do_not_matter() {
    for known in [
        "Upgrade",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
    ] {
        check_switched(&switch_with(&stranger(known), &["x"]), "none");
    }
    let stray = format!("Connection: close\r\n{}", stranger("Connection"));
    let response = String::from_utf8(switch_with("X", &[])).unwrap();
    check_failed(response.replace("Connection", &stray).as_bytes(), Error::Connection);
}

#[test]
fn hdr_02_a_key_in_the_answer_is_ignored() {
    check_switched(&switch_with("Sec-WebSocket-Key", &["x"]), "none");
    check_switched(&switch_with("Sec-WebSocket-Version", &["8"]), "none");
}

#[test]
fn hdr_11_the_versions_of_a_refusal() {
    for (lines, versions) in [
        (&[&b"Sec-WebSocket-Version: 13"[..]][..], &[13][..]),
        (&[b"Sec-WebSocket-Version: 7, 8, 13"], &[7, 8, 13]),
        (&[b"Sec-WebSocket-Version: 7", b"A: b", b"sec-websocket-version: ,13, 0"], &[7, 13, 0]),
        (&[b"Sec-WebSocket-Version: 256, 013, +1, -1, x, 00, \xff, 1 3, 255"], &[255]),
        (&[], &[]),
    ] {
        let response = head("HTTP/1.1 426 Upgrade Required", lines);
        let (mut handshake, _) = start(&asking(), HeadLimits::default());
        let Ok(Some(Reply::Refused(refusal))) = handshake.receive(&response) else {
            panic!("a 426 is a refusal");
        };
        assert_eq!(refusal.versions().collect::<Vec<_>>(), versions);
    }
}

#[test]
fn hsc_28_threat_k2_a_refusal_tells_its_headers() {
    let response = b"HTTP/1.1 302 Found\r\nLocation: wss://other/\r\nContent-Length: 2\r\n\r\nno";
    let (mut handshake, _) = start(&asking(), HeadLimits::default());
    let Ok(Some(Reply::Refused(refusal))) = handshake.receive(response) else {
        panic!("a 302 is a refusal");
    };
    assert_eq!(refusal.header("location"), Some(&b"wss://other/"[..]));
    assert_eq!((refusal.header("x"), refusal.headers().count()), (None, 2));
    assert_eq!(&response[refusal.head_len()..], b"no");
}

#[test]
fn hsc_29_frames_behind_the_head_are_not_lost() {
    let switch = switch_with("X", &[]);
    for frames in [&b"\x81\x02hi"[..], b"\r\n\r\n", b"HTTP/1.1 101 \r\n\r\n"] {
        let both = [&switch[..], frames].concat();
        let switched = format!("switched after {}, none", switch.len());
        assert_eq!(reply("followed", &asking(), &both), Ok(switched));
    }
}

#[test]
fn hsc_30_answers_have_limits_too() {
    let limits = HeadLimits { head_bytes_max: 300, header_lines_max: 5, ..HeadLimits::default() };
    let receive = |response: &[u8]| {
        let (mut handshake, _) = start(&asking(), limits);
        let ends = (0..=response.len()).map(|end| handshake.receive(&response[..end]).err());
        ends.flatten().next()
    };
    assert_eq!(receive(&switch_with("X", &["a", "b"])), None);
    assert_eq!(receive(&switch_with("X", &["a", "b", "c"])), Some(Error::TooManyHeaders));
    assert_eq!(receive(&switch_with("X", &[&"a".repeat(300)])), Some(Error::HeadTooLarge));
    assert_eq!(receive(&[b'H'; 1000]), Some(Error::HeadTooLarge));
    assert_eq!(receive(&b"HTTP/1.1 100 \r\n\r\n".repeat(30)), Some(Error::TooManyInterim));
    let hints = format!("HTTP/1.1 103 \r\nLink: {}\r\n\r\n", "a".repeat(100));
    assert_eq!(receive(hints.repeat(8).as_bytes()), Some(Error::HeadTooLarge));
}
