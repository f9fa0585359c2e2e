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

/// Messages on their way, boxed from where they leave the loop to where they are received: an inbox is part of every
/// socket, and hardly ever are there any in it.
pub(super) type Messages = VecDeque<Message>;

/// What a receiver finds.
#[derive(Debug)]
pub(super) enum Taken {
    /// All that waits here, at least one message.
    Messages(Box<Messages>),
    /// Nothing yet.
    Empty,
    /// Nothing, and nothing will come.
    Closed(Closed),
}

/// One connection's inbox. Whoever uses it holds its lock for one operation at a time, and wakes after releasing it.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Never empty.
    messages: Option<Box<Messages>>,
    /// Boxed: most connections are open, and this is their memory.
    end: Option<Box<Closed>>,
    /// The code and reason with which this side began to close.
    closing: Option<Box<(CloseCode, Box<str>)>>,
    /// The receiving half is gone.
    deserted: bool,
    /// Messages were received, and nobody has come for more since they were all.
    lent: bool,
    /// The peer has closed, and is answered when somebody comes for more.
    held: bool,
    /// The one task or thread that receives.
    receiver: Option<Waker>,
    /// Those who wait for the end.
    watchers: Option<Box<Watchers>>,
}

/// Boxed: few wait for an end, and most of them not for long.
#[derive(Debug, Default)]
struct Watchers {
    waiting: Vec<Watcher>,
    latest: u32,
}

#[derive(Debug)]
struct Watcher {
    number: u32,
    waker: Waker,
    for_whom: For,
}

/// Who waits for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The program, which wants to know at once.
    Program,
    /// Something of ours that is to end with the connection.
    Upkeep,
}

impl Inbox {
    /// Takes messages from the loop, and returns whom to wake.
    pub(super) fn put(&mut self, mut messages: Box<Messages>) -> Option<Waker> {
        match &mut self.messages {
            Some(before) => before.append(&mut messages),
            none => *none = Some(messages),
        }
        self.receiver.take()
    }

    /// Whether nobody will receive any more.
    pub(super) const fn is_deserted(&self) -> bool {
        self.deserted
    }

    /// Whether what arrives from now on is dropped: else a full inbox would keep the peer's Close frame from being read.
    pub(super) const fn is_deaf(&self) -> bool {
        self.deserted || self.closing.is_some() || self.end.is_some()
    }

    /// Gives what waits, in order; the end comes after the last of it. An idle connection holds no buffer.
    pub(super) fn take(&mut self) -> Taken {
        let messages = self.messages.take();
        self.lent = messages.is_some();
        if let Some(messages) = messages {
            return Taken::Messages(messages);
        }
        self.end.as_deref().map_or(Taken::Empty, |end| Taken::Closed(end.clone()))
    }

    /// Messages were received that never lay here.
    pub(super) const fn lend(&mut self) {
        self.lent = true;
    }

    /// The peer has closed. Whether the answer waits until somebody comes for more: what came before is still to be
    /// answered, `waiting` messages of it to be received. A program that waits for the end learns of it at once instead.
    pub(super) fn hold(&mut self, waiting: usize) -> bool {
        let is_watched = self.watchers.as_ref().is_some_and(|watchers| {
            watchers.waiting.iter().any(|watcher| watcher.for_whom == For::Program)
        });
        self.held = (self.lent || waiting > 0) && !self.is_deaf() && !is_watched;
        self.held
    }

