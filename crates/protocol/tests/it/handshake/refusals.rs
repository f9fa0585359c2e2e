//! Answers that are none, and answers that refuse.

use super::replies::Answered::{Bytes, Head, Line, With};
use super::replies::Case;
use super::replies::Outcome::{Failed, Incomplete, Refused};
use HandshakeError as Error;
use sockeye_protocol::handshake::HandshakeError;

pub(super) const CASES: &[Case] = &[
    // What is no answer at all.
    ("HSC-27", "SSH", Bytes(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), Failed(Error::StartLine)),
    ("HSC-27", "a mail server", Bytes(b"220 mail.example ESMTP\r\n\r\n"), Failed(Error::StartLine)),
    (
        "HSC-27",
        "a TLS alert",
        Bytes(b"\x15\x03\x01\x00\x02\x02\x28\r\n\r\n"),
        Failed(Error::StartLine),
    ),
    (
        "HSC-27",
        "HTTP/2",
        Bytes(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\r\n\r\n"),
        Failed(Error::StartLine),
    ),
    ("HSC-27", "a page without a head", Bytes(b"<html>\r\n\r\n</html>"), Failed(Error::StartLine)),
    (
        "HSC-27",
        "our request sent back",
        Bytes(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n\r\n"),
        Failed(Error::StartLine),
    ),
    ("HSC-27", "a frame first", Bytes(b"\x81\x02hi\r\n\r\n"), Failed(Error::StartLine)),
    (
        "HSC-27",
        "an empty line first",
        Bytes(b"\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n"),
        Failed(Error::StartLine),
    ),
    ("HSC-27", "a status of two digits", Line("HTTP/1.1 10 Switching"), Failed(Error::StartLine)),
    ("HSC-27", "a status of four digits", Line("HTTP/1.1 1010"), Failed(Error::StartLine)),
    ("HSC-27", "a status below 100", Line("HTTP/1.1 099 No"), Failed(Error::StartLine)),
    ("HSC-27", "a status with a letter", Line("HTTP/1.1 1O1 Switching"), Failed(Error::StartLine)),
    (
        "HSC-27",
        "two spaces before the status",
        Line("HTTP/1.1  101 Switching"),
        Failed(Error::StartLine),
    ),
    ("HSC-27", "a version in lower case", Line("http/1.1 101 Switching"), Failed(Error::StartLine)),
    (
        "HSC-27",
        "a version of the next century",
        Line("HTTP/9.0 101 Switching"),
        Failed(Error::HttpVersion),
    ),
    (
        "HSC-27 HTTP-11",
        "a control byte in the reason",
        Line("HTTP/1.1 101 \u{7}"),
        Failed(Error::StartLine),
    ),
    (
        "HSC-27 HTTP-03",
        "lines that end in LF",
        Bytes(b"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n"),
        Failed(Error::LineEnding),
    ),
    ("HSC-27 HTTP-02", "a bare CR in a value", With("X", "a\rb"), Failed(Error::HeaderValue)),
    ("HSC-27 HTTP-10", "a folded line", With("X", "a\r\n b"), Failed(Error::HeaderName)),
    (
        "HSC-27 HTTP-04",
        "a space before the first line",
        Bytes(b"HTTP/1.1 101 \r\n Upgrade: websocket\r\n\r\n"),
        Failed(Error::HeaderName),
    ),
    ("HSC-27 HTTP-08", "a space before the colon", With("X ", "a"), Failed(Error::HeaderName)),
    ("HSC-27 HTTP-09", "an empty name", With("", "a"), Failed(Error::HeaderName)),
    ("HSC-27 HTTP-11", "a NUL in a value", With("X", "a\0b"), Failed(Error::HeaderValue)),
    (
        "HSC-27",
        "no end",
        Bytes(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"),
        Incomplete,
    ),
    // A server or a proxy that refuses.
    (
        "HSC-21",
        "a page",
        Head("HTTP/1.1 200 OK", &["Content-Type: text/html", "Content-Length: 12"]),
        Refused(200, "OK", Some(12), &[("Content-Type", "text/html"), ("Content-Length", "12")]),
    ),
    (
        "HSC-21",
        "no content",
        Head("HTTP/1.1 204 No Content", &[]),
        Refused(204, "No Content", Some(0), &[]),
    ),
    (
        "HSC-21",
        "a page that never changes",
        Head("HTTP/1.1 304 Not Modified", &["Content-Length: 100"]),
        Refused(304, "Not Modified", Some(0), &[("Content-Length", "100")]),
    ),
    (
        "HSC-21",
        "a redirect",
        Head(
            "HTTP/1.1 301 Moved Permanently",
            &["Location: https://a.example/chat", "Content-Length: 0"],
        ),
        Refused(
            301,
            "Moved Permanently",
            Some(0),
            &[("Location", "https://a.example/chat"), ("Content-Length", "0")],
        ),
    ),
    (
        "HSC-21",
        "a challenge",
        Head("HTTP/1.1 401 Unauthorized", &["WWW-Authenticate: Basic realm=\"a\""]),
        Refused(401, "Unauthorized", None, &[("WWW-Authenticate", "Basic realm=\"a\"")]),
    ),
    (
        "HSC-21",
        "a proxy's challenge",
        Head("HTTP/1.1 407 Proxy Authentication Required", &["Proxy-Authenticate: Basic"]),
        Refused(407, "Proxy Authentication Required", None, &[("Proxy-Authenticate", "Basic")]),
    ),
    (
        "HSC-21",
        "a refusal with a chunked body",
        Head("HTTP/1.1 403 Forbidden", &["Transfer-Encoding: chunked"]),
        Refused(403, "Forbidden", None, &[("Transfer-Encoding", "chunked")]),
    ),
    (
        "HSC-21 HDR-11",
        "another version",
        Head("HTTP/1.1 426 Upgrade Required", &["Sec-WebSocket-Version: 8, 7"]),
        Refused(426, "Upgrade Required", None, &[("Sec-WebSocket-Version", "8, 7")]),
    ),
    (
        "HSC-21",
        "an old proxy that has lost its server",
        Head("HTTP/1.0 502 Bad Gateway", &[]),
        Refused(502, "Bad Gateway", None, &[]),
    ),
    (
        "HSC-21",
        "a server that is busy",
        Head("HTTP/1.1 503", &["Retry-After: 5"]),
        Refused(503, "", None, &[("Retry-After", "5")]),
    ),
    (
        "HSC-21",
        "a status that is no HTTP yet",
        Head("HTTP/1.1 799 So", &[]),
        Refused(799, "So", None, &[]),
    ),
    (
        "HSC-21",
        "a 200 that looks like a switch",
        Line("HTTP/1.1 200 OK"),
        Refused(
            200,
            "OK",
            None,
            &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ],
        ),
    ),
    (
        "HSC-21 HTTP-13",
        "a refusal with a bad length",
        Head("HTTP/1.1 403 Forbidden", &["Content-Length: +1"]),
        Failed(Error::ContentLength),
    ),
    (
        "HSC-21 HTTP-13",
        "a refusal with two lengths",
        Head("HTTP/1.1 403 Forbidden", &["Content-Length: 1", "Content-Length: 1"]),
        Failed(Error::ContentLength),
    ),
    (
        "HSC-21 HTTP-12",
        "a refusal with a length and a coding",
        Head("HTTP/1.1 403 Forbidden", &["Content-Length: 1", "Transfer-Encoding: chunked"]),
        Failed(Error::ContentLength),
    ),
    (
        "HSC-21",
        "an interim answer and no other",
        Bytes(b"HTTP/1.1 100 Continue\r\n\r\n"),
        Incomplete,
    ),
    (
        "HSC-21",
        "an interim answer and a refusal",
        Bytes(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n"),
        Refused(404, "Not Found", None, &[]),
    ),
];
