//! A reactor as seen from other threads.

use std::fmt;
use std::sync::{Arc, mpsc};

use sockeye_protocol::{CloseReason, Prepared, SendError};

use crate::drain::{DrainPlan, Draining};
use crate::mailbox::{Command, Mailbox};
use crate::slab::Key;

/// Commands for one reactor, from any thread. Clones are cheap and mean the same reactor.
///
/// A command for a session that is gone finds nothing and does nothing: no lock per connection is
/// needed for that, since keys carry a generation.
#[derive(Clone)]
pub struct Handle {
    pub(crate) mailbox: Arc<Mailbox>,
}

impl Handle {
    /// Begins the closing handshake of session `key`.
    ///
    /// # Errors
    /// [`SendError::Full`] if the mailbox is over its limit: the reactor is stuck or overloaded.
    pub fn close(&self, key: Key, reason: Option<CloseReason<'static>>) -> Result<(), SendError> {
        self.mailbox.post(Command::Close(key, reason), 0).map_err(|_| SendError::Full)
    }

    /// Sends a prepared message to session `key`. It is dropped if the session's outbox is full;
    /// who must know that uses a [`Sender`](crate::Sender).
    ///
    /// # Errors
    /// [`SendError::Full`] if the mailbox is over its limit.
    pub fn send_prepared(&self, key: Key, prepared: Prepared) -> Result<(), SendError> {
        let payload_bytes = prepared.frame_len();
        self.mailbox.post(Command::Send(key, prepared), payload_bytes).map_err(|_| SendError::Full)
    }

    /// Begins to drain: no new sessions, every open one closed as `plan` says, and then what the
    /// service has [unfinished](crate::Service::unfinished). The reactor's `run` returns when it is done. A second call is answered with the same report as the first.
    #[must_use]
    pub fn drain(&self, plan: DrainPlan) -> Draining {
        let (sender, report) = mpsc::channel();
        self.mailbox.post_always(Command::Drain(plan, sender));
        Draining { report }
    }

    /// Makes `run` return after the current turn. Sessions are cut when the reactor is dropped.
    pub fn stop(&self) {
        self.mailbox.stop();
    }

    /// Makes the next turn happen now, so that `Service::tasks` runs.
    pub fn wake(&self) {
        self.mailbox.wake();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handle").finish_non_exhaustive()
    }
}
