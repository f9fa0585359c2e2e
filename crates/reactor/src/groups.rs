//! Groups: one message to many sessions on any number of reactors, in one order.
//!
//! Publishing takes the group's lock, numbers the message, and puts it into the mailbox of every
//! reactor that has members before it lets go: whatever two threads publish, all members see in the
//! same order. A session joins under the same lock, so the offset from which it is live is exact.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use sockeye_protocol::Prepared;

use crate::mailbox::{Command, Mailbox, Publication};
use crate::mutex::Mutex;
use crate::sender::Sender;
use crate::slab::Key;

/// What happens to a member that does not read as fast as its group is published to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The session is closed with 1008 when its outbox is full.
    Close,
    /// New messages are left out while the outbox is full.
    DropNewest,
    /// Messages wait outside of the outbox while it is above its high mark, at most `bytes_max`
    /// bytes of frames; above that the oldest are left out.
    DropOldest {
        /// Bytes of frames that may wait.
        bytes_max: usize,
    },
    /// Only the latest message waits while the outbox is above its high mark: for states, of which
    /// only the newest matters.
    KeepLatest,
}

/// A set of sessions that are sent the same messages. Clones mean the same group; use it from any
/// thread. A session leaves it when it ends, whatever ends it.
#[derive(Clone)]
pub struct Group {
    pub(crate) shared: Arc<GroupShared>,
}

impl Group {
    /// A group without members.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            shared: Arc::new(GroupShared {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                order: Mutex::default(),
                members: AtomicUsize::new(0),
                dropped: AtomicU64::new(0),
                closed: AtomicU64::new(0),
            }),
        }
    }

    /// Sends to every member, and returns the message's offset in the group's order. Never waits for
    /// a member and never fails because of one: a member that lags meets its [`Policy`].
    pub fn publish(&self, prepared: Prepared) -> u64 {
        self.publish_to_all_but(None, prepared)
    }

    /// As [`publish`](Self::publish), but not to the session of this sender, which need not be a
    /// member: it knows already. What others are sent is as cheap for them as ever; what else is
    /// published in the same turn goes to the session itself message by message.
    pub fn publish_except(&self, prepared: Prepared, except: &Sender) -> u64 {
        self.publish_to_all_but(Some(except), prepared)
    }

    fn publish_to_all_but(&self, except: Option<&Sender>, prepared: Prepared) -> u64 {
        let mut order = self.shared.lock();
        let offset = order.offset_next;
        order.offset_next += 1;
        for seat in &order.seats {
            let is_its_reactors =
                |except: &&Sender| Arc::ptr_eq(&except.queue.mailbox, &seat.mailbox);
            let publication = Publication {
                slot: seat.slot,
                group: self.shared.id,
                offset,
                prepared: prepared.clone(),
                except: except.filter(is_its_reactors).map(Sender::key),
            };
            let payload_bytes = prepared.frame_len();
            // A full mailbox leaves a gap in the offsets, which the reactor finds and counts.
            let _ = seat.mailbox.post(Command::Publish(publication), payload_bytes);
        }
        offset
    }

    /// How many sessions are members now.
    #[must_use]
    pub fn members(&self) -> usize {
        self.shared.members.load(Ordering::Relaxed)
    }

    /// Deliveries that a policy left out, since the group was made.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Members that were closed because they fell behind, since the group was made.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.shared.closed.load(Ordering::Relaxed)
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Group")
            .field("id", &self.shared.id)
            .field("members", &self.members())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

pub(crate) struct GroupShared {
    id: u64,
    order: Mutex<Order>,
    members: AtomicUsize,
    dropped: AtomicU64,
    closed: AtomicU64,
}

impl GroupShared {
    fn lock(&self) -> MutexGuard<'_, Order> {
        self.order.lock()
    }

    pub(crate) fn count_dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn count_closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Order {
    offset_next: u64,
    seats: Vec<Seat>,
}

/// A reactor that has members.
struct Seat {
    mailbox: Arc<Mailbox>,
    slot: u32,
}

/// One reactor's members of all groups. Slots stand still, so that a message finds its members
/// without a hash, and a session its place in them without a search.
///
/// What is published waits in its slot until the end of the turn: then each member is looked at once
/// and gets all of it, instead of once for each message.
#[derive(Default)]
pub(crate) struct Memberships {
    slots: Vec<Option<Slot>>,
    vacant: Vec<u32>,
    /// Slots in which something waits. One of them may have been given to another group since.
    due: Vec<u32>,
    /// How many publications there were, over all groups: what one thread publishes to two groups
    /// reaches a member of both in that order.
    sequence: u64,
}

pub(crate) struct Slot {
    pub(crate) group: Arc<GroupShared>,
    members: Vec<Option<Member>>,
    vacant: Vec<u32>,
    /// The offset of the next publication: a higher one tells of a gap, a lower one is from before.
    expected: u64,
    /// What was published in this turn, in the order of its offsets.
    waiting: Vec<Waiting>,
}

