//! The extractor for axum, used as axum's own is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sockeye_tokio::axum::{
    CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
};
use sockeye_tokio::{Client, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

type Failures = Arc<Mutex<Vec<String>>>;

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["graphql-ws", "chat"]).on_upgrade(|mut socket| async move {
        if let Some(protocol) = socket.protocol() {
            let protocol = protocol.to_str().expect("ASCII").to_owned();
            socket.send(Message::Text(protocol.into())).await.expect("open");
        }
        while let Some(message) = socket.recv().await {
            let Ok(message) = message else { return };
            if message.is_text() && socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

/// A room: two tasks, one for each direction.
async fn chat(
    upgrade: WebSocketUpgrade,
    State(room): State<broadcast::Sender<String>>,
) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let (sink, stream): (SplitSink<WebSocket, Message>, SplitStream<WebSocket>) =
            socket.split();
        let said = room.subscribe();
        let mut sender = tokio::spawn(tell(sink, said));
        let mut receiver = tokio::spawn(hear(stream, room));
        tokio::select! {
            _ = &mut sender => receiver.abort(),
            _ = &mut receiver => sender.abort(),
        }
    })
}

async fn tell(mut sink: SplitSink<WebSocket, Message>, mut said: broadcast::Receiver<String>) {
    sink.send("welcome".into()).await.expect("open");
    while let Ok(text) = said.recv().await {
        if sink.send(Message::text(text)).await.is_err() {
            break;
        }
    }
}

async fn hear(mut stream: SplitStream<WebSocket>, room: broadcast::Sender<String>) {
    while let Some(Ok(Message::Text(text))) = stream.next().await {
        let _ = room.send(text.to_string());
    }
}

async fn goodbye(upgrade: WebSocketUpgrade, Path(code): Path<u16>) -> impl IntoResponse {
    upgrade.max_message_size(10).max_frame_size(10).on_upgrade(move |mut socket| async move {
        let reason = Utf8Bytes::from_static("Goodbye");
        let frame = CloseFrame { code, reason };
        socket.send(Message::Close(Some(frame))).await.expect("open");
        while let Some(Ok(_)) = socket.recv().await {}
    })
}

async fn unoffered(mut upgrade: WebSocketUpgrade, State(failures): State<Failures>) -> Response {
    assert_eq!(upgrade.requested_protocols().count(), 0);
    upgrade.set_selected_protocol("else".parse().expect("a value"));
    assert_eq!(upgrade.selected_protocol().expect("one"), "else");
    let note = move |error: axum::Error| failures.lock().expect("well").push(error.to_string());
    upgrade.on_failed_upgrade(note).on_upgrade(|_| async { panic!("there is no socket") })
}

