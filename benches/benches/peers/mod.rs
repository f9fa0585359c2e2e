//! The same jobs, done by the peers, each in its fastest honest form.

use std::io::{self, Cursor, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use base64::Engine;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

/// Bytes to read, and a sink for what is written.
#[derive(Debug)]
struct Stream<'s> {
    bytes: Cursor<&'s [u8]>,
    written: usize,
}

impl<'s> Stream<'s> {
    fn new(bytes: &'s [u8]) -> Self {
        Self { bytes: Cursor::new(bytes), written: 0 }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(target)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Stream<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.bytes.read(target.initialize_unfilled())?;
        target.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the bytes are in memory"),
    }
}

pub(crate) fn tungstenite_messages(stream: &[u8]) -> usize {
    let config = WebSocketConfig::default();
    let mut socket = WebSocket::from_raw_socket(Stream::new(stream), Role::Server, Some(config));
    let mut seen = 0;
    while let Ok(message) = socket.read() {
        seen += usize::from(message.is_text());
    }
    seen
}

pub(crate) fn tungstenite_frames(stream: &[u8]) -> usize {
    let mut socket = tungstenite::protocol::frame::FrameSocket::new(Stream::new(stream));
    let mut seen = 0;
    while let Ok(Some(frame)) = socket.read(None) {
        seen += usize::from(!frame.payload().is_empty());
    }
    seen
}

pub(crate) fn fastwebsockets_messages(stream: &[u8]) -> usize {
    let mut socket = fastwebsockets::WebSocket::after_handshake(
        Stream::new(stream),
        fastwebsockets::Role::Server,
    );
    socket.set_max_message_size(2 << 20);
    let mut seen = 0;
    while let Ok(frame) = ready(socket.read_frame()) {
        seen += usize::from(frame.is_utf8());
    }
    seen
}

pub(crate) fn tungstenite_accept(request: &[u8]) -> usize {
    match tungstenite::accept(Stream::new(request)) {
        Ok(socket) => socket.get_ref().written,
        Err(error) => panic!("{error}"),
    }
}

/// The bare work of an upgrade: parse, hash, encode, put the answer together.
pub(crate) fn sum_of_parts(request: &[u8]) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Request::new(&mut headers);
    assert!(parsed.parse(request).expect("a request").is_complete());
    let key = parsed
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"))
        .expect("a key");
    let digest =
        Sha1::new().chain_update(key.value).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut accept = [0; 28];
    let engine = base64::engine::general_purpose::STANDARD;
    let len = engine.encode_slice(digest.finalize(), &mut accept).expect("28 bytes");
    let mut answer = [0; 160];
    let mut target = &mut answer[..];
    let parts: [&[u8]; 3] = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        &accept[..len],
        b"\r\n\r\n",
    ];
    parts.iter().map(|part| target.write(part).expect("room")).sum()
}
