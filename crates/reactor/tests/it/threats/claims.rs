//! An engine that claims more than it did: nobody believes it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{Instant, Outbox};
use sockeye_reactor::engine::{
    Address, Carrier, Completion, Conditions, Engine, Input, ListenerId, Memory, Network, Received,
    Remote, Sent, Wake,
};
use sockeye_reactor::{Config, Reactor};

use crate::frames::{BINARY, TEXT, masked, request};
use crate::support::{Scripts, echo};
use crate::world::Client;

/// Adds something to what it says it received and sent.
struct Boastful {
    engine: Memory,
    more: usize,
}

impl Engine for Boastful {
    fn now(&self) -> Instant {
        self.engine.now()
    }

    fn poll(&mut self, timeout: Option<Duration>, into: &mut Vec<Completion>) -> io::Result<()> {
        self.engine.poll(timeout, into)
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
        self.engine.accept(listener)
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
        self.engine.receive(carrier)
    }

    fn receive_into(&mut self, carrier: Carrier, target: &mut Vec<u8>) -> io::Result<Received> {
        Ok(match self.engine.receive_into(carrier, target)? {
            Received::Bytes { count, drained } => {
                Received::Bytes { count: count.saturating_add(self.more), drained }
            }
            other => other,
        })
    }

    fn send(&mut self, carrier: Carrier, outbox: &mut Outbox) -> io::Result<Sent> {
        let sent = self.engine.send(carrier, outbox)?;
        Ok(Sent { bytes: sent.bytes.saturating_add(self.more), ..sent })
    }

    fn shutdown_write(&mut self, carrier: Carrier) {
        self.engine.shutdown_write(carrier);
    }

    fn close(&mut self, carrier: Carrier) {
        self.engine.close(carrier);
    }
}

/// What counts is what lies in the buffers: a message that is read straight into its own arrives
/// whole and unharmed, whatever was claimed, and so does its echo.
#[test]
fn threat_l8_q10_what_an_engine_claims_is_not_believed() {
    for more in [1, 1000, 1 << 40] {
        let network = Network::new(Conditions::default());
        let engine = Boastful { engine: network.engine(), more };
        let mut reactor = Reactor::new(engine, Scripts::new(echo()), Config::default());
        let address = reactor.listen(&Address::Memory(0)).expect("an address");
        let mut client = Client::new(network.connect(&address).expect("a listener"));
        let payload: Vec<u8> = (0..600_000_u32).map(|at| (at % 251) as u8).collect();
        client.wire.write(&request("/"));
        client.wire.write(&masked(BINARY, &payload));
        client.wire.write(&masked(TEXT, b"behind it"));
        network.set_horizon(Some(network.now()));
        let mut frames = Vec::new();
        for round in 0..200 {
            reactor.turn().expect("an engine that works");
            if round == 20 {
                assert!(client.head().is_some());
            }
            if round > 20 {
                frames.extend(client.frames());
            }
        }
        assert_eq!(frames.len(), 2, "{more}");
        assert!(frames[0] == (BINARY, payload), "{more}");
        assert_eq!(frames[1], (TEXT, b"behind it".to_vec()));
    }
}