async fn serve() -> (SocketAddr, Failures) {
    let failures = Failures::default();
    let (room, _) = broadcast::channel(100);
    let app = Router::new()
        .route("/echo", any(echo))
        .route("/goodbye/{code}", get(goodbye))
        .route("/chat", any(chat))
        .with_state(room)
        .merge(Router::new().route("/unoffered", any(unoffered)).with_state(failures.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, failures)
}

#[tokio::test]
async fn an_echo_with_a_subprotocol() {
    let (address, _) = serve().await;
    let client = Client::new(&format!("ws://{address}/echo"));
    let client = client.subprotocol("chat").subprotocol("graphql-ws");
    let mut client = client.connect().await.expect("an upgrade");
    // The server's favourite, and not the client's.
    assert_eq!(client.subprotocol(), Some("graphql-ws"));
    let first = client.recv().await.expect("open").expect("well");
    assert_eq!(first, Message::text("graphql-ws"));
    client.send("Hello".into()).await.expect("open");
    assert_eq!(client.recv().await.expect("open").expect("well"), Message::text("Hello"));
    client.close(None).await.expect("in order");
}

/// A client that does not wait for the answer, with more than hyper reads at once.
#[tokio::test]
async fn bytes_behind_the_request_are_not_lost() {
    let (address, _) = serve().await;
    let request = "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".repeat(5000);
    let said = [request.as_bytes(), &hello, b"\x88\x80\0\0\0\0"].concat();
    let mut peer = TcpStream::connect(address).await.expect("it listens");
    let (mut read, mut write) = peer.split();
    let mut heard = Vec::new();
    let (written, read) = tokio::join!(write.write_all(&said), read.read_to_end(&mut heard));
    written.expect("it reads");
    read.expect("it ends in order");
    let end = heard.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    assert!(heard[end..] == *[&b"\x81\x05Hello".repeat(5000)[..], b"\x88\x00"].concat());
}

#[tokio::test]
async fn a_chat_in_two_tasks() {
    let (address, _) = serve().await;
    let url = format!("ws://{address}/chat");
    let mut guests = Vec::new();
    for _ in 0..3 {
        let mut guest = sockeye_tokio::connect(&url).await.expect("an upgrade");
        assert_eq!(guest.recv().await.expect("open").expect("well"), Message::text("welcome"));
        guests.push(guest);
    }
    for said in ["one", "two"] {
        guests[1].send(said.into()).await.expect("open");
        for guest in &mut guests {
            assert_eq!(guest.recv().await.expect("open").expect("well"), Message::text(said));
        }
    }
}

#[tokio::test]
async fn a_close_with_a_code_of_the_application() {
    let (address, _) = serve().await;
    for code in [close_code::AWAY, 4000] {
        let url = format!("ws://{address}/goodbye/{code}");
        let mut client = sockeye_tokio::connect(&url).await.expect("an upgrade");
        let last = client.recv().await.expect("open").expect("well");
        assert_eq!(last, Message::Close(Some(CloseFrame { code, reason: "Goodbye".into() })));
        assert!(client.recv().await.is_none());
    }
}

#[tokio::test]
async fn a_subprotocol_that_was_not_offered_fails() {
    let (address, failures) = serve().await;
    match sockeye_tokio::connect(&format!("ws://{address}/unoffered")).await {
        Err(Error::Refused(refused)) => assert_eq!(refused.status, 500),
        other => panic!("{other:?}"),
    }
    assert_eq!(failures.lock().expect("well").len(), 1);
}

#[tokio::test]
async fn wrong_requests_are_rejected() {
    let (address, _) = serve().await;
    let table = [
        ("GET /echo HTTP/1.1\r\n", "HTTP/1.1 426 "),
        ("GET /echo HTTP/1.1\r\nUpgrade: websocket\r\n", "HTTP/1.1 400 "),
        ("POST /echo HTTP/1.1\r\nUpgrade: websocket\r\n", "HTTP/1.1 405 "),
        ("GET /nowhere HTTP/1.1\r\nUpgrade: websocket\r\n", "HTTP/1.1 404 "),
    ];
    for (head, expected) in table {
        let mut peer = TcpStream::connect(address).await.expect("a connection");
        let request = format!("{head}Host: localhost\r\nConnection: close\r\n\r\n");
        peer.write_all(request.as_bytes()).await.expect("room");
        let mut said = String::new();
        peer.read_to_string(&mut said).await.expect("all of it");
        assert!(said.starts_with(expected), "{said}");
    }
}

/// Limits that are none, as they were with others.
#[tokio::test]
async fn limits_may_be_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let handler = |upgrade: WebSocketUpgrade| async move {
        let upgrade = upgrade.write_buffer_size(usize::MAX).max_write_buffer_size(usize::MAX);
        upgrade.max_message_size(usize::MAX).on_upgrade(|mut socket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    };
    let app: Router = Router::new().route("/", any(handler));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut client = sockeye_tokio::connect(&format!("ws://{address}")).await.expect("open");
    client.send("Hello".into()).await.expect("open");
    assert_eq!(client.recv().await.expect("open").expect("well"), Message::text("Hello"));
    client.close(None).await.expect("in order");
}

/// What the socket can beyond axum's: all that one read brings, answered in one write.
#[tokio::test]
async fn the_socket_itself_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let handler = |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(|mut socket| async move {
            let socket = socket.get_mut();
            let echo = socket.recv_each(|event, outgoing| match event {
                sockeye_tokio::Event::Text(text) => outgoing.text(&text),
                _ => Ok(()),
            });
            echo.await.expect("open").expect("well");
            socket.close(None).await.expect("in order");
        })
    };
    let app: Router = Router::new().route("/", any(handler));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut client = sockeye_tokio::connect(&format!("ws://{address}")).await.expect("open");
    client.send("Hello".into()).await.expect("open");
    assert_eq!(client.recv().await.expect("open").expect("well"), Message::text("Hello"));
    client.close(None).await.expect("in order");
}
