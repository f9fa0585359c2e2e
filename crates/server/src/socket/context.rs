//! What all sockets of one loop share.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sockeye_protocol::handshake::ClientRequest;
use sockeye_reactor::engine::Address;
use sockeye_reactor::{ConnectError, Key, Peers, Policy};

use super::Socket;
use super::handle::{SocketHandle, SocketId};
use super::queue::InboxLimits;
use super::shared::Shared;
use crate::executor::{Filler, Local, Remote};
use crate::group::{Group, Groups};
use crate::mutex::Mutex;

thread_local! {
    /// The loop whose turn this thread is in.
    static CURRENT: RefCell<Option<Arc<Context>>> = const { RefCell::new(None) };
}

/// The loop behind its sockets: the executor that times them, the groups, the lookup, and what only the loop can do.
pub(crate) struct Context {
    pub(crate) remote: Arc<Remote>,
    pub(crate) groups: Groups,
    pub(crate) registry: Arc<Registry>,
    pub(crate) inbox_limits: InboxLimits,
    orders: Mutex<Vec<(Key, Order)>>,
    dials: Mutex<VecDeque<Dial>>,
    /// Orders and dials that wait, so that a turn without any takes no lock.
    waiting: AtomicUsize,
    panics: AtomicU64,
}

/// What a socket asks its loop to do.
pub(super) enum Order {
    /// Answered with the offset from which the member is live.
    Join(Group, Policy, Filler<u64>),
    Leave(Group),
}

/// A connection that the loop is to make outward.
pub(crate) struct Dial {
    pub(crate) address: Address,
    pub(crate) request: ClientRequest,
    pub(crate) config: Arc<sockeye_protocol::Config>,
    pub(crate) within: Duration,
    pub(crate) filler: Filler<Result<Socket, ConnectError>>,
}

impl Context {
    pub(crate) fn new(
        remote: Arc<Remote>,
        groups: Groups,
        registry: Arc<Registry>,
        inbox_limits: InboxLimits,
    ) -> Arc<Self> {
        Arc::new(Self {
            remote,
            groups,
            registry,
            inbox_limits,
            orders: Mutex::default(),
            dials: Mutex::default(),
            waiting: AtomicUsize::new(0),
            panics: AtomicU64::new(0),
        })
    }

    /// Makes this the loop of the thread until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Present {
        Present(CURRENT.replace(Some(Arc::clone(self))))
    }

    /// The loop whose turn this thread is in, if any.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// One order per call of a program that waits for it, so the queue is as long as its waits are many.
    pub(super) fn order(&self, key: Key, order: Order) {
        // Counted before it can be taken, so that the count never falls short.
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.orders.lock().push((key, order));
        self.rouse();
    }

    /// One dial per call of a program that waits for it.
    pub(crate) fn dial(&self, dial: Dial) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.dials.lock().push_back(dial);
        self.rouse();
    }

    /// The loop's part, once per turn.
    pub(crate) fn carry_out(&self, peers: &mut Peers<'_>) {
        if !self.has_work() {
            return;
        }
        let orders = std::mem::take(&mut *self.orders.lock());
        self.waiting.fetch_sub(orders.len(), Ordering::AcqRel);
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

    pub(crate) fn next_dial(&self) -> Option<Dial> {
        if !self.has_work() {
            return None;
        }
        let dial = self.dials.lock().pop_front()?;
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        Some(dial)
    }

    /// A route has panicked; the connection is told in another way.
    pub(super) fn note_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Routes that have panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Whether a turn has something to do here.
    pub(crate) fn has_work(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// On the loop's own thread its turn comes to it by itself.
    fn rouse(&self) {
        if Local::current_of(&self.remote).is_none() {
            self.remote.wake();
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Context").finish_non_exhaustive()
    }
}

/// Ends the stay in a loop.
pub(crate) struct Present(Option<Arc<Context>>);

impl Drop for Present {
    fn drop(&mut self) {
        CURRENT.replace(self.0.take());
    }
}

/// The open sockets of a server by their number, and by the names that the program gave some. It keeps none of them open.
#[derive(Default)]
pub(crate) struct Registry {
    latest: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    sockets: HashMap<SocketId, Weak<Shared>>,
    names: HashMap<Box<str>, SocketId>,
    /// The other way round, for those that have a name.
    named: HashMap<SocketId, Box<str>>,
}

impl Registry {
    pub(super) fn next_id(&self) -> SocketId {
        SocketId::from_u64(self.latest.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn insert(&self, shared: &Arc<Shared>) {
        self.open.lock().sockets.insert(shared.id(), Arc::downgrade(shared));
    }

    pub(super) fn remove(&self, id: SocketId) {
        let mut open = self.open.lock();
        open.sockets.remove(&id);
        // What a crowd needed is given back when it has left.
        if open.sockets.capacity() > 1024 && open.sockets.len() < open.sockets.capacity() / 8 {
            open.sockets.shrink_to_fit();
        }
        open.forget_name(id);
    }

    /// Gives a name to an open socket, and returns the one that had it.
    pub(super) fn name(&self, id: SocketId, name: &str) -> Option<SocketHandle> {
        let mut open = self.open.lock();
        if !open.sockets.contains_key(&id) {
            return None;
        }
        open.forget_name(id);
        open.named.insert(id, name.into());
        let former = open.names.insert(name.into(), id)?;
        open.named.remove(&former);
        open.handle(former)
    }

    pub(crate) fn find(&self, id: SocketId) -> Option<SocketHandle> {
        self.open.lock().handle(id)
    }

    pub(crate) fn find_named(&self, name: &str) -> Option<SocketHandle> {
        let open = self.open.lock();
        open.names.get(name).and_then(|id| open.handle(*id))
    }

    pub(crate) fn all(&self) -> Vec<SocketHandle> {
        self.open.lock().sockets.values().filter_map(Weak::upgrade).map(SocketHandle::new).collect()
    }
}

impl Open {
    fn handle(&self, id: SocketId) -> Option<SocketHandle> {
        self.sockets.get(&id).and_then(Weak::upgrade).map(SocketHandle::new)
    }

    fn forget_name(&mut self, id: SocketId) {
        if let Some(name) = self.named.remove(&id) {
            self.names.remove(&name);
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registry")
            .field("sockets", &self.open.lock().sockets.len())
            .finish()
    }
}
