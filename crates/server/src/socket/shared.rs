//! What the loop and the halves of one socket share.

mod sending;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};
use std::task::{Wake, Waker};
use std::time::Duration;

use sockeye_protocol::{CloseCode, CloseReason, Instant, Role, SendError};
use sockeye_reactor::engine::Remote;

use super::address::Address;
use super::counts::{Counts, Room};
use super::hand;
use super::home::Home;
use super::id::SocketId;
use super::life::SignsOfLife;
use super::queue::{Closed, Inbox, Messages, State, Taken};
use crate::error::Error;
use crate::executor::{self, Local, TaskKey};
use crate::message::Message;
use crate::request::Kept;
use sockeye_reactor::mutex::Mutex;

/// One allocation per socket, beside its task and its future.
#[derive(Debug)]
pub(crate) struct Shared {
    id: SocketId,
    pub(super) home: Arc<Home<Self>>,
    pub(super) outward: sockeye_reactor::Sender,
    pub(super) kept: Kept,
    /// Boxed twice, since most have none.
    pub(super) subprotocol: Option<Box<Box<str>>>,
    address: Address,
    role: Role,
    halves: AtomicU32,
    verdict: AtomicU8,
    /// Nothing can be sent any more: this side has closed, or the connection has ended.
    mute: AtomicBool,
    /// What arrives is dropped: nobody will receive it, or nothing can be sent any more.
    deaf: AtomicBool,
    /// Reading has stopped until half of the inbox is free. Written under the inbox's lock.
    paused: AtomicBool,
    /// The pending receive, or else the next one, returns without a message.
    cancelled: AtomicBool,
    /// The loop's task whose waker lies in the inbox, which is empty then: bits of its key, or 0. Written as `paused`.
    parked: AtomicU64,
    counts: Counts,
    inbox: Mutex<Inbox>,
    /// Whether a ping policy needs to know of activity.
    pub(super) pinging: AtomicBool,
    /// What it needs to know; there since the first policy.
    life: OnceLock<Box<SignsOfLife>>,
    /// Nanoseconds of the latest round trip; 0: none yet.
    round_trip: AtomicU64,
}

/// What the route of a socket came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Verdict {
    /// It runs, or there is none.
    None = 0,
    Failed = 1,
}

impl Shared {
    pub(super) fn new(
        home: Arc<Home<Self>>,
        outward: sockeye_reactor::Sender,
        role: Role,
        about: About,
    ) -> Arc<Self> {
        let About { kept, subprotocol, address } = about;
        let shared = Arc::new(Self {
            id: SocketId::next(),
            home,
            outward,
            kept,
            subprotocol: subprotocol.map(Box::new),
            address: Address::new(address),
            role,
            halves: AtomicU32::new(0),
            verdict: AtomicU8::new(Verdict::None as u8),
            mute: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            parked: AtomicU64::new(0),
            counts: Counts::default(),
            inbox: Mutex::default(),
            pinging: AtomicBool::new(false),
            life: OnceLock::new(),
            round_trip: AtomicU64::new(0),
        });
        shared.home.registry.insert(shared.id, &shared);
        shared
    }

    pub(super) const fn id(&self) -> SocketId {
        self.id
    }

    /// Where the peer is.
    pub(super) fn remote(&self) -> Remote {
        self.address.remote()
    }

    pub(super) fn now(&self) -> Instant {
        self.home.remote.clock().now()
    }

    // What the loop calls.

