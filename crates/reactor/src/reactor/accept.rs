//! Accepting: a budget each turn, a rest when descriptors run out.

use std::io;
use std::ops::ControlFlow;

use rustix::io::Errno;
use sockeye_protocol::Instant;
use sockeye_protocol::handshake::ServerHandshake;

use super::Reactor;
use crate::engine::{Carrier, Engine, Handed, ListenerId, Remote};
use crate::handler::{Notice, Service};
use crate::link::Link;
use crate::session::{Opening, Phase, Session};
use crate::slab::Key;

/// So many connections in a row that died waiting are no accident: accepting itself is broken, or
/// forbidden, and must not be tried without end.
const SKIPS_MAX: usize = 32;

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Whether another session may begin. Those that are open have a limit of their own, which is
    /// answered politely once the request is known.
    pub(super) fn has_room(&self) -> bool {
        self.unopened() < self.shared.config.openings_max
    }

    /// How many sessions are not open yet, or no longer.
    fn unopened(&self) -> usize {
        let others = self.shared.open + self.shared.dead.len();
        self.sessions.len().saturating_sub(others)
    }

    /// When accepting goes on by itself.
    pub(super) fn accept_deadline(&self) -> Option<Instant> {
        if self.has_room() {
            return self.listeners.deadline();
        }
        let grace = self.shared.config.opening_grace;
        let first = self.shared.crowd.first_since().filter(|_| self.listeners.any_waits());
        first.map(|since| since + grace)
    }

    /// Whether a session would give way: the one that has been beginning, or ending, for longest, if
    /// that is long enough.
    fn can_make_room(&mut self) -> bool {
        let Self { sessions, shared, .. } = self;
        let grace = shared.config.opening_grace;
        while let Some(key) = shared.crowd.first(shared.now, grace) {
            match sessions.get(key) {
                Some(Session { phase: Phase::Handshake(_) | Phase::Ending(_), .. }) => return true,
                // Its answer is being made, which has a deadline: it may be asked again later.
                Some(Session { phase: Phase::Deferred(_), .. }) => {
                    shared.crowd.push(key, shared.now);
                }
                _ => {}
            }
            shared.crowd.pop();
        }
        false
    }

    /// Ends the session that gives way, if there is one.
    fn make_room(&mut self) -> bool {
        if !self.can_make_room() {
            return false;
        }
        let Self { sessions, shared, .. } = self;
        let first = shared.crowd.first(shared.now, shared.config.opening_grace);
        let Some(session) = first.and_then(|key| sessions.get_mut(key)) else { return false };
        session.phase = Phase::Over;
        shared.list_dead(&session.link);
        shared.crowd.pop();
        shared.stats.gave_way += 1;
        true
    }

    /// Accepts from every listener that has a backlog, in turns of one, within the turn's budget.
    pub(super) fn accept(&mut self) {
        let mut budget = self.shared.config.accepts_per_turn;
        let now = self.shared.now;
        while budget > 0
            && self.listeners.any_ready(now)
            && (self.has_room() || self.can_make_room())
        {
            for position in 0..self.listeners.len() {
                let Some(listener) = self.listeners.get_mut(position) else { break };
                if !listener.is_ready(now) || budget == 0 {
                    continue;
                }
                budget -= 1;
                listener.rests_until = None;
                let id = listener.id;
                match self.accept_one(id) {
                    Ok(is_one) => {
                        if let Some(listener) = self.listeners.get_mut(position) {
                            listener.skipped = 0;
                            listener.ready = is_one;
                        }
                    }
                    Err(error) => match self.accept_failed(position, &error) {
                        ControlFlow::Continue(()) => {}
                        ControlFlow::Break(()) => return,
                    },
                }
            }
        }
    }

    /// Accepts one connection, for itself or for whoever has fewer sessions. False: none is waiting.
    fn accept_one(&mut self, listener: ListenerId) -> io::Result<bool> {
        let openings_max = self.shared.config.openings_max;
        let Some(other) = self.others.next(self.sessions.len(), openings_max) else {
            let Some((carrier, remote)) = self.engine.accept(listener)? else { return Ok(false) };
            let _ = self.has_room() || self.make_room();
            self.begin(carrier, remote);
            return Ok(true);
        };
        let Some(handed) = self.engine.accept_for_another(listener)? else { return Ok(false) };
        match other.hand(handed) {
            Ok(()) => self.shared.stats.handed_over += 1,
            Err(handed) => self.adopt(handed),
        }
        Ok(true)
    }

    /// Takes a connection over that was accepted already.
    fn adopt(&mut self, handed: Handed) {
        if self.drain.is_draining() {
            return;
        }
        match self.engine.adopt(handed) {
            Ok((carrier, remote)) => {
                let _ = self.has_room() || self.make_room();
                self.begin(carrier, remote);
            }
            Err(error) => {
                self.shared.stats.accepts_failed += 1;
                self.observe(Notice::AcceptFailed(&error));
            }
        }
    }

    /// Another reactor handed a connection over.
    pub(super) fn adopt_from_another(&mut self, handed: Handed) {
        self.adopt(handed);
        // In this order: it may count twice for a moment, and never not at all.
        self.note_load();
        self.shared.mailbox.load.arrived();
    }

    /// Tells the others how many sessions there are.
    pub(super) fn note_load(&self) {
        self.shared.mailbox.load.note(self.sessions.len(), self.unopened());
    }

    /// A connection that died in the backlog concerns nobody, unless nothing else ever comes. A lack
    /// of the process or the system concerns all: the edge is gone, so only a timer can find the
    /// backlog again, and to try at once would spin. Breaks off this turn's accepting if it freed
    /// descriptors: the next turn has them.
    fn accept_failed(&mut self, position: usize, error: &io::Error) -> ControlFlow<()> {
        self.shared.stats.accepts_failed += 1;
        self.observe(Notice::AcceptFailed(error));
        let is_lack = is_lack(error);
        let until = self.shared.now + self.shared.config.accept_rest;
        let Some(listener) = self.listeners.get_mut(position) else {
            return ControlFlow::Continue(());
        };
        if !is_lack && listener.skipped < SKIPS_MAX {
            listener.skipped += 1;
            return ControlFlow::Continue(());
        }
        listener.skipped = 0;
        let most = self.shared.config.accepts_per_turn;
        if is_lack && (0..most).take_while(|_| self.make_room()).count() > 0 {
            return ControlFlow::Break(());
        }
        let Some(listener) = self.listeners.get_mut(position) else {
            return ControlFlow::Continue(());
        };
        listener.rests_until = Some(until);
        // Whoever has waited longest is told rather than left waiting; the others may be served
        // when descriptors come free. A failure to refuse leaves all of them for the next try.
        let _ = self.engine.refuse(listener.id);
        ControlFlow::Continue(())
    }

    fn begin(&mut self, carrier: Carrier, remote: Remote) {
        self.shared.stats.accepted += 1;
        let deadline = self.shared.now + self.shared.config.handshake_within;
        let handshake = ServerHandshake::new(self.shared.config.head_limits);
        let opening = Box::new(Opening { handshake, received: Vec::new(), deadline });
        let link = Link::new(carrier, remote);
        let key = self.sessions.insert(Session { link, phase: Phase::Handshake(opening) });
        self.arm(key);
        self.note_unopened(key);
    }

    /// A session is not open yet, or no longer: it may have to give way.
    pub(super) fn note_unopened(&mut self, key: Key) {
        let Self { sessions, shared, .. } = self;
        shared.crowd.push(key, shared.now);
        shared.crowd.sweep(|key| sessions.get(key).is_some_and(|session| !session.is_open()));
    }
}

/// Whether something is short that the next connection would need as well. Other errors of accept
/// are those of the connection that waited: a network that went away, a reset, a firewall's no.
fn is_lack(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::NOSPC];
    errno.is_some_and(|errno| lacks.contains(&errno))
}
