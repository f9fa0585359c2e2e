//! Time: deadlines, and what is due.

use super::{Connection, Output};
use crate::close::{CloseCode, Initiator};
use crate::closing::State;
use crate::error::TimedOut;
use crate::frame::Opcode;
use crate::keepalive::Due;
use crate::time::{Instant, Timer};

/// Time.
impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` means never.
    ///
    /// It may change after any call that takes `&mut self`. A driver that has armed a timer for an
    /// earlier time need not disarm it: `handle_timeout` does nothing when nothing is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let keepalive = match self.closing.state() {
            State::Open => self.keepalive.deadline(&self.config),
            _ => None,
        };
        match (self.running_message_deadline(), self.close_deadline) {
            // The common case: nothing is in progress.
            (None, None) => keepalive,
            (message, close) => [keepalive, message, close].into_iter().flatten().min(),
        }
    }

    /// The deadline of the message in progress, unless it is held up by our own reading.
    fn running_message_deadline(&self) -> Option<Instant> {
        if self.keepalive.is_suspended() { None } else { self.reader.deadline() }
    }

    /// Does what is due at `output.now`: sends a ping, or ends a connection whose peer was too
    /// slow.
    ///
    /// # Errors
    ///
    /// When a deadline ended the connection. Where the peer can be supposed to listen, a Close
    /// frame is in the outbox; obey [`transport`](Self::transport).
    pub fn handle_timeout(&mut self, output: &mut Output<'_>) -> Result<(), TimedOut> {
        let now = output.now;
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.close_deadline) && self.is_held() {
            self.let_end(output);
            return Ok(());
        }
        if is_due(self.close_deadline) {
            let unanswered = self.closing.is_receiving();
            self.closing.end(Initiator::Local);
            self.forget();
            return if unanswered { Err(TimedOut { timer: Timer::Close }) } else { Ok(()) };
        }
        if is_due(self.running_message_deadline()) {
            self.fail(CloseCode::POLICY, output);
            return Err(TimedOut { timer: Timer::Message });
        }
        if self.closing.state() != State::Open {
            return Ok(());
        }
        match self.keepalive.due(&self.config, now) {
            Some(Due::Ping) => {
                let payload = self.keepalive.ping(now);
                self.control_rate.owe();
                self.write(Opcode::Ping, &payload, output);
                #[cfg(feature = "deflate")]
                if let Some(deflater) = self.deflater() {
                    deflater.rest();
                }
                Ok(())
            }
            Some(Due::Pong) => {
                // Nobody listens, so there is nobody to tell.
                self.closing.end(Initiator::Local);
                self.forget();
                Err(TimedOut { timer: Timer::Pong })
            }
            None => Ok(()),
        }
    }

    /// Sends the keepalive's pings early from now on, by up to a sixteenth of
    /// [`Config::ping_after`](crate::Config::ping_after) and differently each time, so that connections which began together do
    /// not ping together. `seed` tells them apart: any number that differs between them. Zero, which
    /// is also how a connection begins, sends them on time.
    pub fn spread_pings(&mut self, seed: u16) {
        self.keepalive.spread(seed);
    }

    /// Stops the keepalive, and the time of a message in progress, while the driver does not read:
    /// silence then proves nothing. The closing handshake's time goes on.
    pub fn suspend_keepalive(&mut self, now: Instant) {
        self.keepalive.suspend(now);
    }

    /// Starts the keepalive again, as if something had been heard at `now`; a message in progress
    /// has the time left that it had when the driver stopped reading, and the peer may have sent
    /// the control frames of that time.
    pub fn resume_keepalive(&mut self, now: Instant) {
        let Some(suspended) = self.keepalive.resume(now) else { return };
        self.control_rate.rest(suspended, &self.config);
        if let Some(Some(deadline)) = self.reader.deadline_mut() {
            *deadline += suspended;
        }
    }

    /// Gives an awaited pong its whole time again. Call it when bytes of the outbox had to wait for
    /// the transport, and when they still do as the pong falls due: the ping may lie behind them,
    /// and a peer cannot answer what has not left. Whoever calls it though nothing at all has left
    /// meanwhile needs another limit for a peer that takes nothing.
    pub const fn postpone_pong(&mut self, now: Instant) {
        self.keepalive.postpone(now);
    }

    /// Gives back what only an open connection needs.
    pub(super) fn forget(&mut self) {
        self.reader.discard();
        #[cfg(feature = "deflate")]
        {
            self.deflate = None;
        }
        self.pending_pong = None;
        self.close_deadline = None;
    }
}
