//! The flush phase: one vectored write for each session that has something to say, and what follows.

use std::io;

use sockeye_protocol::{CloseCode, Connection, Outbox};

use super::Reactor;
use crate::engine::{Engine, Sent};
use crate::error::ConnectError;
use crate::guard::{Panicked, guard};
use crate::handler::{Handler, Service};
use crate::link::{Flag, Link};
use crate::outcome::Cause;
use crate::peer::Peer;
use crate::session::{Open, Phase, Session};
use crate::shared::Shared;
use crate::slab::Key;
use crate::timers::Precision;

/// Above the mark a pong takes less than what a write has made free, so that pings grow nothing.
const PONG_PAID_BY: usize = 1024;

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Looks at every session on the list once. What that wakes is looked at in the next turn, which
    /// then does not sleep.
    pub(super) fn flush(&mut self) {
        self.deliver();
        let mut keys = std::mem::replace(&mut self.shared.flush, std::mem::take(&mut self.keys));
        for key in keys.drain(..) {
            // A payload that was sent from where it lies is dropped here, and its owner is the user's.
            if guard(|| self.settle(key)).is_err() {
                self.give_up(key);
            }
        }
        self.keys = keys;
    }

    fn settle(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.link.unset(Flag::ListedFlush);
        let cut = session.link.is(Flag::Cut);
        match &session.phase {
            Phase::Open(_) => self.settle_open(key),
            Phase::Ending(_) => self.settle_ending(key),
            Phase::Connecting(_) if cut => self.fail_to_connect(key, ConnectError::Unavailable),
            Phase::Handshake(_) | Phase::Deferred(_) if cut => {
                session.phase = Phase::Over;
                self.shared.list_dead(&session.link);
            }
            Phase::Connecting(_) => {
                write(&mut self.engine, &mut self.shared, &mut session.link);
                self.shared.reclaim(&mut session.link);
            }
            Phase::Handshake(_) | Phase::Deferred(_) | Phase::Over => {}
        }
        self.arm(key);
    }

    fn settle_open(&mut self, key: Key) {
        let Self { engine, sessions, shared, .. } = self;
        let Some(Session { link, phase }) = sessions.get_mut(key) else { return };
        let Phase::Open(Open { connection, handler }) = phase else { return };
        fail_if_due(shared, link, connection);
        shared.push_pending(link, connection);
        if connection.is_held() {
            shared.let_end(link, connection);
        }
        let waited = link.outbox.len();
        write_open(engine, shared, link, connection);
        if waited >= link.outbox.len() + PONG_PAID_BY {
            answer_ping(shared, link, connection);
        }
        relieve(shared, link, connection, handler);
        balance_keepalive(shared, link, connection);
        link.settle_queue(0);
        shared.reclaim(link);
        let closed = if connection.is_open() { Ok(()) } else { link.close_queue() };
        let is_over =
            link.is(Flag::Cut) || (connection.closed().is_some() && !connection.is_held());
        if !is_over {
            link.tidy();
        }
        if closed == Err(Panicked) {
            self.observe_panic(Some(key));
        }
        if is_over {
            self.conclude(key);
            self.settle_ending(key);
        }
    }

    /// Arms the session's timer if something is due before it fires. Later deadlines leave it alone:
    /// it finds them when it fires, so traffic, which only moves deadlines on, never touches it.
    pub(super) fn arm(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.link.unset(Flag::Hastened);
        let Some(deadline) = session.deadline(&self.shared.config) else { return };
        if deadline >= session.link.armed {
            return;
        }
        session.link.armed = deadline;
        let idles = matches!(&session.phase, Phase::Open(open) if open.connection.is_open())
            && session.link.rarer().is_none();
        let precision = if idles { Precision::Coarse } else { Precision::Fine };
        self.timers.arm(key.index(), deadline, precision);
    }
}

/// Fails a connection for a reason of ours. Failing what has failed changes nothing.
fn fail_if_due(shared: &mut Shared, link: &mut Link, connection: &mut Connection) {
    let code = if link.is(Flag::Panicked) {
        CloseCode::INTERNAL
    } else if link.cause() == Some(Cause::FellBehind) {
        CloseCode::POLICY
    } else {
        return;
    };
    let mut output = shared.output(link);
    // The panic may have come out of the connection itself; then it is in no state to say goodbye.
    if guard(|| connection.fail(code, &mut output)) == Err(Panicked) {
        link.set(Flag::Cut);
    }
}

