//! What the tests share: frames to feed, a driver, and a readable record of what happened.

use std::sync::Arc;

use sockeye_protocol::{
    Buffers, CloseReason, Config, Connection, Event, FrameReader, Initiator, Instant, MaskKeys,
    Opcode, Outbox, Output, ProtocolError, Role,
};

/// The masking key of every frame that the tests build.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Keys that only tests may use: they are counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountedKeys(pub(crate) u32);

impl MaskKeys for CountedKeys {
    fn next_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(0x9E37_79B9);
        self.0.to_be_bytes()
    }
}

/// How the length stands in a header.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Seven(u8),
    Sixteen(u16),
    SixtyFour(u64),
}

impl Length {
    #[expect(clippy::cast_possible_truncation, reason = "each arm holds what fits")]
    pub(crate) fn shortest(len: usize) -> Self {
        match len {
            0..=125 => Self::Seven(len as u8),
            126..=0xFFFF => Self::Sixteen(len as u16),
            _ => Self::SixtyFour(len as u64),
        }
    }
}

/// A frame as a peer of `receiver` would send it: masked if the receiver is a server. `first` is
/// the whole first byte, and the length need not be that of the payload.
pub(crate) fn raw_frame(receiver: Role, first: u8, length: Length, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if receiver == Role::Server { 0x80 } else { 0 };
    let mut frame = vec![first];
    match length {
        Length::Seven(len) => frame.push(mask_bit | len),
        Length::Sixteen(len) => {
            frame.push(mask_bit | 126);
            frame.extend(len.to_be_bytes());
        }
        Length::SixtyFour(len) => {
            frame.push(mask_bit | 127);
            frame.extend(len.to_be_bytes());
        }
    }
    if receiver == Role::Server {
        frame.extend(KEY);
        frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        frame.extend(payload);
    }
    frame
}

/// A frame with the shortest length that fits its payload.
pub(crate) fn frame(receiver: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(receiver, first, Length::shortest(payload.len()), payload)
}

/// Everything that can be seen of a connection from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) events: Vec<String>,
    pub(crate) sent: Vec<String>,
    pub(crate) end: String,
    pub(crate) due: Option<Instant>,
}

/// A connection with what its driver holds.
pub(crate) struct Endpoint {
    pub(crate) connection: Connection,
    pub(crate) outbox: Outbox,
    pub(crate) buffers: Buffers,
    pub(crate) mask_keys: CountedKeys,
    pub(crate) now: Instant,
    pub(crate) events: Vec<String>,
}

impl Endpoint {
    pub(crate) fn new(role: Role, config: Config) -> Self {
        Self {
            connection: Connection::new(role, Arc::new(config), Instant::ZERO),
            outbox: Outbox::new(),
            buffers: Buffers::default(),
            mask_keys: CountedKeys::default(),
            now: Instant::ZERO,
            events: Vec::new(),
        }
    }

    /// Calls `act` with the connection and an output.
    pub(crate) fn with<R>(&mut self, act: impl FnOnce(&mut Connection, &mut Output<'_>) -> R) -> R {
        let mut output = Output {
            outbox: &mut self.outbox,
            mask_keys: &mut self.mask_keys,
            buffers: &mut self.buffers,
            now: self.now,
        };
        act(&mut self.connection, &mut output)
    }

    /// Feeds `bytes` in one call, recording the events.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut buffer = bytes.to_vec();
        let mut input = &mut buffer[..];
        let Self { connection, outbox, mask_keys, buffers, events, now } = self;
        let mut output = Output { outbox, mask_keys, buffers, now: *now };
        loop {
            match connection.receive(&mut input, &mut output) {
                Ok(Some(event)) => events.push(describe(&event)),
                Ok(None) => break,
                Err(error) => {
                    events.push(format!("error {:?} at {}", error.violation, error.frame_offset));
                    return Err(error);
                }
            }
        }
        assert!(input.is_empty(), "everything lent is taken");
        Ok(())
    }

    /// What is to be sent.
    pub(crate) fn outbox_bytes(&self) -> Vec<u8> {
        self.outbox.chunks().flatten().copied().collect()
    }

    /// Takes what is to be sent.
    pub(crate) fn take_sent(&mut self) -> Vec<u8> {
        let sent = self.outbox_bytes();
        self.outbox.advance(sent.len());
        sent
    }

    pub(crate) fn record(mut self) -> Record {
        let sent = self.take_sent();
        Record {
            events: self.events,
            sent: describe_frames(&sent, self.connection.role()),
            end: describe_end(&self.connection),
            due: self.connection.poll_timeout(),
        }
    }
}

pub(crate) fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Text(text) => format!("text {}", shorten(text.as_bytes())),
        Event::Binary(payload) => format!("binary {}", shorten(payload)),
        Event::Ping(payload) => format!("ping {}", shorten(payload)),
        Event::Pong(payload) => format!("pong {}", shorten(payload)),
        Event::Close(reason) => describe_close(reason.as_ref()),
        other => format!("{other:?}"),
    }
}

fn describe_close(reason: Option<&CloseReason<'_>>) -> String {
    match reason {
        None => "close".to_owned(),
        Some(reason) if reason.reason().is_empty() => format!("close {}", reason.code()),
        Some(reason) => format!("close {} {}", reason.code(), reason.reason()),
    }
}

/// Short payloads as they are, long ones by length and a sum that tells them apart.
pub(crate) fn shorten(bytes: &[u8]) -> String {
    if bytes.len() <= 32 {
        return bytes.escape_ascii().to_string();
    }
    let sum = bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
    format!("{} bytes, sum {sum:x}", bytes.len())
}

/// The frames that an endpoint sent, read by the crate's own frame reader in the other role.
/// That reader is strict, so it also proves masking, minimal lengths and zero reserved bits.
pub(crate) fn describe_frames(sent: &[u8], sender: Role) -> Vec<String> {
    let receiver = match sender {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    };
    let mut config = Config::default();
    config.message_bytes_max = usize::MAX >> 1;
    let mut reader = FrameReader::new(receiver, &config);
    let mut bytes = sent.to_vec();
    let mut input = &mut bytes[..];
    let mut frames = Vec::new();
    while let Some(chunk) = reader.next(&mut input).expect("what is sent is legal") {
        assert!(chunk.starts_frame && chunk.ends_frame, "whole frames are sent");
        let payload = &*chunk.payload;
        frames.push(match chunk.header.opcode {
            Opcode::Close if payload.is_empty() => "close".to_owned(),
            Opcode::Close => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                let reason = &payload[2..];
                if reason.is_empty() {
                    format!("close {code}")
                } else {
                    format!("close {code} {}", reason.escape_ascii())
                }
            }
            opcode => format!("{opcode:?} {}", shorten(payload)).to_lowercase(),
        });
    }
    assert!(reader.is_idle(), "nothing is sent in part");
    frames
}

pub(crate) fn describe_end(connection: &Connection) -> String {
    let transport = format!("{:?}", connection.transport()).to_lowercase();
    match connection.closed() {
        None if connection.is_open() => "open".to_owned(),
        None => format!("closing, {transport}"),
        Some(closed) => {
            let by = match closed.by {
                Initiator::Local => "local",
                Initiator::Peer => "peer",
            };
            let clean = if closed.clean { "clean" } else { "unclean" };
            format!("{} by {by}, {clean}, {transport}", closed.code)
        }
    }
}
