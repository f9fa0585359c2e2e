//! What is sent, encoded once, and what must come back.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use sockeye::protocol::{FrameHeader, Opcode, frame};

use crate::arguments::{Kind, Shape};

const ASCII: &str = "The quick brown fox jumps over the lazy dog. ";
const MULTI_BYTE: &str = "κόσμε, 文字と🦀. ";

/// Messages that differ are held up to so many bytes, at least [`MESSAGES_MIN`] and at most [`MESSAGES_MAX`] of them.
const BYTES_MAX: usize = 64 * 1024;
const MESSAGES_MIN: usize = 2;
const MESSAGES_MAX: usize = 16;

/// Messages that are sent one after the other, again and again, as frames that are masked already.
///
/// The keys are drawn once for a run. What a key is makes no difference to what a server has to do, and drawing and
/// applying one for each message would only make the load dearer.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) opcode: Opcode,
    pub(crate) size: usize,
    pub(crate) check: bool,
    payloads: Vec<Vec<u8>>,
    /// All messages, and behind them the first ones again, so that any window is one piece.
    frames: Vec<u8>,
    frame_len: usize,
}

impl Messages {
    /// Messages of this shape, for connections that have at most `window` of them unsent at a time.
    pub(crate) fn new(shape: &Shape, window: usize) -> Self {
        let mut random = Random::new();
        let count = (BYTES_MAX / shape.size.max(1)).clamp(MESSAGES_MIN, MESSAGES_MAX);
        let payload = |number| match shape.kind {
            Kind::Text => text(ASCII, number, shape.size),
            Kind::MultiByte => text(MULTI_BYTE, number, shape.size),
            Kind::Binary => random.bytes(shape.size),
        };
        let payloads: Vec<_> = (0..count).map(payload).collect();
        let opcode = if shape.kind == Kind::Binary { Opcode::Binary } else { Opcode::Text };
        let mut frames = Vec::new();
        for payload in &payloads {
            append_frame(opcode, payload, random.key(), &mut frames);
        }
        let frame_len = frames.len() / count;
        for place in 0..window.saturating_mul(frame_len) {
            frames.push(frames[place]);
        }
        Self { opcode, size: shape.size, check: shape.check, payloads, frames, frame_len }
    }

    /// How many there are before they begin again.
    pub(crate) fn count(&self) -> usize {
        self.payloads.len()
    }

    /// The bytes of one of them on the wire.
    pub(crate) fn frame_len(&self) -> usize {
        self.frame_len
    }

    pub(crate) fn payload(&self, number: usize) -> &[u8] {
        &self.payloads[number % self.payloads.len()]
    }

    /// At most `len` bytes from the place in the stream of frames on where `place` bytes have been sent.
    pub(crate) fn frames_from(&self, place: usize, len: usize) -> &[u8] {
        let start = place % (self.frame_len * self.payloads.len());
        &self.frames[start..self.frames.len().min(start + len)]
    }
}

/// Appends a masked frame.
pub(crate) fn append_frame(opcode: Opcode, payload: &[u8], key: [u8; 4], target: &mut Vec<u8>) {
    let payload_len = payload.len() as u64;
    let header = FrameHeader { fin: true, opcode, mask: Some(key), payload_len };
    let mut bytes = [0; FrameHeader::BYTES_MAX];
    let len = header.encode(&mut bytes);
    target.extend_from_slice(&bytes[..len]);
    frame::append_masked(key, payload, target);
}

/// `size` bytes of `sample` from its character `number` on; what does not fit a whole character is filled with spaces.
fn text(sample: &str, number: usize, size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size);
    for character in sample.chars().cycle().skip(number) {
        if text.len() + character.len_utf8() > size {
            break;
        }
        text.push(character);
    }
    text.extend(std::iter::repeat_n(' ', size - text.len()));
    text.into_bytes()
}

/// Numbers that nobody needs to fear: a new sequence in every run, from what seeds the standard library's maps.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(RandomState::new().build_hasher().finish() | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..len.div_ceil(8)).flat_map(|_| self.next().to_be_bytes()).collect();
        bytes.truncate(len);
        bytes
    }

    /// A masking key.
    pub(crate) fn key(&mut self) -> [u8; 4] {
        let [_, first, second, third, fourth, ..] = self.next().to_be_bytes();
        [first, second, third, fourth]
    }

    /// A nonce for an opening handshake.
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.next().to_be_bytes());
        nonce[8..].copy_from_slice(&self.next().to_be_bytes());
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye::protocol::FrameReader;
    use sockeye::{ConnectionConfig, Role};

    fn shape(size: usize, kind: Kind) -> Shape {
        Shape { size, kind, check: true }
    }

    #[test]
    fn messages_have_their_size_and_kind_and_differ() {
        for kind in [Kind::Text, Kind::MultiByte, Kind::Binary] {
            for size in [0, 1, 20, 125, 126, 1024, 70_000] {
                let messages = Messages::new(&shape(size, kind), 3);
                for number in 0..messages.count() {
                    let payload = messages.payload(number);
                    assert_eq!(payload.len(), size, "{kind:?} {size}");
                    assert!(kind == Kind::Binary || str::from_utf8(payload).is_ok());
                    assert!(
                        size < 20 || payload != messages.payload(number + 1),
                        "{kind:?} {size}"
                    );
                }
                let is_ascii = messages.payload(0).is_ascii();
                assert_eq!(
                    size > 10 && kind == Kind::MultiByte,
                    size > 10 && kind != Kind::Text && !is_ascii && kind != Kind::Binary
                );
            }
        }
    }

    #[test]
    fn a_window_is_one_piece_wherever_it_begins() {
        let messages = Messages::new(&shape(20, Kind::Text), 5);
        let mut reader = FrameReader::new(Role::Server, &ConnectionConfig::default());
        let mut stream = Vec::new();
        for first in 0..2 * messages.count() {
            let place = first * messages.frame_len();
            let window = messages.frames_from(place, 5 * messages.frame_len());
            assert_eq!(window.len(), 5 * messages.frame_len());
            stream.clear();
            stream.extend_from_slice(window);
            let mut input = &mut stream[..];
            for number in first..first + 5 {
                let chunk = reader.next(&mut input).expect("legal").expect("whole");
                assert_eq!(chunk.payload, messages.payload(number));
                assert_eq!(chunk.header.opcode, Opcode::Text);
            }
            assert!(input.is_empty());
        }
    }
}
