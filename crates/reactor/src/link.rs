//! What a session has in every phase: its transport, its outbox, and what is remembered about both.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sockeye_protocol::{Config, Connection, Instant, Prepared};

use crate::engine::{Carrier, Remote};
use crate::groups::Membership;
use crate::guard::Panicked;
use crate::outboxes::LentOutbox;
use crate::outcome::Cause;
use crate::outgoing::Outgoing;
use crate::sender::Queue;
use crate::slab::Key;

/// How many bytes the answers to one read may take above the high mark: a whole receive buffer's echo.
const ANSWERS_MAX: usize = 264 * 1024;

/// The part of a session that does not depend on its phase. What few sessions need is in [`Rare`],
/// so that an idle one stays small.
pub(crate) struct Link {
    /// Slot and generation are those of the carrier.
    pub(crate) key: Key,
    pub(crate) outbox: LentOutbox,
    pub(crate) rare: Option<Box<Rare>>,
    /// Where the transport leads to, unless it is an IPv4 address.
    far: Option<Box<Remote>>,
    address: Ipv4Addr,
    port: u16,
    /// When the session's timer fires; `Instant::MAX` if it is not armed.
    pub(crate) armed: Instant,
    flags: Flags,
}

/// What may be true of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flag {
    /// An edge was taken and the kernel may hold more.
    Readable,
    /// The kernel takes no more bytes; a `Writable` completion will tell when it does.
    Blocked,
    /// The handler wants no events.
    Paused,
    /// The answers in the outbox went above the high mark, or one was refused, and they are not below
    /// the low one yet: nothing is read that would be answered.
    Congested,
    /// The outbox went above its high mark, or refused a message, and is not below the low one yet, or
    /// the handler has not been told.
    Passed,
    /// What was read is being answered.
    Answers,
    /// Keepalive is suspended, since reading has stopped.
    Suspended,
    /// Writing failed; what has arrived may still be read.
    Broken,
    /// The transport is to be closed without writing what waits.
    Cut,
    /// User code panicked: it is not called again, and the session ends with 1011.
    Panicked,
    /// It is on the list of those that can be read on.
    ListedReady,
    /// It is on the list of those to be looked at in the flush phase.
    ListedFlush,
    /// A deadline may have come forward since the timer was armed.
    Hastened,
    /// The last message was a long one, most of which was read straight to where it stays.
    Long,
}

/// What is true of a session: one bit each, so that it takes no more room than it needs.
#[derive(Clone, Copy)]
struct Flags(u16);

impl Flags {
    const fn of(flags: &[Flag]) -> Self {
        let (mut bits, mut position) = (0, 0);
        while position < flags.len() {
            bits |= 1 << flags[position] as u16;
            position += 1;
        }
        Self(bits)
    }

