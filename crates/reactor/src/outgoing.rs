//! What is said to a session by others than its handler, before it is at hand.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::fmt;

use bytes::Bytes;
use sockeye_protocol::{CloseReason, Frames, Prepared, Role, SendError};

use crate::guard::drop_each;

/// The longest header that a frame of either role can have (RFC 6455 section 5.2).
pub(crate) const HEADER_BYTES_MAX: usize = 14;

/// From this many bytes on further frames begin anew, so that an outbox with some room can take some.
const FRAMES_BYTES_MAX: usize = 64 * 1024;

/// A header says the length of a payload of up to so many bytes in its shortest form (RFC 6455 section 5.2).
const SHORT_BYTES_MAX: usize = 125;

pub(crate) enum Outgoing {
    /// Small messages, framed already.
    Frames(Frames),
    Text(String),
    Binary(Bytes),
    Prepared(Prepared),
    Ping(Bytes),
    Close(Option<CloseReason<'static>>),
}

impl Outgoing {
    /// At least what it takes in the outbox.
    pub(crate) fn cost(&self) -> usize {
        let payload_bytes = match self {
            Self::Frames(frames) => return frames.len(),
            Self::Text(text) => text.len(),
            Self::Binary(payload) | Self::Ping(payload) => payload.len(),
            Self::Prepared(prepared) => prepared.frame_len(),
            Self::Close(_) => return 0,
        };
        payload_bytes + HEADER_BYTES_MAX
    }

    /// How many messages it is; control frames are none.
    pub(crate) const fn messages(&self) -> usize {
        match self {
            Self::Frames(frames) => frames.messages(),
            Self::Text(_) | Self::Binary(_) | Self::Prepared(_) => 1,
            Self::Ping(_) | Self::Close(_) => 0,
        }
    }
}

/// Whether a Close frame of this role can say so.
pub(crate) fn check_reason(reason: Option<&CloseReason<'_>>, role: Role) -> Result<(), SendError> {
    match reason {
        Some(reason) if !reason.code().is_sendable_by(role) => Err(SendError::IllegalCloseCode),
        Some(reason) if reason.reason().len() > CloseReason::REASON_BYTES_MAX => {
            Err(SendError::ReasonTooLong)
        }
        _ => Ok(()),
    }
}

/// A payload that is copied into frames.
pub(crate) trait Small: Copy {
    fn bytes(self) -> usize;

    fn push_to(self, frames: &mut Frames);

    /// Appends to the frames at the end of a queue, or begins some.
    fn push_behind(self, queue: &mut VecDeque<Outgoing>) {
        if let Some(Outgoing::Frames(last)) = queue.back_mut()
            && last.len() < FRAMES_BYTES_MAX
        {
            return self.push_to(last);
        }
        let mut frames = Frames::new();
        self.push_to(&mut frames);
        queue.push_back(Outgoing::Frames(frames));
    }
}

impl Small for &str {
    #[inline]
    fn bytes(self) -> usize {
        self.len()
    }

    #[inline]
    fn push_to(self, frames: &mut Frames) {
        frames.push_text(self);
    }
}

impl Small for &[u8] {
    #[inline]
    fn bytes(self) -> usize {
        self.len()
    }

    #[inline]
    fn push_to(self, frames: &mut Frames) {
        frames.push_binary(self);
    }
}

/// Messages that the thread of a session's reactor puts together while it has the session at hand:
/// no lock is taken for one of them, and all of them leave together.
///
/// ```text
///   Peer::begin_batch ──► Sender::put_text .. ──► Peer::end_batch
///                              └── Sender::send_batch, if it is to be queued after all
/// ```
#[derive(Default)]
pub struct Batch {
    /// Before `frames`.
    pub(crate) items: VecDeque<Outgoing>,
    pub(crate) frames: Frames,
    /// What `items` cost.
    items_cost: usize,
    /// What may still be put into it.
    room: usize,
    /// The session owed nothing when it began: then the first message may have any size.
    takes_any: bool,
}

impl Batch {
    /// An empty batch, which holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            items: VecDeque::new(),
            frames: Frames::new(),
            items_cost: 0,
            room: 0,
            takes_any: false,
        }
    }

    /// Whether nothing was put into it.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.items.is_empty()
    }

    /// At least what its messages take in the outbox, in bytes.
    #[must_use]
    #[inline]
    pub const fn cost(&self) -> usize {
        self.frames.len() + self.items_cost
    }

    /// Begins with so much of the budget in use.
    pub(crate) const fn begin(&mut self, outstanding: usize, bytes_max: usize) {
        self.room = bytes_max.saturating_sub(outstanding);
        self.takes_any = outstanding == 0;
    }

    /// Whether there is room for a message of this cost, which is taken then.
    pub(crate) fn admit(&mut self, cost: usize) -> bool {
        if cost > self.room && !(self.takes_any && self.is_empty()) {
            return false;
        }
        self.room = self.room.saturating_sub(cost);
        true
    }

    /// Frames a message behind the others, if there is room for it. Most go behind few others.
    #[inline(always)]
    pub(crate) fn put(&mut self, small: impl Small) -> Result<(), SendError> {
        if small.bytes() > SHORT_BYTES_MAX || self.frames.len() >= FRAMES_BYTES_MAX {
            return self.put_any(small);
        }
        let cost = Frames::framed_len(small.bytes());
        if cost > self.room {
            return self.put_any(small);
        }
        self.room -= cost;
        small.push_to(&mut self.frames);
        Ok(())
    }

    #[inline(never)]
    fn put_any(&mut self, small: impl Small) -> Result<(), SendError> {
        if !self.admit(Frames::framed_len(small.bytes())) {
            return Err(SendError::Full);
        }
        if self.frames.len() >= FRAMES_BYTES_MAX {
            self.close_frames();
        }
        small.push_to(&mut self.frames);
        Ok(())
    }

    pub(crate) fn push(&mut self, outgoing: Outgoing) {
        self.close_frames();
        self.items_cost += outgoing.cost();
        self.items.push_back(outgoing);
    }

    /// What follows stands behind the frames that there are.
    fn close_frames(&mut self) {
        if !self.frames.is_empty() {
            self.items_cost += self.frames.len();
            self.items.push_back(Outgoing::Frames(std::mem::take(&mut self.frames)));
        }
    }

    /// The first of what stands before the last frames.
    pub(crate) fn pop_item(&mut self) -> Option<Outgoing> {
        let item = self.items.pop_front()?;
        self.items_cost -= item.cost();
        Some(item)
    }

    /// Everything, in order. The batch is empty afterwards, and its cost nothing.
    pub(crate) fn take_all(&mut self) -> Drain<'_, Outgoing> {
        self.close_frames();
        self.items_cost = 0;
        self.items.drain(..)
    }
}

impl Drop for Batch {
    /// Payloads may have owners who panic, and this may be dropped by such a panic.
    fn drop(&mut self) {
        let _ = drop_each(self.items.drain(..));
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Batch").field("cost", &self.cost()).finish_non_exhaustive()
    }
}
