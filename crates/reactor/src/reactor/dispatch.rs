//! Reading: from transports to handlers, within a budget, as long as nothing holds a session back.

use std::io;

use sockeye_protocol::{Connection, Event, Instant, ProtocolError};

use super::Reactor;
use super::flush::write_open;
use crate::engine::{Engine, Input, Received};
use crate::guard::{Panicked, guard};
use crate::handler::{Handler, Service};
use crate::link::{Flag, Link, Spill};
use crate::outcome::Cause;
use crate::peer::Peer;
use crate::session::{Open, Phase, Session};
use crate::shared::Shared;
use crate::slab::Key;

/// From this many bytes on, which are two messages of 64 KiB, what was said is written before more is
/// read, as long as it lies in the nearer caches.
const WRITTEN_AT_ONCE_MIN: usize = 128 * 1024;

/// How much more than its budget a session may read while no other is ready.
const ALONE: usize = 4;

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Reads every session on the ready list once, each within its budget. Whoever is not done puts
    /// itself on the list for the next turn: its edge will not come again.
    pub(super) fn read_ready(&mut self) {
        let mut keys = std::mem::replace(&mut self.shared.ready, std::mem::take(&mut self.keys));
        let share = if keys.len() > 1 { 1 } else { ALONE };
        let budget = self.shared.config.turn_bytes_max.saturating_mul(share);
        for key in keys.drain(..) {
            if !self.read_open(key, budget) {
                self.read_other(key, budget);
            }
        }
        self.keys = keys;
    }

    fn read_other(&mut self, key: Key, budget: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.link.unset(Flag::ListedReady);
        match &session.phase {
            Phase::Handshake(_) => self.read_head(key),
            Phase::Connecting(_) => self.read_answer(key),
            Phase::Ending(_) => self.read_ending(key, budget),
            // Nothing is read before the decision; the edge is remembered in `readable`.
            Phase::Deferred(_) | Phase::Open(_) | Phase::Over => {}
        }
    }

    /// False, and nothing was done, if the session is not open.
    fn read_open(&mut self, key: Key, budget: usize) -> bool {
        let Self { engine, sessions, shared, .. } = self;
        let Some(Session { link, phase: Phase::Open(open) }) = sessions.get_mut(key) else {
            return false;
        };
        let Open { connection, handler } = open;
        link.unset(Flag::ListedReady);
        // It is settled below, or listed there.
        let is_listed = link.is(Flag::ListedFlush);
        link.set(Flag::ListedFlush);
        let mut taken = 0;
        loop {
            link.set(Flag::Answers);
            let fed = read_some(engine, shared, link, connection, handler);
            link.unset(Flag::Answers);
            match fed {
                Fed::Taken(bytes) => taken += bytes,
                Fed::Waits => break,
            }
            if link.outbox.len() >= WRITTEN_AT_ONCE_MIN {
                // A payload that was sent from where it lies is dropped here, and its owner is the
                // user's.
                if guard(|| write_open(engine, shared, link, connection)).is_err() {
                    self.give_up(key);
                    return true;
                }
            }
            if taken >= budget {
                shared.list_ready(link);
                break;
            }
        }
        if is_listed {
            return true;
        }
        match guard(|| settle_plain(engine, shared, link, connection)) {
            Ok(true) => {
                link.unset(Flag::ListedFlush);
                // Messages only move deadlines on.
                if link.armed == Instant::MAX || link.is(Flag::Hastened) || !connection.is_idle() {
                    self.arm(key);
                }
            }
            Ok(false) => shared.flush.push(key),
            Err(Panicked) => self.give_up(key),
        }
        true
    }
}

/// Writes what reading, or a deadline, has made the session say, if nothing else is known to make it say something in
/// this turn and nothing else is to be done about it: nothing queued by senders, no group, no end. What was just touched
/// is still in the nearest caches then, and the flush phase has nothing to look at. Returns whether
/// that was so and all could be written.
pub(super) fn settle_plain<E: Engine>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
) -> bool {
    if !link.is_alone() || link.is_remarkable() || !connection.is_open() {
        return false;
    }
    write_open(engine, shared, link, connection);
    link.settle_queue(0);
    shared.reclaim(link);
    link.outbox.is_empty() && link.is_alone() && !link.is_remarkable()
}

/// What one step of reading came to.
enum Fed {
    /// So many bytes were taken, or inflated to so many; there may be more.
    Taken(usize),
    /// Nothing more can be done now: nothing is there, or the session is held back or over.
    Waits,
}