    const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// Events would have nowhere to go.
const HOLDS_BACK: Flags = Flags::of(&[Flag::Paused, Flag::Congested]);

/// Nothing is read now.
const RESTS: Flags = Flags::of(&[Flag::Paused, Flag::Congested, Flag::Cut, Flag::Panicked]);

/// Nothing is written now.
const TAKES_NO_BYTES: Flags = Flags::of(&[Flag::Blocked, Flag::Broken, Flag::Cut]);

/// Something is to be looked at beside what the session has to say.
const REMARKABLE: Flags = Flags::of(&[
    Flag::Paused,
    Flag::Congested,
    Flag::Passed,
    Flag::Suspended,
    Flag::Blocked,
    Flag::Broken,
    Flag::Cut,
    Flag::Panicked,
]);

/// What only some sessions have, or only for some time.
#[derive(Default)]
pub(crate) struct Rare {
    /// Shared with the session's `Sender`s, if it handed out any.
    pub(crate) queue: Option<Arc<Queue>>,
    /// Taken from the queue, waiting for room in the outbox.
    pub(crate) pending: VecDeque<Outgoing>,
    /// Bytes of the outbox that the queue's count includes.
    pub(crate) accounted: usize,
    pub(crate) rarer: Option<Box<Rarer>>,
}

/// What even few of the sessions with a [`Sender`](crate::Sender) have, or not for long.
#[derive(Default)]
pub(crate) struct Rarer {
    pub(crate) spill: Spill,
    pub(crate) memberships: Vec<Membership>,
    /// Messages of groups that wait outside of the outbox.
    pub(crate) held: VecDeque<Held>,
    /// Bytes in the outbox that answer nothing, counted while it is above its mark. What leaves is
    /// taken from the answers first.
    others: usize,
    pub(crate) paused_since: Option<Instant>,
    pub(crate) blocked_since: Option<Instant>,
    /// When a session is cut whose Close frame waits for room in the outbox.
    pub(crate) closes_by: Option<Instant>,
    pub(crate) cause: Option<Cause>,
    pub(crate) subprotocol: Option<Box<str>>,
}

/// Received bytes that the handler could not take yet: the rest of one receive buffer at most.
#[derive(Default)]
pub(crate) struct Spill {
    pub(crate) bytes: Vec<u8>,
    pub(crate) start: usize,
}

/// A message that a member's policy keeps for later.
pub(crate) struct Held {
    pub(crate) slot: u32,
    pub(crate) prepared: Prepared,
}

impl Link {
    pub(crate) fn new(carrier: Carrier, remote: Remote) -> Self {
        let (address, port, far) = match remote {
            Remote::Tcp(SocketAddr::V4(near)) => (*near.ip(), near.port(), None),
            far => (Ipv4Addr::UNSPECIFIED, 0, Some(Box::new(far))),
        };
        Self {
            key: key_of(carrier),
            outbox: LentOutbox::default(),
            rare: None,
            far,
            address,
            port,
            armed: Instant::MAX,
            flags: Flags::of(&[]),
        }
    }

    /// The transport.
    #[inline]
    pub(crate) const fn carrier(&self) -> Carrier {
        Carrier::new(self.key.index(), self.key.generation())
    }

    /// Where the transport leads to.
    pub(crate) fn remote(&self) -> Remote {
        let near = || Remote::Tcp((self.address, self.port).into());
        self.far.as_deref().map_or_else(near, |far| *far)
    }

    /// Whether it is so.
    #[inline]
    pub(crate) const fn is(&self, flag: Flag) -> bool {
        self.flags.has_any(Flags::of(&[flag]))
    }

    /// From now on it is so.
    #[inline]
    pub(crate) const fn set(&mut self, flag: Flag) {
        self.flags.0 |= Flags::of(&[flag]).0;
    }

    /// From now on it is not so.
    #[inline]
    pub(crate) const fn unset(&mut self, flag: Flag) {
        self.flags.0 &= !Flags::of(&[flag]).0;
    }

    /// From now on it is as `so` says.
    #[inline]
    pub(crate) const fn put(&mut self, flag: Flag, so: bool) {
        self.unset(flag);
        self.flags.0 |= (so as u16) << flag as u16;
    }

    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn rarer(&self) -> Option<&Rarer> {
        self.rare.as_ref()?.rarer.as_deref()
    }

    pub(crate) fn rarer_mut(&mut self) -> &mut Rarer {
        self.rare_mut().rarer.get_or_insert_default()
    }

    /// Whether events must not be asked for now: they would have nowhere to go.
    #[inline]
    pub(crate) const fn holds_back(&self) -> bool {
        self.flags.has_any(HOLDS_BACK)
    }

    /// Whether nothing must be read now, for whatever reason.
    #[inline]
    pub(crate) const fn rests(&self) -> bool {
        self.flags.has_any(RESTS)
    }

    /// Whether nothing can be written now, for whatever reason.
    #[inline]
    pub(crate) const fn takes_no_bytes(&self) -> bool {
        self.flags.has_any(TAKES_NO_BYTES)
    }

