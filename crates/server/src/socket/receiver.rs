//! The half that receives.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::hand;
use super::handle::Canceller;
use super::queue::{Closed, Messages, Taken};
use super::sender::Sender;
use super::shared::Shared;
use crate::error::Error;
use crate::executor::Timer;
use crate::message::{Message, MessageReader, Piece};

/// Receives whole messages in the order in which they came.
///
/// When it is dropped and a [`Sender`] remains, the connection goes on: messages that arrive are dropped, and pings and
/// closes are handled as ever.
///
/// Two pointers wide, since it is part of the future of every route that is parked.
#[derive(Debug)]
pub struct Receiver {
    /// Keeps the connection open as a half of its own; a [`Socket`](super::Socket) sends with it.
    pub(super) sender: Sender,
    /// What only some receives need.
    extra: Option<Box<Extra>>,
}

#[derive(Debug)]
struct Extra {
    timer: Timer,
    /// Taken from the inbox together with a message that was received. Boxed, since it is not there while one waits.
    batch: Option<Box<Messages>>,
    /// A message of which `recv_into` has given a part. Boxed as well.
    begun: Option<Box<MessageReader>>,
}

impl Receiver {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { sender: Sender::new(shared), extra: None }
    }

    /// Waits for the next message, for as long as it takes. Dropping the future loses nothing. After a
    /// [`recv_into`](Self::recv_into) that stopped within a message, it is the rest of that.
    ///
    /// # Errors
    /// [`Error::Closed`] once the connection has ended and all that arrived whole has been received;
    /// [`Error::Cancelled`] if a [`Canceller`] said so.
    pub fn recv(&mut self) -> impl Future<Output = Result<Message, Error>> + Send {
        // Not an async function: its state would stand between the messages of a batch and their route.
        poll_fn(|context| self.poll_recv(Some(context.waker())))
    }

    /// Waits for the next message, at most so long. With a duration of zero it takes what is there.
    ///
    /// # Errors
    /// [`Error::Timeout`]: the connection stays open, and a message that was on its way comes with the next call.
    /// Otherwise as [`recv`](Self::recv).
    pub async fn recv_timeout(&mut self, duration: Duration) -> Result<Message, Error> {
        let mut deadline = None;
        poll_fn(|context| {
            if let Poll::Ready(received) = self.poll_recv(Some(context.waker())) {
                return Poll::Ready(received);
            }
            let deadline = *deadline.get_or_insert_with(|| self.shared().now() + duration);
            // The timer wakes whoever receives by then, so it stays armed from one wait to the next.
            let waker = Waker::from(Arc::clone(self.shared()));
            self.extra().timer.poll(deadline, &waker).map(|()| Err(Error::Timeout))
        })
        .await
    }

    /// The next message if one is there.
    ///
    /// # Errors
    /// [`Error::Timeout`] if none is. Otherwise as [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Message, Error> {
        match self.poll_recv(None) {
            Poll::Ready(received) => received,
            Poll::Pending => Err(Error::Timeout),
        }
    }

    /// Waits for the next piece of a message and copies it into the buffer: as much as there is, or as fits. A piece of
    /// text ends between two characters. The end of a message is told with its last piece; an empty message is one piece
    /// without bytes.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] if the next character of a text does not fit; nothing is lost. Otherwise as
    /// [`recv`](Self::recv).
    pub async fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Piece, Error> {
        let begun = self.extra.as_mut().and_then(|extra| extra.begun.take());
        let mut reader = match begun {
            Some(reader) => *reader,
            None => self.recv().await?.into_reader(),
        };
        let piece = reader.read_piece(buffer);
        if !piece.is_some_and(|piece| piece.end) {
            self.extra().begun = Some(Box::new(reader));
        }
        piece.ok_or(Error::BufferTooSmall)
    }

    /// Waits for the end of the connection, and says what it was. Messages that arrived before can still be received.
    pub async fn closed(&self) -> Closed {
        self.sender.closed().await
    }

    /// What ends a wait for a message from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.sender.canceller()
    }

    fn shared(&self) -> &Arc<Shared> {
        self.sender.shared()
    }

    fn extra(&mut self) -> &mut Extra {
        let remote = &self.sender.shared().home.remote;
        self.extra.get_or_insert_with(|| {
            let timer = Timer::new(Arc::clone(remote));
            Box::new(Extra { timer, batch: None, begun: None })
        })
    }

    /// Whether something is older than what the loop has at hand.
    #[inline]
    fn has_older(&self) -> bool {
        let is_older = |extra: &Extra| extra.batch.is_some() || extra.begun.is_some();
        self.extra.as_deref().is_some_and(is_older)
    }

    /// The next message, from where the oldest lie. If nothing is there yet, the waker will be woken. What is returned is
    /// made where it is found, since to move a message costs as much as to find it.
    #[inline]
    fn poll_recv(&mut self, waker: Option<&Waker>) -> Poll<Result<Message, Error>> {
        let shared = self.sender.shared();
        // The common case: nothing is older than what the loop has at hand.
        if !self.has_older()
            && !shared.is_cancelled()
            && let Some(message) = hand::take(shared.id())
        {
            return Poll::Ready(Ok(message));
        }
        // By way of a place of its own, so that a message at hand goes by way of none.
        let mut received = None;
        self.poll_oldest_into(&mut received, waker);
        received.map_or(Poll::Pending, Poll::Ready)
    }

    #[inline(never)]
    fn poll_oldest_into(
        &mut self,
        received: &mut Option<Result<Message, Error>>,
        waker: Option<&Waker>,
    ) {
        let shared = self.sender.shared();
        let is_parked = waker.is_some_and(|waker| shared.is_parked(waker));
        // Then the inbox is empty, and what was at hand was looked for.
        if is_parked && !self.has_older() && !shared.is_cancelled() {
            return;
        }
        if let Poll::Ready(result) = self.poll_oldest(waker) {
            *received = Some(result);
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_oldest(&mut self, waker: Option<&Waker>) -> Poll<Result<Message, Error>> {
        if self.extra.is_some() {
            if let Some(rest) = self.take_begun() {
                return Poll::Ready(Ok(rest));
            }
            if let Some(message) = self.take_batched() {
                return Poll::Ready(Ok(message));
            }
        }
        let shared = self.sender.shared();
        if shared.take_cancelled() {
            return Poll::Ready(Err(Error::Cancelled));
        }
        if let Some(message) = hand::take(shared.id()) {
            return Poll::Ready(Ok(message));
        }
        self.poll_inbox(waker)
    }

    fn take_batched(&mut self) -> Option<Message> {
        let batch = &mut self.extra.as_mut()?.batch;
        if self.sender.shared().is_cancelled() {
            return None;
        }
        let message = batch.as_mut()?.pop_front();
        // An idle connection holds no buffer.
        batch.take_if(|batch| batch.is_empty());
        self.sender.shared().note_taken(message.as_ref()?);
        message
    }

    fn poll_inbox(&mut self, waker: Option<&Waker>) -> Poll<Result<Message, Error>> {
        let mut messages = match self.shared().take(waker) {
            Taken::Messages(messages) => messages,
            // It came just now: whoever wanted to wake was not told of a waker.
            Taken::Empty if self.shared().take_cancelled() => {
                return Poll::Ready(Err(Error::Cancelled));
            }
            Taken::Empty => return Poll::Pending,
            Taken::Closed(closed) => return Poll::Ready(Err(closed.into())),
        };
        let Some(message) = messages.pop_front() else { return Poll::Pending };
        self.shared().note_taken(&message);
        if !messages.is_empty() {
            self.extra().batch = Some(messages);
        }
        Poll::Ready(Ok(message))
    }

    fn take_begun(&mut self) -> Option<Message> {
        self.extra.as_mut()?.begun.take().map(|reader| reader.into_rest())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared().desert();
    }
}
