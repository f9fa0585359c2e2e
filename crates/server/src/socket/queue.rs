//! The inbox: what has arrived and not been received, bounded in messages and bytes, and then why it ended.

use std::collections::VecDeque;
use std::task::Waker;

use sockeye_protocol::{CloseCode, Initiator};
use sockeye_reactor::{Cause, Outcome};

use crate::error::Error;
use crate::message::Message;

/// How much an inbox takes before the loop stops reading for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InboxLimits {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self { messages_max: 64, bytes_max: 256 * 1024 }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The code of the Close frame; 1005 when it had none, 1006 when there was no Close frame (RFC 6455 section 7.1.5).
    pub code: CloseCode,
    /// The reason in the Close frame, empty when there was none.
    pub reason: Box<str>,
    /// Who closed first.
    pub by: Initiator,
    /// Whether both sides sent a Close frame.
    pub clean: bool,
    /// What made this side end it; `None` if it was nothing but a close by either side.
    pub cause: Option<Box<Cause>>,
}

impl From<Outcome> for Closed {
    fn from(outcome: Outcome) -> Self {
        let Outcome { code, reason, by, clean, cause, .. } = outcome;
        let cause = (cause != Cause::Closed).then(|| Box::new(cause));
        Self { code, reason, by, clean, cause }
    }
}

impl From<Closed> for Error {
    fn from(closed: Closed) -> Self {
        Self::Closed {
            code: closed.code,
            reason: closed.reason,
            by: closed.by,
            clean: closed.clean,
            cause: closed.cause,
        }
    }
}

/// Where a connection stands, as its program sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The connection is open, or it has ended and messages that arrived before are still to be received.
    Open,
    /// This side has closed and the closing handshake is not over.
    Closing,
    /// The connection has ended, and everything that arrived has been received.
    Closed,
}

/// What a receiver finds.
#[derive(Debug)]
pub(super) enum Taken {
    /// A message; with `resume`, there is room again and reading must go on.
    Message { message: Message, resume: bool },
    /// Nothing yet.
    Empty,
    /// Somebody ended the wait.
    Cancelled,
    /// Nothing, and nothing will come.
    Closed(Closed),
}

/// What the loop must do after a delivery.
#[derive(Debug)]
pub(super) struct Delivered {
    /// To be woken outside of the lock.
    pub(super) waker: Option<Waker>,
    /// The inbox is full: stop reading.
    pub(super) pause: bool,
}

/// One connection's inbox. Whoever uses it holds its lock for one operation at a time, and wakes after releasing it.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    messages: VecDeque<Message>,
    /// How many messages have lain here at once since it was last empty, and before that: as many are made room for at
    /// once.
    crowd: u16,
    last_crowd: u16,
    bytes: usize,
    /// Boxed: most connections are open, and this is their memory.
    end: Option<Box<Closed>>,
    /// The code and reason with which this side began to close.
    closing: Option<Box<(CloseCode, Box<str>)>>,
    paused: bool,
    cancelled: bool,
    /// The receiving half is gone.
    deserted: bool,
    /// The one task or thread that receives.
    receiver: Option<Waker>,
    /// Those who wait for the end.
    watchers: Option<Box<Watchers>>,
}

/// Boxed: few wait for an end, and most of them not for long.
#[derive(Debug, Default)]
struct Watchers {
    waiting: Vec<(u32, Waker)>,
    latest: u32,
}

impl Inbox {
    /// Takes a message from the loop. One that nobody is to receive is dropped: else a full inbox would keep the peer's
    /// Close frame from being read.
    pub(super) fn deliver(&mut self, message: Message, limits: InboxLimits) -> Delivered {
        if self.deserted || self.closing.is_some() || self.end.is_some() {
            return Delivered { waker: None, pause: false };
        }
        self.bytes += message.len();
        if self.messages.capacity() == 0 {
            self.messages.reserve(self.last_crowd.into());
        }
        self.messages.push_back(message);
        self.crowd = self.crowd.max(u16::try_from(self.messages.len()).unwrap_or(u16::MAX));
        let full = self.messages.len() >= limits.messages_max || self.bytes >= limits.bytes_max;
        let pause = full && !self.paused;
        self.paused |= full;
        Delivered { waker: self.receiver.take(), pause }
    }

