//! The same jobs, done by Sockeye and by its peers, each in its fastest honest form.

pub(crate) mod by_hand;
mod fastwebsockets;
pub(crate) mod sans_io;
mod sockeye;
mod soketto;
mod tokio_websockets;
mod tungstenite;
mod wire;

use sockeye_benches::client_frame;

pub(crate) use tungstenite::{client_request, connect};
pub(crate) use wire::Wire;
use wire::{Stream, ready};

/// A server's end of a connection over which a [`Wire`] comes again and again.
pub(crate) trait Endpoint {
    /// Receives the next `count` messages and returns how many bytes of payload they have. Text is
    /// checked.
    fn receive(&mut self, count: usize) -> usize;

    /// Receives the next `count` messages, sends each back and returns how many bytes were written.
    fn echo(&mut self, count: usize) -> usize;
}

/// An end of a connection that sends the same text again and again.
pub(crate) trait Sender {
    /// Sends the text `count` times and returns how many bytes were written.
    fn send(&mut self, count: usize) -> usize;
}

/// Sends a text to everyone and returns how many bytes were written in all.
pub(crate) type Broadcast = Box<dyn FnMut() -> usize>;

/// Answers a request and returns the answer's length, or `None` if it was refused.
pub(crate) type Accept = fn(&Wire) -> Option<usize>;

/// Which end sends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Server,
    Client,
}

/// Everyone who gives whole messages.
pub(crate) fn receivers(wire: &Wire) -> Vec<(&'static str, Box<dyn Endpoint>)> {
    vec![
        ("sockeye", Box::new(sockeye::Sockeye::new(wire))),
        ("tungstenite", Box::new(tungstenite::Socket::new(wire))),
        ("fastwebsockets", fastwebsockets::receiver(wire)),
        ("tokio-websockets", Box::new(tokio_websockets::Socket::new(wire))),
        ("soketto", Box::new(soketto::Socket::new(wire))),
    ]
}

/// Everyone who writes frames.
pub(crate) fn senders(end: End, text: &str) -> Vec<(&'static str, Box<dyn Sender>)> {
    vec![
        ("sockeye", Box::new(sockeye::Text::new(end, text))),
        ("tungstenite", Box::new(tungstenite::Text::new(end, text))),
        ("fastwebsockets", Box::new(fastwebsockets::Text::new(end, text))),
        ("tokio-websockets", Box::new(tokio_websockets::Text::new(end, text))),
        ("soketto", Box::new(soketto::Text::new(end, text))),
        ("websocket-sans-io", Box::new(sans_io::Text::new(end, text))),
    ]
}

/// Everyone who sends one text to `count` clients.
pub(crate) fn broadcasters(count: usize, text: &str) -> Vec<(&'static str, Broadcast)> {
    vec![
        ("sockeye", sockeye::broadcast(count, text)),
        ("tungstenite", tungstenite::broadcast(count, text)),
        ("fastwebsockets", fastwebsockets::broadcast(count, text)),
        ("tokio-websockets", tokio_websockets::broadcast(count, text)),
        ("by hand", by_hand::broadcast(count, text)),
    ]
}

/// The peers that answer a request from bytes to bytes.
pub(crate) const ACCEPTING_PEERS: [(&str, Accept); 3] = [
    ("tungstenite", tungstenite::accept),
    ("tokio-websockets", tokio_websockets::accept),
    ("soketto", soketto::accept),
];

/// Everyone who gives frames; each of them receives binary messages of one frame.
pub(crate) fn frame_readers(wire: &Wire) -> Vec<(&'static str, Box<dyn Endpoint>)> {
    vec![
        ("sockeye", Box::new(sockeye::Frames::new(wire))),
        ("tungstenite", Box::new(tungstenite::Frames::new(wire))),
        ("fastwebsockets", fastwebsockets::receiver(wire)),
        ("tokio-websockets", Box::new(tokio_websockets::Socket::new(wire))),
        ("soketto", Box::new(soketto::Frames::new(wire))),
        ("websocket-sans-io", Box::new(sans_io::Frames::new(wire))),
        ("by hand", Box::new(by_hand::Frames::new(wire))),
    ]
}

/// A masked message of `payload` in frames of at most `piece` bytes; `opcode` is that of the first.
pub(crate) fn fragmented(opcode: u8, payload: &[u8], piece: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(piece);
    let mut stream = Vec::new();
    for (index, piece) in payload.chunks(piece).enumerate() {
        let fin = if index + 1 == count { 0x80 } else { 0 };
        let opcode = if index == 0 { opcode } else { 0 };
        stream.extend(client_frame(fin | opcode, piece));
    }
    stream
}
