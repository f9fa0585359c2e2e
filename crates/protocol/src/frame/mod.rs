//! Frames (RFC 6455, section 5): the level below messages, for those who must not buffer.
//!
//! [`FrameReader`] stands alone and needs no allocation; [`FrameHeader::encode`] writes a header.

mod reader;
mod header;
mod opcode;
mod mask;

pub(crate) use header::CONTROL_BYTES_MAX;
pub use header::FrameHeader;
#[cfg(feature = "deflate")]
pub(crate) use header::RESERVED_1;
pub use mask::{MaskKeys, Unmasked, append_masked, mask, rotate_key};
pub(crate) use mask::{append_unmasked, take_bytes, take_text, unmask_known, unmask_text};
pub use opcode::Opcode;
pub use reader::{Chunk, FrameReader};
pub(crate) use reader::{PlainMessage, RawChunk, WholeMessage};
