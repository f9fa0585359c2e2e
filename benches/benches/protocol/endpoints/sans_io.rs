//! websocket-sans-io: frames only, in the caller's bytes.

use sockeye_benches::KEY;
use sockeye_benches::pages::{Paged, UNALIGNED};
use websocket_sans_io::{
    FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent,
};

use super::{End, Endpoint, Sender, Wire};

/// The frames of the wire.
pub(super) struct Frames {
    decoder: WebsocketFrameDecoder,
    wire: Wire,
    buffer: Paged,
}

impl Frames {
    pub(super) fn new(wire: &Wire) -> Self {
        let buffer = Paged::new(wire.bytes.len(), &UNALIGNED);
        Self { decoder: WebsocketFrameDecoder::new(), wire: wire.clone(), buffer }
    }
}

impl Endpoint for Frames {
    fn receive(&mut self, count: usize) -> usize {
        let mut input = self.buffer.next_place();
        sockeye_benches::bring(input, &self.wire.bytes);
        let (mut frames, mut bytes) = (0, 0);
        loop {
            let added = self.decoder.add_data(input).expect("it takes everything");
            match added.event {
                Some(WebsocketFrameEvent::PayloadChunk { .. }) => bytes += added.consumed_bytes,
                Some(WebsocketFrameEvent::End { .. }) => frames += 1,
                Some(WebsocketFrameEvent::Start { .. }) => {}
                None if added.consumed_bytes == 0 => break,
                None => {}
            }
            input = &mut input[added.consumed_bytes..];
        }
        assert_eq!(frames, count);
        bytes
    }

    fn echo(&mut self, _: usize) -> usize {
        unreachable!("frames are not echoed")
    }
}

/// A frame of text that is put into a vector again and again.
pub(super) struct Text {
    encoder: WebsocketFrameEncoder,
    frame: FrameInfo,
    text: String,
    outbox: Vec<u8>,
}

/// What describes a frame to the encoder.
pub(crate) fn frame_info(opcode: Opcode, mask: Option<[u8; 4]>, len: usize) -> FrameInfo {
    FrameInfo { opcode, payload_length: len as u64, mask, fin: true, reserved: 0 }
}

impl Text {
    pub(super) fn new(end: End, text: &str) -> Self {
        let mask = match end {
            End::Server => None,
            End::Client => Some(KEY),
        };
        Self {
            encoder: WebsocketFrameEncoder::new(),
            frame: frame_info(Opcode::Text, mask, text.len()),
            text: text.to_owned(),
            outbox: Vec::new(),
        }
    }
}

impl Sender for Text {
    fn send(&mut self, count: usize) -> usize {
        self.outbox.clear();
        for _ in 0..count {
            self.outbox.extend_from_slice(&self.encoder.start_frame(&self.frame));
            let start = self.outbox.len();
            self.outbox.extend_from_slice(self.text.as_bytes());
            self.encoder.transform_frame_payload(&mut self.outbox[start..]);
        }
        self.outbox.len()
    }
}