/// One write for an open session, and what follows from it.
#[inline(never)]
pub(super) fn write_open<E: Engine>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
) {
    write_open_at_once(engine, shared, link, connection);
}

/// As [`write_open`], in the place where most writes are made.
#[inline(always)]
pub(super) fn write_open_at_once<E: Engine>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
) {
    let waited = link.blocked_since().is_some();
    write_at_once(engine, shared, link);
    if waited && !link.is(Flag::Blocked) {
        connection.postpone_pong(shared.now);
    }
    link.note_level(connection);
}

/// One write. An error does not end the session yet: what has arrived whole is still delivered.
#[inline(never)]
pub(super) fn write<E: Engine>(engine: &mut E, shared: &mut Shared, link: &mut Link) {
    write_at_once(engine, shared, link);
}

#[inline(always)]
fn write_at_once<E: Engine>(engine: &mut E, shared: &mut Shared, link: &mut Link) {
    if link.takes_no_bytes() {
        if link.is(Flag::Broken) {
            link.outbox.clear();
        }
        return;
    }
    let carrier = link.carrier();
    let Some(outbox) = link.outbox.waiting() else { return };
    shared.stats.writes += 1;
    match engine.send(carrier, outbox) {
        Ok(sent) => {
            shared.stats.bytes_written += sent.bytes as u64;
            if sent.blocked {
                return note_blocked(shared, link, sent);
            }
            link.note_unblocked();
            if !link.outbox.is_empty() {
                shared.list_flush(link);
            }
        }
        Err(error) => note_broken(shared, link, &error),
    }
}

/// The kernel has not taken all.
#[cold]
fn note_blocked(shared: &Shared, link: &mut Link, sent: Sent) {
    link.set(Flag::Blocked);
    let rarer = link.rarer_mut();
    if sent.bytes > 0 || rarer.blocked_since.is_none() {
        rarer.blocked_since = Some(shared.now);
    }
}

#[cold]
fn note_broken(shared: &mut Shared, link: &mut Link, error: &io::Error) {
    link.note_cause(Cause::Transport(error.kind()));
    link.set(Flag::Broken);
    link.unset(Flag::Blocked);
    link.outbox.clear();
    link.unset(Flag::Congested);
    link.unset(Flag::Passed);
    link.set(Flag::Readable);
    link.put(Flag::Cut, link.is(Flag::Paused));
    link.note_unblocked();
    shared.list_ready(link);
    shared.list_flush(link);
}

/// Answers the newest ping behind all that waits, where the outbox does not fall below its mark for long:
/// a peer that reads all the time would take the other end for dead.
fn answer_ping(shared: &mut Shared, link: &mut Link, connection: &mut Connection) {
    if link.outbox.is_empty() {
        return;
    }
    let mut alone = Outbox::new();
    connection.outbox_drained(&mut shared.output_into(&mut alone));
    if !alone.is_empty() {
        link.outbox.append_all(alone);
    }
}

/// Reads a congested session again once few answers wait, or none can follow, and tells the handler of
/// any outbox that was above the high mark and is below the low one.
fn relieve<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
) {
    if link.is(Flag::Congested)
        && (link.has_room_for_answers(connection.config()) || !connection.is_open())
    {
        link.unset(Flag::Congested);
        shared.list_ready(link);
    }
    if !link.is(Flag::Passed) || !link.has_room(connection.config()) {
        return;
    }
    link.unset(Flag::Passed);
    let before = link.outbox.len();
    let mut output = shared.output(link);
    connection.outbox_drained(&mut output);
    shared.push_pending(link, connection);
    if !link.is(Flag::Panicked) && !link.is(Flag::Passed) && connection.is_open() {
        let told = guard(|| handler.writable(&mut Peer::new(link, connection, shared)));
        if told == Err(Panicked) {
            link.set(Flag::Panicked);
        }
    }
    // What was there before waits for the transport: to look again in the next turn would spin.
    if link.outbox.len() > before || link.is(Flag::Panicked) {
        shared.list_flush(link);
    }
    shared.list_ready(link);
}

/// Silence proves nothing about a peer that is not read from: while reading rests, so does the
/// keepalive, and the limits on stalls and pauses stand in for it.
fn balance_keepalive(shared: &Shared, link: &mut Link, connection: &mut Connection) {
    let rests = link.holds_back();
    if rests == link.is(Flag::Suspended) {
        return;
    }
    link.put(Flag::Suspended, rests);
    if rests {
        connection.suspend_keepalive(shared.now);
    } else {
        connection.resume_keepalive(shared.now);
    }
}
