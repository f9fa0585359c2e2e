//! Ending: what the peer ends the connection with, and when that is answered.

use super::{Connection, Output};
use crate::close::{CloseCode, CloseReason};
use crate::closing::State;
use crate::error::ProtocolError;
use crate::frame::Opcode;

/// Which share of the time for the closing handshake the caller may let pass before it answers: the
/// peer waits meanwhile, and a caller that has nothing more to say may not come back.
const HELD_SHARE: u32 = 10;

/// Ending with a last word.
impl Connection {
    /// From now on the Close frame that answers the peer's, or that tells it which rule it broke, is
    /// not sent before [`let_end`](Self::let_end).
    ///
    /// For a driver whose messages are answered a little later than they are told: between the two it
    /// may still send, as section 5.5.1 allows. If it does not let the connection end within a tenth of
    /// [`Config::close_within`](crate::Config::close_within), [`handle_timeout`](Self::handle_timeout)
    /// does.
    pub const fn hold_ends(&mut self) {
        self.holds_ends = true;
    }

    /// Whether an end has come that was not answered. [`closed`](Self::closed) tells which, what
    /// still comes is discarded, and messages can be sent.
    #[must_use]
    #[inline]
    pub fn is_held(&self) -> bool {
        self.closing.state() == State::Held
    }

    /// Sends the Close frame that [`hold_ends`](Self::hold_ends) has held back. Does nothing unless
    /// [`is_held`](Self::is_held). [`close`](Self::close) does it as well, with a code of the caller's
    /// own.
    pub fn let_end(&mut self, output: &mut Output<'_>) {
        if !self.is_held() {
            return;
        }
        let Some(closed) = self.closed() else { return };
        let (code, is_clean) = (closed.code, closed.clean);
        if is_clean {
            let code = (code != CloseCode::NO_STATUS).then_some(code);
            self.answer_close(code, output);
        } else {
            self.fail(code, output);
        }
    }

    /// Section 5.5.1: a Close is answered with a Close that echoes its code, unless it is itself
    /// the answer to ours.
    pub(super) fn receive_close(
        &mut self,
        reason: Option<&CloseReason<'_>>,
        output: &mut Output<'_>,
    ) {
        let is_first = self.is_open();
        self.closing.receive_close(reason);
        if is_first && self.holds_ends {
            return self.hold(output);
        }
        if is_first {
            return self.answer_close(reason.map(CloseReason::code), output);
        }
        self.forget();
        self.close_deadline = Some(output.now + self.config.close_within);
    }

    fn answer_close(&mut self, code: Option<CloseCode>, output: &mut Output<'_>) {
        let code = code.map(|code| code.as_u16().to_be_bytes());
        let body = code.as_ref().map_or(&[][..], |code| &code[..]);
        self.write(Opcode::Close, body, output);
        self.closing.finish();
        self.forget();
        self.close_deadline = Some(output.now + self.config.close_within);
    }

    /// The peer broke a rule.
    pub(super) fn break_off(&mut self, error: ProtocolError, output: &mut Output<'_>) {
        if self.holds_ends && self.is_open() {
            self.closing.fail(error.close_code());
            return self.hold(output);
        }
        self.fail(error.close_code(), output);
    }

    /// Leaves what has just ended the connection unanswered.
    fn hold(&mut self, output: &Output<'_>) {
        self.closing.hold();
        self.reader.discard();
        self.pending_pong = None;
        self.close_deadline = Some(output.now + self.config.close_within / HELD_SHARE);
    }
}
