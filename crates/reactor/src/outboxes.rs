//! Outboxes, which a session has only while it has something to say.

use std::ops::{Deref, DerefMut};

use sockeye_protocol::{Buffers, Frames, Outbox, Segment};

use crate::guard::{Panicked, drop_each};

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
    /// Whether the next append must allocate.
    #[inline]
    pub(crate) fn lacks_memory(&self) -> bool {
        self.0.as_deref().is_none_or(Outbox::needs_spare)
    }

    /// The outbox, if there is one.
    #[inline]
    pub(crate) fn lent(&mut self) -> Option<&mut Outbox> {
        self.0.as_deref_mut()
    }

    /// The outbox, if something waits in it.
    #[inline]
    pub(crate) fn waiting(&mut self) -> Option<&mut Outbox> {
        self.0.as_deref_mut().filter(|outbox| !outbox.is_empty())
    }

    /// Drops what is in it, each segment by itself: its payloads may be of a user's, and were two of
    /// them to panic in one drop, the process would end.
    pub(crate) fn discard(&mut self) -> Result<(), Panicked> {
        let outbox = self.0.take().map(|outbox| *outbox).unwrap_or_default();
        drop_each(outbox.into_segments())
    }

    /// Appends what waits in another one; what is long is not copied.
    pub(crate) fn append_all(&mut self, other: Outbox) {
        for segment in other.into_segments() {
            match segment {
                Segment::Owned(bytes) if Frames::suit(bytes.len()) => self.append(&bytes),
                Segment::Owned(bytes) => self.append_shared(bytes.into()),
                Segment::Shared(bytes) => self.append_shared(bytes),
            }
        }
    }

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
    /// The one that came back last, with its memory. Most sessions have written what
    /// they have to say before the next one begins, so it goes from one to the other.
    warm: Option<Box<Outbox>>,
    #[expect(clippy::vec_box, reason = "a box goes to a session and comes back as it is")]
    idle: Vec<Box<Outbox>>,
    /// Whether one of them may hold memory.
    hold_memory: bool,
}

/// How many are kept: those of the sessions that are sent a broadcast in the same turn.
const IDLE_MAX: usize = 8192;

/// Memory of up to this many bytes stays with the outbox: room for what most turns have to say.
const SMALL_BYTES: usize = 8 * 1024;

/// How many are kept whether they are needed or not: too few to be worth a thought.
const IDLE_MIN: usize = 32;

/// What is larger was the memory of a long message, and is to be that of the next one while it is still
/// in the caches.
const SPARE_BYTES_MAX: usize = 256 * 1024;

/// How many more than the warm one are kept with their memory.
const WARM_MAX: usize = 3;

