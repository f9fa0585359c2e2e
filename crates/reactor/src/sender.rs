//! Sending to one session from any thread: one queue per session, bounded together with its outbox.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use sockeye_protocol::{CloseReason, Connection, Frames, Instant, Prepared, Role, SendError};

use crate::guard::{Panicked, drop_each, guard};
use crate::mailbox::{Command, Mailbox};
use crate::mutex::Mutex;
use crate::outgoing::{Batch, HEADER_BYTES_MAX, Outgoing, Small, check_reason};
use crate::slab::Key;

/// The most messages that a queue makes room for at once.
const BATCH_EXPECTED_MAX: u32 = 64;

/// Sends to one session, from any thread. Clones share one queue and one budget.
///
/// What one thread sends leaves in the order in which it was sent, whole messages, never
/// interleaved. Bytes are reserved when a message is sent and released when the kernel took them, so
/// [`SendError::Full`] speaks for queue and outbox together. A session that owes nothing takes one
/// message of any size.
#[derive(Clone)]
pub struct Sender {
    pub(crate) queue: Arc<Queue>,
}

impl Sender {
    /// The session's key.
    #[must_use]
    pub fn key(&self) -> Key {
        self.queue.key
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// [`SendError::Full`]: over the budget, try again after [`poll_ready`](Self::poll_ready).
    /// [`SendError::NotOpen`]: the session is closing or gone. Either way nothing was taken.
    pub fn send_text(&self, text: impl AsRef<str> + Into<String>) -> Result<(), SendError> {
        if self.copies(text.as_ref().len()) {
            self.queue.push_small(text.as_ref())
        } else {
            self.queue.push(Outgoing::Text(text.into()))
        }
    }

    /// Sends a text message, or gives the text back: for who waits until there is room.
    ///
    /// # Errors
    /// As for `send_text`.
    pub fn offer_text(&self, text: String) -> Result<(), (SendError, String)> {
        if self.copies(text.len()) {
            return self.queue.push_small(text.as_str()).map_err(|error| (error, text));
        }
        self.queue.offer(Outgoing::Text(text)).map_err(|(error, message)| match message {
            Outgoing::Text(text) => (error, text),
            _ => unreachable!("what was offered is given back"),
        })
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// As for `send_text`.
    pub fn send_binary(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.offer_binary(payload.into()).map_err(|(error, _payload)| error)
    }

    /// Sends a binary message, or gives the payload back: for who waits until there is room.
    ///
    /// # Errors
    /// As for `send_text`.
    pub fn offer_binary(&self, payload: Bytes) -> Result<(), (SendError, Bytes)> {
        if self.copies(payload.len()) {
            return self.queue.push_small(&*payload).map_err(|error| (error, payload));
        }
        self.queue.offer(Outgoing::Binary(payload)).map_err(|(error, message)| match message {
            Outgoing::Binary(payload) => (error, payload),
            _ => unreachable!("what was offered is given back"),
        })
    }

    /// Whether a message of so many bytes is framed at once, with a copy: then who sends it need not
    /// own it, and may use its memory again.
    #[must_use]
    #[inline]
    pub fn copies(&self, payload_len: usize) -> bool {
        self.queue.is_plain && Frames::suit(payload_len)
    }

    /// Sends a message that was encoded once for many.
    ///
    /// # Errors
    /// As for `send_text`.
    pub fn send_prepared(&self, prepared: Prepared) -> Result<(), SendError> {
        self.queue.push(Outgoing::Prepared(prepared))
    }

    /// Sends a ping with at most 125 bytes (RFC 6455 section 5.5.2).
    ///
    /// # Errors
    /// As for `send_text`, and [`SendError::ControlTooLong`].
    pub fn send_ping(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let payload = payload.into();
        if payload.len() > 125 {
            return Err(SendError::ControlTooLong);
        }
        self.queue.push(Outgoing::Ping(payload))
    }

    /// Whether something was sent through the queue and has not been taken from it.
    #[must_use]
    #[inline]
    pub fn is_queued(&self) -> bool {
        self.queue.posted.load(Ordering::Acquire)
    }

    /// Begins a batch, which must be empty, where the session is not at hand: what is put into it is held against the part
    /// of the budget that is free now. [`send_batch`](Self::send_batch) must follow, and nothing may be queued when it
    /// begins, or it would leave before that. False, and it has not begun: sending is over.
    #[must_use]
    pub fn begin_batch(&self, batch: &mut Batch) -> bool {
        debug_assert!(batch.is_empty(), "a batch is sent before the next one begins");
        batch.begin(self.outstanding(), self.queue.bytes_max);
        self.is_open()
    }

    /// Puts a text message into a batch, if there is room for it beside what was outstanding when that began.
    ///
    /// # Errors
    /// [`SendError::Full`], and the text comes back.
    pub fn put_text(&self, text: String, batch: &mut Batch) -> Result<(), (SendError, String)> {
        if !batch.admit(text.len() + HEADER_BYTES_MAX) {
            return Err((SendError::Full, text));
        }
        batch.push(Outgoing::Text(text));
        Ok(())
    }

    /// As [`put_text`](Self::put_text), for a binary message.
    ///
    /// # Errors
    /// [`SendError::Full`], and the payload comes back.
    pub fn put_binary(&self, payload: Bytes, batch: &mut Batch) -> Result<(), (SendError, Bytes)> {
        if !batch.admit(payload.len() + HEADER_BYTES_MAX) {
            return Err((SendError::Full, payload));
        }
        batch.push(Outgoing::Binary(payload));
        Ok(())
    }

    /// Copies a text message into a batch, where this sender [copies](Self::copies) its like.
    ///
    /// # Errors
    /// [`SendError::Full`].
    #[inline]
    pub fn put_text_copy(&self, text: &str, batch: &mut Batch) -> Result<(), SendError> {
        debug_assert!(self.copies(text.len()), "the caller has asked");
        batch.put(text)
    }

    /// As [`put_text_copy`](Self::put_text_copy), for a binary message.
    ///
    /// # Errors
    /// [`SendError::Full`].
    #[inline]
    pub fn put_binary_copy(&self, payload: &[u8], batch: &mut Batch) -> Result<(), SendError> {
        debug_assert!(self.copies(payload.len()), "the caller has asked");
        batch.put(payload)
    }

    /// Queues what is in a batch, which is older than all that waits there, a close included, and counts
    /// it. If the session is closing already it is dropped, as what waits in the queue would be.
    pub fn send_batch(&self, batch: &mut Batch) {
        self.queue.push_first(batch);
    }

    /// As [`Peer::close`](crate::Peer::close), in the order of what is sent through the queue. Sending is over with it.
    ///
    /// # Errors
    /// As there.
    pub fn close(&self, reason: Option<CloseReason<'static>>) -> Result<(), SendError> {
        check_reason(reason.as_ref(), self.queue.role)?;
        self.queue.push(Outgoing::Close(reason))
    }

    /// Ends a `Peer::pause`: events come again. Does nothing if reading is not paused.
    pub fn resume(&self) {
        self.queue.resume.store(true, Ordering::SeqCst);
        self.queue.notify();
    }

    /// Whether sending is still allowed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Bytes that were sent and not yet taken by the kernel.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.queue.outstanding()
    }

    /// When bytes of the peer were last read, those of an unfinished message included; or when the
    /// session's first sender was made.
    #[must_use]
    pub fn heard(&self) -> Instant {
        Instant::from_nanos(self.queue.heard.load(Ordering::Relaxed))
    }

    /// The budget that [`outstanding`](Self::outstanding) is held against.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.queue.bytes_max
    }

