//! Messages: whole ones out of frames, frames out of whole ones.

mod reader;
mod control;
mod prepared;
mod writer;

pub use prepared::Prepared;
pub(crate) use reader::MessageReader;
#[cfg(feature = "deflate")]
pub(crate) use writer::write_compressed;
pub(crate) use writer::{framed_len, write, write_shared};
