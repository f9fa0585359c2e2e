//! Writes the seeds that are made from tables, one small file each, the same every time:
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

use std::fs;
use std::path::Path;

use sockeye_fuzz::frame;

/// A frame: its whole first byte, and its payload.
type Frame = (u8, &'static [u8]);

/// What a peer may send: a name, and the frames.
const STREAMS: [(&str, &[Frame]); 24] = [
    ("hello", &[(0x81, b"Hello")]),
    ("empty", &[(0x81, b""), (0x82, b"")]),
    ("binary", &[(0x82, b"\x00\xFF\x80")]),
    ("16-bit-length", &[(0x82, &[7; 126])]),
    ("fragments", &[(0x01, b"Hel"), (0x00, b""), (0x80, b"lo")]),
    ("ping-in-fragments", &[(0x02, b"a"), (0x89, b"?"), (0x80, b"b")]),
    ("ping-pong", &[(0x89, b"Hello"), (0x8A, b"Hello"), (0x89, &[0; 125])]),
    ("close-empty", &[(0x88, b"")]),
    ("close-normal", &[(0x81, b"a"), (0x88, b"\x03\xE8bye"), (0x81, b"b")]),
    ("close-short", &[(0x88, b"\x03")]),
    ("close-illegal", &[(0x88, b"\x03\xED")]),
    ("close-reason-invalid", &[(0x88, b"\x03\xE8\xFF")]),
    ("continuation-alone", &[(0x80, b"a")]),
    ("message-in-message", &[(0x01, b"a"), (0x81, b"b")]),
    ("control-fragmented", &[(0x09, b"a")]),
    ("control-long", &[(0x89, &[0; 126])]),
    ("reserved-bit", &[(0xA1, b"a")]),
    ("reserved-opcode", &[(0x83, b"a")]),
    ("utf-8-cut", &[(0x01, b"\xCE"), (0x80, b"\xBA\xE6\x96\x87\xF0\x9F\xA6\x80")]),
    ("utf-8-invalid", &[(0x81, b"\xED\xA0\x80")]),
    ("utf-8-unfinished", &[(0x81, b"\xE6\x96")]),
    ("too-long", &[(0x82, &[1; 5000])]),
    ("compressed", &[(0xC1, b"\xF2\x48\xCD\xC9\xC9\x07\x00"), (0xC1, b"\xF2\x00\x11\x00\x00")]),
    ("compressed-fragments", &[(0x41, b"\xF2\x48\xCD"), (0x89, b""), (0x80, b"\xC9\xC9\x07\x00")]),
];

/// Headers that no frame builder makes.
const HEADERS: [(&str, &[u8]); 8] = [
    ("long", b"\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00a"),
    ("huge", b"\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFa"),
    ("top-bit", b"\x82\x7F\x80\x00\x00\x00\x00\x00\x00\x00"),
    ("not-minimal", b"\x82\x7E\x00\x7D"),
    ("not-minimal-64", b"\x82\x7F\x00\x00\x00\x00\x00\x00\xFF\xFF"),
    ("masked", b"\x81\x85\x37\xFA\x21\x3D\x7F\x9F\x4D\x51\x58"),
    ("masked-long", b"\x82\xFE\x01\x00\x37\xFA\x21\x3Da"),
    ("control-16-bit", b"\x89\x7E\x00\x05Hello"),
];

/// Compressed messages: the vectors of RFC 7692, section 7.2.3, and what is none.
const DEFLATED: [(&str, &[u8]); 11] = [
    ("hello", b"\xF2\x48\xCD\xC9\xC9\x07\x00"),
    ("stored", b"\x00\x05\x00\xFA\xFFHello\x00"),
    ("final", b"\xF3\x48\xCD\xC9\xC9\x07\x00\x00"),
    ("two-blocks", b"\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07\x00"),
    ("empty", b"\x00"),
    ("nothing", b""),
    ("reserved-kind", b"\x06"),
    ("too-far-back", b"\xF2\x00\x11\x00\x00"),
    ("stored-length-wrong", b"\x00\x05\x00\xFA\xFE"),
    ("finals", b"\x03\x00\x03\x00\x03\x00\x00"),
    // A literal, and one match of 258 bytes after the other.
    ("bomb", b"\xEC\xC1\x01\x01\x00\x00\x00\x80\x90\xFE\xAF\xEE\x08\x0A\x00\x00\x00\x00\x00"),
];

const UPGRADE: &str = "Host: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// A request line, and the header lines behind those of an upgrade; or all of a head.
const REQUESTS: [(&str, &str, &str); 14] = [
    ("upgrade", "GET /chat?room=1 HTTP/1.1", ""),
    ("absolute", "GET http://example.com/ HTTP/1.1", ""),
    ("subprotocols", "GET / HTTP/1.1", "Sec-WebSocket-Protocol: chat, superchat\r\n"),
    ("extensions", "GET / HTTP/1.1", "Sec-WebSocket-Extensions: permessage-deflate; a=\"b\"\r\n"),
    ("origin", "GET / HTTP/1.1", "Origin: https://example.com\r\n"),
    ("body", "GET / HTTP/1.1", "Content-Length: 5\r\n"),
    ("chunked", "GET / HTTP/1.1", "Transfer-Encoding: chunked\r\n"),
    ("post", "POST / HTTP/1.1", ""),
    ("http-1.0", "GET / HTTP/1.0", ""),
    ("http-1.2", "GET / HTTP/1.2", ""),
    ("http-2", "GET / HTTP/2.0", ""),
    ("host-twice", "GET / HTTP/1.1", "Host: b\r\n"),
    ("folded", "GET / HTTP/1.1", "a: b\r\n c\r\n"),
    ("empty-line-first", "\r\nGET / HTTP/1.1", ""),
];

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// Header lines behind those of a 101.
const SWITCHES: [(&str, &str); 5] = [
    ("switched", ""),
    ("subprotocol", "Sec-WebSocket-Protocol: chat\r\n"),
    ("deflate", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"),
    ("not-offered", "Sec-WebSocket-Extensions: x\r\n"),
    ("body", "Content-Length: 0\r\n"),
];

const RESPONSES: [(&str, &str); 5] = [
    ("refused", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
    ("no-reason", "HTTP/1.1 403\r\n\r\n"),
    ("redirect", "HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n"),
    ("versions", "HTTP/1.1 426 \r\nSec-WebSocket-Version: 13, 8\r\n\r\n"),
    (
        "interim",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ),
];

/// Offers and answers.
const EXTENSIONS: [&str; 9] = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_max_window_bits=10; server_max_window_bits=\"12\"",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=8, permessage-deflate",
    "permessage-deflate; server_max_window_bits=16, x; y=\"\\z\"",
    "permessage-deflate; client_max_window_bits; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover=1",
    " , ,permessage-deflate ;client_max_window_bits=9,",
];

const URLS: [&str; 8] = [
    "ws://example.com",
    "wss://example.com:8443/chat?a=b",
    "ws://[2001:db8::1]:81/",
    "WS://EXAMPLE.COM:80/%C3%B1",
    "ws://a/ñ?ñ",
    "ws://a#b",
    "ws://u:p@a/",
    "ws://a:0/",
];

/// Settings of two sides that keep their contexts and compress everything: see `deflate_config`.
const SETTINGS: [u8; 14] = [7, 1, 7, 1, 1, 4, 0, 7, 1, 7, 1, 1, 4, 0];

fn write(target: &str, name: &str, seed: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    fs::write(folder.join(name), seed).expect("a seed");
}

/// A slice as `Choices` draws it: its length, and its bytes.
fn slice(bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).expect("a short slice");
    [&[len], bytes].concat()
}

fn streams() {
    for (name, frames) in STREAMS {
        for (role, key) in [(0, Some([1, 2, 3, 4])), (1, None)] {
            let bytes = frames.iter().map(|(first, payload)| frame(*first, key, payload));
            let bytes = bytes.collect::<Vec<_>>().concat();
            let name = format!("{name}-to-{}", if role == 0 { "server" } else { "client" });
            // The role, how to read, whether to compress, the limit, and the cuts.
            let plain = [&[role, 0, 0, 1][..], &slice(&[0, 2]), &bytes].concat();
            let deflated = [&[role, 1, 1][..], &SETTINGS, &[2], &slice(&[4]), &bytes].concat();
            write("split", &name, if frames[0].0 & 0x40 == 0 { &plain } else { &deflated });
            write("tungstenite", &name, &[&[role][..], &slice(&[3]), &bytes].concat());
        }
        let text: Vec<u8> = frames.iter().flat_map(|(_, payload)| *payload).copied().collect();
        write("utf8", name, &[&slice(&text[..text.len() / 2 % 256]), &text[..]].concat());
    }
    for (name, header) in HEADERS {
        write("frame_header", name, header);
        write("tungstenite", name, &[&[header[1] >> 7 ^ 1, 0], header].concat());
    }
}

/// What the driver does, as the operations' numbers have it.
fn operations() {
    let (text, short) = ([6, 0], [&slice(b"Hello")[..], &[0]].concat());
    let limits = [5, 0, 5, 5, 2, 2, 1, 1];
    for (name, steps) in [
        ("send-drain", &[&text[..], &short, &[10, 0, 3], &[15, 2]].concat()[..]),
        ("close", &[&[14][..], &slice(b"bye"), &[0], &[15, 2]].concat()),
        ("silence", &[11, 78, 32, 11, 78, 32, 11, 78, 32]),
        ("pause", &[13, 0, 11, 78, 32, 13, 1, 12]),
        ("receive", &[&[4, 0, 0, 0, 0, 0][..], &short, &slice(&[1]), &[15, 2]].concat()),
        ("large", &[&[5, 1, 0, 0, 0, 0][..], &slice(b"0123456789"), &[250]].concat()),
        ("fail", &[15, 1, 3, 240, 0, 4, 1, 2, 3, 4]),
        ("eof", &[15, 0, 6, 0, 1, 65, 0]),
    ] {
        for role in [0, 1] {
            let plain = [&[role, 0][..], &limits, steps].concat();
            let deflated = [&[role, 1][..], &SETTINGS, &limits, steps].concat();
            write("connection", &format!("{name}-{role}"), &plain);
            write("connection", &format!("{name}-{role}-deflate"), &deflated);
        }
    }
    for (name, steps) in [
        ("text", &[&[0, 10][..], &short, &[0, 0, 4, 0], &slice(&[1])].concat()[..]),
        ("both", &[&[0, 13][..], &short, &[0, 1, 10], &short, &[1], &[1, 4, 0, 0]].concat()),
        ("prepared", &[&[0, 5][..], &short, &[0, 6, 0, 1, 6, 0, 0, 10], &short, &[0]].concat()),
        ("secret", &[&[1, 12][..], &short, &[1, 8], &slice(b"?"), &[1, 9, 255]].concat()),
    ] {
        write("pair", name, steps);
        write("deflate", name, &[&SETTINGS, steps].concat());
    }
}

fn heads() {
    for (name, line, lines) in REQUESTS {
        let head = format!("{line}\r\n{UPGRADE}{lines}\r\n");
        write("request_head", name, head.as_bytes());
    }
    write("request_head", "plain", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (name, lines) in SWITCHES {
        write("response_head", name, format!("{SWITCHING}{lines}\r\n").as_bytes());
    }
    for (name, response) in RESPONSES {
        write("response_head", name, response.as_bytes());
    }
    for (number, value) in EXTENSIONS.iter().enumerate() {
        let seed = [&SETTINGS[..7], value.as_bytes()].concat();
        write("extensions", &format!("list-{number}"), &seed);
    }
    for (number, url) in URLS.iter().enumerate() {
        write("url", &format!("url-{number}"), url.as_bytes());
    }
}

fn main() {
    streams();
    operations();
    heads();
    for (name, payload) in DEFLATED {
        let twice = [slice(payload), slice(&[2]), slice(payload), slice(&[])].concat();
        write("inflate", name, &[&SETTINGS[..], &[2], &twice].concat());
    }
    for (name, len) in [("short", 7), ("long", 200)] {
        let payload = (0..len).collect::<Vec<u8>>();
        let seed = [&[1, 2, 3, 4, 5, 6][..], &slice(&payload), &[0], &slice(&[4, 63])].concat();
        write("mask", name, &seed);
        let shared = [&[0][..], &slice(&payload), &[250, 2], &slice(&payload), &[250]].concat();
        write(
            "outbox",
            name,
            &[&shared[..], &[3, 1, 0, 4, 0, 1, 65, 0, 3, 255, 255, 5, 1]].concat(),
        );
    }
    // Three patterns, each as its number of segments and the segments; then a path in the same way.
    write("router", "parameters", &[3, 2, 1, 3, 2, 1, 2, 2, 4, 2, 1, 2, 1, 2]);
    write("router", "decoded", &[2, 1, 3, 1, 12, 0, b'/', b'%', b'C', b'3', b'%', b'B', b'1']);
}
