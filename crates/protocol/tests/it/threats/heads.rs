//! Opening handshakes that want to be read in two ways, or to break who reads them.

use sockeye_protocol::Outbox;
use sockeye_protocol::handshake::{
    Acceptance, BodyMode, ClientHandshake, ClientRequest, HandshakeError, Head, HeadLimits, Reply,
    Response, ServerHandshake, Url,
};

use crate::zero_copy::allocated_by;

/// The header lines of a request without which it is no upgrade.
const NEEDED: [(&str, &str); 5] = [
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

/// Further ones that mean something to somebody.
const KNOWN: [(&str, &str); 9] = [
    ("Sec-WebSocket-Protocol", "chat, superchat"),
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=\"12\""),
    ("Origin", "https://server.example.com"),
    ("Content-Length", "0"),
    ("Transfer-Encoding", "chunked"),
    ("Expect", "100-continue"),
    ("Cookie", "a=b"),
    ("Authorization", "Basic YTpi"),
    ("X-Forwarded-For", "192.0.2.1"),
];

fn request(lines: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let mut head = b"GET /path?query HTTP/1.1\r\n".to_vec();
    for (name, value) in lines {
        head.extend([&name[..], b": ", &value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}

fn owned(line: &(&str, &str)) -> (Vec<u8>, Vec<u8>) {
    (line.0.into(), line.1.into())
}

/// Asks everything that there is to ask of a head, and answers it; says whether it is an upgrade.
fn read(limits: HeadLimits, bytes: &[u8]) -> bool {
    let mut outbox = Outbox::new();
    let mut handshake = ServerHandshake::new(limits);
    match handshake.receive(bytes) {
        Ok(None) => false,
        Err(error) => {
            Response::from(error).write(BodyMode::Whole, &mut outbox);
            assert!((400..=505).contains(&error.status()) && !error.to_string().is_empty());
            false
        }
        Ok(Some(head)) => {
            let request = head.request();
            let lines: usize =
                request.headers().map(|(name, value)| name.len() + value.len()).sum();
            assert!(head.head_len() <= bytes.len() && lines <= bytes.len());
            std::hint::black_box((request.path(), request.query(), request.host()));
            std::hint::black_box((request.origin(), format!("{head:?}").len()));
            let Ok(upgrade) = head.upgrade() else { return false };
            for offered in upgrade.subprotocols() {
                assert!(offered.is_ascii() && !offered.is_empty());
            }
            let first = upgrade.subprotocols().next().map(|chosen| chosen.to_owned().into());
            let acceptance = Acceptance { subprotocol: first, ..Acceptance::default() };
            upgrade.accept(&acceptance, &mut outbox).expect("one of those on offer");
            true
        }
    }
}

fn is_upgrade(bytes: &[u8]) -> bool {
    read(HeadLimits::default(), bytes)
}

/// Every byte, in each known header of a request, at the beginning, within and at the end, and in
/// its name, in the method and in the target: nobody panics, and what is repeated in an answer is
/// ASCII.
#[test]
fn hdr_16_sec_08_threat_h1_every_byte_in_every_known_header() {
    let lines: Vec<_> = NEEDED.iter().chain(&KNOWN).map(owned).collect();
    for byte in 0..=u8::MAX {
        for index in 0..lines.len() {
            let value_len = lines[index].1.len();
            for at in [0, 1, value_len / 2, value_len] {
                let mut changed = lines.clone();
                changed[index].1.insert(at, byte);
                is_upgrade(&request(changed));
                let mut alone = lines.clone();
                alone[index].1 = vec![byte];
                is_upgrade(&request(alone));
            }
            let mut changed = lines.clone();
            changed[index].0.insert(1, byte);
            is_upgrade(&request(changed));
        }
        let plain = request(NEEDED.iter().map(owned));
        for at in 0..30 {
            let mut bytes = plain.clone();
            bytes.insert(at, byte);
            is_upgrade(&bytes);
            bytes[at] = byte;
            bytes.remove(at + 1);
            is_upgrade(&bytes);
        }
    }
}

/// The same in the answer that a client reads.
#[test]
fn hdr_16_threat_h1_every_byte_in_every_known_header_of_an_answer() {
    let url = Url::parse("ws://server.example.com/").expect("a URL");
    let asked = ClientRequest::new(&url).subprotocol("chat").expect("a token");
    let lines = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Sec-WebSocket-Version", "13"),
        ("Content-Length", "5"),
        ("Location", "/"),
    ];
    for status in ["101 Switching Protocols", "404 Not Found", "301 Moved"] {
        for byte in 0..=u8::MAX {
            for changed in 0..lines.len() {
                let mut head = format!("HTTP/1.1 {status}\r\n").into_bytes();
                for (index, (name, value)) in lines.iter().enumerate() {
                    head.extend([name.as_bytes(), b": "].concat());
                    head.extend((index == changed).then_some(byte));
                    head.extend(value.as_bytes());
                    head.extend(b"\r\n");
                }
                head.extend(b"\r\n");
                let nonce = *b"the sample nonce";
                let limits = HeadLimits::default();
                let mut handshake =
                    ClientHandshake::start(&asked, nonce, limits, &mut Outbox::new());
                if let Ok(Some(Reply::Refused(refusal))) = handshake.receive(&head) {
                    std::hint::black_box((refusal.headers().count(), refusal.versions().count()));
                    std::hint::black_box((refusal.reason(), refusal.body_len()));
                }
            }
        }
    }
}

/// Every choice of the needed lines, under every limit on lines and on bytes: only all of them,
/// whole, are an upgrade, and what a limit cuts off is missed by nobody.
#[test]
fn hss_01_sec_01_threat_h2_what_is_missing_or_cut_off_is_missed_by_nobody() {
    for chosen in 0..1_u32 << NEEDED.len() {
        let is_chosen = |index: usize| chosen >> index & 1 == 1;
        let lines = (0..NEEDED.len()).filter(|index| is_chosen(*index));
        let bytes = request(lines.map(|index| owned(&NEEDED[index])));
        let is_whole = chosen == (1 << NEEDED.len()) - 1;
        assert_eq!(is_upgrade(&bytes), is_whole, "{chosen:05b}");
        let count = chosen.count_ones() as usize;
        for header_lines_max in 0..=NEEDED.len() {
            let limits = HeadLimits { header_lines_max, ..HeadLimits::default() };
            assert_eq!(read(limits, &bytes), is_whole && count <= header_lines_max);
        }
        for head_bytes_max in 0..bytes.len() {
            let limits = HeadLimits { head_bytes_max, ..HeadLimits::default() };
            assert!(!read(limits, &bytes), "{head_bytes_max} bytes of {chosen:05b}");
        }
        for target_bytes_max in 0..12 {
            let limits = HeadLimits { target_bytes_max, ..HeadLimits::default() };
            assert_eq!(read(limits, &bytes), is_whole && target_bytes_max >= 11);
        }
    }
}

/// A million lines of the same name are lines, not one header: the answer comes with the 101st, and
/// no memory was needed for it.
#[test]
fn http_18_threat_h3_lines_are_counted_and_not_names() {
    let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    let start = bytes.len();
    bytes.extend(b"a: 1\r\n".repeat(1_000_000));
    for shown in [start + 6 * 100, bytes.len()] {
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        let (told, heap) = allocated_by(|| handshake.receive(&bytes[..shown]).map(drop));
        assert_eq!(told, Err(HandshakeError::TooManyHeaders));
        assert_eq!(heap.allocations, 0);
    }
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    assert!(matches!(handshake.receive(&bytes[..start + 6 * 99]), Ok(None)), "100 are allowed");
}

/// What some take for the end of a line is none: it is refused within a value, or, above ASCII, a
/// byte of it. Nobody sees a second header.
#[test]
fn http_11_threat_h6_nothing_but_cr_lf_ends_a_line() {
    let separators: [&[u8]; 11] = [
        b"\x0B",
        b"\x0C",
        b"\x1C",
        b"\x1D",
        b"\x1E",
        b"\x00",
        b"\r",
        b"\n",
        b"\x85",
        b"\xC2\x85",
        b"\xE2\x80\xA8",
    ];
    for separator in separators {
        let hidden = [b"a", separator, b"Origin: https://other.example.com"].concat();
        let lines = NEEDED.iter().map(owned).chain([(b"X".to_vec(), hidden.clone())]);
        let bytes = request(lines);
        match ServerHandshake::new(HeadLimits::default()).receive(&bytes) {
            Err(error) => assert_eq!(error.status(), 400, "{}", separator.escape_ascii()),
            Ok(Some(head @ Head::Upgrade(_))) => {
                assert!(separator[0] >= 0x80, "{}", separator.escape_ascii());
                assert_eq!(head.request().header("x"), Some(&hidden[..]));
                assert_eq!(head.request().header("origin"), None);
                assert_eq!(head.request().headers().count(), 6);
            }
            other => panic!("{}: {other:?}", separator.escape_ascii()),
        }
    }
}

/// An upgrade that brings a body, however it says so, is refused, and what stands behind a head is
/// not looked at in search of another.
#[test]
fn hss_28_threat_h8_an_upgrade_with_a_body_is_refused() {
    let lines: [&[(&str, &str)]; 6] = [
        &[("Content-Length", "50")],
        &[("Transfer-Encoding", "chunked")],
        &[("Transfer-Encoding", "identity")],
        &[("Content-Length", "0"), ("Transfer-Encoding", "chunked")],
        &[("Content-Length", "0"), ("Content-Length", "5")],
        &[("Content-Length", "+0")],
    ];
    for body in lines {
        let lines: Vec<_> = NEEDED.iter().chain(body).map(owned).collect();
        let mut bytes = request(lines);
        let head_len = bytes.len();
        bytes.extend(request(NEEDED.iter().map(owned)));
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        match handshake.receive(&bytes) {
            Err(error) => assert_eq!(error.status(), 400, "{body:?}"),
            Ok(Some(head)) => {
                let error = head.upgrade().map(drop).expect_err("a body");
                assert_eq!((error.status(), head.head_len()), (400, head_len), "{body:?}");
            }
            Ok(None) => panic!("{body:?}: the head is whole"),
        }
    }
}
