//! Compression, when a server or a client is asked for it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use sockeye::testing::{Received, TestClient, TestServer};
use sockeye::{
    Client, DeflateConfig, Error, Event, Group, Handler, Message, Peer, Policy, Server,
    ServerBuilder, Socket, WindowBits,
};

use crate::support::{Log, close_frame, describe, frame};

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message.clone()).await?;
        socket.send_uncompressed(message).await?;
    }
}

fn serve(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, String) {
    let builder = change(Server::builder().route("/", echo));
    let server = builder.bind("127.0.0.1:0").expect("a port is free");
    let address = server.local_addr().expect("it listens over TCP").to_string();
    (server, address)
}

/// A hand-made client: sends an offer and a message of a thousand `a` compressed to a few bytes, and
/// returns the answer's head and what comes behind it.
fn converse(address: &str, first: u8, payload: &[u8], answer_len: usize) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("the server is there");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut received = Vec::new();
    let mut byte = [0];
    while !received.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        received.push(byte[0]);
    }
    let len = u8::try_from(payload.len()).expect("short");
    let frame = [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat();
    stream.write_all(&frame).expect("sent");
    let mut answer = vec![0; answer_len];
    stream.read_exact(&mut answer).expect("an answer");
    (String::from_utf8(received).expect("a head is ASCII"), answer)
}

#[test]
fn pmd_24_a_server_declines_unless_it_was_asked_to_compress() {
    let (_server, address) = serve(|builder| builder);
    let (head, answer) = converse(&address, 0x81, b"Hello", 7);
    assert!(!head.contains("Extensions"), "{head}");
    assert_eq!(answer, b"\x81\x05Hello");
}

#[test]
fn pmc_27_a_server_that_was_asked_compresses_all_but_secrets() {
    let mut config = DeflateConfig::default();
    config.payload_bytes_min = 5;
    config.keeps_own_context = true;
    let (_server, address) = serve(|builder| builder.deflate(config));
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let (head, answer) = converse(&address, 0xC1, &hello, 9 + 7);
    assert!(
        head.contains(
            "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; \
             server_max_window_bits=10\r\n"
        ),
        "{head}"
    );
    assert_eq!(answer[..9], [&[0xC1, 7], &hello[..]].concat());
    assert_eq!(&answer[9..], b"\x81\x05Hello");
}

#[test]
fn our_client_and_our_server_agree_on_any_settings() {
    let mut keeping = DeflateConfig::default();
    keeping.keeps_own_context = true;
    keeping.keeps_peer_context = true;
    let settings = [None, Some(DeflateConfig::default()), Some(keeping)];
    let text = "salmon, otter, bear; ".repeat(5000);
    for of_server in settings {
        let (_server, address) = serve(|builder| match of_server {
            Some(config) => builder.deflate(config),
            None => builder,
        });
        for of_client in settings {
            let client = Client::new(&format!("ws://{address}/"));
            let client = match of_client {
                Some(config) => client.deflate(config),
                None => client,
            };
            let mut socket = client.connect_blocking().expect("the server is there");
            for _ in 0..3 {
                for message in [Message::text(text.as_str()), Message::binary(vec![7; 70_000])] {
                    socket.send(message.clone()).expect("open");
                    socket.send_uncompressed(message.clone()).expect("open");
                    for _ in 0..4 {
                        assert_eq!(socket.recv().expect("an echo"), message);
                    }
                }
            }
        }
    }
}

/// Joins a group, and answers each message with itself, compressed and not.
struct Echo(Group);

impl Handler for Echo {
    fn open(&mut self, peer: &mut Peer<'_>) {
        peer.join(&self.0, Policy::Close);
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        match event {
            Event::Text(text) => peer.send_text(&text).expect("open"),
            Event::Binary(bytes) => peer.send_binary(&bytes).expect("open"),
            _ => {}
        }
    }
}

