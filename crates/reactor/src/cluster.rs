//! Several reactors, one thread each, that listen at the same addresses.

use std::fmt;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::drain::{DrainPlan, DrainReport};
use crate::engine::{Address, Engine, GivenListener};
use crate::handle::Handle;
use crate::handler::Service;
use crate::reactor::Reactor;

/// How connections come to the reactors of a [`Cluster`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spreading {
    /// Each reactor listens, and the system spreads connections over them (SO_REUSEPORT): the default
    /// where it does that evenly, on Linux and Android. It knows nothing of how full a reactor is.
    SharedPort,
    /// The first reactor listens, and hands each connection to whoever has the fewest sessions, itself
    /// included; see [`Reactor::hand_over_to`]. The default elsewhere.
    HandOver,
}

impl Default for Spreading {
    fn default() -> Self {
        match cfg!(any(target_os = "linux", target_os = "android")) {
            true => Self::SharedPort,
            false => Self::HandOver,
        }
    }
}

/// Reactors on threads of their own, among which connections are [spread](Spreading). Groups reach
/// over all of them, and everything else stays on its own thread.
///
/// Dropping it stops the reactors and waits for them.
pub struct Cluster {
    members: Vec<Member>,
    addresses: Vec<Address>,
}

/// One reactor.
struct Member {
    handle: Handle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Cluster {
    /// Starts `threads` reactors, at least one, each made by `make` on its own thread and given its
    /// index, which together listen at `addresses`. Where an address leaves its port to the system, the
    /// first reactor gets one and the others follow it.
    ///
    /// # Errors
    /// What `make` says, or an address that cannot be listened at; no thread is left behind.
    pub fn start<S, E, F>(threads: usize, addresses: &[Address], make: F) -> io::Result<Self>
    where
        S: Service + 'static,
        E: Engine + 'static,
        F: Fn(usize) -> io::Result<Reactor<S, E>> + Send + Sync + 'static,
    {
        Self::start_spreading(Spreading::default(), threads, addresses, make)
    }

    /// As [`start`](Self::start), with connections spread as `spreading` says.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_spreading<S, E, F>(
        spreading: Spreading,
        threads: usize,
        addresses: &[Address],
        make: F,
    ) -> io::Result<Self>
    where
        S: Service + 'static,
        E: Engine + 'static,
        F: Fn(usize) -> io::Result<Reactor<S, E>> + Send + Sync + 'static,
    {
        Self::start_on(Vec::new(), spreading, threads, addresses, make)
    }

    /// As [`start_spreading`](Self::start_spreading), and on what listens already. One reactor can
    /// accept from such a listener, so the first does and hands each connection to whoever has the
    /// fewest sessions, as with [`Spreading::HandOver`]. What `spreading` says holds for `addresses`.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and a listener that [is none](crate::engine::InvalidListener)
    /// or whose kind the engine does not know.
    pub fn start_on<S, E, F>(
        given: Vec<GivenListener>,
        spreading: Spreading,
        threads: usize,
        addresses: &[Address],
        make: F,
    ) -> io::Result<Self>
    where
        S: Service + 'static,
        E: Engine + 'static,
        F: Fn(usize) -> io::Result<Reactor<S, E>> + Send + Sync + 'static,
    {
        // Before anybody is served.
        given.iter().try_for_each(GivenListener::check)?;
        let make = Arc::new(make);
        let mut cluster = Self { members: Vec::new(), addresses: addresses.to_vec() };
        // Whoever hands over must know the others before it accepts the first connection, so it comes
        // last then.
        let shares_port = spreading == Spreading::SharedPort;
        let last = (!shares_port || !given.is_empty()).then_some(0);
        let mut given = Some(given);
        for index in (usize::from(last.is_some())..threads.max(1)).chain(last) {
            let (sender, receiver) = mpsc::channel();
            let make = Arc::clone(&make);
            let hands_over = last == Some(index);
            let listens = shares_port || hands_over;
            let mut wanted = Wanted::default();
            if listens {
                wanted.addresses.clone_from(&cluster.addresses);
            }
            if hands_over {
                wanted.given = given.take().unwrap_or_default();
            }
            let others: Vec<Handle> = match hands_over {
                true => cluster.handles().cloned().collect(),
                false => Vec::new(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("reactor-{index}"))
                .spawn(move || run(|| make(index), &others, wanted, &sender))?;
            match receiver.recv() {
                Ok((handle, bound)) => {
                    if listens {
                        cluster.addresses = bound;
                    }
                    let member = Member { handle, thread: Some(thread) };
                    // In the order of their indices.
                    cluster.members.insert(index.min(cluster.members.len()), member);
                }
                // It ended before it ran: its result says why.
                Err(mpsc::RecvError) => {
                    let error = join(thread).err();
                    return Err(
                        error.unwrap_or_else(|| io::Error::other("a reactor did not start"))
                    );
                }
            }
        }
        Ok(cluster)
    }

    /// Where the reactors listen.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// A handle for each reactor.
    pub fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.members.iter().map(|member| &member.handle)
    }

    /// Drains all reactors at the same time, waits until they are done, a second longer than
    /// `plan.within` at most, and adds up what they report.
    #[must_use]
    pub fn drain(&self, plan: &DrainPlan) -> DrainReport {
        let began = Instant::now();
        let draining: Vec<_> =
            self.members.iter().map(|member| member.handle.drain(plan.clone())).collect();
        let mut total = DrainReport::default();
        for one in draining {
            let rest = plan.within.saturating_add(GRACE).saturating_sub(began.elapsed());
            if let Some(report) = one.wait(rest) {
                total.merge(&report);
            }
        }
        total
    }

    /// Waits until all reactors have ended: stopped, drained, or failed.
    ///
    /// # Errors
    /// The first failure of a reactor.
    pub fn join(mut self) -> io::Result<()> {
        self.join_all()
    }

    fn join_all(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for member in &mut self.members {
            if let Some(thread) = member.thread.take() {
                let joined = join(thread);
                result = result.and(joined);
            }
        }
        result
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &self.members {
            member.handle.stop();
        }
        // Whoever wants to know how they ended calls `join`.
        let _ = self.join_all();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Cluster")
            .field("members", &self.members.len())
            .field("addresses", &self.addresses)
            .finish()
    }
}

/// How much longer than its plan a drain is waited for.
const GRACE: Duration = Duration::from_secs(1);

/// What one reactor listens at.
#[derive(Default)]
struct Wanted {
    addresses: Vec<Address>,
    given: Vec<GivenListener>,
}

/// One reactor's thread.
fn run<S: Service, E: Engine>(
    make: impl FnOnce() -> io::Result<Reactor<S, E>>,
    others: &[Handle],
    wanted: Wanted,
    started: &mpsc::Sender<(Handle, Vec<Address>)>,
) -> io::Result<()> {
    let mut reactor = make()?;
    reactor.hand_over_to(others);
    let listen = |address: &Address| {
        // The system's error does not say which of the addresses it is about.
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
        reactor.listen(address).map_err(named)
    };
    let mut bound: Vec<Address> = wanted.addresses.iter().map(listen).collect::<Result<_, _>>()?;
    for listener in wanted.given {
        bound.push(reactor.listen_on(listener)?);
    }
    // The starter waits for this; if it is gone, nobody wants the reactor.
    if started.send((reactor.handle(), bound)).is_err() {
        return Ok(());
    }
    reactor.run()
}

fn join(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|_panic| Err(io::Error::other("a reactor's thread panicked")))
}
