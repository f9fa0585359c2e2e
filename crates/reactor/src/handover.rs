//! Connections that one reactor accepts for several: who gets the next.

use std::sync::Arc;

use crate::mailbox::Mailbox;

/// The other reactors to which a reactor hands what it accepts.
#[derive(Default)]
pub(crate) struct Others {
    mailboxes: Vec<Arc<Mailbox>>,
    /// Who got the last connection; the reactor itself comes behind the others.
    last: usize,
}

impl Others {
    pub(crate) fn new(mailboxes: Vec<Arc<Mailbox>>) -> Self {
        Self { last: mailboxes.len(), mailboxes }
    }

    /// Who gets the next connection: whoever has the fewest sessions, and of those that have equally
    /// few the next in turn. None: the reactor itself, which has `own` sessions.
    pub(crate) fn next(&mut self, own: usize, openings_max: usize) -> Option<Arc<Mailbox>> {
        let count = self.mailboxes.len() + 1;
        let mut best = None;
        for step in 1..=count {
            let place = (self.last + step) % count;
            let sessions = match self.mailboxes.get(place) {
                Some(other) => other.load.with_room(openings_max),
                None => Some(own),
            };
            if let Some(sessions) = sessions
                && best.is_none_or(|(fewest, _)| sessions < fewest)
            {
                best = Some((sessions, place));
            }
        }
        let (_, place) = best?;
        self.last = place;
        self.mailboxes.get(place).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Wake;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(&self) {}
    }

    fn others(count: usize) -> (Vec<Arc<Mailbox>>, Others) {
        let mailbox = |_| Arc::new(Mailbox::new(Arc::new(Nobody), 1 << 20));
        let mailboxes: Vec<_> = (0..count).map(mailbox).collect();
        (mailboxes.clone(), Others::new(mailboxes))
    }

    /// The place of whoever gets the next connection; `count` stands for the reactor itself.
    fn next(mailboxes: &[Arc<Mailbox>], others: &mut Others, own: usize) -> usize {
        let chosen = others.next(own, 100);
        let is_chosen =
            |mailbox: &Arc<Mailbox>| chosen.as_ref().is_some_and(|one| Arc::ptr_eq(one, mailbox));
        mailboxes.iter().position(is_chosen).unwrap_or(mailboxes.len())
    }

    #[test]
    fn equals_take_turns() {
        let (mailboxes, mut others) = others(2);
        let turns: Vec<usize> = (0..7).map(|_| next(&mailboxes, &mut others, 0)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn the_next_goes_to_whoever_has_fewest() {
        let (mailboxes, mut others) = others(2);
        mailboxes[0].load.note(10, 0);
        mailboxes[1].load.note(8, 0);
        assert_eq!(next(&mailboxes, &mut others, 9), 1);
        assert_eq!(next(&mailboxes, &mut others, 7), 2, "itself");
        mailboxes[1].load.note(8, 100);
        assert_eq!(next(&mailboxes, &mut others, 9), 2, "too many are not open there");
        assert_eq!(next(&mailboxes, &mut others, 11), 0);
    }

    #[test]
    fn a_reactor_alone_keeps_everything() {
        assert!(Others::default().next(1_000_000, 0).is_none());
    }
}