impl Outboxes {
    /// Gives a session an outbox, if it has none.
    #[inline]
    pub(crate) fn lend<'o>(&mut self, outbox: &'o mut LentOutbox) -> &'o mut Outbox {
        outbox.0.get_or_insert_with(|| self.take())
    }

    /// Gives a session an outbox that has memory for about `bytes`.
    #[inline]
    pub(crate) fn lend_with(&mut self, outbox: &mut LentOutbox, bytes: usize, pool: &mut Buffers) {
        if outbox.0.is_none()
            && let Some(warm) = self.warm.take_if(|warm| warm.spare_capacity() >= bytes)
        {
            outbox.0 = Some(warm);
        } else {
            self.lend_any(outbox, bytes, pool);
        }
    }

    fn lend_any(&mut self, outbox: &mut LentOutbox, bytes: usize, pool: &mut Buffers) {
        let outbox = self.lend(outbox);
        if outbox.spare_capacity() < bytes {
            if let Some(small) = outbox.take_spare() {
                pool.give_back(small);
            }
            outbox.lend(pool.take(bytes));
        }
    }

    fn take(&mut self) -> Box<Outbox> {
        self.warm.take().or_else(|| self.idle.pop()).unwrap_or_default()
    }

    /// Takes the outbox of a session back if it is empty. The first few keep their memory, unless it is
    /// very much, and some more if it is little: then the next session gets it with the outbox, which
    /// is quicker.
    #[inline]
    pub(crate) fn take_back(&mut self, outbox: &mut LentOutbox, pool: &mut Buffers) {
        let Some(mut emptied) = outbox.0.take_if(|outbox| outbox.is_empty()) else { return };
        if emptied.spare_capacity() > SPARE_BYTES_MAX
            && let Some(spare) = emptied.take_spare()
        {
            pool.give_back(spare);
        }
        if self.warm.is_none() {
            self.hold_memory = true;
            self.warm = Some(emptied);
        } else {
            self.keep(emptied, pool);
        }
    }

    fn keep(&mut self, mut emptied: Box<Outbox>, pool: &mut Buffers) {
        let others = self.idle.len();
        let is_little = others < IDLE_MIN && emptied.spare_capacity() <= SMALL_BYTES;
        if others < WARM_MAX || is_little {
            self.hold_memory = true;
        } else if let Some(spare) = emptied.take_spare() {
            pool.give_back(spare);
        }
        if self.idle.len() < IDLE_MAX {
            self.idle.push(emptied);
        }
    }

    /// Whether there is something to [trim](Self::trim).
    pub(crate) const fn is_to_be_trimmed(&self) -> bool {
        self.hold_memory || self.idle.len() > IDLE_MIN
    }

    /// Gives all memory to the pool and frees half of the outboxes, if they are many. To be called
    /// now and then.
    pub(crate) fn trim(&mut self, pool: &mut Buffers) {
        let left = (self.idle.len() / 2).max(IDLE_MIN);
        if self.idle.len() > left {
            self.idle.truncate(left);
            self.idle.shrink_to(left);
        }
        let all = self.idle.iter_mut().chain(&mut self.warm);
        for spare in all.filter_map(|outbox| outbox.take_spare()) {
            pool.give_back(spare);
        }
        self.hold_memory = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_is_lent_until_it_is_empty() {
        let (mut outboxes, mut pool) = (Outboxes::default(), Buffers::default());
        let mut outbox = LentOutbox::default();
        assert!(outbox.is_empty() && outbox.lacks_memory());
        outboxes.take_back(&mut outbox, &mut pool);
        assert!(outboxes.idle.is_empty());
        outboxes.lend_with(&mut outbox, 1000, &mut pool);
        assert!(!outbox.lacks_memory());
        outbox.append(b"abc");
        outboxes.lend(&mut outbox);
        outboxes.take_back(&mut outbox, &mut pool);
        assert_eq!(outbox.first_chunk(), b"abc");
        outbox.clear();
        outboxes.take_back(&mut outbox, &mut pool);
        assert!(outbox.0.is_none() && outboxes.warm.is_some() && outboxes.is_to_be_trimmed());
        // Its memory stays with it, unless it is too small.
        outboxes.lend_with(&mut outbox, 1000, &mut pool);
        assert!(outboxes.warm.is_none() && pool.idle_bytes() == 0);
        outboxes.take_back(&mut outbox, &mut pool);
        outboxes.lend_with(&mut outbox, 100_000, &mut pool);
        assert!(pool.idle_bytes() >= 1000);
    }

    #[test]
    fn the_memory_of_a_long_message_goes_to_the_pool() {
        let (mut outboxes, mut pool) = (Outboxes::default(), Buffers::default());
        let mut outbox = LentOutbox::default();
        outboxes.lend_with(&mut outbox, 1000, &mut pool);
        outbox.take_spare();
        outbox.lend(Vec::with_capacity(SPARE_BYTES_MAX + 1));
        outbox.append(b"abc");
        outbox.clear();
        assert_eq!(pool.idle_bytes(), 0);
        outboxes.take_back(&mut outbox, &mut pool);
        assert!(pool.idle_bytes() > SPARE_BYTES_MAX && outboxes.warm.is_some());
    }

    #[test]
    fn what_is_kept_is_bounded_and_trimmed() {
        let (mut outboxes, mut pool) = (Outboxes::default(), Buffers::default());
        let mut lent: Vec<LentOutbox> = Vec::new();
        for _ in 0..2 * WARM_MAX + 1 {
            let mut outbox = LentOutbox::default();
            outboxes.lend_with(&mut outbox, 2 * SMALL_BYTES, &mut pool);
            lent.push(outbox);
        }
        for outbox in &mut lent {
            outboxes.take_back(outbox, &mut pool);
        }
        let with_memory = outboxes.idle.iter().filter(|outbox| !outbox.needs_spare());
        assert_eq!(with_memory.count(), WARM_MAX);
        (outboxes, pool) = (Outboxes::default(), Buffers::default());
        for _ in 0..IDLE_MAX + 101 {
            let mut outbox = LentOutbox::default();
            outboxes.lend_with(&mut outbox, 512, &mut pool);
            lent.push(outbox);
        }
        for outbox in &mut lent {
            outboxes.take_back(outbox, &mut pool);
        }
        assert_eq!(outboxes.idle.len(), IDLE_MAX);
        let with_memory = outboxes.idle.iter().filter(|outbox| !outbox.needs_spare());
        assert_eq!(with_memory.count(), IDLE_MIN);
        let mut trims = 0;
        while outboxes.is_to_be_trimmed() {
            outboxes.trim(&mut pool);
            trims += 1;
        }
        assert_eq!((outboxes.idle.len(), outboxes.idle.capacity(), trims), (IDLE_MIN, IDLE_MIN, 8));
        assert!(outboxes.idle.iter().all(|outbox| outbox.needs_spare()));
    }
}
