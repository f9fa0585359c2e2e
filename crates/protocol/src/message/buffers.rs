//! Memory that messages need only while they are not whole.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::classes::Classes;
use super::progress::Progress;
use crate::copying;
use crate::event::Event;

/// How many idle states of messages that were not whole are kept.
const PROGRESS_MAX: usize = 64;

/// Buffers of one thread that are used again instead of allocated again.
///
/// A message that does not lie whole in its read is put together in one of them, for any of the
/// connections to which this is lent with [`Output`](crate::Output). It leaves in an
/// [`Event`], and comes back by [`recycle`](Self::recycle); an event that is dropped instead frees
/// it. So a driver that recycles allocates nothing for such messages in steady state, and no
/// connection holds memory between two messages.
///
/// A driver may use it for its own buffers as well. What lies idle is bounded, and every
/// [`trim`](Self::trim) frees half of what nobody needed since the one before, so that after a peak
/// the memory comes back within a few trims.
#[derive(Debug)]
pub struct Buffers {
    classes: Classes,
    #[expect(clippy::vec_box, reason = "a box goes to a connection and comes back as it is")]
    progress: Vec<Box<Progress>>,
}

impl Buffers {
    /// No buffers; at most `bytes_max` bytes of them will be kept. With 0 it keeps none.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self { classes: Classes::new(bytes_max), progress: Vec::new() }
    }

    /// Bytes of idle buffers.
    #[must_use]
    pub const fn idle_bytes(&self) -> usize {
        self.classes.idle_bytes()
    }

    /// Whether something lies idle that [`trim`](Self::trim) would free in the end.
    #[must_use]
    pub const fn is_to_be_trimmed(&self) -> bool {
        self.idle_bytes() > 0 || !self.progress.is_empty()
    }

    /// An empty buffer whose capacity is at least `capacity_min` bytes.
    #[must_use]
    pub fn take(&mut self, capacity_min: usize) -> Vec<u8> {
        self.classes.take(capacity_min)
    }

    /// A buffer with a copy of `bytes`.
    #[must_use]
    pub fn copy_of(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = self.take(bytes.len());
        copying::append(&mut buffer, bytes);
        buffer
    }

    /// Keeps a buffer for the next taker, or frees it: if it has less than 512 B, or 8 MiB or more, if
    /// enough lies idle, or if it is a large one to which kernels copy slowly because of its place in
    /// a page; the latter at most 32 times, since not every allocator has better places.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        self.classes.give_back(buffer);
    }

    /// Ends an event and keeps its buffer, if it has one, for another message.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sockeye_protocol::{Buffers, Config, Connection, Instant, Outbox, Output, Role, Unmasked};
    /// # fn main() -> Result<(), sockeye_protocol::ProtocolError> {
    /// let mut connection = Connection::new(Role::Client, Arc::new(Config::default()), Instant::ZERO);
    /// let (mut outbox, mut buffers) = (Outbox::new(), Buffers::new(1024 * 1024));
    /// let mut output = Output {
    ///     outbox: &mut outbox,
    ///     mask_keys: &mut Unmasked,
    ///     buffers: &mut buffers,
    ///     now: Instant::ZERO,
    /// };
    /// // "Hello", of which two reads bring a part each.
    /// let (mut one, mut two) = (*b"\x81\x05Hel", *b"lo");
    /// assert!(connection.receive(&mut &mut one[..], &mut output)?.is_none());
    /// let event = connection.receive(&mut &mut two[..], &mut output)?;
    /// output.buffers.recycle(event.expect("the message is whole"));
    /// assert!(buffers.idle_bytes() > 0);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn recycle(&mut self, event: Event<'_>) {
        if event.owns_buffer() {
            self.recycle_owned(event);
        }
    }

    fn recycle_owned(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) => self.give_back(text.into_string().into_bytes()),
            Event::Binary(payload) | Event::Ping(payload) | Event::Pong(payload) => {
                self.give_back(payload.into_vec());
            }
            Event::Close(_) => {}
        }
    }

    /// Frees half of the buffers that lay idle ever since the last call. To be called now and then,
    /// say every second in which something was taken or is still idle.
    pub fn trim(&mut self) {
        self.classes.trim();
        self.progress.truncate(self.progress.len() / 2);
        if self.progress.is_empty() {
            self.progress = Vec::new();
        }
    }

    /// The buffers without the rest.
    pub(super) const fn classes(&mut self) -> &mut Classes {
        &mut self.classes
    }

    /// A state of any content.
    pub(super) fn progress(&mut self) -> Box<Progress> {
        self.progress.pop().unwrap_or_else(|| Box::new(Progress::new()))
    }

    pub(super) fn give_back_progress(&mut self, progress: Box<Progress>) {
        if self.progress.len() < PROGRESS_MAX {
            self.progress.push(progress);
        }
    }
}

impl Default for Buffers {
    /// Keeps at most 1 MiB.
    fn default() -> Self {
        Self::new(1024 * 1024)
    }
}
