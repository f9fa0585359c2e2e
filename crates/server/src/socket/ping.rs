//! Ping policies: what a socket sends when its line is idle.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use sockeye_protocol::{CloseCode, Instant};

use super::queue::For;
use super::shared::Shared;
use super::watch::Watch;
use crate::executor::Timer;

/// What to send, and after how much silence. The line is idle while no message goes either way; pings, pongs and what
/// this policy itself sent do not count as messages, but each silence is counted from the last of them.
#[derive(Debug, Clone)]
pub struct PingPolicy {
    what: What,
    after: Duration,
    within: Option<Duration>,
}

#[derive(Debug, Clone)]
enum What {
    Frame,
    Text(Box<str>),
}

impl PingPolicy {
    /// Ping frames (RFC 6455 section 5.5.2), which every client answers by itself and no script sees. The answer gives
    /// the [`round_trip`](crate::Sender::round_trip).
    pub const fn frames(after: Duration) -> Self {
        Self { what: What::Frame, after, within: None }
    }

    /// A text message, for peers that must see something themselves. Whatever the peer sends, equal texts included, is
    /// received as ever.
    pub fn text(text: impl Into<Box<str>>, after: Duration) -> Self {
        Self { what: What::Text(text.into()), after, within: None }
    }

    /// Closes the connection with 1011 when nothing at all is heard within this time after a ping.
    #[must_use]
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }
}

/// Replaces what was started before.
pub(super) fn start(shared: &Arc<Shared>, policy: PingPolicy) {
    assert!(!policy.after.is_zero(), "a ping policy needs an interval");
    let epoch = shared.next_ping_epoch();
    shared.note_activity(shared.now());
    shared.pinging.store(true, Ordering::Release);
    let mut pinger = Pinger {
        timer: Timer::new(Arc::clone(&shared.home.remote)),
        epoch,
        watch: Watch::new(shared, For::Upkeep),
        shared: Arc::clone(shared),
        policy,
        pinged: None,
        asked: None,
    };
    shared
        .home
        .remote
        .spawn(Box::pin(async move { poll_fn(|context| pinger.poll(context)).await }));
}

pub(super) fn stop(shared: &Shared) {
    shared.next_ping_epoch();
    shared.pinging.store(false, Ordering::Release);
}

/// A task of the loop's, until the connection ends or another policy takes over.
struct Pinger {
    watch: Watch,
    shared: Arc<Shared>,
    policy: PingPolicy,
    epoch: u64,
    timer: Timer,
    /// When the latest ping went out.
    pinged: Option<Instant>,
    /// When the first ping that nothing was heard behind went out.
    asked: Option<Instant>,
}

impl Pinger {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let replaced = self.shared.ping_epoch() != self.epoch;
            if replaced || self.watch.poll(context.waker()).is_some() {
                return Poll::Ready(());
            }
            let due = self.due();
            if self.timer.poll(due, context.waker()).is_pending() {
                return Poll::Pending;
            }
            // While the inbox is full nobody listens, and a ping behind bytes that wait has not left: a silence then
            // says nothing about the peer.
            if self.shared.is_paused() || self.shared.outstanding() > 0 {
                self.asked = self.asked.map(|_| self.shared.now());
            }
            if self.is_overdue() {
                // 1011 may be sent by anyone.
                let _ = self.shared.close(CloseCode::INTERNAL, "no answer to a ping");
                return Poll::Ready(());
            }
            if self.silent_since() + self.policy.after <= self.shared.now() {
                self.ping();
            }
        }
    }

    fn silent_since(&self) -> Instant {
        self.shared.activity().max(self.pinged.unwrap_or(Instant::ZERO))
    }

    fn due(&self) -> Instant {
        let ping_due = self.silent_since() + self.policy.after;
        self.answer_due().map_or(ping_due, |answer_due| answer_due.min(ping_due))
    }

    /// When something must have been heard since the peer was asked; `None` if it has, or need not be.
    fn answer_due(&self) -> Option<Instant> {
        let (asked, within) = (self.asked?, self.policy.within?);
        (self.shared.heard() < asked).then(|| asked + within)
    }

    fn is_overdue(&self) -> bool {
        self.answer_due().is_some_and(|due| due <= self.shared.now())
    }

    /// A peer that has not even taken what was sent before needs no ping.
    fn ping(&mut self) {
        let now = self.shared.now();
        self.pinged = Some(now);
        // Another ping gives a peer that owes an answer no more time.
        if self.asked.is_none_or(|asked| asked <= self.shared.heard()) {
            self.asked = Some(now);
        }
        let _ = match &self.policy.what {
            What::Frame => self.shared.outward.send_ping(now.as_nanos().to_be_bytes().to_vec()),
            What::Text(text) => self.shared.outward.send_text(&**text),
        };
    }
}

/// The time that a pong to one of our pings took: its payload says when the ping was sent.
pub(super) fn round_trip(payload: &[u8], now: Instant) -> Option<Duration> {
    let sent = Instant::from_nanos(u64::from_be_bytes(payload.try_into().ok()?));
    (sent <= now).then(|| now.saturating_duration_since(sent))
}
