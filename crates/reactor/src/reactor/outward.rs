//! Outward connections: the client's opening handshake.

use std::io;

use sockeye_protocol::handshake::{ClientHandshake, Refusal, Reply, Switched};
use sockeye_protocol::{Connection, Role};

use super::Reactor;
use super::opening::open;
use crate::engine::{Address, Carrier, Engine, Input, Remote};
use crate::error::{ConnectError, REFUSED_BODY_BYTES_MAX, Refused};
use crate::guard::{Panicked, guard, guarded_drop};
use crate::handler::{Handler, Notice, Outward, Service};
use crate::link::{Flag, Link, key_of};
use crate::session::{Dialing, Open, Phase, Session, Stage, limits};
use crate::shared::Shared;
use crate::slab::Key;

/// What became of the bytes of an answer.
enum Heard {
    /// More must come.
    More,
    /// The handshake is over: the bytes from this one on belong to the connection.
    Switched(Switched),
    Failed(ConnectError),
}

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Begins an outward connection. The error comes with the handler, who was told nothing.
    pub(super) fn dial(
        &mut self,
        outward: Outward<S::Handler>,
    ) -> Result<Key, (io::Error, S::Handler)> {
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut))]
        let Outward { address, mut request, handler, config, within } = outward;
        let carrier = match self.engine.connect(&address) {
            Ok(carrier) => carrier,
            Err(error) => return Err((error, handler)),
        };
        // The clock of this turn may be old: connections are asked for between turns as well.
        let deadline = self.engine.now() + within.unwrap_or(self.shared.config.handshake_within);
        let limits = limits(config, &self.shared.config);
        #[cfg(feature = "deflate")]
        if let Some(config) = limits.deflate {
            request = request.deflate(config);
        }
        let stage = Stage::Transport;
        let dialing = Box::new(Dialing { handler, request, stage, limits, deadline });
        let link = Link::new(carrier, remote_of(&address));
        let key = self.sessions.insert(Session { link, phase: Phase::Connecting(dialing) });
        self.arm(key);
        Ok(key)
    }

    /// Begins what the service asks for.
    pub(super) fn dial_for_service(&mut self) {
        loop {
            let outward = match guard(|| self.service.connect()) {
                Ok(None) => return,
                Ok(Some(outward)) => outward,
                Err(Panicked) => return self.observe_panic(None),
            };
            let (error, handler) = if self.drain.is_draining() {
                (ConnectError::Unavailable, outward.handler)
            } else {
                match self.dial(outward) {
                    Ok(_) => continue,
                    Err((error, handler)) => (ConnectError::Transport(error.kind()), handler),
                }
            };
            if refuse(handler, error) == Err(Panicked) {
                self.observe_panic(None);
            }
        }
    }

    /// The transport of an outward connection was made, or was not.
    pub(super) fn connected(&mut self, carrier: Carrier) {
        let Self { engine, sessions, shared, .. } = self;
        let Some(session) = sessions.get_mut(key_of(carrier)) else { return };
        let Session { link, phase } = session;
        let Phase::Connecting(dialing) = phase else { return };
        if !matches!(dialing.stage, Stage::Transport) {
            return;
        }
        match engine.connect_result(carrier) {
            Ok(()) => {
                shared.lend(link, 512);
                let nonce = shared.entropy.nonce();
                let limits = shared.config.head_limits;
                let handshake =
                    ClientHandshake::start(&dialing.request, nonce, limits, &mut link.outbox);
                dialing.stage = Stage::Answer(handshake, Vec::new());
                shared.list_ready(link);
                shared.list_flush(link);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                let key = link.key;
                self.fail_to_connect(key, ConnectError::Transport(error.kind()));
            }
        }
    }

    /// Reads on in the peer's answer.
    pub(super) fn read_answer(&mut self, key: Key) {
        loop {
            let Self { engine, sessions, shared, .. } = self;
            let Some(Session { link, phase }) = sessions.get_mut(key) else { return };
            let Phase::Connecting(dialing) = phase else { return };
            if !link.is(Flag::Readable) || matches!(dialing.stage, Stage::Transport) {
                return;
            }
            shared.stats.reads += 1;
            let bytes = match engine.receive(link.carrier()) {
                Ok(Input::Bytes { bytes, drained }) => {
                    link.put(Flag::Readable, !drained);
                    bytes
                }
                Ok(Input::Nothing) => {
                    link.unset(Flag::Readable);
                    return;
                }
                Ok(Input::End) => {
                    let error = at_end(&mut dialing.stage);
                    return self.fail_to_connect(key, error);
                }
                Err(error) => {
                    return self.fail_to_connect(key, ConnectError::Transport(error.kind()));
                }
            };
            shared.stats.bytes_read += bytes.len() as u64;
            let (heard, mut received) = hear(&mut dialing.stage, bytes);
            match heard {
                Heard::More => {}
                Heard::Failed(error) => return self.fail_to_connect(key, error),
                Heard::Switched(switched) => {
                    let input = received.get_mut(switched.head_len..).unwrap_or_default();
                    switch(shared, link, phase, switched, input);
                    shared.list_flush(link);
                    let remote = link.remote();
                    return self.observe(Notice::Opened { key, remote: &remote });
                }
            }
        }
    }

    /// Ends an outward connection that never opened, and tells its handler why.
    pub(super) fn fail_to_connect(&mut self, key: Key, error: ConnectError) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match std::mem::replace(&mut session.phase, Phase::Over) {
            Phase::Connecting(dialing) => {
                self.shared.list_dead(&session.link);
                if refuse(dialing.handler, error) == Err(Panicked) {
                    self.observe_panic(Some(key));
                }
            }
            other => session.phase = other,
        }
    }
}

