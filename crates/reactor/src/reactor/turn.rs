//! One turn of the loop, phase by phase.

use std::io;
use std::time::Duration;

use sockeye_protocol::Instant;

use super::Reactor;
use crate::engine::{COMPLETIONS_AT_ONCE, Completion, Engine};
use crate::guard::{Panicked, guard, guarded_drop};
use crate::handler::Service;
use crate::link::{Flag, key_of};
use crate::peers::Peers;

/// A loop that turns this late has slept, or was held up or stopped.
const LONG: Duration = Duration::from_secs(1);

/// What is to be done after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Turn again.
    More,
    /// The reactor was stopped, or has drained.
    Done,
}

impl<S: Service, E: Engine> Reactor<S, E> {
    /// One turn: poll, clock, dispatch, commands, timers, tasks, flush, reap. Sleeps in its first
    /// phase until there is something to do.
    ///
    /// # Errors
    /// Only what makes the whole engine unusable.
    pub fn turn(&mut self) -> io::Result<Turn> {
        self.poll()?;
        let before = std::mem::replace(&mut self.shared.now, self.engine.now());
        if self.shared.now.saturating_duration_since(before) >= LONG {
            self.poll_on()?;
        }
        self.shared.stats.turns += 1;
        self.dispatch();
        self.commands();
        self.timers();
        self.tasks();
        // What tasks sent through senders leaves with this turn's flush.
        self.commands();
        self.flush();
        self.reap();
        self.note_load();
        self.drain_to_the_end();
        let done = self.shared.mailbox.is_stopped() || self.drain.report().is_some();
        Ok(if done { Turn::Done } else { Turn::More })
    }

    fn poll(&mut self) -> io::Result<()> {
        let timeout = self.poll_timeout();
        let asleep = timeout != Some(Duration::ZERO) && self.shared.mailbox.fall_asleep();
        let timeout = if asleep { timeout } else { Some(Duration::ZERO) };
        let result = self.engine.poll(timeout, &mut self.completions);
        self.shared.mailbox.rouse();
        result
    }

    /// The loop did not turn for long. What came meanwhile is heard of whole, since it may be what a deadline waits for
    /// that has passed. Whoever is told of twice has come again meanwhile.
    fn poll_on(&mut self) -> io::Result<()> {
        let mut known = 0;
        while self.completions.len() - known >= COMPLETIONS_AT_ONCE && known <= self.sessions.len()
        {
            known = self.completions.len();
            self.engine.poll(Some(Duration::ZERO), &mut self.completions)?;
        }
        Ok(())
    }

    /// How long the loop may sleep. The clock has moved since the last turn read it.
    fn poll_timeout(&mut self) -> Option<Duration> {
        let of_service = self.service_deadline();
        let shared = &self.shared;
        let now = self.engine.now();
        let has_work = !shared.ready.is_empty()
            || !shared.flush.is_empty()
            || shared.mailbox.is_stopped()
            || (self.has_room() && self.listeners.any_ready(now));
        if has_work {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.timers.next_deadline(),
            self.accept_deadline(),
            of_service,
            self.drain.deadline(),
            self.trim_deadline(),
        ];
        let next = deadlines.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    fn service_deadline(&mut self) -> Option<Instant> {
        guard(|| self.service.deadline()).unwrap_or_else(|Panicked| {
            self.observe_panic(None);
            None
        })
    }

    /// Read, then accept. Sessions that were left unfinished by an earlier turn come first; the others
    /// are read as they are told of, while what their edge has touched is in the nearest caches.
    fn dispatch(&mut self) {
        let mut completions = std::mem::take(&mut self.completions);
        let ready = completions.len() + self.shared.ready.len();
        let budget = self.read_budget(ready);
        self.read_ready(budget);
        for completion in completions.drain(..) {
            match completion {
                Completion::Readable(carrier) => self.readable(key_of(carrier), budget),
                Completion::Writable(carrier) => {
                    let Self { sessions, shared, .. } = self;
                    if let Some(session) = sessions.get_mut(key_of(carrier)) {
                        session.link.unset(Flag::Blocked);
                        shared.list_flush(&mut session.link);
                    }
                }
                Completion::Acceptable(listener) => self.listeners.note_acceptable(listener),
                Completion::Connected(carrier) => self.connected(carrier),
                Completion::Woken => {}
            }
        }
        self.completions = completions;
        self.accept();
    }

    fn tasks(&mut self) {
        let Self { service, sessions, shared, .. } = self;
        let mut peers = Peers::new(sessions, shared);
        if guard(|| service.tasks(&mut peers)).is_err() {
            self.observe_panic(None);
        }
        self.dial_for_service();
    }

    /// Closes what is over. Only here do keys and carriers go stale.
    pub(super) fn reap(&mut self) {
        while let Some(key) = self.shared.dead.pop() {
            let Some(mut session) = self.sessions.remove(key) else { continue };
            self.engine.close(session.link.carrier());
            self.timers.disarm(key.index());
            self.shared.reclaim(&mut session.link);
            // What is left of a user's in it, a handler that never opened or a deferred decision,
            // may panic when it is dropped.
            let discarded = session.link.outbox.discard();
            let dropped = guarded_drop(session);
            if discarded.and(dropped).is_err() {
                self.observe_panic(Some(key));
            }
        }
    }
}