    /// Ready when less than half of the budget is in use. Otherwise the waker is woken when it is, or when the session ends.
    ///
    /// # Errors
    /// [`SendError::NotOpen`].
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_room(0, context)
    }

    /// As [`poll_ready`](Self::poll_ready), for a message of so many bytes: it may need more room
    /// than that, and is ready only when it would be taken, if nobody else sends in between.
    ///
    /// # Errors
    /// [`SendError::NotOpen`].
    pub fn poll_room(
        &self,
        payload_bytes: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let queue = &self.queue;
        let mut state = queue.state.lock();
        if queue.is_closed() {
            return Poll::Ready(Err(SendError::NotOpen));
        }
        // Announced before the count is read: whoever releases bytes after that sees the waiter.
        queue.waiting.store(true, Ordering::SeqCst);
        let outstanding = queue.outstanding.load(Ordering::SeqCst);
        let total = outstanding.saturating_add(payload_bytes).saturating_add(HEADER_BYTES_MAX);
        let has_room = outstanding <= queue.bytes_max / 2 && total <= queue.bytes_max;
        if has_room || outstanding == 0 {
            if state.wakers.is_none() {
                queue.waiting.store(false, Ordering::SeqCst);
            }
            return Poll::Ready(Ok(()));
        }
        queue.was_waited_for.store(true, Ordering::Relaxed);
        let wakers = state.wakers.get_or_insert_default();
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sender")
            .field("key", &self.queue.key)
            .field("outstanding", &self.outstanding())
            .finish()
    }
}

