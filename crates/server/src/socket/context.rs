//! The loop that a thread is in, and the connections that it is asked to make.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::ClientRequest;
use sockeye_reactor::ConnectError;
use sockeye_reactor::engine::Address;

use super::Socket;
use super::home::Home;
use super::shared::Shared;
use crate::executor::Filler;
use sockeye_reactor::mutex::Mutex;

thread_local! {
    /// The loop whose turn this thread is in.
    static CURRENT: RefCell<Option<Arc<Context>>> = const { RefCell::new(None) };
}

/// One loop, as those see it who want connections of it.
pub(crate) struct Context {
    pub(crate) home: Arc<Home<Shared>>,
    dials: Mutex<VecDeque<Dial>>,
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
    pub(crate) fn new(home: Arc<Home<Shared>>) -> Arc<Self> {
        Arc::new(Self { home, dials: Mutex::default() })
    }

    /// Makes this the loop of the thread until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Present {
        Present(CURRENT.replace(Some(Arc::clone(self))))
    }

    /// The loop whose turn this thread is in, if any.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// One dial per call of a program that waits for it.
    pub(crate) fn dial(&self, dial: Dial) {
        self.home.note_waiting();
        self.dials.lock().push_back(dial);
        self.home.rouse();
    }

    pub(crate) fn next_dial(&self) -> Option<Dial> {
        if !self.home.has_work() {
            return None;
        }
        let dial = self.dials.lock().pop_front()?;
        self.home.note_taken(1);
        Some(dial)
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
