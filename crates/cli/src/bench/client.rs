//! One connection of the load: it writes frames that are ready and reads replies.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use sockeye::protocol::{Chunk, FrameReader, Opcode};
use sockeye::{ConnectionConfig, Role};

use super::messages::{Messages, Random, append_frame};

/// What the system is to keep for one that never reads; it may round that up.
const UNREAD_BYTES_MAX: usize = 4096;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    reader: FrameReader,
    /// Bytes of frames that the socket has taken.
    place: usize,
    /// Bytes of frames that it has yet to take.
    unsent: usize,
    /// Frames of pongs and closes that it has yet to take, which go between two messages.
    control: Vec<u8>,
    /// Whether it has taken a part of `control`.
    control_begun: bool,
    /// Payload of the control frame that is coming in.
    control_payload: Vec<u8>,
    /// Which message comes next.
    next: usize,
    /// Bytes of it that have come.
    received_len: usize,
    /// When messages that have no reply yet were begun, and how many at a time.
    begun: VecDeque<(u64, u64)>,
    /// Pings that have been answered.
    pings: u64,
    /// Whether a Close frame has come, or the end of the stream.
    ended: bool,
}

impl Client {
    /// A connection that is open, over a `stream` that has been registered; `role` is whose frames
    /// it sends back: a server's, or, where the bytes are only echoed, our own.
    pub(crate) fn new(stream: TcpStream, role: Role) -> Self {
        let mut config = ConnectionConfig::default();
        config.message_bytes_max = usize::MAX >> 1;
        config.fragments_max = Some(u32::MAX);
        Self {
            stream,
            reader: FrameReader::new(role, &config),
            place: 0,
            unsent: 0,
            control: Vec::new(),
            control_begun: false,
            control_payload: Vec::new(),
            next: 0,
            received_len: 0,
            begun: VecDeque::new(),
            pings: 0,
            ended: false,
        }
    }

    /// Has the system keep little of what comes unread, so that the sender feels it soon.
    pub(crate) fn narrow(&self) -> io::Result<()> {
        Ok(set_socket_recv_buffer_size(&self.stream, UNREAD_BYTES_MAX)?)
    }

    /// Begins `count` more messages; [`write`](Self::write) sends them. Their latency is counted from the time `now`, if
    /// there is one: else the load keeps its own account.
    pub(crate) fn begin(&mut self, count: u64, now: Option<u64>, messages: &Messages) {
        if count > 0 {
            self.unsent += usize::try_from(count).unwrap_or(usize::MAX) * messages.frame_len();
            self.begun.extend(now.map(|now| (now, count)));
        }
    }

    /// Records the latency of `replies` messages, those that were begun first.
    pub(crate) fn finish(&mut self, mut replies: u64, now: u64, latency: &mut Histogram<u64>) {
        while replies > 0 {
            let Some((begun, count)) = self.begun.front_mut() else { break };
            let ended = replies.min(*count);
            latency.saturating_record_n(now.saturating_sub(*begun), ended);
            *count -= ended;
            replies -= ended;
            if *count == 0 {
                self.begun.pop_front();
            }
        }
    }

    /// Expects message `next`, and behind it those that follow it.
    pub(crate) fn expect(&mut self, next: usize) {
        self.next = next;
    }

    /// Asks the server to close.
    pub(crate) fn close(&mut self, key: [u8; 4]) {
        append_frame(Opcode::Close, &1000_u16.to_be_bytes(), key, &mut self.control);
    }

    /// How many pings have been answered.
    pub(crate) const fn pings(&self) -> u64 {
        self.pings
    }

