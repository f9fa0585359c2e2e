//! What a case is, and what cases share.

use std::sync::Arc;

use sockeye_protocol::{
    Buffers, Config, Connection, Deflate, Event, Instant, MaskKeys, Outbox, Output, Role,
};

/// One kind of input, in any size.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What `units` counts.
    pub(super) unit: &'static str,
    /// The least n that a quick run does.
    pub(super) units: usize,
    /// Makes the input of so many units, and returns the work on it that is counted.
    pub(super) prepare: fn(usize) -> Box<dyn FnMut()>,
}

/// The masking key of all input.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Keys that are good enough to count with.
pub(super) struct Fixed;

impl MaskKeys for Fixed {
    fn next_key(&mut self) -> [u8; 4] {
        KEY
    }
}

/// Appends a frame to a server's input: `first` is its first byte.
pub(super) fn append_frame(stream: &mut Vec<u8>, first: u8, payload: &[u8]) {
    stream.push(first);
    match payload.len() {
        len @ 0..=125 => stream.push(0x80 | len.to_le_bytes()[0]),
        len @ 126..=0xFFFF => {
            stream.push(0x80 | 126);
            stream.extend(&len.to_be_bytes()[size_of::<usize>() - 2..]);
        }
        len => {
            stream.push(0x80 | 127);
            stream.extend((len as u64).to_be_bytes());
        }
    }
    stream.extend(KEY);
    stream.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// One whole frame.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut stream = Vec::with_capacity(payload.len() + 14);
    append_frame(&mut stream, first, payload);
    stream
}

/// A connection with limits that no case reaches.
pub(super) struct Endpoint {
    connection: Connection,
    pub(super) outbox: Outbox,
    buffers: Buffers,
}

impl Endpoint {
    pub(super) fn new(role: Role) -> Self {
        let mut config = Config::default();
        config.message_bytes_max = 1 << 30;
        config.fragments_max = Some(u32::MAX);
        config.outbox_bytes_max = 1 << 30;
        config.control_rate_max = u32::MAX;
        let connection = Connection::new(role, Arc::new(config), Instant::ZERO);
        Self { connection, outbox: Outbox::new(), buffers: Buffers::default() }
    }

    pub(super) fn inflating(agreed: &Deflate) -> Self {
        let mut endpoint = Self::new(Role::Server);
        endpoint.connection.set_deflate(agreed);
        endpoint
    }

    /// Feeds one piece and returns how many events came out of it.
    pub(super) fn feed(&mut self, mut piece: &mut [u8]) -> usize {
        let mut events = 0;
        while self.next(&mut piece).is_some() {
            events += 1;
        }
        events
    }

    fn next<'b>(&mut self, input: &mut &'b mut [u8]) -> Option<Event<'b>> {
        let mut output = Output {
            outbox: &mut self.outbox,
            mask_keys: &mut Fixed,
            buffers: &mut self.buffers,
            now: Instant::ZERO,
        };
        self.connection.receive(input, &mut output).expect("legal input")
    }

    /// Does something that sends.
    pub(super) fn send(&mut self, act: impl FnOnce(&mut Connection, &mut Output<'_>)) {
        let mut output = Output {
            outbox: &mut self.outbox,
            mask_keys: &mut Fixed,
            buffers: &mut self.buffers,
            now: Instant::ZERO,
        };
        act(&mut self.connection, &mut output);
    }
}

/// The work of feeding `stream` in pieces of `piece_bytes`, which must give so many events.
pub(super) fn feeding(
    mut endpoint: Endpoint,
    mut stream: Vec<u8>,
    piece_bytes: usize,
    expected: usize,
) -> Box<dyn FnMut()> {
    Box::new(move || {
        let pieces = stream.chunks_mut(piece_bytes);
        let events: usize = pieces.map(|piece| endpoint.feed(piece)).sum();
        assert_eq!(events, expected, "all of the input is taken");
    })
}
