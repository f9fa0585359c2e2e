//! Messages that are framed before their connection is at hand.

use alloc::vec::Vec;

use super::writer::{SENT_FROM_WHERE_IT_LIES, framed_len, medium_header};
use crate::copying;
use crate::frame::{FrameHeader, Opcode};
use crate::outbox::Outbox;

/// So few bytes are copied rather than take the place of an outbox's memory, which is larger.
const COPIED_MAX: usize = 512;

/// Whole messages as a server sends them without compression, one behind the other.
///
/// For a driver that is told elsewhere, on another thread or under a lock, what a connection is to
/// say: it frames the messages there and hands them over as a whole with
/// [`Connection::send_frames`](crate::Connection::send_frames).
///
/// ```
/// use sockeye_protocol::Frames;
///
/// let mut frames = Frames::new();
/// frames.push_text("Hello");
/// assert_eq!((frames.len(), frames.messages()), (7, 1));
/// ```
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    messages: usize,
}

impl Frames {
    /// No messages, and no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), messages: 0 }
    }

    /// Whether a payload of this length is to be copied into frames. A longer one is better sent by
    /// itself, from where it lies.
    #[must_use]
    #[inline]
    pub const fn suit(payload_len: usize) -> bool {
        payload_len < SENT_FROM_WHERE_IT_LIES
    }

    /// How many bytes a payload takes here.
    #[must_use]
    #[inline]
    pub const fn framed_len(payload_len: usize) -> usize {
        framed_len(payload_len, false)
    }

    /// Appends a text message.
    #[inline]
    pub fn push_text(&mut self, text: &str) {
        self.push(Opcode::Text, text.as_bytes());
    }

    /// Appends a binary message.
    #[inline]
    pub fn push_binary(&mut self, payload: &[u8]) {
        self.push(Opcode::Binary, payload);
    }

    #[inline]
    fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        let room = self.bytes.capacity() - self.bytes.len();
        self.messages += 1;
        match u8::try_from(payload.len()) {
            Ok(length @ 0..=125) if room >= 2 + payload.len() => {
                self.bytes.extend_from_slice(&[0x80 | opcode.bits(), length]);
                self.bytes.extend_from_slice(payload);
            }
            _ => self.push_any(opcode, payload),
        }
    }

    #[inline(never)]
    fn push_any(&mut self, opcode: Opcode, payload: &[u8]) {
        match medium_header(opcode, payload.len()) {
            Some(header) if self.bytes.capacity() - self.bytes.len() >= 4 + payload.len() => {
                self.bytes.extend_from_slice(&header);
                copying::append(&mut self.bytes, payload);
            }
            _ => self.push_rare(opcode, payload),
        }
    }

    #[inline(never)]
    fn push_rare(&mut self, opcode: Opcode, payload: &[u8]) {
        let payload_len = payload.len() as u64;
        let header = FrameHeader { fin: true, opcode, mask: None, payload_len };
        self.bytes.reserve(FrameHeader::BYTES_MAX + payload.len());
        header.append_to(&mut self.bytes);
        copying::append(&mut self.bytes, payload);
    }

    /// Bytes of all frames.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no messages.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// How many messages there are.
    #[must_use]
    pub const fn messages(&self) -> usize {
        self.messages
    }

    /// Gives memory to use, unless there is some already: then it comes back.
    pub fn lend(&mut self, mut memory: Vec<u8>) -> Option<Vec<u8>> {
        if self.bytes.capacity() > 0 {
            return Some(memory);
        }
        memory.clear();
        self.bytes = memory;
        None
    }

    /// Takes the memory, if there are no messages in it.
    pub fn take_spare(&mut self) -> Option<Vec<u8>> {
        (self.messages == 0 && self.bytes.capacity() > 0).then(|| core::mem::take(&mut self.bytes))
    }

    /// Moves all frames to the outbox: as they lie if it has no memory for them or if they are many, and
    /// then its memory comes here.
    pub(crate) fn move_to(&mut self, outbox: &mut Outbox) {
        self.messages = 0;
        let len = self.bytes.len();
        let is_copied = if outbox.is_empty() {
            len <= COPIED_MAX && outbox.spare_capacity() >= len
        } else {
            Self::suit(len)
        };
        if is_copied {
            outbox.append(&self.bytes);
            self.bytes.clear();
        } else {
            let spare = outbox.take_spare().unwrap_or_default();
            outbox.append_owned(core::mem::replace(&mut self.bytes, spare));
        }
    }
}
