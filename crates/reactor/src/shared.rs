//! What all sessions of one reactor share.

use std::collections::VecDeque;
use std::sync::Arc;

use sockeye_protocol::{
    Buffers, CloseReason, Config as Limits, Connection, Instant, Outbox, Output, Prepared,
    SendError,
};

use crate::config::Config;
use crate::crowd::Crowd;
use crate::entropy::Entropy;
use crate::groups::{Member, Memberships, Policy, Waiting};
use crate::link::{Flag, Held, Link};
use crate::mailbox::Mailbox;
use crate::outboxes::Outboxes;
use crate::outcome::Cause;
use crate::outgoing::Outgoing;
use crate::slab::Key;
use crate::stats::Stats;

/// The most that is lent to an outbox in advance; a longer one grows, or has further segments.
const LENT_BYTES_MAX: usize = 136 * 1024;

/// What an outbox is lent for a Close frame.
const CLOSE_BYTES: usize = 128;

/// Everything of a reactor that the callbacks of a session may touch: not its engine, so that an
/// event may lie in the engine's buffer, and not its other sessions.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) now: Instant,
    pub(crate) entropy: Entropy,
    pub(crate) pool: Buffers,
    pub(crate) outboxes: Outboxes,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) memberships: Memberships,
    pub(crate) stats: Stats,
    /// Sessions that can be read on: an edge was taken that will not come again.
    pub(crate) ready: Vec<Key>,
    /// Sessions that may have something to write, or to conclude.
    pub(crate) flush: Vec<Key>,
    /// Sessions that are over; their keys are valid until the end of the turn.
    pub(crate) dead: Vec<Key>,
    /// Sessions that are beginning or ending, by age.
    pub(crate) crowd: Crowd,
    /// How many sessions are open; the others are beginning or ending.
    pub(crate) open: usize,
}

impl Shared {
    /// Has the session looked at in the flush phase.
    pub(crate) fn list_flush(&mut self, link: &mut Link) {
        if !link.is(Flag::ListedFlush) {
            link.set(Flag::ListedFlush);
            self.flush.push(link.key);
        }
    }

    /// Has the session read on, if there is something to read and nothing holds it back.
    pub(crate) fn list_ready(&mut self, link: &mut Link) {
        if !link.is(Flag::ListedReady) && link.has_input() && !link.holds_back() {
            link.set(Flag::ListedReady);
            self.ready.push(link.key);
        }
    }

    /// The session's phase has become `Over`, which happens once.
    pub(crate) fn list_dead(&mut self, link: &Link) {
        self.dead.push(link.key);
    }

    /// Gives an empty outbox memory from the pool, if it has none: enough for about `bytes`.
    #[inline]
    pub(crate) fn lend(&mut self, link: &mut Link, bytes: usize) {
        if link.outbox.lacks_memory() {
            self.outboxes.lend_with(&mut link.outbox, bytes.min(LENT_BYTES_MAX), &mut self.pool);
        }
    }

    /// Takes an empty outbox back, and its memory.
    #[inline]
    pub(crate) fn reclaim(&mut self, link: &mut Link) {
        self.outboxes.take_back(&mut link.outbox, &mut self.pool);
    }

    /// What a connection needs to say something. What it appends to an outbox that was lent no memory
    /// has memory of its own.
    #[inline]
    pub(crate) fn output<'o>(&'o mut self, link: &'o mut Link) -> Output<'o> {
        Output {
            outbox: self.outboxes.lend(&mut link.outbox),
            mask_keys: &mut self.entropy,
            buffers: &mut self.pool,
            now: self.now,
        }
    }

    /// As [`output`](Self::output), for an outbox that is no session's.
    pub(crate) fn output_into<'o>(&'o mut self, outbox: &'o mut Outbox) -> Output<'o> {
        let (buffers, now) = (&mut self.pool, self.now);
        Output { outbox, mask_keys: &mut self.entropy, buffers, now }
    }

    /// Ends a pause.
    pub(crate) fn resume(&mut self, link: &mut Link) {
        if link.is(Flag::Paused) {
            link.unset(Flag::Paused);
            link.rarer_mut().paused_since = None;
            self.list_ready(link);
            self.list_flush(link);
        }
    }

    /// Takes what senders have queued, and moves as much of it to the outbox as it has room for.
    pub(crate) fn collect(&mut self, link: &mut Link, connection: &mut Connection) {
        self.let_groups_go_first(link, connection);
        let Some(rare) = link.rare.as_deref_mut() else { return };
        let Some(queue) = &rare.queue else { return };
        queue.take(&mut rare.pending);
        let closes = matches!(rare.pending.back(), Some(Outgoing::Close(_)));
        let resumes = queue.take_resume();
        if resumes {
            self.resume(link);
        }
        self.push_pending(link, connection);
        if closes {
            self.bound_close(link, connection);
        }
    }

