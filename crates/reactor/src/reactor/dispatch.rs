//! Reading: from transports to handlers, within a budget, as long as nothing holds a session back.

use std::io;

use sockeye_protocol::{Connection, Instant};

use super::Reactor;
use super::feeding::{feed, feed_received, feed_spill};
use super::flush::{write_open, write_open_at_once};
use crate::engine::{Engine, Input, Received};
use crate::guard::{Panicked, guard};
use crate::handler::{Handler, Service};
use crate::link::{Flag, Link};
use crate::outcome::Cause;
use crate::session::{Open, Phase, Session};
use crate::shared::Shared;
use crate::slab::Key;

/// From this many bytes on, which are two messages of 64 KiB, what was said is written before more is
/// read, as long as it lies in the nearer caches.
const WRITTEN_AT_ONCE_MIN: usize = 128 * 1024;

/// How much is read of what follows a long message, before it is known what that is.
const BEGINNING_BYTES: usize = 16 * 1024;

/// How much more than its budget a session may read while no other is ready.
const ALONE: usize = 4;

impl<S: Service, E: Engine> Reactor<S, E> {
    /// How many bytes a session may read in a turn in which so many are ready.
    pub(super) fn read_budget(&self, ready: usize) -> usize {
        let share = if ready > 1 { 1 } else { ALONE };
        self.shared.config.turn_bytes_max.saturating_mul(share)
    }

    /// Reads every session on the ready list once, each within its budget. Whoever is not done puts
    /// itself on the list for the next turn: its edge will not come again.
    pub(super) fn read_ready(&mut self, budget: usize) {
        if self.shared.ready.is_empty() {
            return;
        }
        let mut keys = std::mem::replace(&mut self.shared.ready, std::mem::take(&mut self.keys));
        for key in keys.drain(..) {
            let Some(Session { link, .. }) = self.sessions.get_mut(key) else { continue };
            link.unset(Flag::ListedReady);
            self.read(key, budget);
        }
        self.keys = keys;
    }

    /// An edge was taken: there is something to read. Who is on the list has read in this turn already.
    #[inline]
    pub(super) fn readable(&mut self, key: Key, budget: usize) {
        let Some(Session { link, .. }) = self.sessions.get_mut(key) else { return };
        link.set(Flag::Readable);
        if !link.is(Flag::ListedReady) && !link.holds_back() {
            self.read(key, budget);
        }
    }

    #[inline]
    fn read(&mut self, key: Key, budget: usize) {
        let Self { engine, sessions, shared, .. } = self;
        let Some(Session { link, phase }) = sessions.get_mut(key) else { return };
        match phase {
            Phase::Open(open) => match read_open(engine, shared, link, open, budget) {
                Then::Rest => {}
                Then::Arm => self.arm(key),
                Then::GiveUp => self.give_up(key),
            },
            _ => self.read_other(key, budget),
        }
    }

    #[inline(never)]
    fn read_other(&mut self, key: Key, budget: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match &session.phase {
            Phase::Handshake(_) => self.read_head(key),
            Phase::Connecting(_) => self.read_answer(key),
            Phase::Ending(_) => self.read_ending(key, budget),
            // Nothing is read before the decision; the edge is remembered in `readable`.
            Phase::Deferred(_) | Phase::Open(_) | Phase::Over => {}
        }
    }
}

/// What is to be done when a session was read.
enum Then {
    Rest,
    /// A deadline may have come forward.
    Arm,
    /// Code of the user's panicked while its session was being written to.
    GiveUp,
}

/// Reads an open session, and writes what that has made it say. One guard for all that a read brings and
/// makes: nothing else stands between the receive buffer and the handler.
#[inline]
fn read_open<E: Engine, H: Handler>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    open: &mut Open<H>,
    budget: usize,
) -> Then {
    let Open { connection, handler } = open;
    // It is settled below, or listed there.
    let is_listed = link.is(Flag::ListedFlush);
    link.set(Flag::ListedFlush);
    let mut writes = false;
    let settled = guard(|| {
        read_within(engine, shared, link, connection, handler, budget, &mut writes);
        writes = true;
        !is_listed && settle_plain(engine, shared, link, connection)
    });
    match settled {
        Ok(true) => {
            link.unset(Flag::ListedFlush);
            // Messages only move deadlines on.
            let is_armed =
                link.armed != Instant::MAX && !link.is(Flag::Hastened) && connection.is_idle();
            return if is_armed { Then::Rest } else { Then::Arm };
        }
        Ok(false) => {}
        // A payload that was sent from where it lies was dropped, and its owner is the user's.
        Err(Panicked) if writes => return Then::GiveUp,
        Err(Panicked) => {
            link.unset(Flag::Answers);
            link.set(Flag::Panicked);
        }
    }
    if !is_listed {
        shared.flush.push(link.key);
    }
    Then::Rest
}

