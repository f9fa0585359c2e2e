//! Time: what tokio's clock says in the core's words, and the one timer of a socket.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye_protocol::Instant;
use tokio::task::coop;
use tokio::time::{self, Sleep};

/// The clock of one socket, which began when the socket was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: time::Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: time::Instant::now() }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    fn instant(self, instant: Instant) -> time::Instant {
        self.origin + Duration::from_nanos(instant.as_nanos())
    }
}

/// A timer that exists from the first deadline on, and is set again only for one that comes before
/// it would fire. Traffic, which only moves deadlines on, never touches it.
#[derive(Debug)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Instant,
    /// Whom the sleep will wake, as long as no deadline can have come before `armed`.
    trusted: Option<Waker>,
}

impl Timer {
    pub(crate) const fn new() -> Self {
        Self { sleep: None, armed: Instant::MAX, trusted: None }
    }

    /// Whether it will wake this task in time, so that nothing need be asked or set.
    #[inline]
    pub(crate) fn is_trusted(&self, context: &Context<'_>) -> bool {
        match (&self.trusted, &self.sleep) {
            (Some(waker), Some(sleep)) => waker.will_wake(context.waker()) && !sleep.is_elapsed(),
            _ => false,
        }
    }

    /// A deadline may come before the one that it is set for.
    pub(crate) fn distrust(&mut self) {
        self.trusted = None;
    }

    /// Ready when it fires, at `deadline` or before it, with the time for which it was set.
    pub(crate) fn poll_until(
        &mut self,
        deadline: Instant,
        clock: Clock,
        context: &mut Context<'_>,
    ) -> Poll<Instant> {
        if deadline < self.armed {
            self.armed = deadline;
            let at = clock.instant(deadline);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                none => *none = Some(Box::pin(time::sleep_until(at))),
            }
        }
        let armed = self.armed;
        // One that has fired is not polled again: it would be ready for ever.
        let Some(sleep) = self.sleep.as_mut().filter(|_| armed < Instant::MAX) else {
            return Poll::Pending;
        };
        // Where the task must give way to others the sleep is not asked, and knows of no waker.
        let is_asked = coop::has_budget_remaining();
        let polled = sleep.as_mut().poll(context);
        match polled {
            Poll::Pending if is_asked => self.trusted = Some(context.waker().clone()),
            Poll::Pending => self.trusted = None,
            Poll::Ready(()) => {
                self.armed = Instant::MAX;
                self.trusted = None;
            }
        }
        polled.map(|()| armed)
    }

    /// For when it is set.
    #[inline]
    pub(crate) const fn armed(&self) -> Instant {
        self.armed
    }
}