    /// Whether the answer to the peer's close has waited until now.
    pub(super) const fn take_held(&mut self) -> bool {
        std::mem::replace(&mut self.held, false)
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
    pub(super) fn watch(&mut self, number: Option<u32>, waker: &Waker, for_whom: For) -> u32 {
        let watchers = self.watchers.get_or_insert_default();
        let former = watchers.waiting.iter_mut().find(|other| Some(other.number) == number);
        if let Some(former) = former {
            former.waker.clone_from(waker);
            return former.number;
        }
        watchers.latest = watchers.latest.wrapping_add(1);
        let number = watchers.latest;
        watchers.waiting.push(Watcher { number, waker: waker.clone(), for_whom });
        number
    }

    pub(super) fn unwatch(&mut self, number: u32) -> Option<Waker> {
        let waiting = &mut self.watchers.as_mut()?.waiting;
        let position = waiting.iter().position(|other| other.number == number)?;
        Some(waiting.swap_remove(position).waker)
    }

    /// Nobody will receive any more. Returns what waited.
    pub(super) fn desert(&mut self) -> Option<Box<Messages>> {
        self.deserted = true;
        self.messages.take()
    }

    /// This side begins to close. `false`: it has done so before, or the connection has ended.
    pub(super) fn begin_close(&mut self, code: CloseCode, reason: &str) -> bool {
        if self.closing.is_some() || self.end.is_some() {
            return false;
        }
        self.closing = Some(Box::new((code, reason.into())));
        true
    }

    /// Records the end, once, and returns whom to wake.
    pub(super) fn end(&mut self, closed: Closed) -> Vec<Waker> {
        if self.end.is_some() {
            return Vec::new();
        }
        self.end = Some(Box::new(closed));
        let watchers = self.watchers.take().unwrap_or_default().waiting;
        let watchers = watchers.into_iter().map(|watcher| watcher.waker);
        watchers.chain(self.receiver.take()).collect()
    }

    pub(super) fn ended(&self) -> Option<&Closed> {
        self.end.as_deref()
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

    /// `waiting` is how many messages wait, here and elsewhere.
    pub(super) const fn state(&self, waiting: usize) -> State {
        match (&self.end, &self.closing) {
            (Some(_), _) if waiting == 0 => State::Closed,
            (None, Some(_)) => State::Closing,
            _ => State::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Closed {
        Closed {
            code: CloseCode::GOING_AWAY,
            reason: "bye".into(),
            by: Initiator::Peer,
            clean: true,
            cause: None,
        }
    }

    fn batch(texts: &[&str]) -> Box<Messages> {
        Box::new(texts.iter().map(|text| Message::text(*text)).collect())
    }

    #[test]
    fn messages_come_in_order_and_the_end_after_the_last() {
        let mut inbox = Inbox::default();
        inbox.put(batch(&["a"]));
        inbox.put(batch(&["", "c"]));
        inbox.end(closed());
        assert_eq!(inbox.state(3), State::Open);
        assert!(inbox.is_deaf());
        assert!(matches!(inbox.take(), Taken::Messages(all) if all == batch(&["a", "", "c"])));
        assert_eq!(inbox.state(0), State::Closed);
        for _ in 0..2 {
            assert!(matches!(inbox.take(), Taken::Closed(end) if end == closed()));
        }
    }

    #[test]
    fn after_its_own_close_it_keeps_what_came_before() {
        let mut inbox = Inbox::default();
        inbox.put(batch(&["before"]));
        assert!(inbox.begin_close(CloseCode::NORMAL, "") && inbox.is_deaf());
        assert!(!inbox.begin_close(CloseCode::NORMAL, ""));
        inbox.put(batch(&["on its way"]));
        let expected = batch(&["before", "on its way"]);
        assert!(matches!(inbox.take(), Taken::Messages(all) if all == expected));
    }

    #[test]
    fn a_close_is_held_while_what_came_before_may_be_answered() {
        let mut inbox = Inbox::default();
        assert!(!inbox.hold(0), "nothing has come");
        assert!(inbox.hold(1) && inbox.take_held() && !inbox.take_held());
        inbox.put(batch(&["x"]));
        assert!(matches!(inbox.take(), Taken::Messages(_)));
        assert!(inbox.hold(0), "it may be about to be answered");
        let number = inbox.watch(None, Waker::noop(), For::Program);
        assert!(!inbox.hold(1), "somebody waits for the end and not for messages");
        assert!(inbox.unwatch(number).is_some());
        inbox.watch(None, Waker::noop(), For::Upkeep);
        assert!(inbox.hold(0));
        assert!(matches!(inbox.take(), Taken::Empty));
        assert!(!inbox.hold(0), "somebody has come for more");
        assert!(inbox.begin_close(CloseCode::NORMAL, "") && !inbox.hold(1));
    }

    #[test]
    fn an_empty_inbox_holds_no_buffer() {
        let mut inbox = Inbox::default();
        inbox.put(batch(&["x"]));
        assert!(matches!(inbox.take(), Taken::Messages(_)));
        assert!(matches!(inbox.take(), Taken::Empty));
        assert!(inbox.messages.is_none());
    }

    #[test]
    fn a_wait_for_the_end_that_is_given_up_leaves_nothing() {
        let mut inbox = Inbox::default();
        let kept = inbox.watch(None, Waker::noop(), For::Program);
        for _ in 0..100 {
            let number = inbox.watch(None, Waker::noop(), For::Program);
            assert_eq!(inbox.watch(Some(number), Waker::noop(), For::Program), number);
            assert!(inbox.unwatch(number).is_some());
        }
        assert_eq!(inbox.watchers.as_ref().map(|watchers| watchers.waiting.len()), Some(1));
        assert_eq!(inbox.end(closed()).len(), 1);
        assert!(inbox.unwatch(kept).is_none());
    }
}
