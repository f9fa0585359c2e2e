//! The reactor: one thread's loop over its engine, its sessions and its service.

mod timeouts;
mod draining;
mod commands;
mod accept;
mod outward;
mod opening;
mod dispatch;
mod feeding;
mod ending;
mod delivering;
mod flush;
mod turn;

use std::fmt;
use std::io;
use std::sync::Arc;

use sockeye_protocol::handshake::ClientRequest;
use sockeye_protocol::{Buffers, Instant};

use self::draining::DrainState;
pub use self::turn::Turn;
use crate::config::Config;
use crate::crowd::Crowd;
use crate::drain::DrainReport;
use crate::engine::{Address, Completion, Engine, GivenListener};
use crate::entropy::Entropy;
use crate::groups::Memberships;
use crate::handle::Handle;
use crate::handler::{Notice, Outward, Service};
use crate::handover::Others;
use crate::listener::Listeners;
use crate::mailbox::{Command, Mailbox};
use crate::outboxes::Outboxes;
use crate::outcome::Cause;
use crate::session::Session;
use crate::shared::Shared;
use crate::slab::Key;
use crate::stats::Stats;
use crate::table::Table;
use crate::timers::Timers;

/// Idle buffers that one reactor keeps at most. 8 MiB: the outboxes of a few thousand sessions that
/// answer in the same turn.
const POOL_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One thread's event loop: accepts and opens sessions, and carries bytes between their transports,
/// their protocol and their handlers.
///
/// It does nothing by itself: call [`run`](Self::run), or [`turn`](Self::turn) as often as you like.
/// Dropping it cuts every session; their handlers are told.
pub struct Reactor<S: Service, E: Engine> {
    engine: E,
    service: S,
    /// By the slots of their carriers.
    sessions: Table<Session<S::Handler>>,
    timers: Timers,
    trim_at: Instant,
    listeners: Listeners,
    others: Others,
    shared: Shared,
    drain: DrainState,
    // Kept between turns for their memory only.
    completions: Vec<Completion>,
    commands: Vec<Command>,
    keys: Vec<Key>,
}

impl<S: Service, E: Engine> Reactor<S, E> {
    /// A reactor without listeners and sessions.
    pub fn new(engine: E, service: S, mut config: Config) -> Self {
        // With nothing at all a loop would turn for ever and get nowhere.
        config.turn_bytes_max = config.turn_bytes_max.max(1);
        config.accepts_per_turn = config.accepts_per_turn.max(1);
        let now = engine.now();
        let mailbox = Arc::new(Mailbox::new(engine.waker(), config.mailbox_bytes_max));
        Self {
            service,
            sessions: Table::new(),
            timers: Timers::new(),
            trim_at: now,
            listeners: Listeners::default(),
            others: Others::default(),
            shared: Shared {
                config,
                now,
                entropy: Entropy::new(),
                pool: Buffers::new(POOL_BYTES_MAX),
                outboxes: Outboxes::default(),
                mailbox,
                memberships: Memberships::default(),
                stats: Stats::default(),
                ready: Vec::new(),
                flush: Vec::new(),
                dead: Vec::new(),
                crowd: Crowd::default(),
                open: 0,
            },
            drain: DrainState::default(),
            completions: Vec::new(),
            commands: Vec::new(),
            keys: Vec::new(),
            engine,
        }
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { mailbox: Arc::clone(&self.shared.mailbox) }
    }

    /// Listens at `address`, and returns the address that it got: port 0 leaves the choice to the
    /// system. Accepting begins with the next turn.
    ///
    /// # Errors
    /// Those of the engine: the address is in use, or not ours.
    pub fn listen(&mut self, address: &Address) -> io::Result<Address> {
        let (id, bound) = self.engine.listen(address)?;
        self.listeners.add(id, bound.clone());
        Ok(bound)
    }

    /// Listens on what listens already, and returns its address. It is closed when the reactor stops
    /// listening, at the beginning of a drain or when it is dropped.
    ///
    /// # Errors
    /// Those of [`Engine::listen_on`]: it does not listen, or the engine knows no such listeners.
    pub fn listen_on(&mut self, listener: impl Into<GivenListener>) -> io::Result<Address> {
        let (id, bound) = self.engine.listen_on(listener.into())?;
        self.listeners.add(id, bound.clone());
        Ok(bound)
    }

    /// From now on this reactor shares what it accepts with those of `others`: each connection goes to
    /// whoever has the fewest sessions, in turn where that is equal, itself included. For systems
    /// whose listeners do not share a port; a [`Cluster`](crate::Cluster) does it where it must. Who
    /// has too many sessions that are not open (`Config::openings_max`), or no room in its mailbox, is
    /// passed over; accepting rests while this reactor has too many itself.
    ///
    /// Their engines must be of the same kind, one whose connections can change their thread
    /// ([`Engine::adopt`]).
    pub fn hand_over_to<'h>(&mut self, others: impl IntoIterator<Item = &'h Handle>) {
        let mailboxes = others.into_iter().map(|other| Arc::clone(&other.mailbox));
        self.others = Others::new(mailboxes.collect());
    }

    /// Where the reactor listens.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.addresses()
    }

    /// Connects outward, in the client role. The handler hears of the result: `open`, or
    /// `failed_to_connect` by `Config::handshake_within` at the latest.
    ///
    /// # Errors
    /// What is known at once, such as an unreachable network; the handler is dropped, not called.
    pub fn connect(
        &mut self,
        address: &Address,
        request: &ClientRequest,
        handler: S::Handler,
    ) -> io::Result<Key> {
        let outward = Outward::new(address.clone(), request.clone(), handler);
        self.dial(outward).map_err(|(error, _handler)| error)
    }

    /// Runs until [`Handle::stop`] is called or a drain is done.
    ///
    /// # Errors
    /// Only what makes the whole engine unusable.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn()? == Turn::More {}
        Ok(())
    }

    /// The service.
    pub fn service_mut(&mut self) -> &mut S {
        &mut self.service
    }

    /// The engine.
    pub fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }

    /// How many sessions there are, in any phase.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many sessions are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.shared.open
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats
    }

    /// The report of the drain that this reactor went through.
    #[must_use]
    pub fn drain_report(&self) -> Option<DrainReport> {
        self.drain.report()
    }

    /// Tells the service that user code panicked.
    fn observe_panic(&mut self, key: Option<Key>) {
        self.shared.stats.panics += 1;
        self.observe(Notice::Panicked { key });
    }

    /// Tells the service. What it makes of that is its own affair, a panic included.
    fn observe(&mut self, notice: Notice<'_>) {
        if crate::guard::guard(|| self.service.observe(notice)).is_err() {
            self.shared.stats.panics += 1;
        }
    }
}

impl<S: Service, E: Engine> Drop for Reactor<S, E> {
    fn drop(&mut self) {
        self.cut_all(Cause::Stopped);
        self.reap();
        self.shared.mailbox.close();
    }
}

impl<S: Service, E: Engine> fmt::Debug for Reactor<S, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reactor")
            .field("sessions", &self.sessions.len())
            .field("open", &self.shared.open)
            .finish_non_exhaustive()
    }
}
