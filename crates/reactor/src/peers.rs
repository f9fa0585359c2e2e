//! All open sessions of a reactor, as its service's tasks see them.

use std::fmt;
use std::sync::Arc;

use sockeye_protocol::{Connection, Instant};

use crate::handle::Handle;
use crate::link::Link;
use crate::peer::Peer;
use crate::shared::Shared;
use crate::slab::Key;
use crate::stats::Stats;

/// Where a reactor's open sessions are found by key, whatever their handlers are.
pub(crate) trait Directory {
    fn find(&mut self, key: Key) -> Option<(&mut Link, &mut Connection)>;
}

/// All open sessions of a reactor, lent to `Service::tasks`.
pub struct Peers<'p> {
    sessions: &'p mut dyn Directory,
    shared: &'p mut Shared,
}

impl<'p> Peers<'p> {
    pub(crate) fn new(sessions: &'p mut dyn Directory, shared: &'p mut Shared) -> Self {
        Self { sessions, shared }
    }

    /// The session with this key. None if it is not open, or gone.
    pub fn get(&mut self, key: Key) -> Option<Peer<'_>> {
        let (link, connection) = self.sessions.find(key)?;
        Some(Peer::new(link, connection, self.shared))
    }

    /// The time at the beginning of this turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.now
    }

    /// How many sessions are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.shared.open
    }

    /// What the reactor has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats
    }

    /// The reactor's handle.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { mailbox: Arc::clone(&self.shared.mailbox) }
    }
}

impl fmt::Debug for Peers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peers").finish_non_exhaustive()
    }
}
