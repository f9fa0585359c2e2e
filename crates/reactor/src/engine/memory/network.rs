//! The test's side of a simulated network: its clock, its conditions, its hosts.

use std::cell::{RefCell, RefMut};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::Instant;

use super::super::Address;
use super::Memory;
use super::conditions::{Answer, Conditions};
use super::link::Side;
use super::simulation::{Host, Simulation};
use super::wire::Wire;

/// A simulated network with a clock of its own; a handle, of which all clones mean the same.
///
/// Everything that happens follows from the calls and from [`Conditions::seed`], so a failure
/// can be replayed. Time passes only while an engine sleeps, or by [`advance`](Self::advance).
///
/// With several engines on one network the clock moves only when all of them sleep, so a test that
/// runs several loops takes turns between them.
#[derive(Clone, Debug)]
pub struct Network(Rc<RefCell<Simulation>>);

impl Network {
    /// An empty network; its clock begins at [`Instant::ZERO`].
    #[must_use]
    pub fn new(conditions: Conditions) -> Self {
        Self(Rc::new(RefCell::new(Simulation::new(conditions))))
    }

    /// An engine whose sockets are in this network. Dropping it closes all of them.
    #[must_use]
    pub fn engine(&self) -> Memory {
        Memory::new(self.clone())
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.state().now
    }

    /// Lets `duration` pass, and what was on its way arrive.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        let now = state.now + duration;
        state.run_until(now);
    }

    /// No engine's sleep goes beyond this time: there it returns, every time, without a completion.
    /// So a loop can be run up to a moment exactly, and one that would sleep for ever (which is an
    /// error otherwise) just stands still.
    pub fn set_horizon(&self, horizon: Option<Instant>) {
        self.state().horizon = horizon;
    }

    /// Whether an engine that polled now would sleep.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.state().is_quiet()
    }

    /// Changes the conditions for what is sent, received and connected from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.state().set_conditions(conditions);
    }

    /// Connects to an engine's listener.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ConnectionRefused`]: nobody listens there.
    pub fn connect(&self, address: &Address) -> io::Result<Wire> {
        let link = self.state().call(address)?;
        Ok(Wire::new(self.0.clone(), link, Side::Caller))
    }

    /// How connections of engines to the address `number` are answered, where no engine listens.
    /// Without this call they are refused.
    pub fn set_answer(&self, number: u64, answer: Answer) {
        self.state().hosts.insert(number, Host::new(answer));
    }

    /// The next connection that an engine made to an address which answers with
    /// [`Answer::Accept`].
    #[must_use]
    pub fn accept(&self, number: u64) -> Option<Wire> {
        let link = self.state().hosts.get_mut(&number)?.accepted.pop_front()?;
        Some(Wire::new(self.0.clone(), link, Side::Callee))
    }

    /// Makes the next `times` accepts of any engine fail with an error of the system, such as the
    /// number of EMFILE.
    pub fn fail_accepts(&self, raw_os_error: i32, times: usize) {
        self.state().accept_errors.extend(std::iter::repeat_n(raw_os_error, times));
    }

    /// How many connections are open at one end at least.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state().links.len()
    }

    pub(super) fn state(&self) -> RefMut<'_, Simulation> {
        self.0.borrow_mut()
    }
}