    /// Whether nobody but its handler is known to have something to say, or to have something said.
    pub(crate) fn is_alone(&self) -> bool {
        self.rare.as_deref().is_none_or(|rare| {
            rare.rarer.is_none()
                && rare.pending.is_empty()
                && rare.queue.as_ref().is_none_or(|queue| !queue.is_posted())
        })
    }

    /// Whether something about the session is to be looked at beside what it has to say.
    #[inline]
    pub(crate) const fn is_remarkable(&self) -> bool {
        self.flags.has_any(REMARKABLE)
    }

    /// Whether there is something to read or to go on with.
    pub(crate) fn has_input(&self) -> bool {
        self.is(Flag::Readable) || self.rarer().is_some_and(|rarer| !rarer.spill.bytes.is_empty())
    }

    /// Notes whether the outbox has gone above its mark, and whether that is because of answers: the
    /// peer makes them grow, so it is not read then. What is said of this side's own accord has limits
    /// of its own; were reading to rest for that, two ends that say much would wait for each other.
    /// Nor does it rest behind our Close frame, where nothing is answered.
    #[inline]
    pub(crate) fn note_level(&mut self, connection: &Connection) {
        let limits = connection.config();
        if self.outbox.len() > mark_of(limits) {
            self.note_high_level(limits, connection.is_open());
        } else if self.rare.is_some() {
            self.forget_others();
        }
    }

    fn note_high_level(&mut self, limits: &Config, is_open: bool) {
        self.set(Flag::Passed);
        if is_open && self.answers() > self.answers_max(limits) {
            self.set(Flag::Congested);
        }
    }

    /// What waits beyond the `before` bytes that did answers nothing. To be followed by
    /// [`note_level`](Self::note_level).
    #[inline]
    pub(crate) fn note_others(&mut self, before: usize, limits: &Config) {
        let len = self.outbox.len();
        if len > mark_of(limits) && len > before {
            let others = &mut self.rarer_mut().others;
            *others = (*others).min(before) + (len - before);
        }
    }

    /// Whether what its senders say answers what is being read, as far as anybody knows: who has waited
    /// for room says more than he hears, and holds himself back.
    pub(crate) fn senders_answer(&self) -> bool {
        let queue = self.rare.as_ref().and_then(|rare| rare.queue.as_ref());
        self.is(Flag::Answers)
            && queue.is_none_or(|queue| !queue.was_waited_for.load(Ordering::Relaxed))
    }

    fn forget_others(&mut self) {
        if let Some(rarer) = self.rare.as_mut().and_then(|rare| rare.rarer.as_mut()) {
            rarer.others = 0;
        }
    }

    /// A message was refused.
    #[cold]
    pub(crate) fn note_refused(&mut self) {
        self.set(Flag::Passed);
        if self.is(Flag::Answers) {
            self.set(Flag::Congested);
        }
    }

    /// Bytes of the outbox that answer what was read.
    fn answers(&self) -> usize {
        let len = self.outbox.len();
        self.rarer().map_or(len, |rarer| len.saturating_sub(rarer.others))
    }

    /// How much of them may wait. While one read is being answered they may go further, since they are
    /// written right behind that: to stop in the middle would cost a copy of what was read.
    fn answers_max(&self, limits: &Config) -> usize {
        let slack = if self.is(Flag::Answers) { ANSWERS_MAX } else { 0 };
        mark_of(limits).saturating_add(slack)
    }

    /// Whether a message has room whatever its size, and whatever the outbox's limit says: nobody asks
    /// again for an answer. What is not an answer has it if little enough waits.
    pub(crate) fn takes_any(&self, limits: &Config) -> bool {
        if self.is(Flag::Answers) {
            self.answers() <= self.answers_max(limits).min(limits.outbox_bytes_max)
        } else {
            self.outbox.len() <= mark_of(limits)
        }
    }

    /// Whether an outbox that was above its mark is open again: below half of the high mark, so that
    /// a session does not stop and go with every segment that the kernel takes.
    pub(crate) fn has_room(&self, limits: &Config) -> bool {
        self.outbox.len() <= mark_of(limits) / 2
    }

