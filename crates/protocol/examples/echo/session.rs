//! One peer of an echo server, from its first byte to its end, for the examples with a loop. It
//! does no I/O: the loop brings bytes and time, and obeys.

use std::sync::Arc;

use sockeye_protocol::handshake::{Acceptance, Answered, HeadLimits, ServerHandshake, Upgrade};
use sockeye_protocol::{Connection, Event, Instant, Outbox, Transport};

use super::shared::Shared;

/// A peer. After every call look at [`due`](Self::due), [`transport`](Self::transport) and
/// [`takes_input`](Self::takes_input), and write what is in the outbox.
pub(crate) struct Session {
    phase: Phase,
    pub(crate) outbox: Outbox,
    /// What has come, and is not taken in before the outbox has fallen below its mark.
    held_back: Vec<u8>,
    /// What is held back is the last.
    is_last: bool,
}

enum Phase {
    /// Some of a request has come, and the rest has until then.
    Opening(ServerHandshake, Vec<u8>, Instant),
    Open(Connection),
    /// Refused; what comes is discarded until then.
    Refused(Instant),
    Ended,
}

impl Session {
    pub(crate) fn new(shared: &Shared) -> Self {
        let handshake = ServerHandshake::new(HeadLimits::default());
        let phase = Phase::Opening(handshake, Vec::new(), shared.now + shared.open_within);
        Self { phase, outbox: Outbox::new(), held_back: Vec::new(), is_last: false }
    }

    /// Takes what has come; all of it, so the bytes are free again.
    pub(crate) fn receive(&mut self, input: &mut [u8], shared: &mut Shared) {
        match &mut self.phase {
            Phase::Opening(handshake, received, _) => {
                received.extend_from_slice(input);
                let config = Arc::clone(&shared.config);
                let mut output = shared.output(&mut self.outbox);
                let accept = |_: &Upgrade<'_>| Ok(Acceptance::default());
                match handshake.answer(received, &config, &mut output, accept) {
                    None => {}
                    Some(Answered::Open { connection, head_len }) => {
                        let mut behind = received.split_off(head_len);
                        self.phase = Phase::Open(connection);
                        self.receive(&mut behind, shared);
                    }
                    Some(Answered::Refused { .. }) => {
                        self.phase = Phase::Refused(shared.now + shared.open_within);
                    }
                }
            }
            Phase::Open(_) if !self.held_back.is_empty() => self.held_back.extend_from_slice(input),
            Phase::Open(connection) => {
                let mut input = input;
                let mark = shared.config.outbox_high_mark;
                while self.outbox.len() <= mark {
                    let mut output = shared.output(&mut self.outbox);
                    // An error has put its Close frame into the outbox, and shows in `transport`.
                    let Ok(Some(event)) = connection.receive(&mut input, &mut output) else {
                        return;
                    };
                    let sent = match &event {
                        Event::Text(text) => connection.send_text(text, &mut output),
                        Event::Binary(payload) => connection.send_binary(payload, &mut output),
                        _ => Ok(()),
                    };
                    debug_assert_eq!(sent, Ok(()));
                    output.buffers.recycle(event);
                }
                self.held_back.extend_from_slice(input);
            }
            Phase::Refused(_) | Phase::Ended => {}
        }
    }

    /// The transport has ended, or broke. What came before is heard first.
    pub(crate) fn receive_eof(&mut self) {
        self.is_last = !self.held_back.is_empty();
        match &mut self.phase {
            Phase::Open(connection) if !self.is_last => connection.receive_eof(),
            Phase::Open(_) => {}
            phase => *phase = Phase::Ended,
        }
    }

    /// Some of the outbox was written; `had_waited` if the transport had not taken it at once.
    pub(crate) fn written(&mut self, had_waited: bool, shared: &mut Shared) {
        if let Phase::Open(connection) = &mut self.phase
            && had_waited
        {
            // A ping may have lain behind it, and could not be answered meanwhile.
            connection.postpone_pong(shared.now);
        }
        if !self.held_back.is_empty() {
            let mut held_back = std::mem::take(&mut self.held_back);
            self.receive(&mut held_back, shared);
            if self.is_last {
                self.receive_eof();
            }
        }
    }

    /// Whether to read. While the peer does not take what is said to it, nothing is heard either.
    pub(crate) fn takes_input(&self) -> bool {
        self.held_back.is_empty()
    }

    /// When `handle_timeout` is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Opening(.., deadline) | Phase::Refused(deadline) => Some(*deadline),
            Phase::Open(connection) => connection.poll_timeout(),
            Phase::Ended => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, shared: &mut Shared) {
        match &mut self.phase {
            Phase::Open(connection) => {
                let mut output = shared.output(&mut self.outbox);
                // Whatever it says shows in the outbox and in `transport`.
                let _ = connection.handle_timeout(&mut output);
            }
            phase if phase.is_over(shared.now) => *phase = Phase::Ended,
            _ => {}
        }
    }

    /// What to do with the transport once the outbox is empty.
    pub(crate) fn transport(&self) -> Transport {
        match &self.phase {
            Phase::Opening(..) => Transport::Keep,
            Phase::Open(connection) => connection.transport(),
            Phase::Refused(_) => Transport::Linger,
            Phase::Ended => Transport::Close,
        }
    }
}

impl Phase {
    fn is_over(&self, now: Instant) -> bool {
        matches!(self, Self::Opening(.., deadline) | Self::Refused(deadline) if *deadline <= now)
    }
}
