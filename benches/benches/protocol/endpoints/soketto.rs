use soketto::base::Codec;
use soketto::connection::{Builder, Receiver, Sender as Writer};
use soketto::handshake::Server;
use soketto::handshake::server::Response;
use soketto::{Data, Mode, Parsing};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use sockeye_benches::pages::{Paged, UNALIGNED};

use super::wire::Written;
use super::{End, Endpoint, Sender, Stream, Wire, ready};

/// A server's socket, and the vector that messages are put into.
pub(super) struct Socket {
    writer: Writer<Compat<Stream>>,
    reader: Receiver<Compat<Stream>>,
    written: Written,
    message: Vec<u8>,
}

impl Socket {
    pub(super) fn new(wire: &Wire) -> Self {
        let (stream, written) = Stream::new(wire);
        let (writer, reader) = Builder::new(stream.compat(), Mode::Server).finish();
        Self { writer, reader, written, message: Vec::new() }
    }

    /// The next message; it leaves the check of UTF-8 to its user.
    fn next(&mut self) -> (Data, &[u8]) {
        self.message.clear();
        let data = ready(self.reader.receive_data(&mut self.message)).expect("a message");
        assert!(data.is_binary() || std::str::from_utf8(&self.message).is_ok());
        (data, &self.message)
    }
}

impl Endpoint for Socket {
    fn receive(&mut self, count: usize) -> usize {
        (0..count).map(|_| self.next().1.len()).sum()
    }

    fn echo(&mut self, count: usize) -> usize {
        for _ in 0..count {
            self.message.clear();
            let data = ready(self.reader.receive_data(&mut self.message)).expect("a message");
            assert!(data.is_text());
            let text = std::str::from_utf8(&self.message).expect("text");
            ready(self.writer.send_text(text)).expect("room");
        }
        ready(self.writer.flush()).expect("room");
        self.written.take()
    }
}

/// The frames of the wire by its codec, which reads headers and masks.
pub(super) struct Frames {
    codec: Codec,
    wire: Wire,
    buffer: Paged,
}

impl Frames {
    pub(super) fn new(wire: &Wire) -> Self {
        let buffer = Paged::new(wire.bytes.len(), &UNALIGNED);
        Self { codec: Codec::new(), wire: wire.clone(), buffer }
    }
}

impl Endpoint for Frames {
    fn receive(&mut self, count: usize) -> usize {
        let mut input = self.buffer.next_place();
        sockeye_benches::bring(input, &self.wire.bytes);
        let (mut frames, mut bytes) = (0, 0);
        while let Ok(Parsing::Done { value: header, offset }) = self.codec.decode_header(input) {
            let (frame, rest) = input.split_at_mut(offset + header.payload_len());
            Codec::apply_mask(&header, &mut frame[offset..]);
            frames += 1;
            bytes += header.payload_len();
            input = rest;
        }
        assert_eq!(frames, count);
        bytes
    }

    fn echo(&mut self, _: usize) -> usize {
        unreachable!("frames are not echoed")
    }
}

/// Text that is sent again and again.
pub(super) struct Text {
    writer: Writer<Compat<Stream>>,
    written: Written,
    text: String,
}

impl Text {
    pub(super) fn new(end: End, text: &str) -> Self {
        let mode = match end {
            End::Server => Mode::Server,
            End::Client => Mode::Client,
        };
        let written = Written::default();
        let stream = Stream::sink(&written);
        let (writer, _) = Builder::new(stream.compat(), mode).finish();
        Self { writer, written, text: text.to_owned() }
    }
}

impl Sender for Text {
    fn send(&mut self, count: usize) -> usize {
        for _ in 0..count {
            ready(self.writer.send_text(&self.text)).expect("room");
        }
        ready(self.writer.flush()).expect("room");
        self.written.take()
    }
}

/// Answers a request and returns the answer's length, or `None` if it was refused.
pub(crate) fn accept(request: &Wire) -> Option<usize> {
    let (stream, written) = Stream::new(request);
    let mut server = Server::new(stream.compat());
    let key = ready(server.receive_request()).ok()?.key();
    ready(server.send_response(&Response::Accept { key, protocol: None })).ok()?;
    Some(written.take())
}
