//! Waiting for a time to come.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye_protocol::Instant;

use super::local::Local;
use super::remote::Remote;
use super::timers::TimerKey;

/// Waits for the time given, on the loop's own clock and without a thread.
///
/// # Panics
/// When it is called outside of a loop: it is for async routes and what they [`spawn`](crate::spawn).
pub fn sleep(duration: Duration) -> Sleep {
    let local = Local::current().expect("sockeye::sleep is for tasks of a sockeye loop");
    let deadline = local.remote().clock().now() + duration;
    Sleep { deadline, timer: Timer::new(Arc::clone(local.remote())) }
}

/// The future of [`sleep`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Sleep {
    deadline: Instant,
    timer: Timer,
}

impl Sleep {
    pub(super) fn until(remote: &Arc<Remote>, deadline: Instant) -> Self {
        Self { deadline, timer: Timer::new(Arc::clone(remote)) }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.timer.poll(this.deadline, context.waker())
    }
}

/// At most one armed deadline at a loop. Works from any thread.
#[derive(Debug)]
pub(crate) struct Timer {
    remote: Arc<Remote>,
    armed: Option<(TimerKey, Waker)>,
}

impl Timer {
    pub(crate) const fn new(remote: Arc<Remote>) -> Self {
        Self { remote, armed: None }
    }

    /// Ready when the deadline has come; else the waker will be woken then, or before.
    /// A timer that is armed for an earlier time stays: a wait that is renewed again and again, each time for longer,
    /// costs one timer for all.
    pub(crate) fn poll(&mut self, deadline: Instant, waker: &Waker) -> Poll<()> {
        let now = self.remote.clock().now();
        if deadline <= now {
            self.disarm();
            return Poll::Ready(());
        }
        let armed = self.armed.as_ref();
        if !armed.is_some_and(|(key, own)| {
            key.deadline > now && key.deadline <= deadline && own.will_wake(waker)
        }) {
            self.arm(deadline, waker);
        }
        Poll::Pending
    }

    fn arm(&mut self, deadline: Instant, waker: &Waker) {
        self.disarm();
        let key = TimerKey { deadline, number: self.remote.next_timer_number() };
        match Local::current_of(&self.remote) {
            Some(local) => local.arm(key, waker.clone()),
            None => self.remote.arm(key, waker.clone()),
        }
        self.armed = Some((key, waker.clone()));
    }

    fn disarm(&mut self) {
        let Some((key, _waker)) = self.armed.take() else { return };
        match Local::current_of(&self.remote) {
            Some(local) => local.disarm(key),
            None => self.remote.disarm(key),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
    }
}
