//! Loops on threads of their own.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, PoisonError};

use sockeye_reactor::engine::{Address, Engine, GivenListener, Mio};
use sockeye_reactor::{Cluster, Reactor, Spreading};

use super::LoopService;
use super::app::App;
use super::figures::{Figures, Stats};
use crate::executor::{Clock, is_loop_thread};
use crate::socket::Context;
use sockeye_reactor::mutex::Mutex;

/// Loops that run, and what other threads need of them.
pub(crate) struct Loops {
    cluster: Mutex<Option<Cluster>>,
    addresses: Vec<Address>,
    running: Arc<Running>,
}

/// What the loops tell of themselves.
#[derive(Default)]
struct Running {
    members: Mutex<Vec<(Arc<Context>, Arc<Figures>)>>,
    alive: Mutex<usize>,
    ended: Condvar,
}

impl Loops {
    /// Starts so many loops and waits until all of them listen.
    pub(crate) fn start(
        given: Vec<GivenListener>,
        loops: usize,
        spreading: Spreading,
        app: &Arc<App>,
        config: &sockeye_reactor::Config,
        addresses: &[Address],
    ) -> io::Result<Self> {
        let running = Arc::new(Running::default());
        let (app, config, told) = (Arc::clone(app), config.clone(), Arc::clone(&running));
        let cluster = Cluster::start_on(given, spreading, loops, addresses, move |_index| {
            let mut engine = Mio::new()?;
            // A peer that is gone is noticed by the kernel even while its handler has reading paused.
            engine.set_user_timeout(
                config
                    .connection
                    .ping_after
                    .map(|after| after.saturating_add(config.connection.pong_within)),
            );
            let mut service = LoopService::new(Arc::clone(&app), Clock::monotonic(|| engine.now()));
            // The thread runs nothing else until it ends.
            std::mem::forget(service.enter());
            service.alive = Some(Alive::new(&told));
            told.members
                .lock()
                .push((Arc::clone(service.context()), Arc::clone(service.figures())));
            let remote = Arc::clone(service.executor().remote());
            let reactor = Reactor::new(engine, service, config.clone());
            let handle = reactor.handle();
            remote.set_wake(move || handle.wake());
            Ok(reactor)
        })?;
        let addresses = cluster.addresses().to_vec();
        Ok(Self { cluster: Mutex::new(Some(cluster)), addresses, running })
    }

    /// Where they listen.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The first loop's context.
    pub(crate) fn context(&self) -> Option<Arc<Context>> {
        self.running.members.lock().first().map(|(context, _)| Arc::clone(context))
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for (_, figures) in &*self.running.members.lock() {
            sum.add(&figures.read());
        }
        sum
    }

    /// The loops, to end them; `None`: somebody else does or did. Not on a loop's thread, which would wait for itself.
    pub(crate) fn take(&self) -> Option<Cluster> {
        self.cluster.lock().take()
    }

    /// Blocks until every loop has ended, whatever ended it.
    pub(crate) fn wait(&self) {
        let mut alive = self.running.alive.lock();
        while *alive > 0 {
            alive = self.running.ended.wait(alive).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Loops {
    /// The last handle of a server may be dropped by one of its own routes.
    fn drop(&mut self) {
        let Some(cluster) = self.take() else { return };
        if !is_loop_thread() {
            return drop(cluster);
        }
        cluster.handles().for_each(sockeye_reactor::Handle::stop);
        // Without a thread the loops still end; they are only not waited for.
        let _ = std::thread::Builder::new().spawn(move || drop(cluster));
    }
}

impl fmt::Debug for Loops {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Loops").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Held by a loop's service for as long as the loop lives.
pub(super) struct Alive(Arc<Running>);

impl Alive {
    fn new(running: &Arc<Running>) -> Self {
        *running.alive.lock() += 1;
        Self(Arc::clone(running))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        *self.0.alive.lock() -= 1;
        self.0.ended.notify_all();
    }
}