    /// Whether the server has closed, which [`read`](Self::read) told when it was not asked for.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Writes what there is to send; the rest follows when the socket is writable again.
    pub(crate) fn write(&mut self, messages: &Messages) -> Result<(), String> {
        loop {
            let control_len = self.control.len();
            let in_frame = self.place % messages.frame_len();
            let is_control = control_len > 0 && (self.control_begun || in_frame == 0);
            let bytes = if is_control {
                &self.control[..]
            } else if control_len > 0 {
                messages.frames_from(self.place, messages.frame_len() - in_frame)
            } else if self.unsent > 0 {
                messages.frames_from(self.place, self.unsent)
            } else {
                return Ok(());
            };
            match self.stream.write(bytes) {
                Ok(written) if is_control => {
                    self.control.drain(..written);
                    self.control_begun = !self.control.is_empty();
                }
                Ok(written) => {
                    self.place += written;
                    self.unsent -= written;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("cannot send: {error}")),
            }
        }
    }

    /// Reads what is there and returns how many messages ended in it. They are compared with
    /// `expected`; without it any will do.
    ///
    /// A short read ends it, unless the server `has_closed` its end, which only a further read finds.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        has_closed: bool,
        expected: Option<&Messages>,
    ) -> Result<u64, String> {
        let mut replies = 0;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.ended = true;
                    return Err("the server ended the connection without closing it".to_owned());
                }
                Ok(read) => {
                    replies += self.take(&mut buffer[..read], expected)?;
                    if read < buffer.len() && !has_closed {
                        return Ok(replies);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(replies),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("cannot receive: {error}")),
            }
        }
    }

    /// Takes bytes that have been received.
    pub(crate) fn take(
        &mut self,
        bytes: &mut [u8],
        expected: Option<&Messages>,
    ) -> Result<u64, String> {
        let mut replies = 0;
        let mut input = bytes;
        loop {
            let chunk = self.reader.next(&mut input);
            let Some(chunk) =
                chunk.map_err(|error| format!("the server broke RFC 6455: {error}"))?
            else {
                return Ok(replies);
            };
            match chunk.header.opcode {
                Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                    replies += u64::from(self.take_data(&chunk, expected)?);
                }
                Opcode::Ping | Opcode::Close => self.take_control(&chunk)?,
                Opcode::Pong => {}
            }
        }
    }

    /// Compares a piece of a message with what must come; whether the message ends with it.
    fn take_data(
        &mut self,
        chunk: &Chunk<'_>,
        expected: Option<&Messages>,
    ) -> Result<bool, String> {
        let begins = self.received_len;
        self.received_len += chunk.payload.len();
        let ends = chunk.ends_frame && chunk.header.fin;
        if let Some(messages) = expected {
            let opcode = chunk.header.opcode;
            if opcode != Opcode::Continuation && opcode != messages.opcode {
                return Err(format!("a reply is {opcode:?}, and {:?} was sent", messages.opcode));
            }
            let fits = self.received_len <= messages.size;
            if !fits || (ends && self.received_len < messages.size) {
                let or_more = if ends { "" } else { " or more" };
                return Err(format!(
                    "a reply has {}{or_more} bytes, and {} were sent",
                    self.received_len, messages.size
                ));
            }
            if messages.check
                && messages.payload(self.next)[begins..self.received_len] != *chunk.payload
            {
                return Err("a reply differs from what was sent".to_owned());
            }
            if ends {
                self.next = (self.next + 1) % messages.count();
            }
        }
        if ends {
            self.received_len = 0;
        }
        Ok(ends)
    }

    /// Answers a ping, and tells of a close.
    fn take_control(&mut self, chunk: &Chunk<'_>) -> Result<(), String> {
        self.control_payload.extend_from_slice(chunk.payload);
        if !chunk.ends_frame {
            return Ok(());
        }
        let payload = std::mem::take(&mut self.control_payload);
        if chunk.header.opcode == Opcode::Ping {
            self.pings += 1;
            append_frame(Opcode::Pong, &payload, Random::new().key(), &mut self.control);
            return Ok(());
        }
        self.ended = true;
        Err(match payload.split_at_checked(2) {
            Some((code, reason)) => format!(
                "the server closed the connection with code {} {:?}",
                u16::from_be_bytes([code[0], code[1]]),
                String::from_utf8_lossy(reason)
            ),
            None => "the server closed the connection without a code".to_owned(),
        })
    }
}
