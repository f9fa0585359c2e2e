//! What all sockets of one loop share. It does not know what a socket is, so that sockets can know it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use sockeye_reactor::{Key, Peers, Policy};

use super::queue::InboxLimits;
use super::registry::Registry;
use crate::executor::{Filler, Local, Remote};
use crate::group::{Group, Groups};
use sockeye_reactor::mutex::Mutex;

/// The loop behind its sockets: the executor that times them, the groups, the lookup, and what only the loop can do.
pub(crate) struct Home<S> {
    pub(crate) remote: Arc<Remote>,
    pub(super) groups: Groups,
    pub(super) registry: Arc<Registry<S>>,
    pub(super) inbox_limits: InboxLimits,
    orders: Mutex<Vec<(Key, Order)>>,
    /// Orders and dials that wait, so that a turn without any takes no lock.
    waiting: AtomicUsize,
    panics: AtomicU64,
    /// Routes that have begun and not ended, on the loop or on threads of their own.
    routes: AtomicUsize,
}

/// What a socket asks its loop to do.
pub(super) enum Order {
    /// Answered with the offset from which the member is live.
    Join(Group, Policy, Filler<u64>),
    Leave(Group),
}

impl<S> Home<S> {
    pub(crate) fn new(
        remote: Arc<Remote>,
        groups: Groups,
        registry: Arc<Registry<S>>,
        inbox_limits: InboxLimits,
    ) -> Arc<Self> {
        Arc::new(Self {
            remote,
            groups,
            registry,
            inbox_limits,
            orders: Mutex::default(),
            waiting: AtomicUsize::new(0),
            panics: AtomicU64::new(0),
            routes: AtomicUsize::new(0),
        })
    }

    /// One order per call of a program that waits for it, so the queue is as long as its waits are many.
    pub(super) fn order(&self, key: Key, order: Order) {
        self.note_waiting();
        self.orders.lock().push((key, order));
        self.rouse();
    }

    /// Something will wait for the loop. Called before it can be taken, so that the count never falls short.
    pub(super) fn note_waiting(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// So much of what waited was taken.
    pub(super) fn note_taken(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::AcqRel);
    }

    /// The loop's part, once per turn.
    pub(crate) fn carry_out(&self, peers: &mut Peers<'_>) {
        if !self.has_work() {
            return;
        }
        let orders = std::mem::take(&mut *self.orders.lock());
        self.note_taken(orders.len());
        for (key, order) in orders {
            // A session that is gone has left all groups; whoever waits for its join learns that nothing came of it.
            let Some(mut peer) = peers.get(key) else { continue };
            match order {
                Order::Join(group, policy, filler) => {
                    let _ = filler.fill(peer.join(&group, policy));
                }
                Order::Leave(group) => {
                    peer.leave(&group);
                }
            }
        }
    }

    /// A route has panicked; the connection is told in another way.
    pub(super) fn note_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Routes that have panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    pub(super) fn note_route_begun(&self) {
        self.routes.fetch_add(1, Ordering::AcqRel);
    }

    /// A loop that drains waits for the last of them.
    pub(super) fn note_route_ended(&self) {
        if self.routes.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.rouse();
        }
    }

    /// Routes that run.
    pub(crate) fn routes(&self) -> usize {
        self.routes.load(Ordering::Acquire)
    }

    /// Whether a turn has something to do here.
    pub(crate) fn has_work(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// On the loop's own thread its turn comes to it by itself.
    pub(super) fn rouse(&self) {
        if Local::current_of(&self.remote).is_none() {
            self.remote.wake();
        }
    }
}

impl<S> fmt::Debug for Home<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Home").finish_non_exhaustive()
    }
}
