use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::client::Request;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::FrameSocket;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Bytes, Message};

use super::wire::Written;
use super::{Broadcast, End, Endpoint, Sender, Stream, Wire};

/// A server's socket.
pub(super) struct Socket {
    socket: WebSocket<Stream>,
    written: Written,
}

impl Socket {
    pub(super) fn new(wire: &Wire) -> Self {
        let (stream, written) = Stream::new(wire);
        Self { socket: WebSocket::from_raw_socket(stream, Role::Server, None), written }
    }
}

impl Endpoint for Socket {
    fn receive(&mut self, count: usize) -> usize {
        (0..count).map(|_| self.socket.read().expect("a message").len()).sum()
    }

    fn echo(&mut self, count: usize) -> usize {
        for _ in 0..count {
            let message = self.socket.read().expect("a message");
            self.socket.write(message).expect("room");
        }
        self.socket.flush().expect("room");
        self.written.take()
    }
}

/// The frames of the wire, which it leaves masked.
pub(super) struct Frames(FrameSocket<Stream>);

impl Frames {
    pub(super) fn new(wire: &Wire) -> Self {
        Self(FrameSocket::new(Stream::new(wire).0))
    }
}

impl Endpoint for Frames {
    fn receive(&mut self, count: usize) -> usize {
        let mut next = || self.0.read(None).expect("legal").expect("a frame").payload().len();
        (0..count).map(|_| next()).sum()
    }

    fn echo(&mut self, _: usize) -> usize {
        unreachable!("frames are not echoed")
    }
}

/// Text that is sent again and again; it is shared and not copied before it is framed.
pub(super) struct Text {
    socket: WebSocket<Stream>,
    written: Written,
    message: Message,
}

impl Text {
    pub(super) fn new(end: End, text: &str) -> Self {
        let role = match end {
            End::Server => Role::Server,
            End::Client => Role::Client,
        };
        let written = Written::default();
        let stream = Stream::sink(&written);
        let message = Message::Text(shared(text));
        Self { socket: WebSocket::from_raw_socket(stream, role, None), written, message }
    }
}

/// Text that clones share.
fn shared(text: &str) -> tungstenite::Utf8Bytes {
    Bytes::from(text.to_owned()).try_into().expect("text")
}

impl Sender for Text {
    fn send(&mut self, count: usize) -> usize {
        for _ in 0..count {
            self.socket.write(self.message.clone()).expect("room");
        }
        self.socket.flush().expect("room");
        self.written.take()
    }
}

/// Answers a request and returns the answer's length, or `None` if it was refused.
pub(crate) fn accept(request: &Wire) -> Option<usize> {
    let (stream, written) = Stream::new(request);
    tungstenite::accept(stream).ok().map(|_| written.take())
}

/// What a client asks for, with the nonce of RFC 6455's example.
pub(crate) fn client_request() -> Request {
    let mut request = "ws://example.com/chat".into_client_request().expect("a request");
    let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
    request.headers_mut().insert("Sec-WebSocket-Key", key);
    request
}

/// Asks, checks `response` and returns its status.
pub(crate) fn connect(request: &Request, response: &Wire) -> u16 {
    match tungstenite::client(request.clone(), Stream::new(response).0) {
        Ok((_, response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

/// Sends a text to `count` clients at a time.
pub(super) fn broadcast(count: usize, text: &str) -> Broadcast {
    // Nothing is read, and a hundred KiB of buffer for each would hide what is measured.
    let config = WebSocketConfig::default().read_buffer_size(0);
    let written = Written::default();
    let socket = || WebSocket::from_raw_socket(Stream::sink(&written), Role::Server, Some(config));
    let mut sockets: Vec<_> = (0..count).map(|_| socket()).collect();
    let text = text.to_owned();
    Box::new(move || {
        let message = Message::Text(shared(&text));
        for socket in &mut sockets {
            socket.send(message.clone()).expect("room");
        }
        written.take()
    })
}