    /// Whether so few answers wait that what was held back for them may be read.
    pub(crate) fn has_room_for_answers(&self, limits: &Config) -> bool {
        self.answers() <= mark_of(limits) / 2
    }

    /// Keeps the first cause: what follows from it is not the reason.
    pub(crate) fn note_cause(&mut self, cause: Cause) {
        self.rarer_mut().cause.get_or_insert(cause);
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.rarer()?.cause
    }

    /// Since when the kernel has taken no byte of those that wait.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.rarer()?.blocked_since
    }

    /// By when the session is closed, if its Close frame has waited for room in the outbox.
    pub(crate) fn closes_by(&self) -> Option<Instant> {
        self.rarer()?.closes_by
    }

    /// The kernel has taken all that it was given.
    pub(crate) fn note_unblocked(&mut self) {
        if let Some(rarer) = self.rare.as_mut().and_then(|rare| rare.rarer.as_mut()) {
            rarer.blocked_since = None;
        }
    }

    /// The transport failed, or is worth no more bytes.
    pub(crate) fn cut(&mut self, cause: Cause) {
        self.note_cause(cause);
        self.set(Flag::Cut);
    }

    /// Tells the queue what became of the outbox, and that `released` bytes left the queue itself.
    #[inline]
    pub(crate) fn settle_queue(&mut self, released: usize) {
        let outbox_bytes = self.outbox.len();
        let Some(rare) = self.rare.as_mut() else { return };
        let Some(queue) = &rare.queue else { return };
        let grown = outbox_bytes.saturating_sub(rare.accounted);
        let shrunk = rare.accounted.saturating_sub(outbox_bytes);
        rare.accounted = outbox_bytes;
        if grown != 0 || shrunk != 0 || released != 0 {
            queue.settle(grown, released + shrunk);
        }
    }

    /// Bytes that were sent through the queue or lie in the outbox, if the queue knows of all of them and the last of what
    /// was queued has been put there.
    pub(crate) fn settled_outstanding(&self) -> Option<usize> {
        let rare = self.rare.as_deref()?;
        let queue = rare.queue.as_deref()?;
        let is_settled =
            rare.pending.is_empty() && !queue.is_posted() && rare.accounted == self.outbox.len();
        is_settled.then(|| queue.outstanding())
    }

    /// Tells the session's senders that nothing more can be sent.
    pub(crate) fn close_queue(&self) -> Result<(), Panicked> {
        let queue = self.rare.as_ref().and_then(|rare| rare.queue.as_ref());
        queue.map_or(Ok(()), |queue| queue.close())
    }

    /// Tells the session's senders that something was read.
    pub(crate) fn note_heard(&self, now: Instant) {
        if let Some(queue) = self.rare.as_ref().and_then(|rare| rare.queue.as_ref()) {
            queue.note_heard(now);
        }
    }

    /// Gives the rare parts back once nothing is in them.
    pub(crate) fn tidy(&mut self) {
        let Some(rare) = &mut self.rare else { return };
        rare.rarer.take_if(|rarer| rarer.is_vacant());
        if rare.rarer.is_none() && rare.queue.is_none() && rare.pending.is_empty() {
            self.rare = None;
        }
    }
}

/// A mark above the limit would never be reached.
#[inline]
fn mark_of(limits: &Config) -> usize {
    limits.outbox_high_mark.min(limits.outbox_bytes_max)
}

/// The key of the session that a carrier bears. An engine's slots are dense, and a carrier's name
/// never comes again, so sessions are numbered by their carriers.
#[inline]
pub(crate) const fn key_of(carrier: Carrier) -> Key {
    Key::new(carrier.index(), carrier.generation())
}

impl Rarer {
    fn is_vacant(&self) -> bool {
        self.spill.bytes.capacity() == 0
            && self.memberships.is_empty()
            && self.held.is_empty()
            && self.others == 0
            && self.paused_since.is_none()
            && self.blocked_since.is_none()
            && self.closes_by.is_none()
            && self.cause.is_none()
            && self.subprotocol.is_none()
    }
}
