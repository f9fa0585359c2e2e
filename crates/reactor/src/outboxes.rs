//! Outboxes, which a session has only while it has something to say.

use std::ops::{Deref, DerefMut};

use sockeye_protocol::Outbox;

/// A session's outbox: empty, and no larger than a pointer, until something is put into it.
///
/// Who reads it finds an empty outbox where there is none. Who puts something into one that nobody
/// [lent](Outboxes::lend) before makes it allocate.
#[derive(Default)]
pub(crate) struct LentOutbox(Option<Box<Outbox>>);

/// What a session without an outbox is seen to have.
static NOTHING: Outbox = Outbox::new();

impl Deref for LentOutbox {
    type Target = Outbox;

    #[inline]
    fn deref(&self) -> &Outbox {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for LentOutbox {
    #[inline]
    fn deref_mut(&mut self) -> &mut Outbox {
        self.0.get_or_insert_default()
    }
}

impl LentOutbox {
    /// Forgets what waits.
    pub(crate) fn clear(&mut self) {
        if let Some(outbox) = &mut self.0 {
            outbox.advance(outbox.len());
        }
    }
}

/// Empty outboxes of one reactor that are used again instead of allocated again.
#[derive(Default)]
pub(crate) struct Outboxes {
    #[expect(clippy::vec_box, reason = "a box goes to a session and comes back as it is")]
    idle: Vec<Box<Outbox>>,
}

/// How many are kept: those of the sessions that answer, or are sent a broadcast, in the same turn.
const IDLE_MAX: usize = 8192;

/// Memory of up to this many bytes stays with the outbox: room for what most turns have to say.
const SMALL_BYTES: usize = 8 * 1024;

/// How many are kept whether they are needed or not: too few to be worth a thought.
const IDLE_MIN: usize = 32;

impl Outboxes {
    /// Gives a session an outbox, if it has none.
    #[inline]
    pub(crate) fn lend(&mut self, outbox: &mut LentOutbox) {
        if outbox.0.is_none() {
            outbox.0 = Some(self.idle.pop().unwrap_or_default());
        }
    }

    /// Takes the outbox of a session back if it is empty, and returns the memory that it held unless
    /// that is little: then the next session gets it with the outbox, which is quicker.
    #[inline]
    pub(crate) fn take_back(&mut self, outbox: &mut LentOutbox) -> Option<Vec<u8>> {
        let mut emptied = outbox.0.take_if(|outbox| outbox.is_empty())?;
        let keeps = emptied.spare_capacity() <= SMALL_BYTES && self.idle.len() < IDLE_MIN;
        let spare = if keeps { None } else { emptied.take_spare() };
        if self.idle.len() < IDLE_MAX {
            self.idle.push(emptied);
        }
        spare
    }

    /// Whether so many are kept that they are to be [trimmed](Self::trim).
    pub(crate) const fn are_many(&self) -> bool {
        self.idle.len() > IDLE_MIN
    }

    /// Frees half of those that are kept, if they are many. To be called now and then.
    pub(crate) fn trim(&mut self) {
        if self.are_many() {
            let left = (self.idle.len() / 2).max(IDLE_MIN);
            self.idle.truncate(left);
            self.idle.shrink_to(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_is_lent_until_it_is_empty() {
        let (mut outboxes, mut outbox) = (Outboxes::default(), LentOutbox::default());
        assert!(outbox.is_empty() && outbox.needs_spare());
        assert!(outboxes.take_back(&mut outbox).is_none() && outboxes.idle.is_empty());
        outboxes.lend(&mut outbox);
        outbox.append(b"abc");
        outboxes.lend(&mut outbox);
        assert!(outboxes.take_back(&mut outbox).is_none());
        assert_eq!(outbox.first_chunk(), b"abc");
        outbox.advance(3);
        assert!(outboxes.take_back(&mut outbox).is_none(), "little memory stays");
        assert!(outbox.0.is_none() && outboxes.idle.len() == 1);
        outboxes.lend(&mut outbox);
        assert!(outboxes.idle.is_empty() && !outbox.needs_spare());
        outbox.append(&[0; SMALL_BYTES + 1]);
        outbox.advance(SMALL_BYTES + 1);
        let spare = outboxes.take_back(&mut outbox);
        assert!(spare.is_some_and(|spare| spare.capacity() > SMALL_BYTES));
        outboxes.lend(&mut outbox);
        assert!(outbox.needs_spare());
    }

    #[test]
    fn what_is_kept_is_bounded_and_trimmed() {
        let mut outboxes = Outboxes::default();
        let mut lent: Vec<LentOutbox> = Vec::new();
        for _ in 0..IDLE_MAX + 100 {
            let mut outbox = LentOutbox::default();
            outboxes.lend(&mut outbox);
            lent.push(outbox);
        }
        for outbox in &mut lent {
            outboxes.take_back(outbox);
        }
        assert_eq!(outboxes.idle.len(), IDLE_MAX);
        assert!(outboxes.are_many());
        for _ in 0..8 {
            outboxes.trim();
        }
        assert!(!outboxes.are_many());
        assert_eq!((outboxes.idle.len(), outboxes.idle.capacity()), (IDLE_MIN, IDLE_MIN));
    }
}
