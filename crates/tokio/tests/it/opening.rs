//! Opening handshakes: what is accepted, refused, and not lost.

use std::time::Duration;

use sockeye_tokio::handshake::{Acceptance, HandshakeError, Header, Response};
use sockeye_tokio::{Acceptor, Client, Config, Error, Message, WebSocket, accept, accept_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::talking::echo;

const REQUEST: &str = "GET /chat?a=1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

async fn answer(peer: &mut DuplexStream) -> String {
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    String::from_utf8(said).expect("text")
}

/// What the server says to a head that is refused, and what its caller gets.
async fn refused(head: &str) -> (String, Error) {
    let (mut peer, stream) = tokio::io::duplex(64 * 1024);
    peer.write_all(head.as_bytes()).await.expect("room");
    let (answer, result) = tokio::join!(answer(&mut peer), accept(stream));
    (answer, result.expect_err("it is refused"))
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_answered_with_their_status() {
    let without = |line: &str| format!("{}\r\n", REQUEST.replace(line, ""));
    let table = [
        (without("Upgrade: websocket\r\n"), 426, HandshakeError::UpgradeRequired),
        (without("Connection: Upgrade\r\n"), 400, HandshakeError::Connection),
        (
            without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            400,
            HandshakeError::KeyMissing,
        ),
        (without("Sec-WebSocket-Version: 13\r\n"), 400, HandshakeError::VersionMissing),
        (format!("{}\r\n", REQUEST.replace("13", "12")), 426, HandshakeError::Version),
        (format!("{}\r\n", REQUEST.replace("GET", "POST")), 405, HandshakeError::Method),
        (without("Host: localhost\r\n"), 400, HandshakeError::HostMissing),
        ("nonsense\r\n\r\n".to_owned(), 400, HandshakeError::StartLine),
        (
            format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000)),
            431,
            HandshakeError::HeadTooLarge,
        ),
        // Nothing behind a request that is refused is another request.
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n{REQUEST}\r\n"),
            426,
            HandshakeError::UpgradeRequired,
        ),
    ];
    for (head, status, expected) in table {
        let (answer, error) = refused(&head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        match error {
            Error::Handshake(error) => assert_eq!(error, expected, "{head}"),
            error => panic!("{error:?} for {head}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_come_is_answered_with_408() {
    let (mut peer, stream) = tokio::io::duplex(1024);
    peer.write_all(b"GET / HTTP/1.1\r\n").await.expect("room");
    let (answer, result) = tokio::join!(answer(&mut peer), accept(stream));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(matches!(result, Err(Error::OpeningTimedOut)));
}

#[tokio::test]
async fn early_bytes_behind_the_request_are_received() {
    let (mut peer, stream) = tokio::io::duplex(64 * 1024);
    peer.write_all(format!("{REQUEST}\r\n").as_bytes()).await.expect("room");
    peer.write_all(b"\x81\x85\0\0\0\0early").await.expect("room");
    let mut socket = accept(stream).await.expect("an upgrade");
    assert_eq!(socket.recv().await.expect("open").expect("well"), Message::text("early"));
}

fn accepting(subprotocol: &'static str) -> Acceptance {
    Acceptance { subprotocol: Some(subprotocol.into()), ..Acceptance::default() }
}

#[tokio::test]
async fn the_callback_chooses_or_refuses() {
    let run = |url: &'static str| async move {
        let (one, other) = tokio::io::duplex(64 * 1024);
        let client = Client::new(url).subprotocol("chat.v2").subprotocol("chat.v1");
        let client = client.header("Cookie", "a=b").connect_over(one);
        let server = accept_with(other, |upgrade| {
            let request = upgrade.request();
            assert_eq!(request.header("cookie"), Some(&b"a=b"[..]));
            if request.path() != "/chat" {
                return Err(Response::new(404).body("no such place", "text/plain"));
            }
            assert!(upgrade.subprotocols().eq(["chat.v2", "chat.v1"]));
            let header = Header::new("X-Answer", "42").expect("a header");
            let mut acceptance = accepting("chat.v1");
            acceptance.headers.push(header);
            Ok(acceptance)
        });
        tokio::join!(client, server)
    };
    let (client, server) = run("ws://localhost/chat").await;
    assert_eq!(client.expect("a connection").subprotocol(), Some("chat.v1"));
    assert_eq!(server.expect("a connection").subprotocol(), Some("chat.v1"));
    match run("ws://localhost/else").await {
        (Err(Error::Refused(refused)), Err(Error::Rejected(404))) => {
            assert_eq!(refused.status, 404);
            assert_eq!(refused.body, "no such place");
            assert!(refused.headers.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case("content-type") && value == "text/plain"
            }));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_may_take_its_time() {
    let (one, other) = tokio::io::duplex(64 * 1024);
    let server = async {
        let requested = Acceptor::new().request(other).await?;
        assert_eq!(requested.upgrade()?.request().target(), "/slow");
        tokio::time::sleep(Duration::from_secs(8)).await;
        echo(requested.accept(Acceptance::default()).await?).await
    };
    let client = async {
        let mut socket = Client::new("ws://localhost/slow").connect_over(one).await?;
        socket.send("there".into()).await?;
        assert_eq!(socket.recv().await.transpose()?, Some(Message::text("there")));
        socket.close(None).await
    };
    let (client, server): (Result<(), Error>, Result<(), Error>) = tokio::join!(client, server);
    client.expect("in order");
    server.expect("in order");
}

#[tokio::test]
async fn a_subprotocol_that_was_not_offered_is_a_fault_of_the_server() {
    let (one, other) = tokio::io::duplex(64 * 1024);
    let acceptance = accepting("else");
    let server = accept_with(other, |_| Ok(acceptance));
    let (client, server) = tokio::join!(Client::new("ws://localhost/").connect_over(one), server);
    assert!(matches!(client, Err(Error::Refused(refused)) if refused.status == 500));
    assert!(matches!(server, Err(Error::Handshake(HandshakeError::SubprotocolNotOffered))));
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_for_its_answer_within_bounds() {
    let (one, _other) = tokio::io::duplex(64 * 1024);
    let client = Client::new("ws://localhost/").timeout(Duration::from_secs(3));
    let began = tokio::time::Instant::now();
    assert!(matches!(client.connect_over(one).await, Err(Error::OpeningTimedOut)));
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_here() {
    let bad = |client: Client| async move {
        let (one, _other) = tokio::io::duplex(1024);
        client.connect_over(one).await.expect_err("it cannot be asked for")
    };
    assert!(matches!(bad(Client::new("http://localhost/")).await, Error::Url(_)));
    let client = Client::new("ws://localhost/").header("Upgrade", "h2c");
    assert!(matches!(bad(client).await, Error::Header(_)));
    let client = Client::new("ws://localhost/").header("X", "a\r\nY: b");
    assert!(matches!(bad(client).await, Error::Header(_)));
    let client = Client::new("ws://localhost/").subprotocol("a b");
    assert!(matches!(bad(client).await, Error::Header(_)));
}

/// Limits of one's own reach the connection.
#[tokio::test]
async fn limits_are_kept() {
    let (one, other) = tokio::io::duplex(64 * 1024);
    let mut config = Config::default();
    config.message_bytes_max = 10;
    let acceptor = Acceptor::new().config(config);
    let client = Client::new("ws://localhost/").connect_over(one);
    let (client, server) = tokio::join!(client, acceptor.accept(other));
    let (mut client, mut server) = (client.expect("open"), server.expect("open"));
    client.send("12345678901".into()).await.expect("open");
    assert!(matches!(server.recv().await, Some(Err(Error::Protocol(_)))));
    match client.recv().await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, 1009),
        other => panic!("{other:?}"),
    }
}

/// What a client gets of `answer`, to which nothing is added and behind which nothing ends.
async fn answered(client: Client, answer: &str) -> Result<WebSocket<DuplexStream>, Error> {
    let (one, mut other) = tokio::io::duplex(64 * 1024);
    let answering = async {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            other.read_buf(&mut request).await.expect("a request");
        }
        other.write_all(answer.as_bytes()).await.expect("room");
    };
    tokio::join!(client.connect_over(one), answering).0
}

/// A refusal keeps its status, wherever its body ends.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_though_its_server_stays() {
    let table = [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone, and more", 404, "gone"),
        ("HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 9\r\n\r\nhere", 302, "here"),
        (
            "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n",
            503,
            "4\r\nbusy\r\n0\r\n\r\n",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
    ];
    for (answer, status, body) in table {
        match answered(Client::new("ws://localhost/"), answer).await {
            Err(Error::Refused(refused)) => {
                assert_eq!((refused.status, &refused.body[..]), (status, body.as_bytes()));
                let moved = (status == 302).then_some(&b"/new"[..]);
                assert_eq!(refused.header("location"), moved);
            }
            other => panic!("{other:?} for {answer}"),
        }
    }
}

/// The header lines of the 101 are there for whoever wants them, behind interim answers too.
#[tokio::test]
async fn the_headers_of_an_answer_are_kept_on_request() {
    let headers = vec![
        Header::new("Set-Cookie", "a=1").expect("a header"),
        Header::new("X-Served-By", "here").expect("a header"),
    ];
    for keeps in [true, false] {
        let (one, mut other) = tokio::io::duplex(64 * 1024);
        let client = Client::new("ws://localhost/").subprotocol("chat");
        let client = if keeps { client.keep_response_headers() } else { client };
        #[cfg_attr(
            not(feature = "deflate"),
            expect(clippy::needless_update, reason = "compression is the third field")
        )]
        let acceptance = Acceptance {
            subprotocol: Some("chat".into()),
            headers: headers.clone(),
            ..Acceptance::default()
        };
        other.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await.expect("room");
        let (client, server) = tokio::join!(
            client.connect_over(one),
            accept_with(other, |_| Ok::<_, Response>(acceptance)),
        );
        let (client, _server) = (client.expect("open"), server.expect("open"));
        assert_eq!(client.subprotocol(), Some("chat"));
        let kept = client.response_headers();
        let has = |name: &str, value: &[u8]| {
            kept.iter().any(|(other, found)| other.eq_ignore_ascii_case(name) && found == value)
        };
        assert_eq!((has("set-cookie", b"a=1"), has("x-served-by", b"here")), (keeps, keeps));
        assert!(!has("link", b"</a>"), "of the answer only");
        assert_eq!(kept.is_empty(), !keeps);
    }
}

/// Deadlines that never come are no arithmetic that overflows.
#[tokio::test]
async fn an_opening_may_have_time_without_end() {
    let (one, other) = tokio::io::duplex(64 * 1024);
    let acceptor = Acceptor::new().timeout(Duration::MAX);
    let client = Client::new("ws://localhost/").timeout(Duration::MAX).connect_over(one);
    let (client, server) = tokio::join!(client, acceptor.accept(other));
    assert!(client.is_ok() && server.is_ok());
}

/// Nobody is asked for what cannot be asked for.
#[tokio::test]
async fn what_cannot_be_asked_for_is_found_before_anybody_is_asked() {
    // Nobody listens there, which would be another error.
    let client = Client::new("ws://127.0.0.1:1/").header("a b", "c");
    assert!(matches!(client.connect().await, Err(Error::Header(_))));
}
