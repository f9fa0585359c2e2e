//! The connection of an instance, from its request to its end.

use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::{ClientHandshake, ClientRequest, HeadLimits, Reply, Url};
use sockeye_protocol::{Buffers, Config, Connection, Instant, Outbox, Output, Transport};

use super::found::{Found, Place};
use super::host::{self, HostKeys};

/// The most that the host may bring at once.
const INPUT_BYTES: usize = 64 * 1024;

pub(crate) struct Client {
    config: Arc<Config>,
    phase: Phase,
    pub(crate) outbox: Outbox,
    buffers: Buffers,
    /// What the host has brought, of which `taken` up to `brought` is still to be received.
    input: Vec<u8>,
    taken: usize,
    brought: usize,
    /// The message that was found last.
    pub(crate) place: Place,
}

enum Phase {
    /// The server has until then to answer.
    Opening(ClientHandshake, Instant),
    Open(Connection),
    /// The server refused, did not speak the protocol, or took too long.
    Refused,
}

impl Client {
    /// Begins the opening handshake, unless that is no URL. It must be done `within` the time that
    /// the closing one has as well.
    pub(crate) fn start(url: &str, within: Duration) -> Option<Self> {
        let request = ClientRequest::new(&Url::parse(url).ok()?);
        let mut config = Config::default();
        config.close_within = within;
        let mut outbox = Outbox::new();
        let limits = HeadLimits::default();
        let handshake = ClientHandshake::start(&request, host::nonce(), limits, &mut outbox);
        Some(Self {
            config: Arc::new(config),
            phase: Phase::Opening(handshake, host::time() + within),
            outbox,
            buffers: Buffers::default(),
            input: vec![0; INPUT_BYTES],
            taken: 0,
            brought: 0,
            place: Place::default(),
        })
    }

    /// Calls `code` with the connection, if there is one, and what it needs to speak.
    pub(crate) fn speak<R>(
        &mut self,
        code: impl FnOnce(&mut Connection, &mut Output<'_>) -> R,
    ) -> Option<R> {
        let Self { phase: Phase::Open(connection), outbox, buffers, .. } = self else {
            return None;
        };
        let (mask_keys, now) = (&mut HostKeys, host::time());
        Some(code(connection, &mut Output { outbox, mask_keys, buffers, now }))
    }

    /// Takes what `brought` bytes at the beginning of [`input`](Self::input) hold, up to the next
    /// event. With 0 it goes on with those of the last call.
    pub(crate) fn receive(&mut self, brought: usize) -> Found {
        if let Phase::Opening(handshake, _) = &mut self.phase {
            // The head's bytes lie one behind another until it is whole.
            self.brought = INPUT_BYTES.min(self.brought.saturating_add(brought));
            let received = self.input.get(..self.brought).unwrap_or_default();
            self.phase = match handshake.receive(received) {
                Ok(None) if self.brought < INPUT_BYTES => return Found::Nothing,
                Ok(Some(Reply::Switched(switched))) => {
                    self.taken = switched.head_len;
                    Phase::Open(switched.connection(Arc::clone(&self.config), host::time()))
                }
                _ => Phase::Refused,
            };
            return if let Phase::Open(_) = self.phase { Found::Open } else { Found::Refused };
        }
        if brought > 0 {
            (self.taken, self.brought) = (0, brought.min(INPUT_BYTES));
        }
        let Self { phase: Phase::Open(connection), outbox, buffers, .. } = self else {
            return Found::Nothing;
        };
        let (mask_keys, now) = (&mut HostKeys, host::time());
        let mut output = Output { outbox, mask_keys, buffers, now };
        let mut input = &mut self.input[self.taken..self.brought];
        let event = connection.receive(&mut input, &mut output);
        self.taken = self.brought - input.len();
        match event {
            Ok(Some(event)) => self.place.note(event, buffers),
            // An error has put its Close frame into the outbox, and shows in `transport`.
            Ok(None) | Err(_) => Found::Nothing,
        }
    }

    /// Where the host puts what comes next, and for how much there is room.
    pub(crate) fn input(&mut self) -> &mut [u8] {
        let begin = if matches!(self.phase, Phase::Opening(..)) { self.brought } else { 0 };
        self.input.get_mut(begin..).unwrap_or_default()
    }

    /// The transport has ended, or broke.
    pub(crate) fn receive_eof(&mut self) {
        match &mut self.phase {
            Phase::Open(connection) => connection.receive_eof(),
            phase => *phase = Phase::Refused,
        }
    }

    /// So much of what is to be sent is on its way. A pong that had to wait for that follows.
    pub(crate) fn sent(&mut self, len: usize) {
        self.outbox.advance(len.min(self.outbox.len()));
        self.speak(Connection::outbox_drained);
    }

    /// When time is to be told, if ever.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Opening(_, deadline) => Some(*deadline),
            Phase::Open(connection) => connection.poll_timeout(),
            Phase::Refused => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self) {
        match &self.phase {
            Phase::Opening(_, deadline) if *deadline <= host::time() => self.phase = Phase::Refused,
            // Whatever it says shows in what is to be sent and in `transport`.
            _ => drop(self.speak(|connection, output| connection.handle_timeout(output))),
        }
    }

    /// What to do with the transport once everything is sent.
    pub(crate) fn transport(&self) -> Transport {
        match &self.phase {
            Phase::Opening(..) => Transport::Keep,
            Phase::Open(connection) => connection.transport(),
            Phase::Refused => Transport::Close,
        }
    }
}
