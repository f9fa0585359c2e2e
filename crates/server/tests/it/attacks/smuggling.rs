//! Requests that two readers could take for something different, with a second request behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye::testing::TestServer;
use sockeye::{Error, Server, Socket, plain};

use crate::attacks::{UPGRADE, status};
use crate::support::frame;

/// Lines that say how long a body is, or seem to.
const FRAMINGS: [&str; 27] = [
    "",
    "Content-Length: 0\r\n",
    "Content-Length: 60\r\n",
    "Content-Length: +60\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 0x3C\r\n",
    "Content-Length: 6 0\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: 0\r\nContent-Length: 60\r\n",
    "Content-Length: 0, 60\r\n",
    "content-length: 60\r\n",
    "Content-Length : 60\r\n",
    "Content-Length\t: 60\r\n",
    "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding:\x0bchunked\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "X: y\nTransfer-Encoding: chunked\r\n",
    "X: y\rTransfer-Encoding: chunked\r\n",
    "Connection: keep-alive\r\n",
    "Connection: keep-alive, Transfer-Encoding\r\n",
    "Expect: 100-continue\r\nContent-Length: 60\r\n",
    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
];

/// First lines, and whether the lines of an upgrade follow.
const LINES: [(&str, bool); 6] = [
    ("GET /socket HTTP/1.1", true),
    ("GET /page HTTP/1.1", false),
    ("POST /page HTTP/1.1", false),
    ("HEAD /socket HTTP/1.1", true),
    ("GET /socket HTTP/1.0", true),
    ("GET http://other.example/socket HTTP/1.1", true),
];

/// What an attacker would have somebody else's request answered with.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

/// A server, and how often its second page was asked for.
fn server() -> (TestServer, Arc<AtomicUsize>) {
    let smuggled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&smuggled);
    let builder = Server::builder()
        .route("/socket", echo)
        .route("/refused", async |_: Socket| Ok(()))
        .get("/page", |_| plain("the page"))
        .get("/smuggled", move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            plain("smuggled")
        })
        .guard(|request| {
            let is_refused = request.path() == "/refused";
            if is_refused { Err(sockeye::Response::new(401)) } else { Ok(()) }
        });
    (TestServer::new(builder).expect("valid routes"), smuggled)
}

/// What comes back if the bytes come in two pieces, cut at `at`.
fn answer(server: &mut TestServer, bytes: &[u8], at: usize) -> Vec<u8> {
    let wire = server.wire();
    let (first, second) = bytes.split_at(at);
    wire.write(first);
    for _ in 0..2 {
        server.turn();
    }
    wire.write(second);
    for _ in 0..4 {
        server.turn();
    }
    let answer = wire.read();
    wire.shutdown_write();
    for _ in 0..2 {
        server.turn();
    }
    answer
}

#[test]
fn attack_20_a_second_request_is_never_read_whatever_the_first_says_of_its_length() {
    let (mut server, smuggled) = server();
    // No time passes from here on.
    server.settle();
    let mut requests = 0;
    for (line, upgrades) in LINES {
        for framing in FRAMINGS {
            let upgrade = if upgrades { UPGRADE } else { "" };
            let request = format!("{line}\r\nHost: test\r\n{upgrade}{framing}\r\n{SMUGGLED}");
            requests += 1;
            let whole = answer(&mut server, request.as_bytes(), 0);
            let heads = whole.windows(9).filter(|window| *window == b"HTTP/1.1 ").count();
            assert_eq!(heads, 1, "{request:?}: {}", String::from_utf8_lossy(&whole));
            let expected = status(&whole);
            assert!(
                matches!(expected, 101 | 200 | 400 | 405 | 426 | 505),
                "{request:?}: {expected}"
            );
            if expected == 101 {
                // What follows is read as frames, and is none.
                assert!(whole.ends_with(b"\x03\xEA") || whole.contains(&0x88), "{request:?}");
            }
            for at in 1..request.len() {
                let cut = answer(&mut server, request.as_bytes(), at);
                assert!(cut == whole, "{request:?} cut at {at}: {}", String::from_utf8_lossy(&cut));
            }
        }
    }
    assert!(requests >= 150);
    assert_eq!(smuggled.load(Ordering::Relaxed), 0);
    server.settle();
}

#[test]
fn attack_20_no_request_with_a_body_or_an_unclear_length_is_upgraded() {
    let (mut server, _) = server();
    for framing in FRAMINGS {
        let request = format!("GET /socket HTTP/1.1\r\nHost: test\r\n{UPGRADE}{framing}\r\n");
        let answer = server.respond(request.as_bytes());
        let harmless = framing.is_empty()
            || framing == "Content-Length: 0\r\n"
            || framing.starts_with("Connection: keep-alive\r\n");
        let expected = if harmless { 101 } else { 400 };
        // Another protocol beside ours, and hops that are to drop a line, are no body.
        if !framing.contains("h2c") && !framing.contains("keep-alive, Transfer") {
            assert_eq!(status(answer.as_bytes()), expected, "{framing:?}: {answer}");
        }
        if expected != 101 && !answer.starts_with("HTTP/1.1 101") {
            assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        }
    }
}

#[test]
fn attack_21_frames_that_come_before_the_answer_are_delivered_behind_it_or_dropped_with_it() {
    let (mut server, _) = server();
    server.settle();
    let frames = [frame(0x81, b"early"), frame(0x01, b"bi"), frame(0x80, b"rd")].concat();
    for (path, expected) in [("/socket", 101), ("/refused", 401), ("/none", 404)] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{UPGRADE}\r\n");
        let bytes = [head.as_bytes(), &frames].concat();
        let whole = answer(&mut server, &bytes, 0);
        assert_eq!(status(&whole), expected);
        let echoes = b"\x81\x05early\x81\x04bird";
        assert_eq!(whole.ends_with(echoes), expected == 101, "{path}");
        if expected != 101 {
            assert!(!whole.windows(5).any(|window| window == b"early"), "{path}");
        }
        for at in 1..bytes.len() {
            assert!(answer(&mut server, &bytes, at) == whole, "{path} cut at {at}");
        }
    }
}
