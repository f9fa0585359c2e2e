//! The end of a session: its handler is told once, its peer is given time to hear, then it is over.

use sockeye_protocol::{CloseCode, Transport};

use super::Reactor;
use super::flush::write;
use crate::engine::{Engine, Input};
use crate::guard::{Panicked, drop_each, guard, guarded_drop};
use crate::handler::{Handler, Notice, Service};
use crate::link::{Flag, Link};
use crate::outcome::{Cause, Outcome};
use crate::session::{Ending, Open, Phase, Session};
use crate::shared::Shared;
use crate::slab::Key;

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Open becomes Ending: the session leaves its groups, its senders are told, its handler is told
    /// and dropped.
    pub(super) fn conclude(&mut self, key: Key) {
        let Some(Session { link, phase }) = self.sessions.get_mut(key) else { return };
        let Open { connection, mut handler } = match std::mem::replace(phase, Phase::Over) {
            Phase::Open(open) => open,
            other => {
                *phase = other;
                return;
            }
        };
        let shared = &mut self.shared;
        shared.open -= 1;
        shared.stats.closed += 1;
        let panicked = link.is(Flag::Panicked);
        let outcome = match connection.closed() {
            Some(closed) => {
                let abnormal = closed.code == CloseCode::ABNORMAL;
                let implied = if abnormal { Cause::Eof } else { Cause::Closed };
                Outcome::new(closed, cause_of(link).unwrap_or(implied))
            }
            None => Outcome::abnormal(cause_of(link).unwrap_or(Cause::Stopped)),
        };
        let stripped = strip(shared, link);
        *phase = Phase::Ending(Ending::new(Some(connection), &shared.config, shared.now));
        let told = match panicked {
            true => Err(Panicked),
            false => guard(|| handler.close(outcome.clone())),
        };
        let dropped = guarded_drop(handler);
        self.note_unopened(key);
        self.drain.note_closed(&outcome);
        if told.and(dropped).and(stripped) == Err(Panicked) {
            self.observe_panic(Some(key));
        }
        self.observe(Notice::Closed { key, outcome: &outcome });
    }

    /// Ends a session in the midst of whose ending or writing user code panicked: nothing that is in it
    /// can be relied on.
    pub(super) fn give_up(&mut self, key: Key) {
        let Some(Session { link, phase }) = self.sessions.get_mut(key) else { return };
        let shared = &mut self.shared;
        if let Phase::Open(_) = phase {
            shared.open -= 1;
            shared.stats.closed += 1;
            self.drain.note_given_up();
        }
        link.set(Flag::Cut);
        let rest = std::mem::replace(phase, Phase::Over);
        // It has panicked already; what is left in it may do so again.
        let _ = strip(shared, link);
        let _ = guarded_drop(rest);
        // The panic may have come out of it, in the middle of a change: it must serve nobody else.
        let _ = link.outbox.discard();
        shared.list_dead(link);
        self.observe_panic(Some(key));
    }

    /// Goes on with an ending as far as the transport allows now.
    pub(super) fn settle_ending(&mut self, key: Key) {
        let Self { engine, sessions, shared, .. } = self;
        let Some(Session { link, phase }) = sessions.get_mut(key) else { return };
        let Phase::Ending(ending) = phase else { return };
        write(engine, shared, link);
        let over = link.is(Flag::Cut) || shared.now >= ending.deadline;
        if !over && !link.outbox.is_empty() {
            return;
        }
        shared.reclaim(link);
        let connection = ending.connection.as_ref();
        let transport = connection.map_or(Transport::Linger, |connection| connection.transport());
        match transport {
            _ if over => {}
            Transport::Close => {}
            Transport::Keep => return shared.list_ready(link),
            Transport::Linger => {
                if !ending.write_shut {
                    ending.write_shut = true;
                    engine.shutdown_write(link.carrier());
                    ending.deadline = shared.now + shared.config.linger_within;
                }
                return shared.list_ready(link);
            }
        }
        *phase = Phase::Over;
        shared.list_dead(link);
    }

    /// Reads what a peer still sends, and throws it away: unread bytes would turn the close into a
    /// reset, which can destroy what the peer has not read yet.
    pub(super) fn read_ending(&mut self, key: Key, budget: usize) {
        let Self { engine, sessions, shared, .. } = self;
        let Some(Session { link, phase }) = sessions.get_mut(key) else { return };
        let Phase::Ending(ending) = phase else { return };
        let mut taken = 0;
        // Behind a plain answer nothing is read before the answer has left: who keeps on sending
        // must not make us close first.
        while link.is(Flag::Readable)
            && !link.is(Flag::Cut)
            && (ending.write_shut || ending.connection.is_some())
        {
            if taken >= budget {
                shared.list_ready(link);
                break;
            }
            shared.stats.reads += 1;
            match engine.receive(link.carrier()) {
                Ok(Input::Bytes { mut bytes, drained }) => {
                    link.put(Flag::Readable, !drained);
                    taken += bytes.len();
                    shared.stats.bytes_read += bytes.len() as u64;
                    ending.discarded_bytes += bytes.len();
                    if let Some(connection) = &mut ending.connection {
                        let mut output = shared.output(link);
                        // The verdict was reached before: nothing here can change it.
                        let _ = connection.receive(&mut bytes, &mut output);
                    } else {
                        link.put(
                            Flag::Cut,
                            ending.discarded_bytes > shared.config.linger_bytes_max,
                        );
                    }
                }
                Ok(Input::Nothing) => {
                    link.unset(Flag::Readable);
                    link.put(Flag::Cut, link.is(Flag::Broken));
                }
                Ok(Input::End) => {
                    link.unset(Flag::Readable);
                    match &mut ending.connection {
                        Some(connection) => connection.receive_eof(),
                        None => link.set(Flag::Cut),
                    }
                }
                Err(_) => {
                    link.unset(Flag::Readable);
                    link.set(Flag::Cut);
                }
            }
        }
        shared.list_flush(link);
    }

    /// Ends everything at once, without a word to the peers. Handlers are told.
    pub(super) fn cut_all(&mut self, cause: Cause) {
        let Self { sessions, shared, .. } = self;
        for (_, session) in sessions.iter_mut() {
            session.link.cut(cause);
            shared.list_flush(&mut session.link);
        }
        self.flush();
    }
}

fn cause_of(link: &Link) -> Option<Cause> {
    if link.is(Flag::Panicked) { Some(Cause::Panicked) } else { link.cause() }
}

/// Gives back what only an open session has. Messages that wait may have owners, who may panic.
fn strip(shared: &mut Shared, link: &mut Link) -> Result<(), Panicked> {
    link.unset(Flag::Paused);
    link.unset(Flag::Congested);
    link.unset(Flag::Passed);
    let Some(rare) = link.rare.take() else { return Ok(()) };
    let closed = rare.queue.as_ref().map_or(Ok(()), |queue| queue.close());
    // Each by itself, whatever the other came to.
    let pending = drop_each(rare.pending);
    let dropped = closed.and(pending);
    let Some(rarer) = rare.rarer else { return dropped };
    for membership in rarer.memberships {
        shared.memberships.remove(membership, &shared.mailbox);
    }
    if rarer.spill.bytes.capacity() > 0 {
        shared.pool.give_back(rarer.spill.bytes);
    }
    if rarer.blocked_since.is_some() {
        link.rarer_mut().blocked_since = rarer.blocked_since;
    }
    dropped
}
