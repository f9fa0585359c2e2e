//! Pages of other sites that want to use their visitors' cookies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye::testing::TestServer;
use sockeye::{Server, Socket};

use crate::attacks::{UPGRADE, status};

/// The Host header, the lines about the origin, and the status.
const ORIGINS: [(&str, &[u8], u16); 56] = [
    // Pages of the same host and port, and what is no page.
    ("example.com", b"", 101),
    ("example.com", b"Origin: http://example.com\r\n", 101),
    ("example.com", b"Origin: https://example.com\r\n", 101),
    ("example.com", b"Origin:  http://example.com\t\r\n", 101),
    ("example.com", b"Origin: http://EXAMPLE.com\r\n", 101),
    ("EXAMPLE.COM", b"Origin: http://example.com\r\n", 101),
    ("example.com", b"Origin: http://example.com:80\r\n", 101),
    ("example.com:443", b"Origin: https://example.com\r\n", 101),
    ("example.com:9001", b"Origin: http://example.com:9001\r\n", 101),
    ("[::1]:9001", b"Origin: http://[::1]:9001\r\n", 101),
    ("xn--exmple-cua.com", b"Origin: http://xn--exmple-cua.com\r\n", 101),
    // Another host.
    ("example.com", b"Origin: http://evil.example\r\n", 403),
    ("example.com", b"Origin: http://sub.example.com\r\n", 403),
    ("sub.example.com", b"Origin: http://example.com\r\n", 403),
    ("example.com", b"Origin: http://example.com.evil.org\r\n", 403),
    ("example.com", b"Origin: http://evilexample.com\r\n", 403),
    ("example.com", b"Origin: http://evil-example.com\r\n", 403),
    ("example.com", b"Origin: http://xample.com\r\n", 403),
    ("example.com", b"Origin: http://example.co\r\n", 403),
    ("example.com", b"Origin: http://example.com.\r\n", 403),
    ("example.com", b"Origin: http://xn--exmple-cua.com\r\n", 403),
    ("localhost", b"Origin: http://127.0.0.1\r\n", 403),
    ("127.0.0.1", b"Origin: http://localhost\r\n", 403),
    ("[::1]", b"Origin: http://[::2]\r\n", 403),
    ("[::1]", b"Origin: http://::1\r\n", 403),
    // Another port, or one that cannot be.
    ("localhost:9001", b"Origin: http://localhost:3000\r\n", 403),
    ("localhost:9001", b"Origin: http://localhost\r\n", 403),
    ("localhost", b"Origin: http://localhost:9001\r\n", 403),
    ("example.com:80", b"Origin: https://example.com\r\n", 403),
    ("example.com", b"Origin: http://example.com:65616\r\n", 403),
    ("example.com", b"Origin: http://example.com:+80\r\n", 403),
    ("example.com", b"Origin: http://example.com:\r\n", 403),
    // Another scheme, or none.
    ("example.com", b"Origin: ftp://example.com\r\n", 403),
    ("example.com", b"Origin: ws://example.com\r\n", 403),
    ("example.com", b"Origin: file://\r\n", 403),
    ("example.com", b"Origin: chrome-extension://example.com\r\n", 403),
    ("example.com", b"Origin: HTTP://example.com\r\n", 403),
    ("example.com", b"Origin: //example.com\r\n", 403),
    ("example.com", b"Origin: example.com\r\n", 403),
    ("example.com", b"Origin: http:example.com\r\n", 403),
    // What is no origin.
    ("example.com", b"Origin: null\r\n", 403),
    ("example.com", b"Origin:\r\n", 400),
    ("example.com", b"Origin: *\r\n", 403),
    ("example.com", b"Origin: http://*.example.com\r\n", 403),
    ("example.com", b"Origin: http://example.com@evil.org\r\n", 403),
    ("example.com", b"Origin: http://evil.org@example.com\r\n", 403),
    ("example.com", b"Origin: http://evil.org/http://example.com\r\n", 403),
    ("example.com", b"Origin: http://example.com/\r\n", 403),
    ("example.com", b"Origin: http://evil.org#example.com\r\n", 403),
    ("example.com", b"Origin: http://example.com\\@evil.org\r\n", 403),
    ("example.com", b"Origin: http://example.com%00.evil.org\r\n", 403),
    ("example.com", b"Origin: http://example.com http://evil.org\r\n", 403),
    ("example.com", b"Origin: http://evil.org, http://example.com\r\n", 403),
    // Bytes that no browser sends, and two origins of which one would do.
    ("example.com", b"Origin: http://ex\xC3\xA4mple.com\r\n", 400),
    ("example.com", b"Origin: http://example.com\r\nOrigin: http://evil.org\r\n", 400),
    ("example.com", b"Origin: http://evil.org\r\norigin: http://example.com\r\n", 400),
];

#[test]
fn attack_19_pages_of_other_sites_are_not_let_in_whatever_they_call_themselves() {
    let opened = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&opened);
    let builder = Server::builder().route("/", async move |socket: Socket| {
        seen.fetch_add(1, Ordering::Relaxed);
        socket.send_text("welcome").await
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    for (host, origin, expected) in ORIGINS {
        let before = opened.load(Ordering::Relaxed);
        let mut request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}").into_bytes();
        request.extend(origin);
        request.extend(b"\r\n");
        let answer = server.respond(&request);
        let name = String::from_utf8_lossy(origin);
        assert_eq!(status(answer.as_bytes()), expected, "{name} at {host}: {answer}");
        let reached = opened.load(Ordering::Relaxed) - before;
        assert_eq!(reached, usize::from(expected == 101), "{name} at {host}");
    }
}