/// What all clones of a session's [`Sender`] share with its reactor.
pub(crate) struct Queue {
    key: Key,
    pub(crate) mailbox: Arc<Mailbox>,
    bytes_max: usize,
    /// What is sent leaves neither masked nor compressed.
    is_plain: bool,
    role: Role,
    /// Bytes in `messages`, in what the reactor has taken from it, and in the outbox.
    outstanding: AtomicUsize,
    /// When something was last read, in nanoseconds.
    heard: AtomicU64,
    /// Whether a `Collect` is on its way: there is at most one, whatever was pushed.
    posted: AtomicBool,
    /// Set before `posted` is, and looked at after that was reset, both in one order for all threads:
    /// else a resume could be missed by the reactor and take a `Collect` for posted that is over.
    resume: AtomicBool,
    /// Whether `wakers` may hold somebody.
    waiting: AtomicBool,
    /// Somebody has waited for room.
    pub(crate) was_waited_for: AtomicBool,
    /// Nothing more is taken. Written under the lock of `state`.
    closed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Outgoing>,
    /// How many were taken together last: as many are made room for at once.
    last_batch: u32,
    /// Boxed, since hardly anybody waits.
    #[expect(clippy::box_collection, reason = "every session with a sender has one of these")]
    wakers: Option<Box<Vec<Waker>>>,
}

