//! The other side of a session, as its handler sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_protocol::{
    CloseReason, Connection, Frames, Instant, Outbox, Output, Prepared, SendError,
};

use crate::engine::Remote;
use crate::groups::{Group, Policy};
use crate::handle::Handle;
use crate::link::{Flag, Link};
use crate::outgoing::{Batch, HEADER_BYTES_MAX, Outgoing, check_reason};
use crate::sender::{Queue, Sender};
use crate::shared::{self, Shared};
use crate::slab::Key;

/// What an outbox is lent when a handler begins to send: a few small messages.
const SEND_BYTES: usize = 512;

/// The other side of an open session, lent to a callback of its handler.
///
/// What is sent here leaves in the flush phase of this turn, all of it in one write; there is
/// nothing to flush by hand.
pub struct Peer<'p> {
    link: &'p mut Link,
    connection: &'p mut Connection,
    shared: &'p mut Shared,
}

impl<'p> Peer<'p> {
    pub(crate) fn new(
        link: &'p mut Link,
        connection: &'p mut Connection,
        shared: &'p mut Shared,
    ) -> Self {
        Self { link, connection, shared }
    }

    /// The session's key, by which other threads may name it.
    #[must_use]
    pub fn key(&self) -> Key {
        self.link.key
    }

    /// The time at the beginning of this turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.now
    }

    /// Where the transport leads to.
    #[must_use]
    pub fn remote(&self) -> Remote {
        self.link.remote()
    }

    /// The subprotocol that the server chose, for an outward connection. None for an accepted one:
    /// there this side chose, with the decision that accepted it.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.link.rarer()?.subprotocol.as_deref()
    }

    /// Sends a text message (RFC 6455 section 5.6).
    ///
    /// # Errors
    /// [`SendError::Full`]: the outbox is over its limit; `Handler::writable` tells when it is not. An
    /// answer to an event is not refused while no more answers wait than the high mark and 264 KiB, nor
    /// is anything else while no more waits than the high mark, whatever its size.
    /// [`SendError::NotOpen`]: the session is closing.
    #[inline]
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        if self.send_plain(|connection, outbox| connection.send_short_text(text, outbox)) {
            return Ok(());
        }
        self.send_any_text(text)
    }

    /// Sends a text message from where it lies, if it is large.
    ///
    /// # Errors
    /// As for [`send_text`](Self::send_text).
    #[inline(never)]
    pub fn send_text_owned(&mut self, text: String) -> Result<(), SendError> {
        self.send_message(text.len(), |connection, output| connection.send_text_owned(text, output))
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// As for [`send_text`](Self::send_text).
    #[inline]
    pub fn send_binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        if self.send_plain(|connection, outbox| connection.send_short_binary(payload, outbox)) {
            return Ok(());
        }
        self.send_any_binary(payload)
    }

    /// Sends a binary message from where it lies, if it is large.
    ///
    /// # Errors
    /// As for [`send_text`](Self::send_text).
    pub fn send_binary_owned(&mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.send_bytes(payload.into())
    }

    #[inline(never)]
    fn send_bytes(&mut self, payload: Bytes) -> Result<(), SendError> {
        let len = payload.len();
        self.send_message(len, |connection, output| connection.send_binary_owned(payload, output))
    }

    /// Sends a message that was encoded once for many.
    ///
    /// # Errors
    /// As for [`send_text`](Self::send_text).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        let len = prepared.payload().len();
        self.send_message(len, |connection, output| connection.send_prepared(prepared, output))
    }

    /// Sends a ping with at most 125 bytes (RFC 6455 section 5.5.2); its pong comes as an event.
    ///
    /// # Errors
    /// As for [`send_text`](Self::send_text), and [`SendError::ControlTooLong`].
    pub fn send_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send(|connection, output| connection.send_ping(payload, output))
    }

    /// Begins the closing handshake (RFC 6455 section 7.1.2). What was sent before, through a
    /// [`Sender`] as well, leaves before it. `Handler::close` follows when it is over, within
    /// `close_within` at most.
    ///
    /// # Errors
    /// [`SendError::NotOpen`] if it has begun already; [`SendError::IllegalCloseCode`] or
    /// [`SendError::ReasonTooLong`] if the reason cannot be sent, and nothing was.
    #[inline(never)]
    pub fn close(&mut self, reason: Option<CloseReason<'_>>) -> Result<(), SendError> {
        self.shared.collect(self.link, self.connection);
        if self.link.closes_by().is_some() {
            return Err(SendError::NotOpen);
        }
        if self.link.rare.as_ref().is_none_or(|rare| rare.pending.is_empty()) {
            return self.send(|connection, output| connection.close(reason, output));
        }
        check_reason(reason.as_ref(), self.connection.role())?;
        self.shared.close_behind_pending(
            self.link,
            self.connection,
            reason.map(CloseReason::into_owned),
        );
        Ok(())
    }

    /// Asks for no events until [`resume`](Self::resume), which a [`Sender`] can do as well. The
    /// bytes that have arrived are kept, then the peer is held back by its transport. Keepalive
    /// rests meanwhile; a pause longer than `Config::pause_within` closes the session with 1008.
    ///
    /// Takes effect at once: no event follows the one that is being handled, but for a Close frame that
    /// was read already when [`after_read`](crate::Handler::after_read) paused. That of a Close frame
    /// holds back the answer, for a tenth of `close_within` at most.
    pub fn pause(&mut self) {
        if !self.link.is(Flag::Paused) {
            self.link.set(Flag::Paused);
            self.link.rarer_mut().paused_since = Some(self.shared.now);
            self.shared.list_flush(self.link);
        }
    }

    /// Asks for events again.
    pub fn resume(&mut self) {
        self.shared.resume(self.link);
    }

    /// Whether reading is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.link.is(Flag::Paused)
    }

    /// Whether sending is allowed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection.is_open() && self.link.closes_by().is_none()
    }

    /// Bytes that wait for the kernel to take them.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.link.outbox.len()
    }

    /// How long the last keepalive ping took to be answered.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.connection.round_trip()
    }

    /// A sender for this session, to be used from any thread. All of a session's senders share one
    /// queue and one budget, the connection's `outbox_bytes_max`.
    pub fn sender(&mut self) -> Sender {
        let outbox_bytes = self.link.outbox.len();
        let key = self.link.key;
        let rare = self.link.rare_mut();
        let queue = rare.queue.get_or_insert_with(|| {
            rare.accounted = outbox_bytes;
            let mailbox = Arc::clone(&self.shared.mailbox);
            let now = self.shared.now;
            Arc::new(Queue::new(key, mailbox, self.connection, outbox_bytes, now))
        });
        Sender { queue: Arc::clone(queue) }
    }

    /// Begins a batch, which must be empty: what senders have queued and what was published to its
    /// groups goes before it, and it is lent the outbox's memory. False: the session cannot take a batch now, since it is closing, or since more
    /// is queued than the outbox has room for.
    ///
    /// What is put into the batch, and what others send before it ends, are each held against the part of the budget that
    /// is free now: when it ends, the session may hold twice its budget, and nothing more is taken until it is below.
    ///
    /// [`end_batch`](Self::end_batch) must follow in either case, before anything else is sent here.
    pub fn begin_batch(&mut self, batch: &mut Batch) -> bool {
        debug_assert!(batch.is_empty(), "a batch is ended before the next one begins");
        let is_quiet = !self.shared.memberships.has_waiting();
        let outstanding = if is_quiet { self.link.settled_outstanding() } else { None };
        let Some(outstanding) = outstanding.or_else(|| self.let_all_go_first()) else {
            return false;
        };
        if !self.connection.is_open() {
            return false;
        }
        batch.begin(outstanding, self.connection.config().outbox_bytes_max);
        self.shared.lend(self.link, SEND_BYTES);
        if let Some(memory) = self.shared.outboxes.lend(&mut self.link.outbox).take_spare()
            && let Some(memory) = batch.frames.lend(memory)
        {
            self.shared.pool.give_back(memory);
        }
        true
    }

    /// Sends what is in the batch, and then what senders have queued since it began.
    pub fn end_batch(&mut self, batch: &mut Batch) {
        if !batch.is_empty() {
            let before = self.link.outbox.len();
            if !batch.items.is_empty() {
                self.send_items(batch);
            }
            self.send_frames(&mut batch.frames);
            if !self.link.senders_answer() {
                self.link.note_others(before, self.connection.config());
            }
            self.link.note_level(self.connection);
            self.shared.list_flush(self.link);
        }
        if let Some(memory) = batch.frames.take_spare() {
            if self.link.outbox.needs_spare() {
                self.link.outbox.lend(memory);
            } else {
                self.shared.pool.give_back(memory);
            }
        }
        self.collect_posted();
    }

    /// Makes the session a member of `group` until it leaves or ends, and returns the offset of the
    /// first message that it will be sent. Joining again changes the policy only.
    pub fn join(&mut self, group: &Group, policy: Policy) -> u64 {
        let member = (self.link.key, policy);
        let own = &mut self.link.rarer_mut().memberships;
        self.shared.memberships.join(own, group, member, &self.shared.mailbox)
    }

    /// Ends the membership; messages of the group that wait for this session are dropped. False if
    /// it was no member.
    pub fn leave(&mut self, group: &Group) -> bool {
        self.shared.let_groups_go_first(self.link, self.connection);
        let rarer = self.link.rarer_mut();
        match self.shared.memberships.leave(&mut rarer.memberships, group, &self.shared.mailbox) {
            Some(slot) => {
                rarer.held.retain(|held| held.slot != slot);
                true
            }
            None => false,
        }
    }

    /// The reactor's handle.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { mailbox: Arc::clone(&self.shared.mailbox) }
    }

    /// Sends in a way that asks for little, if nobody else has something to say before, and the outbox will
    /// be looked at in this turn. False: nothing was done.
    #[inline(always)]
    fn send_plain(&mut self, send: impl FnOnce(&mut Connection, &mut Outbox) -> bool) -> bool {
        if self.link.rare.is_some() || !self.link.is(Flag::ListedFlush) {
            return false;
        }
        let sent = self.link.outbox.lent().is_some_and(|outbox| send(self.connection, outbox));
        if sent {
            self.shared.stats.messages_sent += 1;
        }
        sent
    }

    #[inline(never)]
    fn send_any_text(&mut self, text: &str) -> Result<(), SendError> {
        if self.send_plain(|connection, outbox| connection.send_medium_text(text, outbox)) {
            return Ok(());
        }
        self.send_message(text.len(), |connection, output| connection.send_text(text, output))
    }

    #[inline(never)]
    fn send_any_binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        if self.send_plain(|connection, outbox| connection.send_medium_binary(payload, outbox)) {
            return Ok(());
        }
        self.send_message(payload.len(), |connection, output| {
            connection.send_binary(payload, output)
        })
    }

    #[inline(never)]
    fn send_message(
        &mut self,
        len: usize,
        send: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        if self.link.rare.is_some() {
            self.let_senders_go_first()?;
        }
        self.shared.let_groups_go_first(self.link, self.connection);
        let limits = self.connection.config();
        let total = self.link.outbox.len().saturating_add(len).saturating_add(HEADER_BYTES_MAX);
        let sent = if total > limits.outbox_bytes_max && self.link.takes_any(limits) {
            self.send_alone(send)
        } else {
            self.say(send)
        };
        self.shared.stats.messages_sent += u64::from(sent.is_ok());
        sent
    }

    /// What senders have queued and what was published goes into the outbox. Returns how much is outstanding then; `None`:
    /// it does not find room there.
    #[cold]
    #[inline(never)]
    fn let_all_go_first(&mut self) -> Option<usize> {
        self.shared.let_groups_go_first(self.link, self.connection);
        self.collect_posted();
        self.link.settle_queue(0);
        let Some(rare) = self.link.rare.as_deref() else { return Some(0) };
        let outstanding = rare.queue.as_ref().map_or(0, |queue| queue.outstanding());
        rare.pending.is_empty().then_some(outstanding)
    }

    #[inline(never)]
    fn send_items(&mut self, batch: &mut Batch) {
        while let Some(outgoing) = batch.pop_item() {
            self.send_outgoing(outgoing);
        }
    }

    #[inline]
    fn send_frames(&mut self, frames: &mut Frames) {
        if frames.is_empty() {
            return;
        }
        if self.lacks_room(frames.len()) {
            return self.hold(Outgoing::Frames(std::mem::take(frames)));
        }
        let messages = frames.messages() as u64;
        let sent = self.connection.send_frames(frames, &mut self.shared.output(self.link));
        if sent.is_ok() {
            self.shared.stats.messages_sent += messages;
        } else {
            // It has begun to close in the meantime.
            *frames = Frames::new();
        }
    }

    fn send_outgoing(&mut self, outgoing: Outgoing) {
        if self.lacks_room(outgoing.cost()) {
            return self.hold(outgoing);
        }
        let mut output = self.shared.output(self.link);
        let sent = shared::send(outgoing, self.connection, &mut output);
        self.shared.stats.messages_sent += sent;
    }

    /// Whether something of this cost must wait outside of the outbox.
    fn lacks_room(&self, cost: usize) -> bool {
        let outbox = &self.link.outbox;
        let total = outbox.len().saturating_add(cost);
        self.link.rare.as_ref().is_some_and(|rare| !rare.pending.is_empty())
            || (!outbox.is_empty() && total > self.connection.config().outbox_bytes_max)
    }

    /// Keeps it behind what senders have sent, and counts it with that.
    #[cold]
    #[inline(never)]
    fn hold(&mut self, outgoing: Outgoing) {
        let rare = self.link.rare_mut();
        if let Some(queue) = &rare.queue {
            queue.reserve_beyond(outgoing.cost());
            rare.pending.push_back(outgoing);
            self.link.set(Flag::Passed);
        }
    }

    /// Takes what senders have queued, if they have.
    fn collect_posted(&mut self) {
        let queue = self.link.rare.as_ref().and_then(|rare| rare.queue.as_ref());
        if queue.is_some_and(|queue| queue.is_posted()) {
            self.shared.collect(self.link, self.connection);
        }
    }

    /// What the handler sent through a [`Sender`] before this comes before it.
    fn let_senders_go_first(&mut self) -> Result<(), SendError> {
        self.collect_posted();
        match &self.link.rare {
            Some(rare) if !rare.pending.is_empty() => Err(SendError::Full),
            _ => Ok(()),
        }
    }

    fn send(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.shared.let_groups_go_first(self.link, self.connection);
        self.say(send)
    }

    /// As [`send`](Self::send), when all that was published has gone first.
    fn say(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.shared.lend(self.link, SEND_BYTES);
        let before = self.link.outbox.len();
        let sent = send(self.connection, &mut self.shared.output(self.link));
        self.note_said(before, sent);
        sent
    }

    /// Sends into an outbox of its own, which takes a message of any size, and appends that.
    #[cold]
    #[inline(never)]
    fn send_alone(
        &mut self,
        send: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let before = self.link.outbox.len();
        let mut alone = Outbox::new();
        let sent = send(self.connection, &mut self.shared.output_into(&mut alone));
        self.shared.outboxes.lend(&mut self.link.outbox);
        self.link.outbox.append_all(alone);
        self.note_said(before, sent);
        sent
    }

    /// What the handler says while it is told of what was read is an answer to that.
    fn note_said(&mut self, before: usize, sent: Result<(), SendError>) {
        match sent {
            Ok(()) => {
                if !self.link.is(Flag::Answers) {
                    self.link.note_others(before, self.connection.config());
                }
                self.link.note_level(self.connection);
            }
            Err(SendError::Full) => self.link.note_refused(),
            Err(_) => {}
        }
        self.shared.list_flush(self.link);
    }
}

impl fmt::Debug for Peer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Peer")
            .field("key", &self.link.key)
            .field("remote", &self.link.remote())
            .finish_non_exhaustive()
    }
}