    /// Closes when what senders have sent before has left.
    pub(crate) fn close_behind_pending(
        &mut self,
        link: &mut Link,
        connection: &Connection,
        reason: Option<CloseReason<'static>>,
    ) {
        link.rare_mut().pending.push_back(Outgoing::Close(reason));
        self.bound_close(link, connection);
        // What came in this very moment came behind the close.
        let _ = link.close_queue();
    }

    /// A Close frame that finds no room has no more time than one that does.
    fn bound_close(&mut self, link: &mut Link, connection: &Connection) {
        if connection.is_open() {
            let by = self.now + connection.config().close_within;
            link.rarer_mut().closes_by.get_or_insert(by);
            self.list_flush(link);
        }
    }

    /// Answers what the peer has ended the session with, behind all that was said before. Not before a
    /// handler that has paused resumes, unless the peer broke a rule, nor while something waits for
    /// room in the outbox; the connection bounds both.
    #[cold]
    pub(crate) fn let_end(&mut self, link: &mut Link, connection: &mut Connection) {
        let is_clean = connection.closed().is_some_and(|closed| closed.clean);
        if !connection.is_held() || (is_clean && link.is(Flag::Paused)) {
            return;
        }
        self.collect(link, connection);
        if link.rare.as_ref().is_none_or(|rare| rare.pending.is_empty()) {
            self.lend(link, CLOSE_BYTES);
            connection.let_end(&mut self.output(link));
        }
    }

    /// What was published in this turn comes before what the session is sent otherwise from now on.
    #[inline]
    pub(crate) fn let_groups_go_first(&mut self, link: &mut Link, connection: &mut Connection) {
        if link.rare.is_some() && self.memberships.has_waiting() {
            self.deliver(link, connection);
        }
    }

    /// Puts what was published in this turn to the session's groups into its outbox, or where its
    /// policy says.
    pub(crate) fn deliver(&mut self, link: &mut Link, connection: &mut Connection) {
        while let Some(rarer) = link.rarer()
            && let Some((own, member, waiting)) = self.memberships.take_next(&rarer.memberships)
        {
            let missed = waiting.lost.min(waiting.offset - member.live_from);
            if missed > 0 {
                self.fall_behind(link, own.slot, member.policy, missed);
            }
            if link.cause() == Some(Cause::FellBehind) || waiting.except == Some(link.key) {
                continue;
            }
            if keeps(member, link, connection.config()) {
                self.hold(link, own.slot, waiting, member.policy);
                continue;
            }
            self.release(link, connection, own.slot, member.policy);
            self.deliver_one(link, connection, own.slot, member.policy, &waiting.prepared);
        }
    }

    fn deliver_one(
        &mut self,
        link: &mut Link,
        connection: &mut Connection,
        slot: u32,
        policy: Policy,
        prepared: &Prepared,
    ) {
        let before = link.outbox.len();
        match connection.send_prepared(prepared, &mut self.output(link)) {
            Ok(()) => {
                self.stats.deliveries += 1;
                self.stats.messages_sent += 1;
                link.note_others(before, connection.config());
                link.note_level(connection);
                self.list_flush(link);
            }
            Err(SendError::Full) => self.fall_behind(link, slot, policy, 1),
            // It is closing: nobody is left to be told.
            Err(_) => self.reclaim(link),
        }
    }

    /// What the policy that a member had before has held back goes before what this one lets through.
    fn release(&mut self, link: &mut Link, connection: &mut Connection, slot: u32, policy: Policy) {
        while let Some(rarer) = link.rare.as_mut().and_then(|rare| rare.rarer.as_mut())
            && let Some(oldest) = rarer.held.iter().position(|held| held.slot == slot)
            && let Some(Held { prepared, .. }) = rarer.held.remove(oldest)
        {
            if let Some(own) = rarer.memberships.iter_mut().find(|own| own.slot == slot) {
                own.held_bytes -= prepared.frame_len();
            }
            self.deliver_one(link, connection, slot, policy, &prepared);
        }
    }

    /// Keeps a message until the outbox has room, within the policy's limit.
    fn hold(&mut self, link: &mut Link, slot: u32, waiting: Waiting, policy: Policy) {
        let bytes_max = match policy {
            Policy::DropOldest { bytes_max } => bytes_max,
            _ => 0,
        };
        link.set(Flag::Passed);
        let rarer = link.rarer_mut();
        let Some(own) = rarer.memberships.iter_mut().find(|own| own.slot == slot) else { return };
        let newest = waiting.prepared.frame_len();
        own.held_bytes += newest;
        rarer.held.push_back(Held { slot, prepared: waiting.prepared });
        let mut dropped = 0;
        // The newest always stays, whatever its size: it is what the peer is behind by.
        while own.held_bytes > bytes_max.max(newest) {
            let Some(oldest) = rarer.held.iter().position(|held| held.slot == slot) else { break };
            let Some(oldest) = rarer.held.remove(oldest) else { break };
            own.held_bytes -= oldest.prepared.frame_len();
            dropped += 1;
        }
        if dropped > 0 {
            self.count_dropped(slot, dropped);
        }
        self.list_flush(link);
    }

