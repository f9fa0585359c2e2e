//! How much waits in an inbox, whether there or with who receives.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::queue::InboxLimits;

/// What was put into an inbox and not received. What a loop has at hand is not in it.
#[derive(Debug, Default)]
pub(super) struct Counts {
    messages: AtomicU32,
    bytes: AtomicUsize,
}

/// How much may arrive until an inbox is full.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    messages: usize,
    bytes: usize,
}

impl Room {
    pub(super) const NONE: Self = Self { messages: 0, bytes: 0 };

    /// A message came, if it is not the last that there is room for. Returns whether it did.
    #[inline]
    pub(super) const fn take_but_last(&mut self, bytes: usize) -> bool {
        if self.messages <= 1 || self.bytes <= bytes {
            return false;
        }
        self.messages -= 1;
        self.bytes -= bytes;
        true
    }

    /// A message came. Returns whether it was the last that there is room for.
    #[inline]
    pub(super) const fn take(&mut self, bytes: usize) -> bool {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.messages == 0 || self.bytes == 0
    }
}

impl Counts {
    /// So much was put into the inbox.
    pub(super) fn add(&self, messages: usize, bytes: usize) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
        self.messages.fetch_add(messages, Ordering::SeqCst);
    }

    /// A message was received: in one order with the loop's decision to pause.
    pub(super) fn take(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        self.messages.fetch_sub(1, Ordering::SeqCst);
    }

    /// Nobody will receive what waits.
    pub(super) fn clear(&self) {
        self.bytes.store(0, Ordering::SeqCst);
        self.messages.store(0, Ordering::SeqCst);
    }

    /// Messages that wait.
    pub(super) fn messages(&self) -> usize {
        self.messages.load(Ordering::SeqCst) as usize
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    pub(super) fn room(&self, limits: InboxLimits) -> Room {
        Room {
            messages: limits.messages_max.saturating_sub(self.messages()),
            bytes: limits.bytes_max.saturating_sub(self.bytes()),
        }
    }

    /// Whether reading must stop.
    pub(super) fn are_full(&self, limits: InboxLimits) -> bool {
        self.messages() >= limits.messages_max || self.bytes() >= limits.bytes_max
    }

    /// Whether reading may go on.
    pub(super) fn are_half(&self, limits: InboxLimits) -> bool {
        self.messages() <= limits.messages_max / 2 && self.bytes() <= limits.bytes_max / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: InboxLimits = InboxLimits { messages_max: 4, bytes_max: 10 };

    #[test]
    fn a_full_inbox_is_full_until_half_of_it_was_taken() {
        let counts = Counts::default();
        let mut room = counts.room(LIMITS);
        let full: Vec<(bool, bool)> = (0..6)
            .map(|_| {
                counts.add(1, 1);
                (counts.are_full(LIMITS), room.take(1))
            })
            .collect();
        let expected = [false, false, false, true, true, true].map(|full| (full, full));
        assert_eq!(full, expected);
        let half: Vec<bool> = (0..6)
            .map(|_| {
                counts.take(1);
                counts.are_half(LIMITS)
            })
            .collect();
        assert_eq!(half, [false, false, false, true, true, true]);
        assert_eq!(counts.messages(), 0);
        let mut room = counts.room(LIMITS);
        let but_last: Vec<bool> = (0..5).map(|_| room.take_but_last(1)).collect();
        assert_eq!(but_last, [true, true, true, false, false]);
        assert!(room.take(1), "the last is left");
        assert!(counts.room(LIMITS).take_but_last(9) && !counts.room(LIMITS).take_but_last(10));
        assert!(!counts.room(LIMITS).take(9));
        assert!(counts.room(LIMITS).take(10), "the bytes count as well");
        counts.add(1, 10);
        assert!(counts.are_full(LIMITS) && !counts.are_half(LIMITS));
    }
}
