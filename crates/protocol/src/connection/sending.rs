//! Sending: what the caller wants.

use alloc::string::String;

use bytes::Bytes;

use super::{Connection, Output};
use crate::close::{CloseCode, CloseReason};
#[cfg(feature = "deflate")]
use crate::deflate::Deflater;
use crate::error::SendError;
use crate::frame::{CONTROL_BYTES_MAX, MaskKeys, Opcode};
use crate::message::{self, Frames, Prepared};
use crate::outbox::Outbox;
use crate::role::Role;

/// How many bytes the caller's pings and pongs may take in the outbox beyond
/// [`Config::outbox_bytes_max`](crate::Config), so that messages before them do not refuse them.
const CONTROL_RESERVE: usize = 4 * 1024;

/// Sending: what the caller wants.
impl Connection {
    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] after the closing handshake has begun, [`SendError::Full`] when the
    /// outbox holds too much.
    #[inline]
    pub fn send_text(&mut self, text: &str, output: &mut Output<'_>) -> Result<(), SendError> {
        self.send(Opcode::Text, text.as_bytes(), output)
    }

    /// Sends a binary message.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    #[inline]
    pub fn send_binary(
        &mut self,
        payload: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.send(Opcode::Binary, payload, output)
    }

    /// Sends a text message of at most 125 bytes (section 5.6) if nothing else is to be thought of: by a server that
    /// does not compress, into memory which the outbox has already, and without going above
    /// [`Config::outbox_high_mark`](crate::Config::outbox_high_mark). False: nothing was done, and
    /// [`send_text`](Self::send_text) does it or says why not.
    #[inline(always)]
    pub fn send_short_text(&mut self, text: &str, outbox: &mut Outbox) -> bool {
        self.send_short(Opcode::Text, text.as_bytes(), outbox)
    }

    /// As [`send_short_text`](Self::send_short_text), for a binary message.
    #[inline(always)]
    pub fn send_short_binary(&mut self, payload: &[u8], outbox: &mut Outbox) -> bool {
        self.send_short(Opcode::Binary, payload, outbox)
    }

    /// As [`send_short_text`](Self::send_short_text), for the next length: 126 to 65,535 bytes.
    #[inline]
    pub fn send_medium_text(&mut self, text: &str, outbox: &mut Outbox) -> bool {
        self.send_medium(Opcode::Text, text.as_bytes(), outbox)
    }

    /// As [`send_medium_text`](Self::send_medium_text), for a binary message.
    #[inline]
    pub fn send_medium_binary(&mut self, payload: &[u8], outbox: &mut Outbox) -> bool {
        self.send_medium(Opcode::Binary, payload, outbox)
    }

    #[inline(always)]
    fn send_medium(&mut self, opcode: Opcode, payload: &[u8], outbox: &mut Outbox) -> bool {
        if !self.sends_frames_as_they_are() {
            return false;
        }
        message::write_medium(outbox, opcode, payload, self.outbox_mark())
    }

    #[inline(always)]
    fn send_short(&mut self, opcode: Opcode, payload: &[u8], outbox: &mut Outbox) -> bool {
        if payload.len() > CONTROL_BYTES_MAX || !self.sends_frames_as_they_are() {
            return false;
        }
        message::write_short(outbox, opcode, payload, self.outbox_mark())
    }

    /// A mark above the limit would never be reached.
    #[inline(always)]
    fn outbox_mark(&self) -> usize {
        self.config.outbox_high_mark.min(self.config.outbox_bytes_max)
    }

    /// Sends a text message as it is, even if compression was agreed on: for secrets, since the
    /// length of what is compressed tells about it (RFC 7692, section 8).
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_text_uncompressed(
        &mut self,
        text: &str,
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.send_as_it_is(Opcode::Text, text.as_bytes(), output)
    }

    /// Sends a binary message as it is, even if compression was agreed on; see
    /// [`send_text_uncompressed`](Self::send_text_uncompressed).
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary_uncompressed(
        &mut self,
        payload: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.send_as_it_is(Opcode::Binary, payload, output)
    }

    /// Sends a text message; a long one is sent from where it lies.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_text_owned(
        &mut self,
        text: String,
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.send_owned(Opcode::Text, text.into_bytes(), output, message::write_owned)
    }

    /// Sends a binary message; a long one is sent from where it lies.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary_owned(
        &mut self,
        payload: impl Into<Bytes>,
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.send_owned(Opcode::Binary, payload.into(), output, message::write_shared)
    }

    /// Sends a message that was encoded once for many connections. A server does not copy it.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    #[inline]
    pub fn send_prepared(
        &mut self,
        prepared: &Prepared,
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        let limit = self.config.outbox_bytes_max;
        if self.sends_frames_as_they_are()
            && output.outbox.append_shared_short(prepared.frame(), limit)
        {
            return Ok(());
        }
        self.send_any_prepared(prepared, output)
    }

    #[inline(never)]
    fn send_any_prepared(
        &mut self,
        prepared: &Prepared,
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        if self.role == Role::Client {
            return if prepared.may_be_compressed() {
                self.send(prepared.opcode(), prepared.payload(), output)
            } else {
                self.send_as_it_is(prepared.opcode(), prepared.payload(), output)
            };
        }
        self.check_room(prepared.payload().len(), output.outbox)?;
        #[cfg(feature = "deflate")]
        if let Some(deflater) = self.deflater()
            && let Some(setting) = deflater.setting_for(prepared.payload())
            && let Some(frame) = prepared.compressed_frame(setting)
        {
            deflater.forget_context();
            output.outbox.append_shared(frame);
            return Ok(());
        }
        output.outbox.append_shared(prepared.frame().clone());
        Ok(())
    }

    /// Whether [`send_prepared`](Self::send_prepared) into an empty outbox appends
    /// [`Prepared::frame`] as it is: on a server's connection that is open and does not compress.
    /// A driver may append such frames to the outbox itself then, several of them as one piece that
    /// many connections share.
    #[must_use]
    #[inline]
    pub fn sends_frames_as_they_are(&self) -> bool {
        self.sends_plain && self.is_open()
    }

    /// Sends messages that were framed beforehand, all of them or none. Where that pays they are not
    /// copied: then `frames` has the memory of the outbox afterwards, and the outbox that of `frames`.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text), and [`SendError::Unmasked`] for a client.
    pub fn send_frames(
        &mut self,
        frames: &mut Frames,
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        if self.role == Role::Client {
            return Err(SendError::Unmasked);
        }
        if !self.is_open() {
            return Err(SendError::NotOpen);
        }
        let total = output.outbox.len().saturating_add(frames.len());
        if !output.outbox.is_empty() && total > self.config.outbox_bytes_max {
            return Err(SendError::Full);
        }
        frames.move_to(output.outbox);
        Ok(())
    }

    /// Sends a ping with at most 125 bytes (section 5.5.2), beside those of the keepalive.
    ///
    /// # Errors
    ///
    /// [`SendError::ControlTooLong`], and as [`send_text`](Self::send_text).
    pub fn send_ping(&mut self, payload: &[u8], output: &mut Output<'_>) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, payload, output)
    }

    /// Sends a pong that answers nothing (section 5.5.3), with at most 125 bytes.
    ///
    /// # Errors
    ///
    /// As [`send_ping`](Self::send_ping).
    pub fn send_pong(&mut self, payload: &[u8], output: &mut Output<'_>) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, payload, output)
    }

    /// Begins the closing handshake (section 7.1.2): `None` sends an empty Close frame.
    ///
    /// Messages still arrive until the peer's Close frame does, or until
    /// [`Config::close_within`](crate::Config::close_within) has passed. If the peer has closed already
    /// and [was not answered](Self::hold_ends), this is the answer.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] if it has begun already, [`SendError::IllegalCloseCode`],
    /// [`SendError::ReasonTooLong`].
    pub fn close(
        &mut self,
        reason: Option<CloseReason<'_>>,
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::NotOpen);
        }
        let mut body = [0; CONTROL_BYTES_MAX];
        let mut body_len = 0;
        if let Some(reason) = &reason {
            if !reason.code().is_sendable_by(self.role) {
                return Err(SendError::IllegalCloseCode);
            }
            let text = reason.reason().as_bytes();
            body_len = 2 + text.len();
            let target = body.get_mut(2..body_len).ok_or(SendError::ReasonTooLong)?;
            target.copy_from_slice(text);
            body[..2].copy_from_slice(&reason.code().as_u16().to_be_bytes());
        }
        self.write(Opcode::Close, body.get(..body_len).unwrap_or_default(), output);
        self.closing.send_close();
        self.close_deadline = Some(output.now + self.config.close_within);
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &mut self.deflate {
            deflate.deflater = None;
        }
        Ok(())
    }

    /// Fails the connection for a reason of the caller's own (section 7.1.7), such as a panic in
    /// its code (1011) or a policy (1008): sends a Close frame unless one was sent, and discards
    /// what comes. Does nothing if the connection has ended or failed already.
    ///
    /// A code that this endpoint must not send goes to [`closed`](Self::closed) only; the Close
    /// frame is empty then.
    pub fn fail(&mut self, code: CloseCode, output: &mut Output<'_>) {
        if !self.closing.is_receiving() && !self.is_held() {
            return;
        }
        if self.is_open() {
            let body = code.as_u16().to_be_bytes();
            let body = if code.is_sendable_by(self.role) { &body[..] } else { &[] };
            self.write(Opcode::Close, body, output);
        }
        self.closing.fail(code);
        self.forget();
        self.close_deadline = Some(output.now + self.config.close_within);
    }

    /// Messages of this connection were sent by somebody else: by a connection of the same role, with
    /// the same agreement about compression, that only sends. What is sent from now on refers to none
    /// that was sent before (RFC 7692, section 7.1.1), so the peer understands it whatever came in between.
    /// Without compression it does nothing.
    pub fn forget_sent(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(deflater) = self.deflater() {
            deflater.forget_context();
        }
    }

    /// Answers the newest ping that was not answered while the outbox was above its mark. Call it
    /// when the outbox has fallen below; [`receive`](Self::receive) does it as well.
    #[inline]
    pub fn outbox_drained(&mut self, output: &mut Output<'_>) {
        if self.pending_pong.is_some() {
            self.answer_pending(output);
        }
    }

    #[cold]
    fn answer_pending(&mut self, output: &mut Output<'_>) {
        if output.outbox.len() <= self.config.outbox_high_mark
            && let Some(payload) = self.pending_pong.take()
            && self.closing.is_receiving()
        {
            self.write(Opcode::Pong, &payload, output);
        }
    }

    /// Most messages are short and go behind others, with room for all of them.
    #[inline(always)]
    fn send(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        if self.send_short(opcode, payload, output.outbox) {
            return Ok(());
        }
        self.send_any(opcode, payload, output)
    }

    #[inline(never)]
    fn send_any(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        if self.send_medium(opcode, payload, output.outbox) {
            return Ok(());
        }
        self.send_rare(opcode, payload, output)
    }

    #[inline(never)]
    fn send_rare(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.check_room(payload.len(), output.outbox)?;
        #[cfg(feature = "deflate")]
        if self.write_compressed(opcode, payload, output) {
            return Ok(());
        }
        self.write(opcode, payload, output);
        Ok(())
    }

    fn send_as_it_is(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        self.check_room(payload.len(), output.outbox)?;
        self.write(opcode, payload, output);
        Ok(())
    }

    /// What compresses messages, if compression was agreed on.
    #[cfg(feature = "deflate")]
    #[inline]
    pub(super) fn deflater(&mut self) -> Option<&mut Deflater> {
        self.deflate.as_mut()?.deflater.as_mut()
    }

    /// Whether the message was written compressed; if not, nothing was written.
    #[cfg(feature = "deflate")]
    #[inline]
    fn write_compressed(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        output: &mut Output<'_>,
    ) -> bool {
        let Some(deflater) = self.deflater() else { return false };
        let Some(compressed) = deflater.compress(payload) else { return false };
        let mask = self.mask(output.mask_keys);
        message::write_compressed(output.outbox, opcode, mask, compressed);
        true
    }

    fn send_owned<P: AsRef<[u8]>>(
        &mut self,
        opcode: Opcode,
        payload: P,
        output: &mut Output<'_>,
        write: fn(&mut Outbox, Opcode, Option<[u8; 4]>, P),
    ) -> Result<(), SendError> {
        self.check_room(payload.as_ref().len(), output.outbox)?;
        #[cfg(feature = "deflate")]
        if self.write_compressed(opcode, payload.as_ref(), output) {
            return Ok(());
        }
        // Memory of an empty outbox would go with the header, and the next message may need it.
        if !Frames::suit(payload.as_ref().len())
            && let Some(spare) = output.outbox.take_spare()
        {
            output.buffers.give_back(spare);
        }
        let mask = self.mask(output.mask_keys);
        write(output.outbox, opcode, mask, payload);
        Ok(())
    }

    fn send_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), SendError> {
        if payload.len() > CONTROL_BYTES_MAX {
            return Err(SendError::ControlTooLong);
        }
        let limit = self.config.outbox_bytes_max.saturating_add(CONTROL_RESERVE);
        self.check_room_below(limit, payload.len(), output.outbox)?;
        if opcode == Opcode::Ping {
            self.control_rate.owe();
        }
        self.write(opcode, payload, output);
        Ok(())
    }

    /// An empty outbox takes one message of any size; otherwise the message counts.
    #[inline]
    fn check_room(&self, payload_len: usize, outbox: &Outbox) -> Result<(), SendError> {
        self.check_room_below(self.config.outbox_bytes_max, payload_len, outbox)
    }

    #[inline]
    fn check_room_below(
        &self,
        limit: usize,
        payload_len: usize,
        outbox: &Outbox,
    ) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::NotOpen);
        }
        if outbox.is_empty() {
            return Ok(());
        }
        let framed_len = message::framed_len(payload_len, self.role == Role::Client);
        if outbox.len().saturating_add(framed_len) > limit {
            return Err(SendError::Full);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn write(&self, opcode: Opcode, payload: &[u8], output: &mut Output<'_>) {
        let mask = self.mask(output.mask_keys);
        message::write(output.outbox, opcode, mask, payload);
    }

    /// The key for the next frame; a server has none (section 5.1).
    #[inline]
    fn mask(&self, mask_keys: &mut dyn MaskKeys) -> Option<[u8; 4]> {
        match self.role {
            Role::Server => None,
            Role::Client => Some(mask_keys.next_key()),
        }
    }
}
