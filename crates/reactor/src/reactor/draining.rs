//! Draining, as the loop does it.

use std::sync::mpsc::Sender;

use sockeye_protocol::{CloseCode, CloseReason, Instant};

use super::Reactor;
use crate::drain::{DrainPlan, DrainReport, Schedule};
use crate::engine::Engine;
use crate::error::ConnectError;
use crate::guard::guard;
use crate::handler::Service;
use crate::link::Flag;
use crate::outcome::{Cause, Outcome};
use crate::peer::Peer;
use crate::peers::Directory;
use crate::session::{Phase, Session};
use crate::slab::Key;

/// Where a reactor is in its drain, if in any.
#[derive(Default)]
pub(super) struct DrainState {
    schedule: Option<Schedule>,
    askers: Vec<Sender<DrainReport>>,
    done: Option<DrainReport>,
}

impl DrainState {
    pub(super) fn is_draining(&self) -> bool {
        self.schedule.is_some() || self.done.is_some()
    }

    pub(super) fn report(&self) -> Option<DrainReport> {
        self.done
    }

    /// When draining goes on although nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let schedule = self.schedule.as_ref()?;
        schedule.next_close().into_iter().chain([schedule.deadline()]).min()
    }

    pub(super) fn note_closed(&mut self, outcome: &Outcome) {
        if let Some(schedule) = &mut self.schedule {
            match outcome.clean {
                true => schedule.report.closed_cleanly += 1,
                false => schedule.report.ended += 1,
            }
        }
    }

    /// An open session ended in the midst of a panic.
    pub(super) fn note_given_up(&mut self) {
        if let Some(schedule) = &mut self.schedule {
            schedule.report.ended += 1;
        }
    }

    pub(super) fn note_refused(&mut self, status: u16) {
        if let Some(schedule) = &mut self.schedule
            && status == 503
        {
            schedule.report.refused += 1;
        }
    }
}

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Begins to drain; see [`Handle::drain`](crate::Handle::drain).
    pub fn drain(&mut self, plan: DrainPlan) {
        self.begin_drain(plan, None);
    }

    pub(super) fn begin_drain(&mut self, plan: DrainPlan, asker: Option<Sender<DrainReport>>) {
        if let Some(report) = self.drain.done {
            // Whoever asked may have gone; then the report is nobody's.
            asker.map(|asker| asker.send(report));
            return;
        }
        self.drain.askers.extend(asker);
        if self.drain.schedule.is_some() {
            return;
        }
        for listener in self.listeners.take() {
            self.engine.unlisten(listener.id);
        }
        let is_open =
            |(key, session): (Key, &Session<S::Handler>)| session.is_open().then_some(key);
        let keys = self.sessions.iter().filter_map(is_open).collect();
        let is_dialing = |(key, session): (Key, &Session<S::Handler>)| {
            matches!(session.phase, Phase::Connecting(_)).then_some(key)
        };
        let dialing: Vec<Key> = self.sessions.iter().filter_map(is_dialing).collect();
        for key in dialing {
            self.fail_to_connect(key, ConnectError::Unavailable);
        }
        self.drain.schedule = Some(Schedule::new(plan, self.shared.now, keys));
    }

    /// Closes whose turn it is, and finishes when nobody is left or the time is over.
    pub(super) fn drain_on(&mut self) {
        let now = self.shared.now;
        let Some(mut schedule) = self.drain.schedule.take() else { return };
        while let Some(key) = schedule.due(now) {
            if let Some((link, connection)) = self.sessions.find(key) {
                let reason = CloseReason::new(schedule.plan.code, schedule.plan.reason.as_str());
                let mut peer = Peer::new(link, connection, &mut self.shared);
                let fallback = || Some(CloseCode::GOING_AWAY.into());
                // A reason that cannot be sent must not keep the session open.
                if peer.close(Some(reason)).or_else(|_| peer.close(fallback())).is_ok() {
                    link.note_cause(Cause::Drained);
                }
            }
        }
        let deadline = schedule.deadline();
        self.drain.schedule = Some(schedule);
        if now >= deadline || self.is_drained() {
            self.finish_drain();
        }
    }

    /// Finishes in the turn that reaped the last session: no other turn need follow it before the
    /// deadline.
    pub(super) fn drain_to_the_end(&mut self) {
        if self.drain.schedule.is_some() && self.is_drained() {
            self.finish_drain();
            self.reap();
        }
    }

    /// Whether the service has finished and only connections are left that have not said a word.
    fn is_drained(&self) -> bool {
        let is_silent = |session: &Session<S::Handler>| match &session.phase {
            Phase::Handshake(opening) => {
                opening.received.is_empty() && !session.link.is(Flag::Readable)
            }
            Phase::Over => true,
            _ => false,
        };
        self.shared.open == 0
            && self.sessions.iter().all(|(_, session)| is_silent(session))
            && self.unfinished() == 0
    }

    /// A service that cannot say has nothing that is worth waiting for.
    fn unfinished(&self) -> usize {
        guard(|| self.service.unfinished()).unwrap_or(0)
    }

    fn finish_drain(&mut self) {
        let Some(mut schedule) = self.drain.schedule.take() else { return };
        schedule.report.cut = self.shared.open;
        schedule.report.unfinished = self.unfinished();
        schedule.report.took = self.shared.now.saturating_duration_since(schedule.started);
        self.drain.done = Some(schedule.report);
        self.cut_all(Cause::Drained);
        for asker in self.drain.askers.drain(..) {
            // Whoever asked may have gone; then the report is nobody's.
            let _ = asker.send(schedule.report);
        }
    }
}
