//! A message encoded once for many receivers.

#[cfg(feature = "deflate")]
use alloc::sync::Arc;
use alloc::vec::Vec;
#[cfg(feature = "deflate")]
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

#[cfg(feature = "deflate")]
use super::writer::write_compressed;
use super::writer::{framed_len, write};
#[cfg(feature = "deflate")]
use crate::deflate::Setting;
use crate::frame::{FrameHeader, Opcode};
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
    compression: Compression,
}

/// Whether the message may be compressed, and what it was compressed to.
#[derive(Clone, Debug)]
enum Compression {
    Never,
    /// Made when the first connection asks for it.
    #[cfg(feature = "deflate")]
    Allowed(Arc<Mutex<Vec<CompressedFrame>>>),
    #[cfg(not(feature = "deflate"))]
    Allowed,
}

impl Compression {
    fn allowed() -> Self {
        #[cfg(feature = "deflate")]
        return Self::Allowed(Arc::default());
        #[cfg(not(feature = "deflate"))]
        Self::Allowed
    }
}

/// The frame for connections that agreed on `setting`; `None` if it would not be shorter.
#[cfg(feature = "deflate")]
#[derive(Clone, Debug)]
struct CompressedFrame {
    setting: Setting,
    frame: Option<Bytes>,
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
        // What is asked for below: with less it would grow to twice its size, for as long as it lives.
        outbox.lend(Vec::with_capacity(FrameHeader::BYTES_MAX + payload.len()));
        write(&mut outbox, opcode, None, payload);
        let frame = match outbox.pop() {
            Some(Segment::Owned(frame)) => Bytes::from(frame),
            _ => unreachable!("a frame has a header, so something was written"),
        };
        debug_assert_eq!(frame.len(), frame_len);
        // The first clone allocates the reference count: here, and not at the first receiver's.
        drop(frame.clone());
        let header_len = frame_len - payload.len();
        Self { opcode, frame, header_len, compression: Compression::allowed() }
    }

    /// The message as it is for every receiver, even where compression was agreed on: for secrets,
    /// since the length of what is compressed tells about it (RFC 7692, section 8).
    #[must_use]
    pub fn uncompressed(self) -> Self {
        Self { compression: Compression::Never, ..self }
    }

    /// Whether it is a text or a binary message.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The message.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.frame.get(self.header_len..).unwrap_or_default()
    }

    /// The bytes that the message takes on the wire from a server, header included.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.frame.len()
    }

    pub(crate) const fn may_be_compressed(&self) -> bool {
        !matches!(self.compression, Compression::Never)
    }

    /// The frame with the payload compressed, which is done once for each setting.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed_frame(&self, setting: Setting) -> Option<Bytes> {
        let Compression::Allowed(frames) = &self.compression else { return None };
        // Nothing under this lock leaves the list half-way.
        let mut frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = frames.iter().find(|made| made.setting == setting) {
            return made.frame.clone();
        }
        let frame = setting.compress_alone(self.payload()).and_then(|payload| {
            let frame_len = framed_len(payload.len(), false);
            let mut outbox = Outbox::new();
            outbox.lend(Vec::with_capacity(frame_len));
            write_compressed(&mut outbox, self.opcode, None, payload);
            let frame = outbox.chunks().collect::<Vec<_>>().concat();
            (frame.len() < self.frame.len()).then(|| Bytes::from(frame))
        });
        frames.push(CompressedFrame { setting, frame: frame.clone() });
        frame
    }

    /// The message as it is on the wire from a server that does not compress it, header included.
    #[must_use]
    pub const fn frame(&self) -> &Bytes {
        &self.frame
    }
}