/// A message that its group's members have yet to get.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) offset: u64,
    /// How many publications before it were lost.
    pub(crate) lost: u64,
    sequence: u64,
    pub(crate) prepared: Prepared,
    /// Who is not to get it.
    pub(crate) except: Option<Key>,
}

/// Messages that wait, as one piece of bytes, which all members share.
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) messages: u64,
    /// The offset behind its last message.
    pub(crate) offset_next: u64,
}

#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) key: Key,
    pub(crate) live_from: u64,
    pub(crate) policy: Policy,
    /// Of what waits it has got everything before this offset.
    offset_next: u64,
}

impl Member {
    /// The first offset that it is to get yet.
    pub(crate) fn wants_from(self) -> u64 {
        self.live_from.max(self.offset_next)
    }
}

/// The most that several messages come to which are joined.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Room for so many messages stays with a group.
const WAITING_KEPT: usize = 64;

/// A session's own record of being a member.
#[derive(Clone, Copy)]
pub(crate) struct Membership {
    pub(crate) slot: u32,
    position: u32,
    /// Bytes of the group's messages that wait outside of the outbox.
    pub(crate) held_bytes: usize,
}

impl Memberships {
    /// Adds a session to a group; `own` are its memberships so far. Returns the offset from which it
    /// is live, which for a member of old is the one that it was given then.
    pub(crate) fn join(
        &mut self,
        own: &mut Vec<Membership>,
        group: &Group,
        member: (Key, Policy),
        mailbox: &Arc<Mailbox>,
    ) -> u64 {
        let (key, policy) = member;
        if let Some(existing) = self.find(own, group).and_then(|found| self.member_mut(found)) {
            existing.policy = policy;
            return existing.live_from;
        }
        let shared = &group.shared;
        let mut order = shared.lock();
        let live_from = order.offset_next;
        let seat = order.seats.iter().find(|seat| Arc::ptr_eq(&seat.mailbox, mailbox));
        let slot = match seat.map(|seat| seat.slot) {
            Some(slot) => slot,
            None => {
                let slot = self.insert_slot(Slot {
                    group: Arc::clone(shared),
                    members: Vec::new(),
                    vacant: Vec::new(),
                    expected: live_from,
                    waiting: Vec::new(),
                });
                order.seats.push(Seat { mailbox: Arc::clone(mailbox), slot });
                slot
            }
        };
        drop(order);
        shared.members.fetch_add(1, Ordering::Relaxed);
        let slots = self.slots.get_mut(slot as usize).and_then(Option::as_mut);
        let position = slots.expect("a seat's slot lives as long as the seat").insert(Member {
            key,
            live_from,
            policy,
            offset_next: 0,
        });
        own.push(Membership { slot, position, held_bytes: 0 });
        live_from
    }

    /// Removes a session from a group. Returns the group's slot; None if it was no member.
    pub(crate) fn leave(
        &mut self,
        own: &mut Vec<Membership>,
        group: &Group,
        mailbox: &Arc<Mailbox>,
    ) -> Option<u32> {
        let found = self.find(own, group)?;
        own.retain(|membership| membership.slot != found.slot);
        self.remove(found, mailbox);
        Some(found.slot)
    }

    /// Removes one member; with the last one the reactor gives up its seat in the group.
    pub(crate) fn remove(&mut self, membership: Membership, mailbox: &Arc<Mailbox>) {
        let Some(entry) = self.slots.get_mut(membership.slot as usize) else { return };
        let Some(slot) = entry.as_mut() else { return };
        slot.remove(membership.position);
        slot.group.members.fetch_sub(1, Ordering::Relaxed);
        if slot.is_empty() {
            slot.group.lock().seats.retain(|seat| !Arc::ptr_eq(&seat.mailbox, mailbox));
            *entry = None;
            self.vacant.push(membership.slot);
        }
    }

    /// Has a message wait for the members of its group, unless nobody is a member any more, or it is
    /// older than the slot.
    pub(crate) fn publish(&mut self, publication: Publication) {
        let Publication { slot: index, group, offset, prepared, except } = publication;
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else {
            return;
        };
        if slot.group.id != group || offset < slot.expected {
            return;
        }
        if slot.waiting.is_empty() {
            self.due.push(index);
        }
        let lost = offset - slot.expected;
        slot.expected = offset + 1;
        slot.waiting.push(Waiting { offset, lost, sequence: self.sequence, prepared, except });
        self.sequence += 1;
    }

    /// Whether something waits for members.
    #[inline]
    pub(crate) const fn has_waiting(&self) -> bool {
        !self.due.is_empty()
    }

    /// A slot in which something waits, and whether it is the only one.
    pub(crate) fn next_due(&self) -> Option<(u32, bool)> {
        Some((*self.due.last()?, self.due.len() == 1))
    }

