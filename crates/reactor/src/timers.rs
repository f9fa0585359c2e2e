//! Deadlines of numbered things: a hierarchical timer wheel.

use std::time::Duration;

use sockeye_protocol::Instant;

/// How exactly a deadline is kept.
///
/// Rounding up many deadlines to few moments lets one wake-up serve them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// To 10 ms: receive, sleep, send and handshake deadlines.
    Fine,
    /// To 250 ms: keepalive, of which every connection has one.
    Coarse,
}

impl Precision {
    /// The length of the tick: a deadline is met at most this late, and never early.
    #[must_use]
    pub const fn tick(self) -> Duration {
        Duration::from_nanos(TICK_NANOS * self.ticks())
    }

    const fn ticks(self) -> u64 {
        match self {
            Self::Fine => 1,
            Self::Coarse => 25,
        }
    }
}

/// At most one deadline for each id. Ids are small numbers, as the slots of a
/// [`Slab`](crate::Slab) are: each takes 16 bytes up to the highest one ever armed.
///
/// [`arm`](Self::arm) and [`disarm`](Self::disarm) take constant time whatever the number of
/// timers, and [`expire`](Self::expire) takes constant time for each that expires (a long deadline
/// is touched at most six times on its way). Nothing fires before its deadline, and nothing later
/// than one [tick](Precision::tick) after it, provided that `expire` is called when
/// [`next_deadline`](Self::next_deadline) says. Timers of one tick expire in the order in which
/// they were armed.
///
/// # Shape
///
/// A slot of level n covers 64^n ticks. A timer lies at the level of the highest group of six bits
/// in which its tick differs from the present one, so all slots ahead lie in the same turn of their
/// level, and the earliest timer is in the first occupied slot of the lowest occupied level.
/// When the present tick reaches a slot of a higher level, its timers move down.
///
/// ```text
///              level 6    level 2   level 1   level 0
///  a tick:    │ 6 bits │ … │ 6 bits │ 6 bits │ 6 bits │
/// ```
///
/// Each slot is a ring of nodes, linked by id in both directions.
#[derive(Debug)]
pub struct Timers {
    /// INVARIANT: every armed node's tick is later, except those in the ring of the expired.
    present: u64,
    occupied: [u64; LEVELS],
    /// The first node of each slot's ring, then that of the expired. Valid only if occupied.
    rings: Box<[u32; RINGS]>,
    nodes: Vec<Box<[Node; CHUNK_NODES]>>,
    armed: usize,
}

impl Timers {
    /// No timers. The present is the clock's origin.
    #[must_use]
    pub fn new() -> Self {
        Self {
            present: 0,
            occupied: [0; LEVELS],
            rings: Box::new([NONE; RINGS]),
            nodes: Vec::new(),
            armed: 0,
        }
    }

