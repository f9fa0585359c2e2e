//! What may be said, without waiting for the transport.

use std::fmt;

use bytes::Bytes;
use sockeye_protocol::{
    CloseCode, CloseReason, Connection, Event, Instant, Outbox, Output, Prepared, SendError,
};

use crate::clock::Clock;
use crate::memory::Memory;
use crate::message::{CloseFrame, Message};
use crate::writing;

/// Room in the outbox for a header, beside the payload.
const HEADER_BYTES_MAX: usize = 14;

/// A shared frame with a payload of this length is copied behind others; a longer one is sent from where
/// it lies.
const PREPARED_COPIED_MAX: usize = 256;

/// An owned payload from this size on is sent from where it lies.
const OWNED_BYTES_MIN: usize = 16 * 1024;

/// An outbox that gets memory gets at least this, so that several messages fit.
const ROOM_MIN: usize = 4 * 1024;

/// The sending side of a socket, for the time of one call: what is said with it is put behind what
/// waits already, and leaves with the next flush.
///
/// It never waits, so it is bounded instead. As long as no more waits than
/// [`Config::outbox_high_mark`](crate::Config) there is room for one message of any size; a visitor,
/// who may be handed several messages before the first answer leaves, has 264 KiB more. Beyond that,
/// what would exceed [`Config::outbox_bytes_max`](crate::Config) is [`SendError::Full`]. So an answer
/// as long as what it answers is never refused, and each further one may be.
pub struct Outgoing<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) memory: &'a mut Memory,
    pub(crate) now: Instant,
    pub(crate) clock: Clock,
    /// As many bytes as are likely to be said before the next flush.
    pub(crate) room: usize,
    /// While no more than this waits there is room for a message of any size.
    pub(crate) any_below: usize,
}