/// Reads until nothing is there, the session is held back, or has had its budget. `writes` is true
/// while what was said is being written.
#[inline(always)]
fn read_within<E: Engine, H: Handler>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    budget: usize,
    writes: &mut bool,
) {
    let mut taken = 0;
    loop {
        link.set(Flag::Answers);
        let fed = read_some(engine, shared, link, connection, handler);
        link.unset(Flag::Answers);
        match fed {
            Fed::Taken(bytes) => taken += bytes,
            Fed::Waits => return,
        }
        if link.outbox.len() >= WRITTEN_AT_ONCE_MIN {
            *writes = true;
            write_open(engine, shared, link, connection);
            shared.reclaim(link);
            *writes = false;
        }
        if taken >= budget {
            return shared.list_ready(link);
        }
        if !link.has_input() {
            return;
        }
    }
}

/// Writes what reading, or a deadline, has made the session say, if nothing else is known to make it say something in
/// this turn and nothing else is to be done about it: nothing queued by senders, no group, no end. What was just touched
/// is still in the nearest caches then, and the flush phase has nothing to look at. Returns whether
/// that was so and all could be written.
#[inline(always)]
pub(super) fn settle_plain<E: Engine>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
) -> bool {
    if !link.is_alone() || link.is_remarkable() || !connection.is_open() {
        return false;
    }
    write_open_at_once(engine, shared, link, connection);
    link.settle_queue(0);
    shared.reclaim(link);
    !link.is_remarkable() && link.outbox.is_empty() && link.is_alone()
}

/// What one step of reading came to.
enum Fed {
    /// So many bytes were taken, or inflated to so many; there may be more.
    Taken(usize),
    /// Nothing more can be done now: nothing is there, or the session is held back or over.
    Waits,
}

/// One step: what was spilled before anything new, and what is new with one read.
#[inline(always)]
fn read_some<E: Engine, H: Handler>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
) -> Fed {
    if link.rests() || connection.closed().is_some() {
        return Fed::Waits;
    }
    if let Some(rare) = &mut link.rare
        && let Some(rarer) = &mut rare.rarer
        && !rarer.spill.bytes.is_empty()
    {
        let spill = std::mem::take(&mut rarer.spill);
        return Fed::Taken(feed_spill(shared, link, connection, handler, spill));
    }
    if !link.is(Flag::Readable) {
        return Fed::Waits;
    }
    shared.stats.reads += 1;
    if !connection.is_idle()
        && let Some(buffer) = connection.input_buffer()
    {
        let before = buffer.len();
        return match engine.receive_into(link.carrier(), buffer) {
            Ok(Received::Bytes { drained, .. }) => {
                // What lies in the buffer counts, and not what the engine says.
                let count = buffer.len() - before;
                note_read(shared, link, count, drained);
                feed_received(shared, link, connection, handler, count);
                Fed::Taken(count)
            }
            Ok(Received::Nothing) => nothing(link),
            Ok(Received::End) => end(link, connection),
            Err(error) => failed(link, connection, &error),
        };
    }
    if link.is(Flag::Long) {
        return read_beginning(engine, shared, link, connection, handler);
    }
    match engine.receive(link.carrier()) {
        Ok(Input::Bytes { mut bytes, drained }) => {
            let count = bytes.len();
            note_read(shared, link, count, drained);
            let inflated = feed(shared, link, connection, handler, &mut bytes);
            Fed::Taken(count.max(inflated))
        }
        Ok(Input::Nothing) => nothing(link),
        Ok(Input::End) => end(link, connection),
        Err(error) => failed(link, connection, &error),
    }
}

/// After a long message: no more than its successor's beginning, so that most of that is read straight
/// to where it stays.
#[cold]
fn read_beginning<E: Engine, H: Handler>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
) -> Fed {
    let mut beginning = shared.pool.take(BEGINNING_BYTES);
    let fed = match engine.receive_into(link.carrier(), &mut beginning) {
        Ok(Received::Bytes { drained, .. }) => {
            // If it is another one, that will be known when it has ended.
            link.unset(Flag::Long);
            let count = beginning.len();
            note_read(shared, link, count, drained);
            let inflated = feed(shared, link, connection, handler, &mut &mut beginning[..]);
            Fed::Taken(count.max(inflated))
        }
        Ok(Received::Nothing) => nothing(link),
        Ok(Received::End) => end(link, connection),
        Err(error) => failed(link, connection, &error),
    };
    shared.pool.give_back(beginning);
    fed
}

#[inline(always)]
fn note_read(shared: &mut Shared, link: &mut Link, count: usize, drained: bool) {
    link.put(Flag::Readable, !drained);
    shared.stats.bytes_read += count as u64;
    link.note_heard(shared.now);
}

fn nothing(link: &mut Link) -> Fed {
    link.unset(Flag::Readable);
    if link.is(Flag::Broken) {
        link.set(Flag::Cut);
    }
    Fed::Waits
}

/// The peer sends no more. Whatever it sent before has been delivered.
fn end(link: &mut Link, connection: &mut Connection) -> Fed {
    link.unset(Flag::Readable);
    if !link.is(Flag::Broken) {
        connection.receive_eof();
    }
    if link.is(Flag::Broken) {
        link.set(Flag::Cut);
    }
    Fed::Waits
}

fn failed(link: &mut Link, connection: &mut Connection, error: &io::Error) -> Fed {
    link.unset(Flag::Readable);
    link.cut(Cause::Transport(error.kind()));
    connection.receive_eof();
    Fed::Waits
}
