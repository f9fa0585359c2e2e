//! Deadlines, and time in which nobody reads.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye_protocol::{Instant, Output, TimedOut};

use super::Receiving;
use crate::error::Error;
use crate::memory::Memory;
use crate::port::Port;

/// Whoever comes back to receiving sooner than this has not rested: the time between two messages.
const REST_MIN: Duration = Duration::from_secs(1);

/// A task that waits is polled no later than this after its deadline, unless the machine is in the
/// worst of states: where it was not, nobody has waited.
const LATE_MAX: Duration = Duration::from_secs(5);

/// What has arrived and was not read yet may be what a deadline waits for: it has so much time more.
const BACKLOG_WITHIN: Duration = Duration::from_secs(1);

impl<P: Port> Receiving<P> {
    /// Waits for the next deadline, and does what is due then.
    pub(super) fn poll_time(
        &mut self,
        context: &mut Context<'_>,
        memory: &mut Memory,
    ) -> Poll<Result<(), TimedOut>> {
        let deadlines = [self.connection.poll_timeout(), self.stalls_at];
        let Some(deadline) = deadlines.into_iter().flatten().min() else { return Poll::Pending };
        let armed = ready!(self.timer.poll_until(deadline, self.clock, context));
        let before = std::mem::replace(&mut self.now, self.clock.now());
        if self.now > armed + LATE_MAX {
            self.rested(before);
        }
        let has_taken = self.port.as_mut().is_some_and(Port::has_taken);
        if self.is_blocked && has_taken {
            self.connection.postpone_pong(self.now);
        }
        if self.stalls_at.is_some_and(|stalls_at| stalls_at <= self.now) {
            self.stalls_at = self.stall_after(self.now);
            if !has_taken {
                let stalled = "peer takes nothing of what is sent to it";
                self.lose(Error::Io(io::Error::new(io::ErrorKind::TimedOut, stalled)));
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Ready(self.expire(memory))
    }

    /// Whether something that has begun, a message or the closing, is overdue: a peer that always has
    /// more to say must not have time without end.
    #[inline]
    pub(super) fn is_overdue(&self) -> bool {
        let is_over = |deadline: Instant| deadline + BACKLOG_WITHIN <= self.now;
        !self.connection.is_idle() && self.connection.poll_timeout().is_some_and(is_over)
    }

    /// Does what is due.
    pub(super) fn expire(&mut self, memory: &mut Memory) -> Result<(), TimedOut> {
        let Memory { buffers, keys, .. } = memory;
        let outbox = &mut self.outbox;
        let mut output = Output { outbox, mask_keys: keys, buffers, now: self.now };
        self.connection.handle_timeout(&mut output)
    }

    /// Ends the time in which nobody has read, since there is nothing to read.
    #[inline]
    pub(super) fn rest_is_over(&mut self) {
        let Some(since) = self.resting_since else { return };
        if self.connection.expects_nothing() {
            // However long it was, nothing has come meanwhile and nothing had to.
            self.resting_since = None;
        } else {
            self.now = self.clock.now();
            self.wake_up(since);
        }
    }

    /// Ends the time in which nobody has read; `before` is when somebody had something to read last.
    #[inline]
    pub(super) fn wake_up(&mut self, before: Instant) {
        match self.resting_since.take() {
            Some(since) => self.rested(since),
            // Whoever had waited would have been woken.
            None if self.now > self.timer.armed() + LATE_MAX => self.rested(before),
            None => {}
        }
    }

    /// Nobody has read since then.
    fn rested(&mut self, since: Instant) {
        self.stalls_at = None;
        if self.now >= since + REST_MIN {
            self.connection.suspend_keepalive(since);
            self.timer.distrust();
        }
        self.connection.resume_keepalive(self.now);
    }

    /// The peer holds up reading, since it takes nothing.
    pub(super) fn rest_until_taken(&mut self) {
        self.now = self.clock.now();
        let since = *self.resting_since.get_or_insert(self.now);
        self.connection.suspend_keepalive(since);
        self.timer.distrust();
        if self.stalls_at.is_none() {
            // What it has taken before does not count.
            let _ = self.port.as_mut().is_some_and(Port::has_taken);
            self.stalls_at = self.stall_after(self.now);
        }
    }

    /// While the peer's pongs are not read, what stands in for them is that it takes something, for
    /// which it has as long as a silent peer has.
    fn stall_after(&self, now: Instant) -> Option<Instant> {
        let config = self.connection.config();
        Some(now + config.ping_after? + config.pong_within)
    }
}