impl Outgoing<'_> {
    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] after the closing handshake has begun, [`SendError::Full`] when too
    /// much waits already.
    #[inline]
    pub fn text(&mut self, text: &str) -> Result<(), SendError> {
        self.say(text.len(), |connection, output| connection.send_text(text, output))
    }

    /// Sends a text message; a long one is sent from where it lies.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn text_owned(&mut self, text: String) -> Result<(), SendError> {
        if text.len() < OWNED_BYTES_MIN {
            return self.text(&text);
        }
        self.say_owned(text.len(), |connection, output| connection.send_text_owned(text, output))
    }

    /// Sends a binary message.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    #[inline]
    pub fn binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.say(payload.len(), |connection, output| connection.send_binary(payload, output))
    }

    /// Sends a binary message; a long one is sent from where it lies.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn binary_owned(&mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let payload = payload.into();
        let len = payload.len();
        if len < OWNED_BYTES_MIN {
            return self.binary(&payload);
        }
        self.say_owned(len, |connection, output| connection.send_binary_owned(payload, output))
    }

    /// Sends a message that was encoded once for many sockets. A server does not copy it.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        let len = prepared.payload().len();
        let say = |connection: &mut Connection, output: &mut Output<'_>| {
            connection.send_prepared(prepared, output)
        };
        if len > PREPARED_COPIED_MAX { self.say_owned(len, say) } else { self.say(len, say) }
    }

    /// Sends any message, or a control frame.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text), [`ping`](Self::ping) and [`close`](Self::close).
    pub fn message(&mut self, message: Message) -> Result<(), SendError> {
        match message {
            Message::Text(text) => self.text(&text),
            Message::Binary(payload) => self.binary_owned(payload),
            Message::Ping(payload) => self.ping(&payload),
            Message::Pong(payload) => self.pong(&payload),
            Message::Close(frame) => self.close(frame.as_ref()),
        }
    }

    /// Sends a ping with at most 125 bytes, beside those of the keepalive.
    ///
    /// # Errors
    ///
    /// [`SendError::ControlTooLong`], and as [`text`](Self::text).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.say(payload.len(), |connection, output| connection.send_ping(payload, output))
    }

    /// Sends a pong that answers nothing, with at most 125 bytes. Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.say(payload.len(), |connection, output| connection.send_pong(payload, output))
    }

    /// Begins the closing handshake; what the peer still sends is received as before.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] if it has begun already, [`SendError::IllegalCloseCode`],
    /// [`SendError::ReasonTooLong`].
    pub fn close(&mut self, frame: Option<&CloseFrame>) -> Result<(), SendError> {
        let reason = frame.map(CloseFrame::as_reason);
        self.close_for(reason)
    }

    /// Begins the closing handshake with a reason in the words of the protocol crate. Its deadline
    /// counts from now, and not from the last read.
    pub(crate) fn close_for(&mut self, reason: Option<CloseReason<'_>>) -> Result<(), SendError> {
        self.now = self.clock.now();
        self.lend_room(0);
        self.say_in_place(|connection, output| connection.close(reason, output))
    }

    /// A Close frame has left by another way: nothing can be sent from now on.
    pub(crate) fn close_elsewhere(&mut self) {
        self.now = self.clock.now();
        let Memory { buffers, keys, .. } = &mut *self.memory;
        let outbox = &mut Outbox::new();
        let mut output = Output { outbox, mask_keys: keys, buffers, now: self.now };
        let _ = self.connection.close(None, &mut output);
    }

    /// Fails the connection for a reason of this end's own.
    pub(crate) fn fail(&mut self, code: CloseCode) {
        self.now = self.clock.now();
        let Memory { buffers, keys, .. } = &mut *self.memory;
        let mut output = Output { outbox: self.outbox, mask_keys: keys, buffers, now: self.now };
        self.connection.fail(code, &mut output);
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// How many bytes wait for a flush.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.outbox.len()
    }

    /// Ends an event that nobody needs any more, and keeps its memory for another message of this
    /// thread, where it has any.
    #[inline]
    pub fn recycle(&mut self, event: Event<'_>) {
        self.memory.buffers.recycle(event);
    }

    /// Lends the outbox memory for a payload of `len` bytes, unless it has some.
    #[inline]
    fn lend_room(&mut self, len: usize) {
        if self.outbox.needs_spare() {
            let room = (len + HEADER_BYTES_MAX).max(self.room).max(ROOM_MIN);
            self.outbox.lend(self.memory.take_saying(room));
        }
    }

    /// Says it, in memory that is lent for a payload of `len` bytes.
    #[inline]
    fn say(
        &mut self,
        len: usize,
        say: impl Fn(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        self.lend_room(len);
        match self.say_in_place(&say) {
            Err(SendError::Full) if self.outbox.len() <= self.any_below => self.say_alone(say),
            said => said,
        }
    }

    /// As [`say`](Self::say), for a long payload that is not copied. Memory that was lent for its
    /// header would be lost as soon as that has left.
    fn say_owned(
        &mut self,
        len: usize,
        say: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let waiting = self.outbox.len();
        let limit = self.connection.config().outbox_bytes_max;
        if waiting <= self.any_below && waiting.saturating_add(len + HEADER_BYTES_MAX) > limit {
            return self.say_alone(say);
        }
        self.say_in_place(say)
    }

    /// Says it with the memory that the outbox has.
    #[inline]
    fn say_in_place(
        &mut self,
        say: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let Memory { buffers, keys, .. } = &mut *self.memory;
        let mut output = Output { outbox: self.outbox, mask_keys: keys, buffers, now: self.now };
        say(self.connection, &mut output)
    }

    /// Says it into an outbox of its own, which is empty and so takes a message of any size, and
    /// appends that.
    #[cold]
    #[inline(never)]
    fn say_alone(
        &mut self,
        say: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut alone = Outbox::new();
        let Memory { buffers, keys, .. } = &mut *self.memory;
        let mut output = Output { outbox: &mut alone, mask_keys: keys, buffers, now: self.now };
        say(self.connection, &mut output)?;
        writing::append(self.outbox, &mut alone);
        Ok(())
    }
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut outgoing = formatter.debug_struct("Outgoing");
        outgoing.field("waiting_bytes", &self.waiting_bytes()).finish_non_exhaustive()
    }
}
