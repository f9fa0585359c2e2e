use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};

use super::wire::Written;
use super::{Broadcast, End, Endpoint, Sender, Stream, Wire, ready};

/// A server's socket: with what puts fragments together if there are any.
pub(super) fn receiver(wire: &Wire) -> Box<dyn Endpoint> {
    let (stream, written) = Stream::new(wire);
    let mut socket = WebSocket::after_handshake(stream, Role::Server);
    socket.set_max_message_size(2 << 20);
    if wire.is_fragmented {
        Box::new(Collector { socket: FragmentCollector::new(socket), written })
    } else {
        Box::new(Socket { socket, written })
    }
}

struct Socket {
    socket: WebSocket<Stream>,
    written: Written,
}

impl Socket {
    /// The next message; it leaves the check of UTF-8 to its user.
    fn next(&mut self) -> Frame<'static> {
        let frame = ready(self.socket.read_frame()).expect("a frame");
        assert!(frame.opcode != OpCode::Text || frame.is_utf8());
        frame
    }
}

impl Endpoint for Socket {
    fn receive(&mut self, count: usize) -> usize {
        (0..count).map(|_| self.next().payload.len()).sum()
    }

    fn echo(&mut self, count: usize) -> usize {
        for _ in 0..count {
            let Frame { opcode, payload, .. } = self.next();
            let answer = Frame::new(true, opcode, None, payload);
            ready(self.socket.write_frame(answer)).expect("room");
        }
        self.written.take()
    }
}

struct Collector {
    socket: FragmentCollector<Stream>,
    written: Written,
}

impl Endpoint for Collector {
    fn receive(&mut self, count: usize) -> usize {
        let mut next = || ready(self.socket.read_frame()).expect("a message").payload.len();
        (0..count).map(|_| next()).sum()
    }

    fn echo(&mut self, count: usize) -> usize {
        for _ in 0..count {
            let Frame { opcode, payload, .. } = ready(self.socket.read_frame()).expect("a message");
            let answer = Frame::new(true, opcode, None, payload);
            ready(self.socket.write_frame(answer)).expect("room");
        }
        self.written.take()
    }
}

/// Text that is sent again and again: borrowed, so that only what masks it copies it.
pub(super) struct Text {
    socket: WebSocket<Stream>,
    written: Written,
    text: String,
}

impl Text {
    pub(super) fn new(end: End, text: &str) -> Self {
        let role = match end {
            End::Server => Role::Server,
            End::Client => Role::Client,
        };
        let written = Written::default();
        let stream = Stream::sink(&written);
        Self { socket: WebSocket::after_handshake(stream, role), written, text: text.to_owned() }
    }
}

impl Sender for Text {
    fn send(&mut self, count: usize) -> usize {
        for _ in 0..count {
            let frame = Frame::text(Payload::Borrowed(self.text.as_bytes()));
            ready(self.socket.write_frame(frame)).expect("room");
        }
        self.written.take()
    }
}

/// Sends a text to `count` clients at a time.
pub(super) fn broadcast(count: usize, text: &str) -> Broadcast {
    let written = Written::default();
    let socket = || WebSocket::after_handshake(Stream::sink(&written), Role::Server);
    let mut sockets: Vec<_> = (0..count).map(|_| socket()).collect();
    let text = text.to_owned();
    Box::new(move || {
        for socket in &mut sockets {
            let frame = Frame::text(Payload::Borrowed(text.as_bytes()));
            ready(socket.write_frame(frame)).expect("room");
        }
        written.take()
    })
}