    /// A member did not get `messages` messages.
    fn fall_behind(&mut self, link: &mut Link, slot: u32, policy: Policy, messages: u64) {
        link.set(Flag::Passed);
        if policy == Policy::Close {
            if let Some(slot) = self.memberships.slot(slot) {
                slot.group.count_closed();
            }
            link.note_cause(Cause::FellBehind);
        } else {
            self.count_dropped(slot, messages);
        }
        self.list_flush(link);
    }

    fn count_dropped(&mut self, slot: u32, messages: u64) {
        self.stats.dropped += messages;
        if let Some(slot) = self.memberships.slot(slot) {
            slot.group.count_dropped(messages);
        }
    }

    /// Moves what waits outside of the outbox into it: senders' messages up to the outbox's limit,
    /// then what groups held back, up to the high mark.
    pub(crate) fn push_pending(&mut self, link: &mut Link, connection: &mut Connection) {
        let Some(rare) = link.rare.as_deref_mut() else { return };
        let mut held = rare.rarer.as_deref_mut().filter(|rarer| !rarer.held.is_empty());
        if rare.pending.is_empty() && held.is_none() {
            return;
        }
        let bytes_max = connection.config().outbox_bytes_max;
        let high_mark = connection.config().outbox_high_mark;
        let (mut released, mut is_full) = (0, false);
        let before = link.outbox.len();
        let mut output = Output {
            outbox: self.outboxes.lend(&mut link.outbox),
            mask_keys: &mut self.entropy,
            buffers: &mut self.pool,
            now: self.now,
        };
        while let Some(message) = rare.pending.front() {
            let cost = message.cost();
            let total = output.outbox.len().saturating_add(cost);
            if !output.outbox.is_empty() && total > bytes_max {
                is_full = true;
                break;
            }
            released += cost;
            if let Some(message) = rare.pending.pop_front() {
                // The only error left is that the connection has begun to close: nobody is told,
                // as nobody would be if it had closed a moment after the message.
                self.stats.messages_sent += send(message, connection, &mut output);
            }
        }
        // An idle session holds no buffer.
        if rare.pending.is_empty() {
            rare.pending = VecDeque::new();
        }
        while let Some(rarer) = &mut held
            && output.outbox.len() <= high_mark
        {
            let Some(Held { slot, prepared }) = rarer.held.pop_front() else { break };
            if let Some(own) = rarer.memberships.iter_mut().find(|own| own.slot == slot) {
                own.held_bytes -= prepared.frame_len();
            }
            let sent = u64::from(connection.send_prepared(&prepared, &mut output).is_ok());
            self.stats.deliveries += sent;
            self.stats.messages_sent += sent;
        }
        if is_full {
            link.set(Flag::Passed);
        }
        link.note_others(before, connection.config());
        link.note_level(connection);
        link.settle_queue(released);
        // What has no room yet waits for the transport: to look again in the next turn would spin.
        if before == 0 || link.outbox.len() > before {
            self.list_flush(link);
        }
    }
}

/// Whether a message must wait outside of the outbox, by the member's policy.
fn keeps(member: Member, link: &Link, limits: &Limits) -> bool {
    matches!(member.policy, Policy::DropOldest { .. } | Policy::KeepLatest)
        && (link.outbox.len() > limits.outbox_high_mark
            || link.rarer().is_some_and(|rarer| !rarer.held.is_empty()))
}

/// Sends it, and returns how many messages were sent.
pub(crate) fn send(message: Outgoing, connection: &mut Connection, output: &mut Output<'_>) -> u64 {
    let messages = message.messages() as u64;
    let sent = match message {
        Outgoing::Frames(mut frames) => {
            let sent = connection.send_frames(&mut frames, output);
            if let Some(spare) = frames.take_spare() {
                output.buffers.give_back(spare);
            }
            sent
        }
        Outgoing::Text(text) => connection.send_text_owned(text, output),
        Outgoing::Binary(payload) => connection.send_binary_owned(payload, output),
        Outgoing::Prepared(prepared) => connection.send_prepared(&prepared, output),
        Outgoing::Ping(payload) => connection.send_ping(&payload, output),
        Outgoing::Close(reason) => connection.close(reason, output),
    };
    if sent.is_ok() { messages } else { 0 }
}
