//! An engine that counts what another one is asked to do.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sockeye_protocol::{Instant, Outbox};

use super::{
    Address, Carrier, Completion, Engine, GivenListener, Handed, Input, ListenerId, Received,
    Remote, Sent, Wake,
};

/// Passes every call on to an engine and counts it, so that tests and measurements can say how many
/// calls a message costs.
#[derive(Debug)]
pub struct Counting<E> {
    engine: E,
    counters: Arc<Counters>,
}

impl<E> Counting<E> {
    /// Counts what `engine` does from now on.
    pub fn new(engine: E) -> Self {
        Self { engine, counters: Arc::default() }
    }

    /// The counters, readable from any thread.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// The engine that is counted.
    pub const fn engine(&self) -> &E {
        &self.engine
    }

    /// The engine that is counted.
    pub const fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }
}

/// How often an engine was asked for what, failures included.
#[derive(Debug, Default)]
pub struct Counters {
    polls: Counter,
    accepts: Counter,
    receives: Counter,
    received_bytes: Counter,
    sends: Counter,
    sent_bytes: Counter,
}

impl Counters {
    /// Calls of [`Engine::poll`].
    pub fn polls(&self) -> u64 {
        self.polls.value()
    }

    /// Calls of [`Engine::accept`], those included that found nothing.
    pub fn accepts(&self) -> u64 {
        self.accepts.value()
    }

    /// Calls of [`Engine::receive`] and [`Engine::receive_into`], those included that found nothing.
    pub fn receives(&self) -> u64 {
        self.receives.value()
    }

    /// Bytes received.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.value()
    }

    /// Calls of [`Engine::send`].
    pub fn sends(&self) -> u64 {
        self.sends.value()
    }

    /// Bytes sent.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.value()
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, amount: usize) {
        self.0.fetch_add(amount as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<E: Engine> Engine for Counting<E> {
    fn now(&self) -> Instant {
        self.engine.now()
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        self.counters.polls.add(1);
        self.engine.poll(timeout, completions)
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.engine.waker()
    }

    fn listen(&mut self, address: &Address) -> io::Result<(ListenerId, Address)> {
        self.engine.listen(address)
    }

    fn listen_on(&mut self, listener: GivenListener) -> io::Result<(ListenerId, Address)> {
        self.engine.listen_on(listener)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.engine.unlisten(listener);
    }

    fn accept(&mut self, listener: ListenerId) -> io::Result<Option<(Carrier, Remote)>> {
        self.counters.accepts.add(1);
        self.engine.accept(listener)
    }

    fn accept_for_another(&mut self, listener: ListenerId) -> io::Result<Option<Handed>> {
        self.counters.accepts.add(1);
        self.engine.accept_for_another(listener)
    }

    fn adopt(&mut self, handed: Handed) -> io::Result<(Carrier, Remote)> {
        self.engine.adopt(handed)
    }

    fn refuse(&mut self, listener: ListenerId) -> io::Result<bool> {
        self.engine.refuse(listener)
    }

    fn connect(&mut self, address: &Address) -> io::Result<Carrier> {
        self.engine.connect(address)
    }

    fn connect_result(&mut self, carrier: Carrier) -> io::Result<()> {
        self.engine.connect_result(carrier)
    }

    fn receive(&mut self, carrier: Carrier) -> io::Result<Input<'_>> {
        self.counters.receives.add(1);
        let input = self.engine.receive(carrier)?;
        if let Input::Bytes { bytes, .. } = &input {
            self.counters.received_bytes.add(bytes.len());
        }
        Ok(input)
    }

    fn receive_into(&mut self, carrier: Carrier, target: &mut Vec<u8>) -> io::Result<Received> {
        self.counters.receives.add(1);
        let received = self.engine.receive_into(carrier, target)?;
        if let Received::Bytes { count, .. } = received {
            self.counters.received_bytes.add(count);
        }
        Ok(received)
    }

    fn send(&mut self, carrier: Carrier, outbox: &mut Outbox) -> io::Result<Sent> {
        self.counters.sends.add(1);
        let sent = self.engine.send(carrier, outbox)?;
        self.counters.sent_bytes.add(sent.bytes);
        Ok(sent)
    }

    fn shutdown_write(&mut self, carrier: Carrier) {
        self.engine.shutdown_write(carrier);
    }

    fn close(&mut self, carrier: Carrier) {
        self.engine.close(carrier);
    }
}
