//! What the halves of a socket say, by way of the hand or of the queue.

use std::sync::atomic::Ordering;

use sockeye_protocol::{Prepared, SendError};

use super::Shared;
use crate::error::Error;
use crate::message::Message;
use crate::socket::hand;

impl Shared {
    pub(in crate::socket) fn send_error(&self, error: SendError) -> Error {
        match error {
            SendError::NotOpen => self.inbox.lock().closed_error(),
            SendError::Full => Error::Full,
            error => Error::NotSendable(error),
        }
    }

    /// Bytes that were sent and not yet taken by the kernel.
    pub(in crate::socket) fn outstanding(&self) -> usize {
        self.outward.outstanding() + hand::said_bytes(self.id)
    }

    /// Sends a text, by way of the hand if this is the socket's own task.
    pub(in crate::socket) fn send_text(&self, text: &str) -> Result<(), SendError> {
        self.check_open()?;
        if !hand::say_text(self.id, &self.home.remote, &self.outward, text) {
            self.outward.send_text(text)?;
        }
        self.note_sent();
        Ok(())
    }

    /// Sends a message by way of the hand, if it is a short text and the way is free. Most are, and all else is left to
    /// [`offer`](Self::offer).
    #[inline]
    pub(in crate::socket) fn say_short(&self, message: Message) -> Result<(), Message> {
        let text = match message {
            Message::Text(text) if !self.mute.load(Ordering::Acquire) => text,
            message => return Err(message),
        };
        hand::say_short(self.id, &self.home.remote, &self.outward, text).map_err(Message::Text)?;
        self.note_sent();
        Ok(())
    }

    /// Sends a message in its type, or gives it back.
    pub(in crate::socket) fn offer(&self, message: Message) -> Result<(), (SendError, Message)> {
        if let Err(error) = self.check_open() {
            return Err((error, message));
        }
        match hand::say(self.id, &self.home.remote, &self.outward, message) {
            Ok(()) => {}
            Err(message) => self.offer_to_queue(message)?,
        }
        self.note_sent();
        Ok(())
    }

    fn offer_to_queue(&self, message: Message) -> Result<(), (SendError, Message)> {
        match message {
            Message::Text(text) => {
                let offered = self.outward.offer_text(text);
                offered.map_err(|(error, text)| (error, Message::Text(text)))
            }
            Message::Binary(bytes) => {
                let offered = self.outward.offer_binary(bytes);
                offered.map_err(|(error, bytes)| (error, Message::Binary(bytes)))
            }
        }
    }

    /// Sends without waiting.
    pub(in crate::socket) fn send_now(&self, message: Message) -> Result<(), Error> {
        self.offer(message).map_err(|(error, _message)| self.send_error(error))
    }

    /// Sends a message that is the same for whoever it goes to.
    pub(in crate::socket) fn send_prepared(&self, prepared: Prepared) -> Result<(), SendError> {
        self.check_open()?;
        self.outward.send_prepared(prepared)?;
        self.note_sent();
        Ok(())
    }

    /// The end is known here before the loop's queue is closed.
    fn check_open(&self) -> Result<(), SendError> {
        if self.mute.load(Ordering::Acquire) { Err(SendError::NotOpen) } else { Ok(()) }
    }

    #[inline]
    fn note_sent(&self) {
        if self.pinging.load(Ordering::Relaxed) {
            self.note_activity(self.now());
        }
    }
}
