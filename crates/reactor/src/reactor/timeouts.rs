//! The timers phase. It comes after dispatch and commands, so a message beats its deadline.

use std::time::Duration;

use sockeye_protocol::{CloseCode, Instant, Timer, Transport};

use super::Reactor;
use super::dispatch::settle_plain;
use super::outward::at_end;
use crate::engine::Engine;
use crate::error::ConnectError;
use crate::guard::{Panicked, guard};
use crate::handler::Service;
use crate::link::{Flag, Link};
use crate::outcome::Cause;
use crate::session::{Open, Phase, Session};
use crate::shared::Shared;
use crate::slab::Key;

/// How often idle buffers are looked at: what nobody needed for a while is freed, half at a time.
const TRIM_EVERY: Duration = Duration::from_secs(1);

/// How long a deadline waits for what has arrived before it and is not read yet. Far more than a full
/// receive buffer of the kernel takes; without an end a peer that never stops would have no deadline.
const BACKLOG_WITHIN: Duration = Duration::from_secs(1);

impl<S: Service, E: Engine> Reactor<S, E> {
    pub(super) fn timers(&mut self) {
        let now = self.shared.now;
        while let Some(index) = self.timers.expire(now) {
            if let Some(key) = self.sessions.key_at(index) {
                self.expire(key);
            }
        }
        self.drain_on();
        if now >= self.trim_at {
            self.trim_at = now + TRIM_EVERY;
            self.shared.pool.trim();
            self.shared.outboxes.trim(&mut self.shared.pool);
        }
    }

    /// When idle buffers are to be looked at, if there are any.
    pub(super) fn trim_deadline(&self) -> Option<Instant> {
        let shared = &self.shared;
        let lies_idle = shared.pool.is_to_be_trimmed() || shared.outboxes.is_to_be_trimmed();
        lies_idle.then_some(self.trim_at)
    }

    /// The session's timer fired. Its deadlines may have moved on since it was armed; then it is
    /// only armed anew.
    fn expire(&mut self, key: Key) {
        let now = self.shared.now;
        let Some(Session { link, phase }) = self.sessions.get_mut(key) else { return };
        link.armed = Instant::MAX;
        if let Phase::Open(_) = phase {
            return self.expire_and_settle(key);
        }
        self.shared.list_flush(link);
        match phase {
            Phase::Handshake(opening) if opening.deadline <= now => self.handshake_timed_out(key),
            Phase::Deferred(waiting) if waiting.deadline <= now => self.handshake_timed_out(key),
            Phase::Connecting(dialing) if dialing.deadline <= now => {
                let error = match at_end(&mut dialing.stage) {
                    ConnectError::Ended => ConnectError::TimedOut,
                    refused => refused,
                };
                self.fail_to_connect(key, error);
            }
            Phase::Ending(ending) => {
                if let Some(connection) = &mut ending.connection
                    && connection.poll_timeout().is_some_and(|due| due <= now)
                {
                    // The verdict is known; all that the deadline can do is to end the transport.
                    let mut output = self.shared.output(link);
                    let _ = connection.handle_timeout(&mut output);
                    link.put(Flag::Cut, connection.transport() == Transport::Close);
                }
                if is_stalled(&self.shared, link) {
                    link.set(Flag::Cut);
                }
            }
            _ => {}
        }
    }

    /// As after a read, a ping is written at once where that is all there is to do: many sessions may
    /// be due in one turn, and in the flush phase the first of them would have left the caches.
    fn expire_and_settle(&mut self, key: Key) {
        let Self { engine, sessions, shared, .. } = self;
        let Some(Session { link, phase: Phase::Open(open) }) = sessions.get_mut(key) else {
            return;
        };
        let is_listed = link.is(Flag::ListedFlush);
        link.set(Flag::ListedFlush);
        expire_open(shared, link, open);
        if is_listed {
            return;
        }
        match guard(|| settle_plain(engine, shared, link, &mut open.connection)) {
            Ok(true) => {
                link.unset(Flag::ListedFlush);
                self.arm(key);
            }
            Ok(false) => shared.flush.push(key),
            Err(Panicked) => self.give_up(key),
        }
    }
}

fn expire_open<H>(shared: &mut Shared, link: &mut Link, open: &mut Open<H>) {
    let connection = &mut open.connection;
    let now = shared.now;
    if is_stalled(shared, link) {
        link.cut(Cause::WriteStalled);
        return;
    }
    if link.closes_by().is_some_and(|by| by <= now) {
        link.cut(Cause::TimedOut(Timer::Close));
        return;
    }
    let paused_since = link.rarer().and_then(|rarer| rarer.paused_since);
    let pause_ended = paused_since.is_some_and(|since| since + shared.config.pause_within <= now);
    if link.blocked_since().is_some() {
        // A ping may lie behind what the kernel does not take; that has a limit of its own. Room that
        // it has told of has not been used yet.
        connection.postpone_pong(now);
    }
    // What has arrived and waits for its turn may be what the deadline waits for.
    let patience = if link.is(Flag::ListedReady) { BACKLOG_WITHIN } else { Duration::ZERO };
    let due = connection.poll_timeout().is_some_and(|due| due + patience <= now);
    let mut output = shared.output(link);
    if pause_ended && connection.is_held() {
        connection.let_end(&mut output);
    } else if pause_ended {
        connection.fail(CloseCode::POLICY, &mut output);
        link.note_cause(Cause::PauseStalled);
    } else if due {
        if let Err(timed_out) = connection.handle_timeout(&mut output) {
            link.note_cause(Cause::TimedOut(timed_out.timer));
        }
        if connection.transport() == Transport::Close {
            link.set(Flag::Cut);
        }
    }
}

/// Whether the kernel has refused every byte for too long.
fn is_stalled(shared: &Shared, link: &Link) -> bool {
    link.blocked_since().is_some_and(|since| since + shared.config.write_stall <= shared.now)
}
