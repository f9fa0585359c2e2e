//! Who waits to be let in, or is on the way out, in the order in which they came: when there are too
//! many of them, the one who came first gives way.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_protocol::Instant;

use crate::slab::Key;

/// Entries are looked through whenever so many have come, or as many as were of use.
const SWEEP_AT_MIN: usize = 256;

/// Sessions that are not open, oldest first. An entry may be out of date: whoever takes it looks.
pub(crate) struct Crowd {
    waiting: VecDeque<(Key, Instant)>,
    sweep_at: usize,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), sweep_at: SWEEP_AT_MIN }
    }
}

impl Crowd {
    /// A session came, or is no longer open.
    pub(crate) fn push(&mut self, key: Key, now: Instant) {
        self.waiting.push_back((key, now));
    }

    /// Forgets the entries of sessions that are of no use any more, now and then: so there are at
    /// most twice as many as are of use.
    pub(crate) fn sweep(&mut self, mut is_of_use: impl FnMut(Key) -> bool) {
        if self.waiting.len() < self.sweep_at {
            return;
        }
        self.waiting.retain(|(key, _)| is_of_use(*key));
        self.waiting.shrink_to(self.waiting.len() * 2);
        self.sweep_at = (self.waiting.len() * 2).max(SWEEP_AT_MIN);
    }

    /// The first one, if it has been here for as long as `grace`.
    pub(crate) fn first(&self, now: Instant, grace: Duration) -> Option<Key> {
        let (key, since) = *self.waiting.front()?;
        (since + grace <= now).then_some(key)
    }

    /// The first one has gone, or is of no use.
    pub(crate) fn pop(&mut self) {
        self.waiting.pop_front();
    }

    /// Since when the first one has been here.
    pub(crate) fn first_since(&self) -> Option<Instant> {
        self.waiting.front().map(|(_, since)| *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(1);

    fn key(index: u32) -> Key {
        Key::new(index, 0)
    }

    #[test]
    fn the_first_goes_first_and_not_before_its_time() {
        let mut crowd = Crowd::default();
        let later = Instant::ZERO + GRACE;
        crowd.push(key(1), Instant::ZERO);
        crowd.push(key(2), later);
        assert_eq!(crowd.first(Instant::ZERO, GRACE), None);
        assert_eq!(crowd.first(later, GRACE), Some(key(1)));
        crowd.pop();
        assert_eq!(crowd.first(later, GRACE), None);
        assert_eq!(crowd.first_since(), Some(later));
        assert_eq!(crowd.first(later + GRACE, GRACE), Some(key(2)));
        crowd.pop();
        assert_eq!(crowd.first_since(), None);
    }

    #[test]
    fn what_is_out_of_date_does_not_pile_up() {
        let mut crowd = Crowd::default();
        for index in 0..100_000 {
            crowd.push(key(index), Instant::ZERO);
            crowd.sweep(|key| key.index() % 1000 == 0);
            assert!(crowd.waiting.len() <= SWEEP_AT_MIN);
        }
        for expected in [0, 1000] {
            assert_eq!(crowd.first(Instant::ZERO + GRACE, GRACE), Some(key(expected)));
            crowd.pop();
        }
    }
}
