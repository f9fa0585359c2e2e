//! A connection with its driver, which asserts what must hold after whatever happens.

use std::sync::Arc;

use sockeye_protocol::{
    Buffers, Closed, Config, Connection, Deflate, Event, Instant, MaskKeys, Outbox, Output,
    ProtocolError, Role,
};

/// Predictable on purpose: two runs must send the same.
#[derive(Debug, Default)]
struct Keys(u32);

impl MaskKeys for Keys {
    fn next_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(0x9E37_79B9);
        self.0.to_be_bytes()
    }
}

/// What a connection told its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(ProtocolError),
}

impl Report {
    /// Whether it is a message.
    pub const fn is_message(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close(_) | Self::Failed(_) => 0,
        }
    }
}

impl From<Event<'_>> for Report {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into_string()),
            Event::Binary(payload) => Self::Binary(payload.into_vec()),
            Event::Ping(payload) => Self::Ping(payload.into_vec()),
            Event::Pong(payload) => Self::Pong(payload.into_vec()),
            Event::Close(reason) => {
                Self::Close(reason.map(|reason| (reason.code().as_u16(), reason.reason().into())))
            }
            other => panic!("an event that nobody told the fuzzer of: {other:?}"),
        }
    }
}

/// A connection, and what its driver holds for it.
pub struct Endpoint {
    pub connection: Connection,
    pub outbox: Outbox,
    buffers: Buffers,
    pub now: Instant,
    /// All that the connection told, in order.
    pub reports: Vec<Report>,
    keys: Keys,
    closed: Option<Closed>,
    /// How many bytes were taken from the outbox.
    sent_len: usize,
    /// How many bytes there were to send in all when the connection ceased to be open.
    open_len: Option<usize>,
}

impl Endpoint {
    pub fn new(role: Role, config: Config, deflate: Option<&Deflate>) -> Self {
        let mut connection = Connection::new(role, Arc::new(config), Instant::ZERO);
        if let Some(deflate) = deflate {
            connection.set_deflate(deflate);
        }
        Self {
            connection,
            outbox: Outbox::new(),
            buffers: Buffers::default(),
            now: Instant::ZERO,
            reports: Vec::new(),
            keys: Keys::default(),
            closed: None,
            sent_len: 0,
            open_len: None,
        }
    }

    /// The other side of `role`, which takes all that is legal and never runs out of patience.
    pub fn patient(role: Role, deflate: Option<&Deflate>) -> Self {
        let mut config = Config::default();
        config.message_bytes_max = 1 << 30;
        config.outbox_bytes_max = 1 << 30;
        config.fragments_max = Some(u32::MAX);
        config.control_rate_max = u32::MAX;
        config.message_within = None;
        config.ping_after = None;
        Self::new(role, config, deflate)
    }

    /// Calls `act` with the connection and an output, and looks at what became of them.
    pub fn with<R>(&mut self, act: impl FnOnce(&mut Connection, &mut Output<'_>) -> R) -> R {
        let Self { connection, outbox, keys, buffers, now, .. } = self;
        let result = act(connection, &mut Output { outbox, mask_keys: keys, buffers, now: *now });
        let closed = self.connection.closed();
        assert!(self.closed.is_none() || self.closed.as_ref() == closed, "the verdict changed");
        let (is_open, is_held) = (self.connection.is_open(), self.connection.is_held());
        assert_eq!(closed.is_some() && is_open, is_held, "closed and open");
        self.closed = closed.cloned();
        if !self.connection.is_open() && self.open_len.is_none() {
            self.open_len = Some(self.sent_len + self.outbox.len());
        }
        result
    }

    /// Feeds `bytes` in one call, to the last event in them.
    pub fn receive(&mut self, bytes: &[u8]) {
        // An allocation of its own for each piece, so that a memory checker sees its ends.
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        loop {
            let was_closed = self.closed.is_some();
            let report =
                self.with(|connection, output| match connection.receive(&mut input, output) {
                    Ok(event) => event.map(Report::from),
                    Err(error) => Some(Report::Failed(error)),
                });
            let Some(report) = report else { break };
            self.note(report, was_closed);
        }
        assert!(input.is_empty(), "everything lent is taken");
    }

    /// Feeds `bytes` like a transport that reads straight into a message where it may.
    pub fn receive_directly(&mut self, mut bytes: &[u8]) {
        while let Some(buffer) = self.connection.input_buffer() {
            let room = (buffer.capacity() - buffer.len()).min(bytes.len());
            let (piece, rest) = bytes.split_at(room);
            buffer.extend_from_slice(piece);
            let capacity = buffer.capacity();
            assert!(capacity <= self.connection.config().message_bytes_max, "{capacity} reserved");
            if room == 0 {
                break;
            }
            bytes = rest;
            let was_closed = self.closed.is_some();
            let report = self.with(|connection, output| match connection.received(room, output) {
                Ok(event) => event.map(Report::from),
                Err(error) => Some(Report::Failed(error)),
            });
            if let Some(report) = report {
                self.note(report, was_closed);
            }
        }
        self.receive(bytes);
    }

    fn note(&mut self, report: Report, was_closed: bool) {
        assert!(!was_closed, "{report:?} after the end");
        let limit = self.connection.config().message_bytes_max;
        assert!(!report.is_message() || report.len() <= limit, "{} bytes", report.len());
        assert_eq!(
            self.closed.is_some(),
            matches!(report, Report::Close(_) | Report::Failed(_)),
            "{report:?}"
        );
        self.reports.push(report);
    }

    /// Takes up to `len_max` bytes of what is to be sent.
    pub fn send(&mut self, len_max: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        for chunk in self.outbox.chunks() {
            let len = chunk.len().min(len_max - sent.len());
            sent.extend_from_slice(&chunk[..len]);
        }
        self.outbox.advance(sent.len());
        self.sent_len += sent.len();
        sent
    }

    /// How many of the `len` bytes that were sent last come behind the Close.
    pub fn behind_close(&self, len: usize) -> usize {
        self.open_len.map_or(0, |open_len| len.min(self.sent_len - open_len.min(self.sent_len)))
    }

    /// The messages that came.
    pub fn messages(&self) -> impl Iterator<Item = &Report> {
        self.reports.iter().filter(|report| report.is_message())
    }
}