    /// Gives the next message, in order; the end comes after the last of them.
    pub(super) fn take(&mut self, limits: InboxLimits) -> Taken {
        if std::mem::take(&mut self.cancelled) {
            return Taken::Cancelled;
        }
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.len();
            let resume = self.paused
                && self.messages.len() <= limits.messages_max / 2
                && self.bytes <= limits.bytes_max / 2;
            self.paused &= !resume;
            return Taken::Message { message, resume };
        }
        // An idle connection holds no buffer.
        if self.messages.capacity() > 0 {
            self.messages = VecDeque::new();
            self.last_crowd = std::mem::take(&mut self.crowd);
        }
        self.end.as_deref().map_or(Taken::Empty, |end| Taken::Closed(end.clone()))
    }

    pub(super) fn set_receiver(&mut self, waker: &Waker) {
        match &mut self.receiver {
            Some(own) => own.clone_from(waker),
            empty => *empty = Some(waker.clone()),
        }
    }

    pub(super) fn take_receiver(&mut self) -> Option<Waker> {
        self.receiver.take()
    }

    /// Puts the waker where the end finds it, in place of the one that `number` stood for; returns its number.
    pub(super) fn watch(&mut self, number: Option<u32>, waker: &Waker) -> u32 {
        let watchers = self.watchers.get_or_insert_default();
        let former = watchers.waiting.iter_mut().find(|(other, _)| Some(*other) == number);
        if let Some((number, own)) = former {
            own.clone_from(waker);
            return *number;
        }
        watchers.latest = watchers.latest.wrapping_add(1);
        watchers.waiting.push((watchers.latest, waker.clone()));
        watchers.latest
    }

    pub(super) fn unwatch(&mut self, number: u32) -> Option<Waker> {
        let waiting = &mut self.watchers.as_mut()?.waiting;
        let position = waiting.iter().position(|(other, _)| *other == number)?;
        Some(waiting.swap_remove(position).1)
    }

    /// The pending receive, or else the next one, returns without a message.
    pub(super) fn cancel(&mut self) -> Option<Waker> {
        self.cancelled = true;
        self.receiver.take()
    }

    /// Nobody will receive any more. Returns what waited, and whether reading was paused and must go on.
    pub(super) fn desert(&mut self) -> (VecDeque<Message>, bool) {
        self.deserted = true;
        self.bytes = 0;
        (std::mem::take(&mut self.messages), std::mem::take(&mut self.paused))
    }

    /// This side begins to close. `None`: it has done so before, or the connection has ended.
    /// `Some(true)`: reading was paused and must go on, or the peer's Close frame would not be seen.
    pub(super) fn begin_close(&mut self, code: CloseCode, reason: &str) -> Option<bool> {
        if self.closing.is_some() || self.end.is_some() {
            return None;
        }
        self.closing = Some(Box::new((code, reason.into())));
        Some(std::mem::take(&mut self.paused))
    }

    /// Records the end, once, and returns whom to wake.
    pub(super) fn end(&mut self, closed: Closed) -> Vec<Waker> {
        if self.end.is_some() {
            return Vec::new();
        }
        self.end = Some(Box::new(closed));
        let watchers = self.watchers.take().unwrap_or_default().waiting;
        let watchers = watchers.into_iter().map(|(_, waker)| waker);
        watchers.chain(self.receiver.take()).collect()
    }

    pub(super) fn ended(&self) -> Option<&Closed> {
        self.end.as_deref()
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Why nothing can be sent any more.
    pub(super) fn closed_error(&self) -> Error {
        match (&self.end, &self.closing) {
            (Some(end), _) => (**end).clone().into(),
            (None, Some(closing)) => {
                let (code, reason) = (**closing).clone();
                Error::Closed { code, reason, by: Initiator::Local, clean: false, cause: None }
            }
            // The loop has failed the connection and tells why as soon as it has flushed the Close frame.
            (None, None) => Error::Closed {
                code: CloseCode::ABNORMAL,
                reason: "".into(),
                by: Initiator::Local,
                clean: false,
                cause: None,
            },
        }
    }

    pub(super) fn state(&self) -> State {
        match (&self.end, &self.closing) {
            (Some(_), _) if self.messages.is_empty() => State::Closed,
            (None, Some(_)) => State::Closing,
            _ => State::Open,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: InboxLimits = InboxLimits { messages_max: 4, bytes_max: 10 };

    fn closed() -> Closed {
        Closed {
            code: CloseCode::GOING_AWAY,
            reason: "bye".into(),
            by: Initiator::Peer,
            clean: true,
            cause: None,
        }
    }

    fn take_text(inbox: &mut Inbox) -> (String, bool) {
        match inbox.take(LIMITS) {
            Taken::Message { message, resume } => (message.to_string(), resume),
            other => panic!("expected a message, found {other:?}"),
        }
    }

    #[test]
    fn messages_come_in_order_and_the_end_after_the_last() {
        let mut inbox = Inbox::default();
        for text in ["a", "", "c"] {
            assert!(!inbox.deliver(text.into(), LIMITS).pause);
        }
        inbox.end(closed());
        assert_eq!(inbox.state(), State::Open);
        assert!(!inbox.deliver("late".into(), LIMITS).pause);
        for text in ["a", "", "c"] {
            assert_eq!(take_text(&mut inbox).0, text);
        }
        assert_eq!(inbox.state(), State::Closed);
        for _ in 0..2 {
            assert!(matches!(inbox.take(LIMITS), Taken::Closed(end) if end == closed()));
        }
    }

    #[test]
    fn a_full_inbox_pauses_once_and_resumes_at_half() {
        let mut inbox = Inbox::default();
        let pauses: Vec<bool> = (0..6).map(|_| inbox.deliver("x".into(), LIMITS).pause).collect();
        assert_eq!(pauses, [false, false, false, true, false, false]);
        let resumes: Vec<bool> = (0..6).map(|_| take_text(&mut inbox).1).collect();
        assert_eq!(resumes, [false, false, false, true, false, false]);
        assert!(inbox.deliver("ten bytes!".into(), LIMITS).pause, "the bytes count as well");
        assert!(take_text(&mut inbox).1);
    }

    #[test]
    fn a_cancelled_wait_takes_no_message() {
        let mut inbox = Inbox::default();
        inbox.deliver("kept".into(), LIMITS);
        inbox.cancel();
        assert!(matches!(inbox.take(LIMITS), Taken::Cancelled));
        assert_eq!(take_text(&mut inbox).0, "kept");
    }

    #[test]
    fn after_its_own_close_it_takes_nothing_and_reads_on() {
        let mut inbox = Inbox::default();
        for _ in 0..4 {
            inbox.deliver("x".into(), LIMITS);
        }
        assert_eq!(inbox.begin_close(CloseCode::NORMAL, ""), Some(true));
        assert_eq!(inbox.begin_close(CloseCode::NORMAL, ""), None);
        assert!(!inbox.deliver("x".into(), LIMITS).pause);
        assert_eq!(inbox.len(), 4);
    }

    #[test]
    fn an_empty_inbox_holds_no_buffer() {
        let mut inbox = Inbox::default();
        inbox.deliver("x".into(), LIMITS);
        take_text(&mut inbox);
        assert!(matches!(inbox.take(LIMITS), Taken::Empty));
        assert_eq!(inbox.messages.capacity(), 0);
    }

    #[test]
    fn a_wait_for_the_end_that_is_given_up_leaves_nothing() {
        let mut inbox = Inbox::default();
        let kept = inbox.watch(None, Waker::noop());
        for _ in 0..100 {
            let number = inbox.watch(None, Waker::noop());
            assert_eq!(inbox.watch(Some(number), Waker::noop()), number);
            assert!(inbox.unwatch(number).is_some());
        }
        assert_eq!(inbox.watchers.as_ref().map(|watchers| watchers.waiting.len()), Some(1));
        assert_eq!(inbox.end(closed()).len(), 1);
        assert!(inbox.unwatch(kept).is_none());
    }
}
