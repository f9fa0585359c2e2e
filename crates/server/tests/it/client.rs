//! The client: what it sends, what it makes of answers, and a foreign server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sockeye::{
    Client, CloseCode, Error, Header, Initiator, Message, Response, Server, connect_blocking,
};
use tungstenite::Message as Theirs;

/// A server that handles one transport by hand.
fn by_hand(handle: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    thread::spawn(move || handle(listener.accept().expect("a client").0));
    url
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole head");
        head.extend(byte);
    }
    String::from_utf8(head).expect("ASCII")
}

#[test]
fn a_tungstenite_server_talks_to_our_client() {
    let url = by_hand(|stream| {
        let mut theirs = tungstenite::accept(stream).expect("a handshake");
        loop {
            match theirs.read() {
                Ok(message @ (Theirs::Text(_) | Theirs::Binary(_))) => {
                    theirs.send(message).expect("sent")
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    let mut socket = connect_blocking(&url).expect("the server is there");
    for message in
        [Message::text("ñ".repeat(70_000)), Message::binary(vec![9; 300_000]), Message::text("")]
    {
        socket.send(message.clone()).expect("open");
        assert_eq!(socket.recv().expect("the echo"), message);
    }
    socket.close(CloseCode::GOING_AWAY, "bye").expect("a legal code");
    let closed = socket.closed();
    assert_eq!(
        (closed.code, closed.by, closed.clean),
        (CloseCode::GOING_AWAY, Initiator::Local, true)
    );
}

/// A client that is dropped says goodbye: no bare end of the transport.
#[test]
fn cls_25_a_client_that_is_dropped_sends_a_close() {
    for split in [false, true] {
        let (tell, told) = mpsc::channel();
        let url = by_hand(move |stream| {
            let mut theirs = tungstenite::accept(stream).expect("a handshake");
            let read: Vec<_> = std::iter::from_fn(|| theirs.read().ok()).collect();
            tell.send(read).expect("the test waits for it");
        });
        let socket = connect_blocking(&url).expect("the server is there");
        socket.send_text("last words").expect("open");
        if split {
            let (sender, receiver) = socket.split();
            thread::spawn(move || drop(sender)).join().expect("no panic");
            drop(receiver);
        } else {
            drop(socket);
        }
        let read = told.recv_timeout(Duration::from_secs(10)).expect("the client has gone");
        let [Theirs::Text(text), Theirs::Close(Some(close))] = &read[..] else {
            panic!("a text and a close, not {read:?}")
        };
        assert_eq!((text.as_str(), u16::from(close.code)), ("last words", 1000));
    }
}

#[test]
fn a_refusal_tells_status_and_body() {
    let server = Server::builder()
        .route("/", async |_socket| Ok(()))
        .guard(|_| {
            let challenge = Header::new("WWW-Authenticate", "Bearer").expect("valid");
            Err(Response::new(401).header(challenge).body("who are you?", "text/plain"))
        })
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let address = server.local_addr().expect("TCP");
    for (path, status, body) in [("", 401, "who are you?"), ("none", 404, "no such path\n")] {
        match connect_blocking(&format!("ws://{address}/{path}")) {
            Err(Error::Refused(refusal)) => {
                assert_eq!((refusal.status, &*refusal.body), (status, body.as_bytes()));
                assert_eq!(refusal.header("content-TYPE"), Some(&b"text/plain"[..]));
                let challenge = (status == 401).then_some(&b"Bearer"[..]);
                assert_eq!(refusal.header("WWW-Authenticate"), challenge);
            }
            other => panic!("expected a refusal, found {other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_connected_to_says_why_and_in_time() {
    let closed_port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("an address").port()
    };
    for (url, expected) in [
        (format!("ws://127.0.0.1:{closed_port}/"), "connection refused"),
        ("wss://127.0.0.1/".into(), "wss URLs need TLS, which this client does not have"),
        ("http://127.0.0.1/".into(), ""),
        ("ws://".into(), ""),
        ("ws://127.0.0.1:1/#fragment".into(), ""),
        ("ws://name.invalid/".into(), ""),
    ] {
        let error = connect_blocking(&url).expect_err("there is nothing").to_string();
        assert!(error.contains(expected) && !error.is_empty(), "{url}: {error}");
    }
    let silent = by_hand(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let began = Instant::now();
    let error = Client::new(&silent).timeout(Duration::from_millis(100)).connect_blocking();
    assert!(error.expect_err("nothing is answered").is_timeout());
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn headers_and_subprotocols_are_sent_and_the_choice_is_known() {
    let url = by_hand(|mut stream| {
        let head = read_head(&mut stream).to_ascii_lowercase();
        for line in [
            "x-one: 1\r\n",
            "cookie: a=b\r\n",
            "sec-websocket-protocol: v2, v1\r\n",
            "origin: https://a.b\r\n",
        ] {
            assert!(head.contains(line), "{head}");
        }
        stream.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nok").expect("sent");
    });
    let client = |url: &str| Client::new(url).header("X-One", "1").header("Cookie", "a=b");
    let offering = client(&url).subprotocol("v2").subprotocol("v1").origin("https://a.b");
    match offering.connect_blocking() {
        Err(Error::Refused(refusal)) => {
            assert_eq!((refusal.status, &*refusal.body), (403, &b"ok"[..]))
        }
        other => panic!("expected a refusal, found {other:?}"),
    }
    let server = Server::builder()
        .subprotocol("v1")
        .route("/", async |mut socket| socket.recv().await.map(drop))
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let url = format!("ws://{}/", server.local_addr().expect("TCP"));
    let socket = Client::new(&url)
        .subprotocol("v2")
        .subprotocol("v1")
        .connect_blocking()
        .expect("an upgrade");
    assert_eq!(socket.subprotocol(), Some("v1"));
    assert!(
        Client::new(&url).header("Upgrade", "x").connect_blocking().is_err(),
        "the handshake's own header"
    );
    assert!(
        Client::new(&url).header("A", "b\r\nC: d").connect_blocking().is_err(),
        "a header in a header"
    );
}

#[test]
fn what_a_server_sends_right_behind_its_answer_is_not_lost() {
    let url = by_hand(|mut stream| {
        let head = read_head(&mut stream);
        let key = head.lines().find_map(|line| line.split_once("Key: ")).expect("a key").1;
        let accept = tungstenite::handshake::derive_accept_key(key.trim().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n\u{1}"
        );
        let mut bytes = answer.into_bytes();
        bytes.pop();
        bytes.extend(b"\x81\x05hello\x88\x02\x03\xe9");
        stream.write_all(&bytes).expect("sent");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut socket = connect_blocking(&url).expect("an upgrade");
    assert_eq!(socket.recv().expect("a message").as_text(), Some("hello"));
    match socket.recv() {
        Err(Error::Closed { code, by, clean, .. }) => {
            assert_eq!((code, by, clean), (CloseCode::GOING_AWAY, Initiator::Peer, true));
        }
        other => panic!("expected the close, found {other:?}"),
    }
}

#[test]
fn a_server_that_answers_wrongly_is_not_believed() {
    let url = by_hand(|mut stream| {
        read_head(&mut stream);
        let answer =
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
        stream.write_all(answer).expect("sent");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert!(matches!(connect_blocking(&url), Err(Error::Other(_))));
}
