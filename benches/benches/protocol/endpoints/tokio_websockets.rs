use std::future::poll_fn;
use std::pin::Pin;
use std::task::Context;

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use tokio_websockets::{ClientBuilder, Limits, Message, ServerBuilder, WebSocketStream};

use super::wire::Written;
use super::{Broadcast, End, Endpoint, Sender, Stream, Wire, ready};

/// A server's socket.
pub(super) struct Socket {
    socket: WebSocketStream<Stream>,
    written: Written,
}

impl Socket {
    pub(super) fn new(wire: &Wire) -> Self {
        let (stream, written) = Stream::new(wire);
        let limits = Limits::default().max_payload_len(Some(2 << 20));
        Self { socket: ServerBuilder::new().limits(limits).serve(stream), written }
    }

    fn next(&mut self) -> Message {
        let next = ready(poll_fn(|context| Pin::new(&mut self.socket).poll_next(context)));
        next.expect("a message").expect("legal")
    }
}

impl Endpoint for Socket {
    fn receive(&mut self, count: usize) -> usize {
        (0..count).map(|_| self.next().as_payload().len()).sum()
    }

    fn echo(&mut self, count: usize) -> usize {
        for _ in 0..count {
            let message = self.next();
            write(&mut self.socket, message);
        }
        flush(&mut self.socket);
        self.written.take()
    }
}

fn write(socket: &mut WebSocketStream<Stream>, message: Message) {
    let mut socket = Pin::new(socket);
    let is_ready = |context: &mut Context<'_>| socket.as_mut().poll_ready(context);
    ready(poll_fn(is_ready)).expect("room");
    socket.start_send(message).expect("open");
}

fn flush(socket: &mut WebSocketStream<Stream>) {
    ready(poll_fn(|context| Pin::new(&mut *socket).poll_flush(context))).expect("room");
}

/// Text that is sent again and again; it is shared and not copied before it is framed.
pub(super) struct Text {
    socket: WebSocketStream<Stream>,
    written: Written,
    text: Bytes,
}

impl Text {
    pub(super) fn new(end: End, text: &str) -> Self {
        let written = Written::default();
        let stream = Stream::sink(&written);
        let socket = match end {
            End::Server => ServerBuilder::new().serve(stream),
            End::Client => ClientBuilder::new().take_over(stream),
        };
        Self { socket, written, text: Bytes::from(text.to_owned()) }
    }
}

impl Sender for Text {
    fn send(&mut self, count: usize) -> usize {
        for _ in 0..count {
            write(&mut self.socket, Message::text(self.text.clone()));
        }
        flush(&mut self.socket);
        self.written.take()
    }
}

/// Answers a request and returns the answer's length, or `None` if it was refused.
pub(crate) fn accept(request: &Wire) -> Option<usize> {
    let (stream, written) = Stream::new(request);
    let accepted = ready(ServerBuilder::new().accept(stream));
    accepted.ok().map(|_| written.take())
}

/// Sends a text to `count` clients at a time.
pub(super) fn broadcast(count: usize, text: &str) -> Broadcast {
    let written = Written::default();
    let socket = || ServerBuilder::new().serve(Stream::sink(&written));
    let mut sockets: Vec<_> = (0..count).map(|_| socket()).collect();
    let text = text.to_owned();
    Box::new(move || {
        let message = Message::text(Bytes::from(text.clone()));
        for socket in &mut sockets {
            write(socket, message.clone());
            flush(socket);
        }
        written.take()
    })
}
