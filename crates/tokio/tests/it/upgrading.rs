//! Upgrades by hand with hyper 1.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sockeye_tokio::handshake::{Acceptance, HandshakeError};
use sockeye_tokio::hyper::{Upgrade, refusal};
use sockeye_tokio::{Bytes, Client, Config, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::talking::echo;

async fn answer(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let accepted = Upgrade::new(&mut request).and_then(|upgrade| {
        let chosen = upgrade.asked()?.subprotocols().next().map(|first| first.to_owned().into());
        let acceptance = Acceptance { subprotocol: chosen, ..Acceptance::default() };
        upgrade.accept(acceptance, Config::default())
    });
    match accepted {
        Ok((response, upgrading)) => {
            tokio::spawn(async move { echo(upgrading.await?).await });
            Ok(response.map(|()| Full::default()))
        }
        Err(error) => Ok(refusal(error).map(Full::new)),
    }
}

/// One end of a connection that hyper serves at the other.
fn served() -> DuplexStream {
    let (one, other) = tokio::io::duplex(64 * 1024);
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(other), service_fn(answer));
    tokio::spawn(connection.with_upgrades());
    one
}

#[tokio::test]
async fn a_conversation_over_an_upgraded_connection() {
    let client = Client::new("ws://localhost/").subprotocol("chat").connect_over(served());
    let mut client = client.await.expect("an upgrade");
    assert_eq!(client.subprotocol(), Some("chat"));
    for len in [5, 500, 200_000] {
        let message = Message::text("x".repeat(len));
        client.send(message.clone()).await.expect("open");
        assert_eq!(client.recv().await.expect("open").expect("well"), message);
    }
    client.close(None).await.expect("in order");
}

#[tokio::test]
async fn bytes_behind_the_request_are_not_lost() {
    let mut peer = served();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    let mut early = request.as_bytes().to_vec();
    // A whole message, half of another, and the rest of it later.
    early.extend_from_slice(b"\x81\x85\0\0\0\0early\x81\x84\0\0\0\0la");
    peer.write_all(&early).await.expect("room");
    let mut said = Vec::new();
    while !said.ends_with(b"\x81\x05early") {
        assert!(peer.read_buf(&mut said).await.expect("more") > 0);
    }
    assert!(said.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    let head = String::from_utf8_lossy(&said).to_ascii_lowercase();
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    peer.write_all(b"te").await.expect("room");
    said.clear();
    while said.len() < 6 {
        assert!(peer.read_buf(&mut said).await.expect("more") > 0);
    }
    assert_eq!(said, b"\x81\x04late");
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let table = [
        ("Upgrade: websocket\r\n", StatusCode::UPGRADE_REQUIRED),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", StatusCode::BAD_REQUEST),
        ("Sec-WebSocket-Version: 13\r\n", StatusCode::BAD_REQUEST),
    ];
    for (line, status) in table {
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
            Connection: Upgrade, close\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n"
            .replace(line, "");
        let mut peer = served();
        peer.write_all(request.as_bytes()).await.expect("room");
        let mut said = String::new();
        peer.read_to_string(&mut said).await.expect("all of it");
        assert!(said.starts_with(&format!("HTTP/1.1 {} ", status.as_u16())), "{said}");
    }
}

/// A request that no server has read has no connection to upgrade.
#[test]
fn a_request_without_a_connection_is_refused() {
    let mut request = Request::get("/")
        .header("host", "localhost")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .body(())
        .expect("a request");
    let error = Upgrade::new(&mut request).expect_err("there is no connection");
    assert_eq!(error, HandshakeError::UpgradeRequired);
    assert_eq!(refusal(error).headers()["sec-websocket-version"], "13");
    *request.version_mut() = http::Version::HTTP_2;
    assert_eq!(Upgrade::new(&mut request).expect_err("HTTP/2"), HandshakeError::HttpVersion);
}
