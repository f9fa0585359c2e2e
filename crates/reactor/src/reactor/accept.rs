//! Accepting: a budget each turn, a rest when descriptors run out.

use std::io;

use sockeye_protocol::handshake::ServerHandshake;

use super::Reactor;
use crate::engine::{Carrier, Engine, Remote};
use crate::handler::{Notice, Service};
use crate::link::Link;
use crate::session::{Opening, Phase, Session, limits};
use crate::slab::Key;

/// So many connections in a row that died waiting are no accident: accepting itself is broken, or
/// forbidden, and must not be tried without end.
const SKIPS_MAX: usize = 32;

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Whether another session may begin. Those that are open have a limit of their own, which is
    /// answered politely once the request is known.
    pub(super) fn may_accept(&self) -> bool {
        self.sessions.len() - self.shared.open < self.shared.config.openings_max
    }

    /// Accepts from every listener that has a backlog, in turns of one, within the turn's budget.
    pub(super) fn accept(&mut self) {
        let mut budget = self.shared.config.accepts_per_turn;
        let now = self.shared.now;
        while budget > 0 && self.may_accept() && self.listeners.any_ready(now) {
            for position in 0..self.listeners.len() {
                let Some(listener) = self.listeners.get_mut(position) else { break };
                if !listener.is_ready(now) || budget == 0 {
                    continue;
                }
                budget -= 1;
                listener.rests_until = None;
                match self.engine.accept(listener.id) {
                    Ok(Some((carrier, remote))) => {
                        listener.skipped = 0;
                        self.begin(carrier, remote);
                    }
                    Ok(None) => listener.ready = false,
                    Err(error) => self.accept_failed(position, &error),
                }
            }
        }
    }

    /// A connection that died in the backlog concerns nobody, unless nothing else ever comes.
    /// Anything else is a lack of the process or the system: the edge is gone, so only a timer can
    /// find the backlog again, and to try at once would spin.
    fn accept_failed(&mut self, position: usize, error: &io::Error) {
        self.shared.stats.accepts_failed += 1;
        self.observe(Notice::AcceptFailed(error));
        let died_waiting = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::Interrupted
        );
        let until = self.shared.now + self.shared.config.accept_rest;
        let Some(listener) = self.listeners.get_mut(position) else { return };
        if died_waiting && listener.skipped < SKIPS_MAX {
            listener.skipped += 1;
            return;
        }
        listener.skipped = 0;
        listener.rests_until = Some(until);
        // Whoever has waited longest is told rather than left waiting; the others may be served
        // when descriptors come free. A failure to refuse leaves all of them for the next try.
        let _ = self.engine.refuse(listener.id);
    }

    fn begin(&mut self, carrier: Carrier, remote: Remote) {
        self.shared.stats.accepted += 1;
        let deadline = self.shared.now + self.shared.config.handshake_within;
        let handshake = ServerHandshake::new(self.shared.config.head_limits);
        let opening = Box::new(Opening { handshake, received: Vec::new(), deadline });
        let limits = limits(None, &self.shared.config);
        let key = self.sessions.insert_with(|key| Session {
            link: Link::new(key, carrier, remote, limits),
            phase: Phase::Handshake(opening),
        });
        self.bear(carrier, key);
        self.arm(key);
    }

    /// Notes which session a carrier bears.
    pub(super) fn bear(&mut self, carrier: Carrier, key: Key) {
        let index = carrier.index() as usize;
        if index >= self.carriers.len() {
            self.carriers.resize(index + 1, None);
        }
        if let Some(entry) = self.carriers.get_mut(index) {
            *entry = Some(key);
        }
    }
}