impl Queue {
    pub(crate) fn new(
        key: Key,
        mailbox: Arc<Mailbox>,
        connection: &Connection,
        outbox_bytes: usize,
        now: Instant,
    ) -> Self {
        Self {
            key,
            mailbox,
            bytes_max: connection.config().outbox_bytes_max,
            is_plain: connection.sends_frames_as_they_are(),
            role: connection.role(),
            outstanding: AtomicUsize::new(outbox_bytes),
            heard: AtomicU64::new(now.as_nanos()),
            posted: AtomicBool::new(false),
            resume: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            was_waited_for: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    fn push(&self, message: Outgoing) -> Result<(), SendError> {
        self.offer(message).map_err(|(error, _message)| error)
    }

    /// Gives the message back if it is not taken.
    fn offer(&self, message: Outgoing) -> Result<(), (SendError, Outgoing)> {
        let cost = message.cost();
        {
            let mut state = self.state.lock();
            if self.is_closed() {
                return Err((SendError::NotOpen, message));
            }
            if let Err(error) = self.reserve(cost) {
                return Err((error, message));
            }
            self.closed.store(matches!(message, Outgoing::Close(_)), Ordering::Release);
            if state.messages.capacity() == 0 {
                let expected = state.last_batch.min(BATCH_EXPECTED_MAX);
                state.messages.reserve(expected as usize);
            }
            state.messages.push_back(message);
        }
        self.notify();
        Ok(())
    }

    /// Frames a message behind the last of those that wait.
    fn push_small(&self, small: impl Small) -> Result<(), SendError> {
        {
            let mut state = self.state.lock();
            if self.is_closed() {
                return Err(SendError::NotOpen);
            }
            self.reserve(Frames::framed_len(small.bytes()))?;
            small.push_behind(&mut state.messages);
        }
        self.notify();
        Ok(())
    }

    fn push_first(&self, batch: &mut Batch) {
        if batch.is_empty() {
            return;
        }
        let cost = batch.cost();
        let late: Vec<Outgoing> = {
            let mut state = self.state.lock();
            // A close that waits here itself came later.
            if self.is_closed() && state.messages.is_empty() {
                batch.take_all().collect()
            } else {
                self.reserve_beyond(cost);
                for outgoing in batch.take_all().rev() {
                    state.messages.push_front(outgoing);
                }
                Vec::new()
            }
        };
        // Outside of the lock, and each by itself: a payload's owner is the user's. The session is closing, so that one
        // panicked changes nothing for it.
        let _ = drop_each(late);
        self.notify();
    }

    /// Counts what was let in already.
    pub(crate) fn reserve_beyond(&self, cost: usize) {
        self.outstanding.fetch_add(cost, Ordering::AcqRel);
    }

    fn reserve(&self, cost: usize) -> Result<(), SendError> {
        self.outstanding
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |outstanding| {
                let total = outstanding.saturating_add(cost);
                (outstanding == 0 || total <= self.bytes_max || cost == 0).then_some(total)
            })
            .map_or(Err(SendError::Full), |_| Ok(()))
    }

    fn notify(&self) {
        // Whoever takes resets it first and takes then: while it is set, what was pushed will be seen.
        if !self.posted.load(Ordering::SeqCst) && !self.posted.swap(true, Ordering::SeqCst) {
            self.mailbox.post_always(Command::Collect(self.key));
        }
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Acquire)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes all messages with the memory that they lie in; whatever is pushed from now on posts
    /// anew.
    pub(crate) fn take(&self, into: &mut VecDeque<Outgoing>) {
        self.posted.store(false, Ordering::SeqCst);
        let messages = {
            let mut state = self.state.lock();
            state.last_batch = u32::try_from(state.messages.len()).unwrap_or(u32::MAX);
            std::mem::take(&mut state.messages)
        };
        if into.is_empty() {
            *into = messages;
        } else {
            into.extend(messages);
        }
    }

    /// Whether something was pushed that the reactor has not taken.
    pub(crate) fn is_posted(&self) -> bool {
        self.posted.load(Ordering::Relaxed)
    }

    /// Whether somebody asked to resume reading since this was last asked.
    pub(crate) fn take_resume(&self) -> bool {
        self.resume.swap(false, Ordering::SeqCst)
    }

    /// The reactor's books: `grown` bytes came into the outbox, `released` bytes left queue or outbox.
    pub(crate) fn settle(&self, grown: usize, released: usize) {
        if grown > released {
            self.outstanding.fetch_add(grown - released, Ordering::SeqCst);
        } else if released > grown {
            let before = self.outstanding.fetch_sub(released - grown, Ordering::SeqCst);
            debug_assert!(before >= released - grown, "only what was reserved is released");
        }
        if self.waiting.load(Ordering::SeqCst)
            && self.outstanding.load(Ordering::SeqCst) <= self.bytes_max / 2
        {
            self.wake_all();
        }
    }

    /// The session is closing: nothing more is taken, and nobody waits for room in vain. What was queued
    /// goes, and its owners may panic.
    pub(crate) fn close(&self) -> Result<(), Panicked> {
        let messages = {
            let mut state = self.state.lock();
            self.closed.store(true, Ordering::Release);
            std::mem::take(&mut state.messages)
        };
        let dropped = drop_each(messages);
        self.wake_all();
        dropped
    }

    fn wake_all(&self) {
        let wakers = {
            let mut state = self.state.lock();
            self.waiting.store(false, Ordering::SeqCst);
            std::mem::take(&mut state.wakers)
        };
        // Outside of the lock, and guarded: a waker is somebody else's code, and one that panics must
        // not keep the others waiting.
        for waker in wakers.into_iter().flat_map(|wakers| *wakers) {
            let _ = guard(|| waker.wake());
        }
    }

    pub(crate) fn note_heard(&self, now: Instant) {
        self.heard.store(now.as_nanos(), Ordering::Relaxed);
    }
}
