//! What carries the bytes.

/// A stream of bytes in both directions.
pub trait Wire {
    /// Reads what is there, without waiting: `Ok(0)` if that is nothing.
    ///
    /// # Errors
    ///
    /// When the stream has ended.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Lost>;

    /// Writes what there is room for, without waiting, and returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// When the stream has ended.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost>;
}

/// The stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;
