//! What a service makes of a request: at once, or later and from another thread.

use std::fmt;
use std::sync::Arc;

use sockeye_protocol::handshake::{Acceptance, Response};

use crate::mailbox::{Command, Mailbox};
use crate::mutex::Mutex;
use crate::slab::Key;

/// What a service makes of a request.
pub enum Decision<H> {
    /// Switch to WebSocket (status 101). If the request is no valid upgrade, the reactor answers it
    /// with its error instead, and drops the handler.
    Accept(Accept<H>),
    /// Answer with plain HTTP and close. What the peer sends after it is never looked at.
    Respond(Response),
    /// Decide later, from any thread, before the handshake's deadline.
    Defer(Deferred<H>),
}

impl<H> fmt::Debug for Decision<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Accept(_) => "Accept",
            Self::Respond(_) => "Respond",
            Self::Defer(_) => "Defer",
        })
    }
}

/// How a session is to be opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accept<H> {
    /// Takes the session's events.
    pub handler: H,
    /// The subprotocol chosen and further headers of the answer. Compression need not be agreed on
    /// here: if the limits ask for it, the reactor sees to it.
    pub acceptance: Acceptance,
    /// Limits for this connection; None: those of the reactor's configuration.
    pub config: Option<Arc<sockeye_protocol::Config>>,
}

impl<H> Accept<H> {
    /// Accepts without a subprotocol, with the reactor's limits.
    pub fn new(handler: H) -> Self {
        Self { handler, acceptance: Acceptance::default(), config: None }
    }
}

/// Makes a decision that is yet to be made: the service returns the second part, and whoever decides
/// keeps the ticket.
#[must_use]
pub fn deferred<H>() -> (Ticket<H>, Deferred<H>) {
    let slot = Arc::new(Slot { state: Mutex::new(State { answer: Answer::Awaited, asker: None }) });
    (Ticket { slot: Arc::clone(&slot) }, Deferred { slot })
}

/// The right, and the duty, to decide a deferred request. Dropping it answers 503.
pub struct Ticket<H> {
    slot: Arc<Slot<H>>,
}

impl<H> Ticket<H> {
    /// Decides. Too late is no error: the request was answered by its deadline, and the decision is
    /// dropped. A decision to defer again answers 503.
    pub fn answer(self, decision: Decision<H>) {
        self.slot.answer(Answer::Given(decision));
    }
}

impl<H> Drop for Ticket<H> {
    fn drop(&mut self) {
        self.slot.answer(Answer::Abandoned);
    }
}

impl<H> fmt::Debug for Ticket<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ticket")
    }
}

/// A decision that is yet to be made, to be returned in [`Decision::Defer`].
pub struct Deferred<H> {
    slot: Arc<Slot<H>>,
}

impl<H> Deferred<H> {
    /// Names the session that waits. From now on an answer posts a command for it.
    pub(crate) fn bind(&self, mailbox: &Arc<Mailbox>, key: Key) {
        let mut state = self.slot.state.lock();
        state.asker = Some((Arc::clone(mailbox), key));
        if !matches!(state.answer, Answer::Awaited) {
            mailbox.post_always(Command::Answered(key));
        }
    }

    /// The decision, if it was made. None in it: the ticket was dropped.
    pub(crate) fn take(&self) -> Option<Option<Decision<H>>> {
        let mut state = self.slot.state.lock();
        match std::mem::replace(&mut state.answer, Answer::Abandoned) {
            Answer::Awaited => {
                state.answer = Answer::Awaited;
                None
            }
            Answer::Given(decision) => Some(Some(decision)),
            Answer::Abandoned => Some(None),
        }
    }
}

impl<H> fmt::Debug for Deferred<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Deferred")
    }
}

struct Slot<H> {
    state: Mutex<State<H>>,
}

struct State<H> {
    answer: Answer<H>,
    asker: Option<(Arc<Mailbox>, Key)>,
}

enum Answer<H> {
    Awaited,
    Given(Decision<H>),
    Abandoned,
}

impl<H> Slot<H> {
    /// The first answer counts.
    fn answer(&self, answer: Answer<H>) {
        let mut state = self.state.lock();
        if !matches!(state.answer, Answer::Awaited) {
            return;
        }
        state.answer = answer;
        if let Some((mailbox, key)) = &state.asker {
            mailbox.post_always(Command::Answered(*key));
        }
    }
}
