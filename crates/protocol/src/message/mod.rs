//! Messages: whole ones out of frames, frames out of whole ones.

mod reader;
mod buffers;
mod progress;
mod classes;
mod control;
mod prepared;
mod frames;
mod writer;

pub use buffers::Buffers;
pub use frames::Frames;
pub use prepared::Prepared;
pub(crate) use reader::MessageReader;
#[cfg(feature = "deflate")]
pub(crate) use writer::write_compressed;
pub(crate) use writer::{framed_len, write, write_medium, write_owned, write_shared, write_short};
