//! The connection of an instance.

use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::{ClientHandshake, ClientRequest, HeadLimits, Reply, Url};
use sockeye_protocol::{Buffers, CloseCode, Config, Connection, Event, Outbox, Output, Transport};

use super::host::{self, HostKeys};

/// The most that the host may bring at once.
const INPUT_BYTES: usize = 64 * 1024;

/// What `receive` has found, as the host is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Found {
    /// All that was brought has been taken.
    Nothing = 0,
    /// The connection is open.
    Open = 1,
    /// A text message.
    Text = 2,
    /// A binary message.
    Binary = 3,
    /// Something that needs no answer from the host.
    Control = 4,
    /// The server refused, or did not speak the protocol: end the transport.
    Refused = 5,
}

pub(crate) struct Client {
    config: Arc<Config>,
    phase: Phase,
    pub(crate) outbox: Outbox,
    buffers: Buffers,
    /// What the host has brought, of which `taken` up to `brought` is still to be received.
    input: Vec<u8>,
    taken: usize,
    brought: usize,
    /// The payload that was found last: a place in `input`, or a message of several reads.
    found: (usize, usize),
    owned: Vec<u8>,
}

enum Phase {
    Opening(ClientHandshake),
    Open(Connection),
    Refused,
}

impl Client {
    /// Begins the opening handshake, unless that is no URL.
    pub(crate) fn start(url: &str, close_within: Duration) -> Option<Self> {
        let request = ClientRequest::new(&Url::parse(url).ok()?);
        let mut config = Config::default();
        config.close_within = close_within;
        let mut outbox = Outbox::new();
        let limits = HeadLimits::default();
        let handshake = ClientHandshake::start(&request, host::nonce(), limits, &mut outbox);
        Some(Self {
            config: Arc::new(config),
            phase: Phase::Opening(handshake),
            outbox,
            buffers: Buffers::default(),
            input: vec![0; INPUT_BYTES],
            taken: 0,
            brought: 0,
            found: (0, 0),
            owned: Vec::new(),
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

    /// Takes what `brought` bytes at the beginning of `input` hold, up to the next event. With 0 it
    /// goes on with those of the last call.
    pub(crate) fn receive(&mut self, brought: usize) -> Found {
        if let Phase::Opening(handshake) = &mut self.phase {
            // The head's bytes lie one behind another until it is whole.
            self.brought += brought;
            let received = self.input.get(..self.brought).unwrap_or_default();
            self.phase = match handshake.receive(received) {
                Ok(None) if self.brought < INPUT_BYTES => return Found::Nothing,
                Ok(Some(Reply::Switched(switched))) => {
                    self.taken = switched.head_len;
                    Phase::Open(switched.connection(Arc::clone(&self.config), host::time()))
                }
                _ => Phase::Refused,
            };
            let is_open = matches!(self.phase, Phase::Open(_));
            return if is_open { Found::Open } else { Found::Refused };
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
        // An error has put its Close frame into the outbox, and shows in `transport`.
        let event = connection.receive(&mut input, &mut output);
        self.taken = self.brought - input.len();
        let (found, place, owned) = match event {
            Ok(Some(Event::Text(text))) => {
                let place = (text.as_ptr() as usize, text.len());
                let owned = (!text.is_borrowed()).then(|| text.into_string().into_bytes());
                (Found::Text, place, owned)
            }
            Ok(Some(Event::Binary(payload))) => {
                let place = (payload.as_ptr() as usize, payload.len());
                (Found::Binary, place, (!payload.is_borrowed()).then(|| payload.into_vec()))
            }
            Ok(Some(_)) => return Found::Control,
            Ok(None) | Err(_) => return Found::Nothing,
        };
        // A message of several reads is kept until the next is found; moving it leaves it in place.
        if let Some(owned) = owned {
            buffers.give_back(std::mem::replace(&mut self.owned, owned));
        }
        self.found = place;
        found
    }

    /// Where the host puts what comes next, and for how much there is room.
    pub(crate) fn input(&mut self) -> &mut [u8] {
        let begin = if matches!(self.phase, Phase::Opening(_)) { self.brought } else { 0 };
        self.input.get_mut(begin..).unwrap_or_default()
    }

    /// The transport has ended, or broke.
    pub(crate) fn receive_eof(&mut self) {
        match &mut self.phase {
            Phase::Open(connection) => connection.receive_eof(),
            phase => *phase = Phase::Refused,
        }
    }

    /// In how many milliseconds time is to be told, if ever.
    pub(crate) fn due(&self) -> Option<f64> {
        let Phase::Open(connection) = &self.phase else { return None };
        let due = connection.poll_timeout()?.saturating_duration_since(host::time());
        Some(due.as_secs_f64() * 1e3)
    }

    /// What to do with the transport once everything is sent.
    pub(crate) fn transport(&self) -> Transport {
        match &self.phase {
            Phase::Opening(_) => Transport::Keep,
            Phase::Open(connection) => connection.transport(),
            Phase::Refused => Transport::Close,
        }
    }

    /// The code with which it was closed, once that is known.
    pub(crate) fn closed(&self) -> Option<CloseCode> {
        let Phase::Open(connection) = &self.phase else { return None };
        connection.closed().map(|closed| closed.code)
    }

    /// Where the payload lies that was found last, and how long it is.
    pub(crate) const fn found(&self) -> (usize, usize) {
        self.found
    }
}
