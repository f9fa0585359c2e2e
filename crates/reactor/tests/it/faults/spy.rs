//! An engine on real sockets that notes which errors the system gave.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{Instant, Outbox};
use sockeye_reactor::engine::{
    Address, Carrier, Completion, Engine, Input, ListenerId, Mio, Received, Remote, Sent, Wake,
};

/// What was asked for when the system said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Accept,
    Connect,
    Receive,
    Send,
}

/// All errors so far, in order.
pub(super) type Errors = Rc<RefCell<Vec<(Call, io::ErrorKind)>>>;

pub(super) struct Spy {
    engine: Mio,
    pub(super) errors: Errors,
    /// Polls so far.
    pub(super) polls: usize,
    /// How far its clock is ahead: for so long the process was stopped.
    pub(super) ahead: Duration,
}

impl Spy {
    pub(super) fn new() -> Self {
        Self {
            engine: Mio::new().expect("an engine"),
            errors: Errors::default(),
            polls: 0,
            ahead: Duration::ZERO,
        }
    }
}

fn note<T>(errors: &Errors, call: Call, result: io::Result<T>) -> io::Result<T> {
    result.inspect_err(|error| errors.borrow_mut().push((call, error.kind())))
}

impl Engine for Spy {
    fn now(&self) -> Instant {
        self.engine.now() + self.ahead
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        self.polls += 1;
        self.engine.poll(timeout, completions)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.engine.waker()
    }

    fn listen(&mut self, address: &Address) -> io::Result<(ListenerId, Address)> {
        self.engine.listen(address)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.engine.unlisten(listener);
    }

    fn accept(&mut self, listener: ListenerId) -> io::Result<Option<(Carrier, Remote)>> {
        note(&self.errors, Call::Accept, self.engine.accept(listener))
    }

    fn refuse(&mut self, listener: ListenerId) -> io::Result<bool> {
        self.engine.refuse(listener)
    }

    fn connect(&mut self, address: &Address) -> io::Result<Carrier> {
        note(&self.errors, Call::Connect, self.engine.connect(address))
    }

    fn connect_result(&mut self, carrier: Carrier) -> io::Result<()> {
        note(&self.errors, Call::Connect, self.engine.connect_result(carrier))
    }

    fn receive(&mut self, carrier: Carrier) -> io::Result<Input<'_>> {
        note(&self.errors, Call::Receive, self.engine.receive(carrier))
    }

    fn receive_into(&mut self, carrier: Carrier, target: &mut Vec<u8>) -> io::Result<Received> {
        note(&self.errors, Call::Receive, self.engine.receive_into(carrier, target))
    }

    fn send(&mut self, carrier: Carrier, outbox: &mut Outbox) -> io::Result<Sent> {
        note(&self.errors, Call::Send, self.engine.send(carrier, outbox))
    }

    fn shutdown_write(&mut self, carrier: Carrier) {
        self.engine.shutdown_write(carrier);
    }

    fn close(&mut self, carrier: Carrier) {
        self.engine.close(carrier);
    }
}