    /// Whether what arrives is dropped.
    pub(super) fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }

    /// How much may arrive until the inbox is full.
    pub(super) fn room(&self) -> Room {
        self.counts.room(self.home.inbox_limits)
    }

    pub(super) fn is_full(&self) -> bool {
        self.counts.are_full(self.home.inbox_limits)
    }

    /// The task of the loop's that waits for a message, if one does.
    pub(super) fn parked(&self) -> Option<TaskKey> {
        executor::from_bits(self.parked.load(Ordering::Relaxed))
    }

    /// Puts messages that have arrived where any thread finds them.
    pub(super) fn put(&self, messages: Box<Messages>) {
        let waker = {
            let mut inbox = self.inbox.lock();
            if inbox.is_deserted() {
                return;
            }
            self.counts.add(messages.len(), messages.iter().map(Message::len).sum());
            self.parked.store(0, Ordering::Relaxed);
            inbox.put(messages)
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether reading must pause, now that the inbox is full: it may be so no more.
    pub(super) fn begin_pause(&self) -> bool {
        let inbox = self.inbox.lock();
        // In one order for all threads: whoever takes a message now sees the pause, or is seen here.
        self.paused.store(true, Ordering::SeqCst);
        let pauses = !inbox.is_deaf() && self.is_full();
        self.paused.store(pauses, Ordering::SeqCst);
        pauses
    }

    /// The task that waited has taken all that had come and does something else now.
    pub(super) fn note_lent(&self) {
        let mut inbox = self.inbox.lock();
        inbox.lend();
        self.parked.store(0, Ordering::Relaxed);
    }

    /// The peer has closed. Whether the answer must wait, since what came before is still to be answered.
    pub(super) fn holds_end(&self) -> bool {
        let mut inbox = self.inbox.lock();
        // Else the answer would come when half of what waits was taken.
        self.paused.store(false, Ordering::SeqCst);
        inbox.hold(self.counts.messages())
    }

    /// The connection has ended. The first report holds.
    pub(super) fn end(&self, closed: Closed) {
        self.mute.store(true, Ordering::Release);
        self.deaf.store(true, Ordering::Release);
        let wakers = {
            let mut inbox = self.inbox.lock();
            self.parked.store(0, Ordering::Relaxed);
            inbox.end(closed)
        };
        for waker in wakers {
            waker.wake();
        }
    }

    pub(super) fn note_activity(&self, now: Instant) {
        self.life.get_or_init(Box::default).activity.store(now.as_nanos(), Ordering::Relaxed);
    }

    pub(super) fn note_round_trip(&self, round_trip: Duration) {
        let nanos = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.round_trip.store(nanos.max(1), Ordering::Relaxed);
    }

    // What the halves call.

    /// Whether somebody has ended a wait that has not been told of it.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn take_cancelled(&self) -> bool {
        self.is_cancelled() && self.cancelled.swap(false, Ordering::AcqRel)
    }

    /// Whether the task that is polled with this waker waits already: then it has been in the inbox since the last wait,
    /// and nothing has come there.
    pub(super) fn is_parked(&self, waker: &Waker) -> bool {
        let parked = executor::from_bits(self.parked.load(Ordering::Acquire));
        parked.is_some() && Local::polled_with(&self.home.remote, waker) == parked
    }

    /// All that lies in the inbox. If that is nothing, the waker is left where the next message finds it.
    pub(super) fn take(&self, waker: Option<&Waker>) -> Taken {
        if waker.is_some_and(|waker| self.is_parked(waker)) {
            return Taken::Empty;
        }
        let task = waker.and_then(|waker| Local::polled_with(&self.home.remote, waker));
        let bits = task.map_or(0, executor::to_bits);
        let mut inbox = self.inbox.lock();
        let taken = inbox.take();
        if let (Taken::Empty, Some(waker)) = (&taken, waker)
            && !self.is_cancelled()
        {
            inbox.set_receiver(waker);
            self.parked.store(bits, Ordering::Release);
        }
        let lets_end = matches!(taken, Taken::Empty) && inbox.take_held();
        drop(inbox);
        if lets_end {
            self.outward.resume();
        }
        taken
    }

    /// A message was received that had been counted.
    pub(super) fn note_taken(&self, message: &Message) {
        self.counts.take(message.len());
        self.resume_at_half();
    }

    fn resume_at_half(&self) {
        if !self.paused.load(Ordering::SeqCst) || !self.counts.are_half(self.home.inbox_limits) {
            return;
        }
        {
            let _inbox = self.inbox.lock();
            if !self.paused.swap(false, Ordering::SeqCst) {
                return;
            }
        }
        // Nobody has listened until now.
        if self.pinging.load(Ordering::Relaxed) {
            let life = self.life.get_or_init(Box::default);
            life.listening.store(self.now().as_nanos(), Ordering::Relaxed);
        }
        self.outward.resume();
    }

    /// The receiving half is gone: what arrives is dropped, and what comes between is still handled.
    pub(super) fn desert(&self) {
        self.deaf.store(true, Ordering::Release);
        let (messages, resume) = {
            let mut inbox = self.inbox.lock();
            self.counts.clear();
            let was_held = inbox.take_held();
            (inbox.desert(), self.paused.swap(false, Ordering::SeqCst) || was_held)
        };
        drop(messages);
        hand::forget(self.id);
        if resume {
            self.outward.resume();
        }
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.wake_receiver();
    }

    fn wake_receiver(&self) {
        let waker = {
            let mut inbox = self.inbox.lock();
            self.parked.store(0, Ordering::Relaxed);
            inbox.take_receiver()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// For one operation at a time.
    pub(super) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.inbox.lock().ended().is_some()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> State {
        self.inbox.lock().state(self.inbox_len())
    }

    pub(super) fn inbox_len(&self) -> usize {
        self.counts.messages() + hand::len(self.id)
    }

    /// Begins the closing handshake, once; 1005 stands for a Close frame without a body.
    pub(super) fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let close_reason = if code == CloseCode::NO_STATUS {
            None
        } else if !code.is_sendable_by(self.role) {
            // Nothing can be told to a peer that is gone, so passing on what it ended with is no fault.
            return if self.has_ended() {
                Ok(())
            } else {
                Err(Error::NotSendable(SendError::IllegalCloseCode))
            };
        } else if reason.len() > CloseReason::REASON_BYTES_MAX {
            return Err(Error::NotSendable(SendError::ReasonTooLong));
        } else {
            Some(CloseReason::new(code, reason.to_owned()))
        };
        let resume = {
            let mut inbox = self.inbox.lock();
            if !inbox.begin_close(code, reason) {
                return Ok(());
            }
            self.mute.store(true, Ordering::Release);
            self.deaf.store(true, Ordering::Release);
            // Else the peer's Close frame would not be seen.
            self.paused.swap(false, Ordering::SeqCst)
        };
        // An error says that the loop has ended the connection in the meantime, which is what was wanted.
        let _ = self.outward.close(close_reason);
        if resume {
            self.outward.resume();
        }
        Ok(())
    }

    pub(super) fn activity(&self) -> Instant {
        self.sign_of_life(|life| &life.activity)
    }

    /// When the peer was last heard, or could not be because nobody listened.
    pub(super) fn heard(&self) -> Instant {
        self.outward.heard().max(self.sign_of_life(|life| &life.listening))
    }

    /// Makes the policies that were started before void, and returns the number of the next one.
    pub(super) fn next_ping_epoch(&self) -> u64 {
        self.life.get_or_init(Box::default).epoch.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of the policy that is valid, if one is.
    pub(super) fn ping_epoch(&self) -> u64 {
        self.life.get().map_or(0, |life| life.epoch.load(Ordering::Acquire))
    }

    fn sign_of_life(&self, sign: impl FnOnce(&SignsOfLife) -> &AtomicU64) -> Instant {
        let nanos = self.life.get().map_or(0, |life| sign(life).load(Ordering::Relaxed));
        Instant::from_nanos(nanos)
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        let nanos = self.round_trip.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    // The life of the halves.
    pub(super) fn set_verdict(&self, verdict: Verdict) {
        self.verdict.store(verdict as u8, Ordering::Release);
    }

    pub(super) fn add_half(&self) {
        self.halves.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it was the last.
    pub(super) fn remove_half(&self) -> bool {
        self.halves.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Nobody can use the socket any more: what the route came to decides the code.
    pub(super) fn close_by_verdict(&self) {
        let failed = self.verdict.load(Ordering::Acquire) == Verdict::Failed as u8;
        let code = if failed { CloseCode::INTERNAL } else { CloseCode::NORMAL };
        // Both codes may be sent by anyone.
        let _ = self.close(code, "");
    }
}

/// Wakes whoever receives: a timer of the socket's has fired.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_receiver();
    }
}

/// What is known of a connection when it opens.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) kept: Kept,
    pub(crate) subprotocol: Option<Box<str>>,
    pub(crate) address: Remote,
}