/// The same as a conversation.
async fn conversation(mut socket: Socket) -> Result<(), Error> {
    let everyone = socket.group("everyone");
    socket.join(&everyone, Policy::Close).await?;
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

fn deflating_server(config: DeflateConfig) -> TestServer {
    let builder = Server::builder()
        .route("/async", conversation)
        .route_events("/events", |request| Ok(Echo(request.group("everyone"))))
        .deflate(config);
    TestServer::new(builder).expect("valid routes")
}

/// The texts that came, and how many bytes they took on the wire.
fn texts(client: &mut TestClient) -> (Vec<String>, usize) {
    let before = client.bytes_received();
    let texts = client.texts();
    (texts, client.bytes_received() - before)
}

fn settings() -> Vec<DeflateConfig> {
    let mut settings = vec![DeflateConfig::default()];
    for (own, peer, bits) in [(true, true, 15), (true, false, 9), (false, true, 12)] {
        let mut config = DeflateConfig::default();
        (config.keeps_own_context, config.keeps_peer_context) = (own, peer);
        config.own_window_max = WindowBits::new(bits).expect("8 to 15");
        config.peer_window_max = config.own_window_max;
        settings.push(config);
    }
    settings
}

#[test]
fn routes_of_both_kinds_and_groups_compress() {
    let text = "salmon, otter, bear; ".repeat(100);
    for of_server in settings() {
        for of_client in settings() {
            let mut server = deflating_server(of_server);
            let mut clients = [
                server.connect_deflating("/async", of_client),
                server.connect_deflating("/events", of_client),
                server.connect("/async"),
                server.connect("/events"),
            ];
            server.settle();
            for round in 0..3 {
                for client in &mut clients {
                    client.send_text(&text);
                    client.send_text("short");
                }
                server.settle();
                server.group("everyone").broadcast(&text);
                server.settle();
                for (index, client) in clients.iter_mut().enumerate() {
                    let (texts, bytes) = texts(client);
                    assert_eq!(texts, [text.as_str(), "short", text.as_str()], "round {round}");
                    if index < 2 {
                        assert!(bytes < text.len() / 5, "{bytes} bytes");
                    } else {
                        assert!(bytes > 2 * text.len(), "{bytes} bytes");
                    }
                }
            }
            let agreed = clients[0].compression().expect("the server was asked to");
            assert_eq!(
                agreed.keeps_peer_context(),
                of_server.keeps_own_context && of_client.keeps_peer_context
            );
            assert_eq!(
                agreed.own_window(),
                of_server.peer_window_max.min(of_client.own_window_max)
            );
            assert_eq!(clients[2].compression(), None);
        }
    }
}

#[test]
fn ext_08_a_test_client_is_declined_where_nothing_is_compressed() {
    let builder = Server::builder().route("/", echo);
    let mut server = TestServer::new(builder).expect("a valid route");
    let mut client = server.connect_deflating("/", DeflateConfig::default());
    assert_eq!(client.compression(), None);
    client.send_text("plain");
    server.settle();
    assert_eq!(client.receive(), Some(Received::Text("plain".into())));
}

/// A conversation that has one of its own with another server, both compressed.
#[test]
fn a_client_in_a_conversation_compresses() {
    let (_other, address) = serve(|builder| builder.deflate(DeflateConfig::default()));
    let relay = async move |mut socket: Socket| {
        let url = format!("ws://{address}/");
        let mut other = Client::new(&url).deflate(DeflateConfig::default()).connect().await?;
        loop {
            other.send(socket.recv().await?).await?;
            for _ in 0..2 {
                socket.send(other.recv().await?).await?;
            }
        }
    };
    let builder = Server::builder().route("/", relay).deflate(DeflateConfig::default());
    let server = builder.bind("127.0.0.1:0").expect("a port is free");
    let address = server.local_addr().expect("it listens over TCP").to_string();
    let client = Client::new(&format!("ws://{address}/")).deflate(DeflateConfig::default());
    let mut socket = client.connect_blocking().expect("the server is there");
    let message = Message::text("salmon, otter, bear; ".repeat(5000));
    for _ in 0..3 {
        socket.send(message.clone()).expect("open");
        for _ in 0..2 {
            assert_eq!(socket.recv().expect("an echo"), message);
        }
    }
}

/// A payload whose owner panics when it goes.
struct Brittle;

impl AsRef<[u8]> for Brittle {
    fn as_ref(&self) -> &[u8] {
        b"brittle"
    }
}

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("as the test wants it");
    }
}

/// What is compressed is dropped when it is, which is while the loop has its socket at hand.
#[test]
fn a_payload_that_panics_when_it_goes_ends_its_connection_and_changes_nothing_for_others() {
    let log = Log::default();
    let (of_route, of_events) = (log.clone(), log.clone());
    let builder = Server::builder()
        .route("/", async move |mut socket| {
            while socket.recv().await?.as_text() != Some("break") {
                of_route.note("route");
            }
            socket.send_binary(Bytes::from_owner(Brittle)).await?;
            of_route.note(socket.recv().await?.to_string());
            of_route.note(describe(&socket.closed().await.into()));
            Ok(())
        })
        .route_events("/events", move |_| Ok(Noting(of_events.clone())))
        .deflate(DeflateConfig::default());
    let mut server = TestServer::new(builder).expect("valid routes");
    let mut broken = server.connect_deflating("/", DeflateConfig::default());
    let (other, events) = (server.connect("/"), server.connect("/events"));
    broken.wire().write(&[frame(0x81, b"break"), frame(0x81, b"left")].concat());
    server.settle();
    assert!(broken.rest().contains(&close_frame(1011)));
    assert_eq!(log.take(), ["left", "closed 1006 \"\" by Local, not clean"]);
    // A route is polled behind its own read, and not behind those of all others.
    other.wire().write(&frame(0x81, b"x"));
    events.wire().write(&frame(0x81, b"x"));
    server.settle();
    assert_eq!(log.take(), ["route", "events"]);
}

struct Noting(Log);

impl Handler for Noting {
    fn event(&mut self, _: &mut Peer<'_>, _: Event<'_>) {
        self.0.note("events");
    }
}