/// One step: what was spilled before anything new, and what is new with one read.
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
        return feed_spill(shared, link, connection, handler, spill);
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
                link.put(Flag::Readable, !drained);
                shared.stats.bytes_read += count as u64;
                link.note_heard(shared.now);
                feed_received(shared, link, connection, handler, count);
                Fed::Taken(count)
            }
            Ok(Received::Nothing) => nothing(link),
            Ok(Received::End) => end(link, connection),
            Err(error) => failed(link, connection, &error),
        };
    }
    match engine.receive(link.carrier()) {
        Ok(Input::Bytes { mut bytes, drained }) => {
            let count = bytes.len();
            link.put(Flag::Readable, !drained);
            shared.stats.bytes_read += count as u64;
            link.note_heard(shared.now);
            let inflated = feed(shared, link, connection, handler, &mut bytes);
            Fed::Taken(count.max(inflated))
        }
        Ok(Input::Nothing) => nothing(link),
        Ok(Input::End) => end(link, connection),
        Err(error) => failed(link, connection, &error),
    }
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

/// Gives `input` to the connection, event by event, until it is used up or something holds the
/// session back; what is left then is spilled.
///
/// This is the path of every message: one guard for the whole input, and nothing else between the
/// receive buffer and the handler. Returns how many bytes were inflated.
pub(super) fn feed<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    input: &mut &mut [u8],
) -> usize {
    shared.lend(link, input.len());
    let mut inflated = 0;
    let fed = guard(|| feed_read(shared, link, connection, handler, input, &mut inflated));
    note(link, fed);
    if !input.is_empty() && connection.closed().is_none() && !link.is(Flag::Panicked) {
        let bytes = shared.pool.copy_of(input);
        link.rarer_mut().spill = Spill { bytes, start: 0 };
    }
    inflated
}

/// Tells the events of one read, and then that it is over.
fn feed_read<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    input: &mut &mut [u8],
    inflated: &mut usize,
) -> Result<(), ProtocolError> {
    let fed = feed_events(shared, link, connection, handler, input, inflated);
    handler.after_read(&mut Peer::new(link, connection, shared));
    if fed.is_err() {
        shared.let_end(link, connection);
    }
    fed
}

fn feed_events<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    input: &mut &mut [u8],
    inflated: &mut usize,
) -> Result<(), ProtocolError> {
    // A few bytes can inflate to a thousand times as many, and the others wait for that as well.
    while !link.holds_back() && *inflated < shared.config.turn_bytes_max {
        let mut output = shared.output(link);
        let received = connection.receive(input, &mut output);
        *inflated = inflated.saturating_add(connection.take_inflating_cost());
        let event = match received? {
            // The common case, by itself so that the event is made where the handler finds it.
            Some(Event::Text(text)) if text.is_borrowed() => {
                shared.stats.messages_received += 1;
                handler.event(&mut Peer::new(link, connection, shared), Event::Text(text));
                continue;
            }
            Some(event) => event,
            None => break,
        };
        if let Event::Text(_) | Event::Binary(_) = event {
            shared.stats.messages_received += 1;
            handler.event(&mut Peer::new(link, connection, shared), event);
        } else {
            tell_control(shared, link, connection, handler, event);
        }
    }
    Ok(())
}

/// A control frame may have been answered, and may have brought a deadline forward. Before a Close
/// frame what came before it is acted on, and what is said to that leaves before the answer.
#[cold]
#[inline(never)]
fn tell_control<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    event: Event<'_>,
) {
    link.note_level(connection.config());
    link.set(Flag::Hastened);
    let is_held = connection.is_held();
    let mut peer = Peer::new(link, connection, shared);
    if is_held {
        handler.after_read(&mut peer);
    }
    handler.event(&mut peer, event);
    if is_held {
        shared.let_end(link, connection);
    }
}

fn feed_spill<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    mut spill: Spill,
) -> Fed {
    let mut input = spill.bytes.get_mut(spill.start..).unwrap_or_default();
    let before = input.len();
    shared.lend(link, before);
    let mut inflated = 0;
    let fed = guard(|| feed_read(shared, link, connection, handler, &mut input, &mut inflated));
    let left = input.len();
    note(link, fed);
    if left == 0 || connection.closed().is_some() || link.is(Flag::Panicked) {
        shared.pool.give_back(spill.bytes);
    } else {
        spill.start += before - left;
        link.rarer_mut().spill = spill;
    }
    Fed::Taken(inflated.max(before - left))
}

/// `count` bytes were read straight into the message in progress.
fn feed_received<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    count: usize,
) {
    let fed = guard(|| {
        let received = connection.received(count, &mut shared.output(link));
        if received.is_err() {
            shared.let_end(link, connection);
        }
        if let Some(event) = received? {
            link.note_level(connection.config());
            shared.stats.messages_received += 1;
            let mut peer = Peer::new(link, connection, shared);
            handler.event(&mut peer, event);
            handler.after_read(&mut peer);
        }
        Ok(())
    });
    note(link, fed);
}

/// Notes why a session will end, if it will.
fn note(link: &mut Link, fed: Result<Result<(), ProtocolError>, Panicked>) {
    match fed {
        Ok(Ok(())) => {}
        Ok(Err(error)) => link.note_cause(Cause::Protocol(error)),
        Err(Panicked) => link.set(Flag::Panicked),
    }
}
