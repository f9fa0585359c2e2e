//! Raw TCP: requests as they are typed, frames as they are drawn in RFC 6455 section 5.2.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::running::SOON;

/// Opcodes of section 5.2.
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The first bit of a frame.
pub(crate) const FIN: u8 = 0x80;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One connection, and what was received on it but not looked at yet.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout above zero");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, received: Vec::new() }
    }

    /// A connection whose opening handshake for `path` has succeeded.
    pub(crate) fn open(address: SocketAddr, path: &str) -> Self {
        let mut wire = Self::connect(address);
        wire.send(upgrade(address, path, "").as_bytes());
        let head = wire.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        wire
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes it");
    }

    /// Sends bytes to a server that may have given up on this connection already.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Whether anything comes, be it what it may; not if the connection ends or is reset.
    pub(crate) fn is_answered(&mut self) -> bool {
        self.stream.read(&mut [0]).is_ok_and(|bytes| bytes > 0)
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.send(&frame(FIN | TEXT, text.as_bytes()));
    }

    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is up");
    }

    /// The head of an HTTP response, to the empty line.
    pub(crate) fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.received.drain(..at + 4).collect();
                return String::from_utf8(head).expect("a head is ASCII");
            }
            assert!(self.more(), "the connection ended within a head: {:?}", self.received);
        }
    }

    /// A whole HTTP response, to the end of the connection.
    pub(crate) fn response(&mut self) -> (String, String) {
        let head = self.head();
        while self.more() {}
        (head, String::from_utf8(std::mem::take(&mut self.received)).expect("bodies are text"))
    }

    /// The next frame, or `None` at the end of the connection, which must not be a reset.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.cut() {
                return Some(frame);
            }
            if !self.more() {
                assert!(
                    self.received.is_empty(),
                    "the connection ended within a frame: {:?}",
                    self.received
                );
                return None;
            }
        }
    }

    /// The text of the next frame, which must be a text message.
    pub(crate) fn text(&mut self) -> String {
        let frame = self.frame().expect("a message, not the end");
        assert_eq!(frame.opcode, TEXT, "{frame:?}");
        String::from_utf8(frame.payload).expect("text is UTF-8")
    }

    /// The code and reason of the next frame, which must be a Close frame with the end of the connection behind it.
    pub(crate) fn closed(&mut self) -> (u16, String) {
        let frame = self.frame().expect("a Close frame before the end");
        assert_eq!(frame.opcode, CLOSE, "{frame:?}");
        let [high, low, ref reason @ ..] = frame.payload[..] else {
            panic!("a Close frame without a code")
        };
        let closed = (
            u16::from_be_bytes([high, low]),
            String::from_utf8(reason.to_vec()).expect("reasons are UTF-8"),
        );
        assert_eq!(self.frame(), None, "something came after the Close frame");
        closed
    }

    /// Takes a whole frame from the front of what was received.
    fn cut(&mut self) -> Option<Frame> {
        let [first, second, ref rest @ ..] = self.received[..] else { return None };
        assert_eq!(first & 0xf0, FIN, "the server sends no fragments and no reserved bits");
        assert!(second < 0x80, "a server masks nothing");
        let (length, header) = match second {
            126 => (u16::from_be_bytes(rest.get(..2)?.try_into().expect("two")).into(), 4),
            127 => (u64::from_be_bytes(rest.get(..8)?.try_into().expect("eight")), 10),
            length => (length.into(), 2),
        };
        let length = usize::try_from(length).expect("tests stay below 4 GiB");
        self.received.get(..header + length)?;
        let payload = self.received.drain(..header + length).skip(header).collect();
        Some(Frame { opcode: first & 0x0f, payload })
    }

    /// Receives more; false at the end.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 65536];
        let bytes = match self.stream.read(&mut buffer) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                panic!("a reset instead of an end")
            }
            Err(error) => panic!("nothing came: {error}"),
        };
        self.received.extend_from_slice(&buffer[..bytes]);
        bytes > 0
    }
}

/// A valid request to upgrade, with more header lines (each ended by CRLF).
pub(crate) fn upgrade(address: SocketAddr, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// A masked frame with a first byte as given.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len());
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The header of a masked frame whose payload would be `length` bytes.
pub(crate) fn header(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => bytes.push(0x80 | short),
        (_, Ok(medium)) => {
            bytes.push(0x80 | 126);
            bytes.extend(medium.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes
}
