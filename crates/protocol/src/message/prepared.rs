//! A message encoded once for many receivers.

use alloc::vec::Vec;

use bytes::Bytes;

use super::writer::{framed_len, write};
use crate::frame::Opcode;
use crate::outbox::{Outbox, Segment};

/// A whole message, encoded once and shared by all that it is sent to: a clone is one more
/// reference to the same bytes.
///
/// Server connections send it without copying it. A client connection has to mask it with a key
/// of its own, which copies it.
///
/// ```
/// use sockeye_protocol::Prepared;
///
/// let prepared = Prepared::text("to everyone");
/// assert_eq!(prepared.payload(), b"to everyone");
/// assert_eq!(prepared.frame_len(), 2 + 11);
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    opcode: Opcode,
    frame: Bytes,
    header_len: usize,
}

impl Prepared {
    /// A text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::encode(Opcode::Text, text.as_bytes())
    }

    /// A binary message.
    #[must_use]
    pub fn binary(payload: &[u8]) -> Self {
        Self::encode(Opcode::Binary, payload)
    }

    fn encode(opcode: Opcode, payload: &[u8]) -> Self {
        let frame_len = framed_len(payload.len(), false);
        let mut outbox = Outbox::new();
        outbox.lend(Vec::with_capacity(frame_len));
        write(&mut outbox, opcode, None, payload);
        let frame = match outbox.pop() {
            Some(Segment::Owned(frame)) => Bytes::from(frame),
            _ => unreachable!("a frame has a header, so something was written"),
        };
        debug_assert_eq!(frame.len(), frame_len);
        // The first clone allocates the reference count: here, and not at the first receiver's.
        drop(frame.clone());
        let header_len = frame_len - payload.len();
        Self { opcode, frame, header_len }
    }

    /// Whether it is a text or a binary message.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The message.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.frame[self.header_len..]
    }

    /// The bytes that the message takes on the wire from a server, header included.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.frame.len()
    }

    pub(crate) const fn frame(&self) -> &Bytes {
        &self.frame
    }
}