    /// All members of the slot that was due have what waited in it.
    pub(crate) fn end_due(&mut self) {
        let slot = self.due.pop().and_then(|slot| self.slots.get_mut(slot as usize)?.as_mut());
        if let Some(Slot { waiting, .. }) = slot {
            waiting.clear();
            waiting.shrink_to(WAITING_KEPT);
        }
    }

    /// The next message for a session, over all of its memberships. It counts as delivered.
    pub(crate) fn take_next(
        &mut self,
        own: &[Membership],
    ) -> Option<(Membership, Member, Waiting)> {
        let waiting = |membership: &Membership| {
            let slot = self.slot(membership.slot)?;
            let member = slot.member(membership.position as usize)?;
            Some((*membership, member, slot.waiting_from(member.wants_from()).first()?))
        };
        let next = own.iter().filter_map(waiting).min_by_key(|(_, _, waiting)| waiting.sequence);
        let (membership, member, waiting) = next?;
        let waiting = waiting.clone();
        self.note_delivered(membership.slot, membership.position as usize, waiting.offset + 1);
        Some((membership, member, waiting))
    }

    /// A member has got everything before `offset_next`.
    pub(crate) fn note_delivered(&mut self, slot: u32, position: usize, offset_next: u64) {
        let slot = self.slots.get_mut(slot as usize).and_then(Option::as_mut);
        if let Some(Some(member)) = slot.and_then(|slot| slot.members.get_mut(position)) {
            member.offset_next = offset_next;
        }
    }

    pub(crate) fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn find(&self, own: &[Membership], group: &Group) -> Option<Membership> {
        let is_same = |membership: &&Membership| {
            self.slot(membership.slot).is_some_and(|slot| Arc::ptr_eq(&slot.group, &group.shared))
        };
        own.iter().find(is_same).copied()
    }

    fn member_mut(&mut self, membership: Membership) -> Option<&mut Member> {
        let slot = self.slots.get_mut(membership.slot as usize)?.as_mut()?;
        slot.members.get_mut(membership.position as usize)?.as_mut()
    }

    fn insert_slot(&mut self, slot: Slot) -> u32 {
        if let Some(index) = self.vacant.pop()
            && let Some(entry) = self.slots.get_mut(index as usize)
        {
            *entry = Some(slot);
            return index;
        }
        self.slots.push(Some(slot));
        u32::try_from(self.slots.len() - 1).expect("fewer groups than 2^32 on one reactor")
    }
}

impl Slot {
    /// How many positions there are, vacant ones included.
    pub(crate) fn positions(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn member(&self, position: usize) -> Option<Member> {
        self.members.get(position).copied().flatten()
    }

    /// What waits, from an offset on.
    fn waiting_from(&self, offset: u64) -> &[Waiting] {
        let before = self.waiting.partition_point(|waiting| waiting.offset < offset);
        self.waiting.get(before..).unwrap_or_default()
    }

    /// The offset of the first message that waits, if all that was published behind it waits as well.
    pub(crate) fn waits_from(&self) -> Option<u64> {
        let is_whole = self.waiting.iter().all(|waiting| waiting.lost == 0);
        self.waiting.first().filter(|_| is_whole).map(|waiting| waiting.offset)
    }

    /// Those who are not to get something of what waits, in order.
    pub(crate) fn excepted(&self) -> Vec<Key> {
        let mut excepted: Vec<Key> =
            self.waiting.iter().filter_map(|waiting| waiting.except).collect();
        excepted.sort_unstable();
        excepted
    }

    /// What waits, in pieces of at most `bytes_max` and [`PIECE_BYTES_MAX`] if they are of several
    /// messages. Copying them once makes one write of each piece, for every member.
    pub(crate) fn pieces(&self, bytes_max: usize) -> impl Iterator<Item = Piece> {
        let bytes_max = bytes_max.min(PIECE_BYTES_MAX);
        let mut rest = &self.waiting[..];
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let fits = |waiting: &&Waiting| {
                bytes += waiting.prepared.frame_len();
                bytes <= bytes_max
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (these, others) = rest.split_at_checked(count)?;
            rest = others;
            let last = these.last()?;
            let frames = || these.iter().map(|waiting| &waiting.prepared.frame()[..]);
            let bytes = match these {
                [one] => one.prepared.frame().clone(),
                _ => Bytes::from(frames().collect::<Vec<_>>().concat()),
            };
            Some(Piece { bytes, messages: these.len() as u64, offset_next: last.offset + 1 })
        })
    }

    fn insert(&mut self, member: Member) -> u32 {
        if let Some(position) = self.vacant.pop()
            && let Some(entry) = self.members.get_mut(position as usize)
        {
            *entry = Some(member);
            return position;
        }
        self.members.push(Some(member));
        u32::try_from(self.members.len() - 1).expect("fewer members than 2^32 on one reactor")
    }

    fn remove(&mut self, position: u32) {
        if let Some(entry) = self.members.get_mut(position as usize)
            && entry.take().is_some()
        {
            self.vacant.push(position);
        }
    }

    fn is_empty(&self) -> bool {
        self.vacant.len() == self.members.len()
    }
}
