//! What carries the bytes.

use sockeye_protocol::Outbox;

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

/// Writes what waits, as far as there is room for it.
pub(crate) fn flush(wire: &mut impl Wire, outbox: &mut Outbox) {
    while !outbox.is_empty() {
        match wire.write(outbox.first_chunk()) {
            Ok(0) => return,
            Ok(written) => outbox.advance(written),
            // Nobody takes it any more; reading tells the rest.
            Err(Lost) => *outbox = Outbox::new(),
        }
    }
    // The heap is for whoever has something to say.
    drop(outbox.take_spare());
}