    /// How many timers are armed, those included that expired and were not taken yet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.armed
    }

    /// Whether no timer is armed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Sets the deadline of `id`, in place of the one that it had.
    ///
    /// A deadline that has passed already expires with the next tick, not at once, so a loop that
    /// arms while it [expires](Self::expire) comes to an end.
    pub fn arm(&mut self, id: u32, deadline: Instant, precision: Precision) {
        self.disarm(id);
        let number = id as usize / CHUNK_NODES;
        while self.nodes.len() <= number {
            self.nodes.push(Box::new([Node::DISARMED; CHUNK_NODES]));
        }
        let rounded = deadline.as_nanos().div_ceil(TICK_NANOS).next_multiple_of(precision.ticks());
        let tick = rounded.max(self.present + 1);
        self.node_mut(id).set_tick(tick);
        self.armed += 1;
        self.place(id);
    }

    /// Removes the deadline of `id`; returns whether there was one.
    pub fn disarm(&mut self, id: u32) -> bool {
        if !self.is_armed(id) {
            return false;
        }
        self.unlink(id);
        self.armed -= 1;
        true
    }

    /// Whether `id` has a deadline.
    #[must_use]
    pub fn is_armed(&self, id: u32) -> bool {
        let chunk = self.nodes.get(id as usize / CHUNK_NODES);
        chunk.is_some_and(|nodes| nodes[id as usize % CHUNK_NODES].ring != DISARMED)
    }

    /// When [`expire`](Self::expire) should be called next; `None`: no timer is armed.
    ///
    /// For a near deadline it is the deadline, rounded up to its tick. For a far one it may be
    /// earlier (then nothing expires, and the next answer is nearer to it), never later.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.rings[EXPIRED as usize] != NONE {
            return Some(instant(self.present));
        }
        self.next_slot().map(|(_, tick)| instant(tick))
    }

    /// Takes one timer whose deadline has come out of the wheel, and returns its id. Call it with
    /// the same `now` until it returns `None`; timers may be armed and disarmed in between.
    ///
    /// A `now` before an earlier one counts as that one.
    pub fn expire(&mut self, now: Instant) -> Option<u32> {
        let reached = now.as_nanos() / TICK_NANOS;
        if reached > self.present {
            self.advance(reached);
        }
        let id = self.rings[EXPIRED as usize];
        if id == NONE {
            return None;
        }
        self.disarm(id);
        Some(id)
    }

    /// Moves the present on, and what has expired into its ring.
    fn advance(&mut self, reached: u64) {
        while let Some((ring, tick)) = self.next_slot() {
            if tick > reached {
                break;
            }
            self.present = tick;
            // Placing a node moves it to a lower level or to the expired, never back into this ring.
            while self.is_occupied(ring) {
                let id = self.rings[ring as usize];
                self.unlink(id);
                self.place(id);
            }
        }
        self.present = reached;
    }

    /// The first occupied slot's ring, and the tick at which it begins.
    fn next_slot(&self) -> Option<(u16, u64)> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let slot = u64::from(self.occupied[level].trailing_zeros());
        let shift = level * SLOT_BITS;
        let turn = self.present >> (shift + SLOT_BITS) << SLOT_BITS;
        Some((ring_of(level, slot), (turn | slot) << shift))
    }

    /// Links a node, which knows its tick, at the end of the ring where it belongs.
    fn place(&mut self, id: u32) {
        let tick = self.node(id).tick();
        let ring = if tick <= self.present {
            EXPIRED
        } else {
            let level = ((tick ^ self.present).ilog2() as usize) / SLOT_BITS;
            let slot = tick >> (level * SLOT_BITS) & (SLOTS as u64 - 1);
            self.occupied[level] |= 1 << slot;
            ring_of(level, slot)
        };
        let first = self.rings[ring as usize];
        let (next, previous) = if first == NONE {
            self.rings[ring as usize] = id;
            (id, id)
        } else {
            (first, self.node(first).previous)
        };
        let node = self.node_mut(id);
        (node.next, node.previous, node.ring) = (next, previous, ring);
        self.node_mut(previous).next = id;
        self.node_mut(next).previous = id;
    }

    /// Takes a node out of its ring.
    fn unlink(&mut self, id: u32) {
        let Node { next, previous, ring, .. } = *self.node(id);
        self.node_mut(id).ring = DISARMED;
        if next != id {
            self.node_mut(previous).next = next;
            self.node_mut(next).previous = previous;
            if self.rings[ring as usize] == id {
                self.rings[ring as usize] = next;
            }
            return;
        }
        self.rings[ring as usize] = NONE;
        if ring != EXPIRED {
            self.occupied[ring as usize / SLOTS] &= !(1 << (ring as usize % SLOTS));
        }
    }

    fn is_occupied(&self, ring: u16) -> bool {
        self.rings[ring as usize] != NONE
    }

    fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize / CHUNK_NODES][id as usize % CHUNK_NODES]
    }

    fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[id as usize / CHUNK_NODES][id as usize % CHUNK_NODES]
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

const TICK_NANOS: u64 = 10_000_000;

const SLOT_BITS: usize = 6;
const SLOTS: usize = 1 << SLOT_BITS;

/// 42 bits of ticks, which is more than the range of [`Instant`].
const LEVELS: usize = 7;

/// The ring of timers that expired and were not taken yet; it stands behind those of the slots.
const EXPIRED: u16 = ring_of(LEVELS, 0);
const RINGS: usize = LEVELS * SLOTS + 1;

/// A node's ring while it is in none.
const DISARMED: u16 = u16::MAX;

/// An empty ring's first node.
const NONE: u32 = u32::MAX;

const CHUNK_NODES: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Node {
    next: u32,
    previous: u32,
    tick_low: u32,
    tick_high: u16,
    ring: u16,
}

const _: () = assert!(size_of::<Node>() == 16);

impl Node {
    const DISARMED: Self =
        Self { next: NONE, previous: NONE, tick_low: 0, tick_high: 0, ring: DISARMED };

    const fn tick(&self) -> u64 {
        (self.tick_high as u64) << 32 | self.tick_low as u64
    }

    #[allow(clippy::cast_possible_truncation, reason = "ticks have 42 bits, and 48 are kept")]
    const fn set_tick(&mut self, tick: u64) {
        self.tick_high = (tick >> 32) as u16;
        self.tick_low = tick as u32;
    }
}

#[allow(clippy::cast_possible_truncation, reason = "there are few rings")]
const fn ring_of(level: usize, slot: u64) -> u16 {
    (level * SLOTS + slot as usize) as u16
}

