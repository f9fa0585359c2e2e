//! The least code that does the bare work, without a rule, a limit or a state.

use sockeye_benches::pages::{Paged, UNALIGNED};

use bytes::Bytes;

use super::{Broadcast, Endpoint, Wire};

/// Masks word by word.
#[inline]
pub(crate) fn mask(key: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Takes the next masked frame of a client from `input` and unmasks it.
#[inline]
fn next_frame<'b>(input: &mut &'b mut [u8]) -> Option<&'b mut [u8]> {
    let (header_len, payload_len) = match **input {
        [_, length @ 0x80..=0xFD, ..] => (6, usize::from(length & 0x7F)),
        [_, 0xFE, a, b, ..] => (8, usize::from(u16::from_be_bytes([a, b]))),
        [_, 0xFF, a, b, c, d, e, f, g, h, ..] => {
            (14, usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok()?)
        }
        _ => return None,
    };
    let (header, rest) = std::mem::take(input).split_at_mut_checked(header_len)?;
    let (payload, rest) = rest.split_at_mut_checked(payload_len)?;
    mask(*header.last_chunk()?, payload);
    *input = rest;
    Some(payload)
}

/// The frames of the wire.
pub(super) struct Frames {
    wire: Wire,
    buffer: Paged,
}

impl Frames {
    pub(super) fn new(wire: &Wire) -> Self {
        Self { wire: wire.clone(), buffer: Paged::new(wire.bytes.len(), &UNALIGNED) }
    }
}

impl Endpoint for Frames {
    fn receive(&mut self, count: usize) -> usize {
        let mut input = self.buffer.next_place();
        sockeye_benches::bring(input, &self.wire.bytes);
        let (mut frames, mut bytes) = (0, 0);
        while let Some(payload) = next_frame(&mut input) {
            frames += 1;
            bytes += payload.len();
        }
        assert_eq!(frames, count);
        bytes
    }

    fn echo(&mut self, _: usize) -> usize {
        unreachable!("frames are not echoed")
    }
}

/// Puts a text into `count` queues of shared bytes at a time.
pub(super) fn broadcast(count: usize, text: &str) -> Broadcast {
    let mut queues: Vec<Vec<Bytes>> = vec![Vec::with_capacity(1); count];
    let text = text.to_owned();
    Box::new(move || {
        let mut frame = Vec::with_capacity(4 + text.len());
        let len = u16::try_from(text.len()).expect("a length of 16 bits");
        frame.extend_from_slice(&[0x81, 126]);
        frame.extend_from_slice(&len.to_be_bytes());
        frame.extend_from_slice(text.as_bytes());
        let frame = Bytes::from(frame);
        let mut written = 0;
        for queue in &mut queues {
            queue.push(frame.clone());
            written += queue.drain(..).map(|bytes| bytes.len()).sum::<usize>();
        }
        written
    })
}
