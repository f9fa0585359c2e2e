//! Messages, on a small heap.

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use sockeye_protocol::handshake::{Acceptance, Answered, HeadLimits, ServerHandshake, Upgrade};
use sockeye_protocol::{
    Buffers, Config, Connection, Event, FrameHeader, Instant, Outbox, Output, Transport,
};

use super::wire::{Wire, flush};

/// For how long a request may take.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// A server for one peer, which gets its messages back.
#[derive(Debug)]
pub struct MessageEcho {
    config: Arc<Config>,
    phase: Phase,
    outbox: Outbox,
    buffers: Buffers,
}

#[derive(Debug)]
enum Phase {
    /// Some of a request has come, and the rest has until then.
    Opening(ServerHandshake, Vec<u8>, Instant),
    Open(Connection),
    /// The request was refused; what still comes is discarded until then.
    Refused(Instant),
}

impl MessageEcho {
    /// A server for a peer that comes at `now`, with messages of at most so many bytes. The heap
    /// must hold four of them, and 2 KiB: one that comes in pieces, in a buffer of up to twice its
    /// size, and its answer. It panics where it does not, as `alloc` does.
    #[must_use]
    pub fn new(message_bytes_max: usize, now: Instant) -> Self {
        let mut config = Config::default();
        config.message_bytes_max = message_bytes_max;
        // Nothing is read while something waits, so what waits answers one read and what it ended: a
        // message, or a request, whose answer is shorter than this.
        config.outbox_bytes_max = 256 + 2 * (message_bytes_max + FrameHeader::BYTES_MAX);
        let limits = HeadLimits { head_bytes_max: 1024, ..HeadLimits::default() };
        let phase = Phase::Opening(ServerHandshake::new(limits), Vec::new(), now + OPEN_WITHIN);
        // No buffer is kept: between two messages the heap is free for others.
        let (outbox, buffers) = (Outbox::new(), Buffers::new(0));
        Self { config: Arc::new(config), phase, outbox, buffers }
    }

    /// Writes, reads once into `buffer`, no more than a message is long, and answers; call it again
    /// and again, and at the latest when [`due`](Self::due) says. Returns what to do with the stream:
    /// with `Linger` end its sending half and go on, with `Close` all of it.
    pub fn poll(&mut self, wire: &mut impl Wire, buffer: &mut [u8], now: Instant) -> Transport {
        let waited = self.outbox.len();
        flush(wire, &mut self.outbox);
        if let Phase::Open(connection) = &mut self.phase
            && self.outbox.len() < waited
        {
            // A ping may have lain behind what has gone, and could not be answered.
            connection.postpone_pong(now);
        }
        // What is not read waits on the other side: this is all of backpressure.
        if self.outbox.is_empty() {
            let most = buffer.len().min(self.config.message_bytes_max);
            match wire.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(len) => self.receive(buffer.get_mut(..len).unwrap_or_default(), now),
                Err(_) => self.receive_eof(now),
            }
        }
        let mut output = Output::server(&mut self.outbox, &mut self.buffers, now);
        let transport = match &mut self.phase {
            Phase::Open(connection) => {
                // Behind what has come, so that a message beats its deadline.
                let _ = connection.handle_timeout(&mut output);
                connection.transport()
            }
            Phase::Opening(.., deadline) | Phase::Refused(deadline) if *deadline <= now => {
                Transport::Close
            }
            Phase::Opening(..) => Transport::Keep,
            Phase::Refused(_) => Transport::Linger,
        };
        flush(wire, &mut self.outbox);
        // What waits goes first, but nothing waits for ever.
        if self.outbox.is_empty() || transport == Transport::Close {
            transport
        } else {
            Transport::Keep
        }
    }

    /// When [`poll`](Self::poll) has something to do though nothing has come.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Opening(.., deadline) | Phase::Refused(deadline) => Some(*deadline),
            Phase::Open(connection) => connection.poll_timeout(),
        }
    }

    fn receive(&mut self, input: &mut [u8], now: Instant) {
        let mut output = Output::server(&mut self.outbox, &mut self.buffers, now);
        match &mut self.phase {
            Phase::Opening(handshake, received, _) => {
                received.extend_from_slice(input);
                let accept = |_: &Upgrade<'_>| Ok(Acceptance::default());
                match handshake.answer(received, &self.config, &mut output, accept) {
                    None => {}
                    Some(Answered::Open { connection, head_len }) => {
                        let mut behind = received.split_off(head_len);
                        self.phase = Phase::Open(connection);
                        self.receive(&mut behind, now);
                    }
                    Some(Answered::Refused { .. }) => {
                        self.phase = Phase::Refused(now + OPEN_WITHIN);
                    }
                }
            }
            Phase::Open(connection) => {
                let mut input = input;
                while let Ok(Some(event)) = connection.receive(&mut input, &mut output) {
                    let sent = match &event {
                        Event::Text(text) => connection.send_text(text, &mut output),
                        Event::Binary(payload) => connection.send_binary(payload, &mut output),
                        _ => Ok(()),
                    };
                    debug_assert_eq!(sent, Ok(()));
                }
            }
            Phase::Refused(_) => {}
        }
    }

    fn receive_eof(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Open(connection) => connection.receive_eof(),
            phase => *phase = Phase::Refused(now),
        }
    }
}