const fn instant(tick: u64) -> Instant {
    Instant::from_nanos(tick.saturating_mul(TICK_NANOS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn expired(timers: &mut Timers, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| timers.expire(now)).collect()
    }

    #[test]
    fn never_early_and_at_most_one_tick_late() {
        for (precision, deadline, fires) in [
            (Precision::Fine, 1, 10),
            (Precision::Fine, 10, 10),
            (Precision::Fine, 11, 20),
            (Precision::Fine, 5_001, 5_010),
            (Precision::Fine, 86_400_000, 86_400_000),
            (Precision::Coarse, 1, 250),
            (Precision::Coarse, 20_000, 20_000),
            (Precision::Coarse, 20_001, 20_250),
        ] {
            let mut timers = Timers::new();
            timers.arm(7, at(deadline), precision);
            assert_eq!(expired(&mut timers, at(fires - 1)), [], "{precision:?} {deadline}");
            assert_eq!(timers.next_deadline(), Some(at(fires)), "{precision:?} {deadline}");
            assert_eq!(expired(&mut timers, at(fires)), [7], "{precision:?} {deadline}");
            assert!(at(fires).saturating_duration_since(at(deadline)) < precision.tick());
            assert!(timers.is_empty() && timers.next_deadline().is_none());
        }
    }

    #[test]
    fn following_next_deadline_needs_few_steps() {
        let mut timers = Timers::new();
        timers.arm(0, at(3_600_000), Precision::Fine);
        let mut steps = 0;
        while let Some(now) = timers.next_deadline() {
            assert!(now <= at(3_600_000));
            expired(&mut timers, now);
            steps += 1;
        }
        assert!(steps <= LEVELS, "{steps}");
    }

    #[test]
    fn timers_of_one_tick_expire_in_the_order_of_arming() {
        let mut timers = Timers::new();
        timers.arm(3, at(700_000), Precision::Fine);
        timers.arm(1, at(700_000), Precision::Fine);
        expired(&mut timers, at(699_000));
        timers.arm(2, at(700_000), Precision::Fine);
        timers.arm(0, at(699_500), Precision::Fine);
        assert_eq!(expired(&mut timers, at(800_000)), [0, 3, 1, 2]);
    }

    #[test]
    fn a_timer_that_arms_itself_for_the_past_does_not_spin() {
        let mut timers = Timers::new();
        timers.arm(0, at(10), Precision::Fine);
        let now = at(3_600_000);
        assert_eq!(timers.expire(now), Some(0));
        timers.arm(0, at(10), Precision::Fine);
        assert_eq!(timers.expire(now), None);
        assert_eq!(expired(&mut timers, now + Precision::Fine.tick()), [0]);
    }

    #[test]
    fn the_last_instant_is_kept() {
        let mut timers = Timers::new();
        timers.arm(0, Instant::MAX, Precision::Coarse);
        assert_eq!(expired(&mut timers, at(1 << 43)), []);
        assert!(timers.disarm(0) && !timers.disarm(0));
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn a_million_timers_expire_once_each() {
        let mut timers = Timers::new();
        for id in 0..1_000_000 {
            let millis = u64::from(id) * 7919 % 100_000;
            timers.arm(id, at(millis), Precision::Coarse);
        }
        assert_eq!(timers.len(), 1_000_000);
        let mut seen = vec![false; 1_000_000];
        while let Some(now) = timers.next_deadline() {
            while let Some(id) = timers.expire(now) {
                assert!(!std::mem::replace(&mut seen[id as usize], true));
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u32, u64, Precision),
        Disarm(u32),
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let span = prop_oneof![0..50_000_000_u64, 0..3_000_000_000_u64, 0..20_000_000_000_000_u64];
        let precision = prop_oneof![Just(Precision::Fine), Just(Precision::Coarse)];
        prop_oneof![
            (0..40_u32, span.clone(), precision).prop_map(|(id, nanos, p)| Step::Arm(id, nanos, p)),
            (0..40_u32).prop_map(Step::Disarm),
            span.prop_map(Step::Advance),
        ]
    }

    proptest! {
        /// The model keeps for each id the span in which it must fire: (deadline, deadline + tick).
        #[test]
        fn the_wheel_behaves_like_a_sorted_map(steps in proptest::collection::vec(step(), 0..200)) {
            let mut timers = Timers::new();
            let mut model = BTreeMap::new();
            let mut now = Instant::ZERO;
            for step in steps {
                match step {
                    Step::Arm(id, nanos, precision) => {
                        // Some deadlines lie in the past.
                        let deadline = Instant::from_nanos((now.as_nanos() + nanos).saturating_sub(20_000_000));
                        timers.arm(id, deadline, precision);
                        model.insert(id, (deadline, deadline.max(now) + precision.tick()));
                    }
                    Step::Disarm(id) => prop_assert_eq!(timers.disarm(id), model.remove(&id).is_some()),
                    Step::Advance(nanos) => {
                        now += Duration::from_nanos(nanos);
                        while let Some(id) = timers.expire(now) {
                            let (deadline, _) = model.remove(&id).expect("an armed timer fires once");
                            prop_assert!(deadline <= now);
                        }
                        prop_assert!(model.values().all(|(_, latest)| *latest > now));
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                let latest = model.values().map(|(_, latest)| *latest).min();
                prop_assert_eq!(timers.next_deadline().is_some(), latest.is_some());
                prop_assert!(timers.next_deadline() <= latest);
            }
        }
    }
}
