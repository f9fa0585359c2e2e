//! The load: connections that keep a window of requests under way and check every reply.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const BUFFER_BYTES: usize = 256 * 1024;

/// What goes out and what must come back.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What opens a connection, and the bytes that end its answer; empty where nothing is opened.
    pub opening: Vec<u8>,
    /// One request.
    pub request: Vec<u8>,
    /// Its reply.
    pub reply: Vec<u8>,
    /// How many requests each connection keeps under way.
    pub window: usize,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// Bytes of requests that the socket has not taken yet.
    unsent: usize,
    /// Where in the stream of requests the socket is.
    sent: usize,
    /// Where in the stream of replies the reader is.
    received: usize,
}

/// Connections that are open and idle between two rounds.
#[derive(Debug)]
pub struct Load {
    shape: Shape,
    /// Enough requests, one behind the other, for any part of a window.
    requests: Vec<u8>,
    poll: Poll,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

impl Load {
    /// Opens `count` connections to `address`.
    ///
    /// # Errors
    ///
    /// When one cannot be opened, or the answer to its opening is not 101.
    pub fn open(address: SocketAddr, count: usize, shape: Shape) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let mut stream = StdStream::connect(address)?;
            stream.set_nodelay(true)?;
            if !shape.opening.is_empty() {
                stream.write_all(&shape.opening)?;
                expect_switch(&mut stream)?;
            }
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), interest)?;
            connections.push(Connection { stream, unsent: 0, sent: 0, received: 0 });
        }
        let requests = shape.request.repeat(shape.window + 1);
        Ok(Self { shape, requests, poll, connections, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Sends about `messages` requests and waits for all their replies; returns how many it were.
    ///
    /// # Errors
    ///
    /// When a connection ends, or a reply is not what it must be.
    pub fn round(&mut self, messages: usize) -> io::Result<usize> {
        let window = self.shape.window;
        let mut to_start = messages.saturating_sub(window * self.connections.len());
        let mut outstanding = 0;
        for connection in &mut self.connections {
            connection.unsent += window * self.shape.request.len();
            outstanding += window;
            write(connection, &self.shape, &self.requests)?;
        }
        let mut done = 0;
        let mut events = Events::with_capacity(1024);
        while outstanding > 0 {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                let replies = read(connection, &self.shape, &mut self.buffer)?;
                outstanding -= replies;
                done += replies;
                let started = replies.min(to_start);
                to_start -= started;
                outstanding += started;
                connection.unsent += started * self.shape.request.len();
                write(connection, &self.shape, &self.requests)?;
            }
        }
        Ok(done)
    }
}

fn expect_switch(stream: &mut StdStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if head.starts_with(b"HTTP/1.1 101 ") {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()))
    }
}

/// Writes what the connection owes; the rest follows when the socket is writable again.
fn write(connection: &mut Connection, shape: &Shape, requests: &[u8]) -> io::Result<()> {
    while connection.unsent > 0 {
        let start = connection.sent % shape.request.len();
        let len = connection.unsent.min(requests.len() - start);
        match connection.stream.write(&requests[start..start + len]) {
            Ok(written) => {
                connection.sent += written;
                connection.unsent -= written;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what is there, compares it with what must come, and returns how many replies ended.
fn read(connection: &mut Connection, shape: &Shape, buffer: &mut [u8]) -> io::Result<usize> {
    let before = connection.received / shape.reply.len();
    loop {
        let read = match connection.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        };
        let mut bytes = &buffer[..read];
        while !bytes.is_empty() {
            let expected = &shape.reply[connection.received % shape.reply.len()..];
            let len = expected.len().min(bytes.len());
            if bytes[..len] != expected[..len] {
                return Err(io::Error::other("a reply differs from what was sent"));
            }
            connection.received += len;
            bytes = &bytes[len..];
        }
        if read < buffer.len() {
            break;
        }
    }
    Ok(connection.received / shape.reply.len() - before)
}