/// Tells a handler that its connection did not open, and drops it.
fn refuse<H: Handler>(mut handler: H, error: ConnectError) -> Result<(), Panicked> {
    let told = guard(|| handler.failed_to_connect(error));
    guarded_drop(handler).and(told)
}

/// Takes bytes of an answer; they come back with what was received before them.
fn hear(stage: &mut Stage, bytes: &[u8]) -> (Heard, Vec<u8>) {
    match stage {
        Stage::Transport => (Heard::More, Vec::new()),
        Stage::Answer(handshake, received) => {
            received.extend_from_slice(bytes);
            match handshake.receive(received) {
                Ok(None) => (Heard::More, Vec::new()),
                Ok(Some(Reply::Switched(switched))) => {
                    (Heard::Switched(switched), std::mem::take(received))
                }
                Ok(Some(Reply::Refused(refusal))) => {
                    let (refused, rest) = read_refusal(&refusal, received);
                    *stage = Stage::Refusal(refused, rest);
                    (body(stage, &[]), Vec::new())
                }
                Err(error) => (Heard::Failed(ConnectError::Handshake(error)), Vec::new()),
            }
        }
        Stage::Refusal(..) => (body(stage, bytes), Vec::new()),
    }
}

/// What is known of a refusal when its head is complete, and how much of its body is to be awaited.
fn read_refusal(refusal: &Refusal<'_>, received: &[u8]) -> (Refused, usize) {
    let wanted = refusal.body_len().map_or(REFUSED_BODY_BYTES_MAX, |len| {
        usize::try_from(len).unwrap_or(usize::MAX).min(REFUSED_BODY_BYTES_MAX)
    });
    let body = received.get(refusal.head_len()..).unwrap_or_default();
    let body = body.get(..wanted).unwrap_or(body);
    let refused = Refused {
        status: refusal.status(),
        reason: refusal.reason().into(),
        headers: refusal.headers().map(|(name, value)| (name.into(), value.into())).collect(),
        body: body.to_vec(),
    };
    (refused, wanted - body.len())
}

/// Takes bytes of a refusal's body; with the last one the attempt has failed.
fn body(stage: &mut Stage, bytes: &[u8]) -> Heard {
    let Stage::Refusal(refused, rest) = stage else { return Heard::More };
    let bytes = bytes.get(..*rest).unwrap_or(bytes);
    refused.body.extend_from_slice(bytes);
    *rest -= bytes.len();
    if *rest > 0 {
        return Heard::More;
    }
    Heard::Failed(ConnectError::Refused(Box::new(refused.clone())))
}

/// What the end of the transport means for an attempt: a refusal's body may end with it.
pub(super) fn at_end(stage: &mut Stage) -> ConnectError {
    match std::mem::replace(stage, Stage::Transport) {
        Stage::Refusal(refused, _) => ConnectError::Refused(Box::new(refused)),
        Stage::Transport | Stage::Answer(..) => ConnectError::Ended,
    }
}

/// The peer has agreed: opens the session with what came behind its answer.
fn switch<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    phase: &mut Phase<H>,
    switched: Switched,
    input: &mut [u8],
) {
    if let Some(subprotocol) = switched.subprotocol {
        link.rarer_mut().subprotocol = Some(subprotocol.into_boxed_str());
    }
    if let Phase::Connecting(dialing) = std::mem::replace(phase, Phase::Over) {
        let Dialing { handler, limits, .. } = *dialing;
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut))]
        let mut connection = Connection::new(Role::Client, limits, shared.now);
        #[cfg(feature = "deflate")]
        if let Some(agreed) = &switched.deflate {
            connection.set_deflate(agreed);
        }
        open(shared, link, phase, Open { connection, handler }, input);
    }
}

/// An outward connection's remote is where it was to go.
fn remote_of(address: &Address) -> Remote {
    match address {
        Address::Tcp(address) => Remote::Tcp(*address),
        Address::Unix(_) => Remote::Unix,
        Address::Memory(number) => Remote::Memory(*number),
    }
}
