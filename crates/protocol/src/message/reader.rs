//! Whole messages out of frames (RFC 6455, sections 5.4 and 6.2).
//!
//! A message that lies whole in the input is unmasked in place and borrowed. Any other is put
//! together in a buffer of its own, which exists only while the message is incomplete: its bytes
//! are unmasked while they are copied, and the buffer is moved out at its end.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::buffers::Buffers;
use super::progress::Progress;
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::Inflater;
use crate::error::{ProtocolError, Violation};
use crate::event::{Event, Payload, Text};
use crate::frame::{self, Opcode, PlainMessage, WholeMessage};
use crate::role::Role;
use crate::time::Instant;
use crate::utf8;

/// Puts messages together.
///
/// Of a stream that stands between two messages it holds the position and nothing else.
#[derive(Debug)]
pub(crate) struct MessageReader {
    /// What has begun and is not whole yet; `None` between two messages.
    progress: Option<Box<Progress>>,
    /// Where in the stream the frame begins that was read last.
    frame_offset: u64,
    /// Where in the stream the next frame begins. INVARIANT: true while `progress` is `None`.
    next_offset: u64,
}

impl MessageReader {
    pub(crate) const fn new() -> Self {
        Self { progress: None, frame_offset: 0, next_offset: 0 }
    }

    /// Takes the message that comes next if it is not fragmented and lies whole in `input`: the
    /// common case. If it gives `None`, [`next`](Self::next) knows what comes instead.
    #[inline]
    pub(crate) fn next_whole<'b>(
        &mut self,
        role: Role,
        config: &Config,
        input: &mut &'b mut [u8],
    ) -> Option<Result<Event<'b>, ProtocolError>> {
        if self.progress.is_some() || config.fragments_max == Some(0) {
            return None;
        }
        let message = WholeMessage::take(role, config.message_bytes_max as u64, input)?;
        self.frame_offset = self.next_offset;
        self.next_offset = self.next_offset.saturating_add(message.frame_len as u64);
        Some(whole(message).map_err(|violation| self.error(violation)))
    }

    /// As [`next_whole`](Self::next_whole), for messages of at most 125 bytes that a server receives
    /// and that no limit concerns. One that breaks a rule is left where it lies.
    #[inline(always)]
    pub(crate) fn next_short<'b>(&mut self, input: &mut &'b mut [u8]) -> Option<Event<'b>> {
        if self.progress.is_some() {
            return None;
        }
        self.take(PlainMessage::short(input)?, input)
    }

    /// As [`next_short`](Self::next_short), for messages of 126 to 65,535 bytes, but no more than
    /// `bytes_max`.
    #[inline(always)]
    pub(crate) fn next_medium<'b>(
        &mut self,
        bytes_max: usize,
        input: &mut &'b mut [u8],
    ) -> Option<Event<'b>> {
        if self.progress.is_some() {
            return None;
        }
        self.take(PlainMessage::medium(bytes_max, input)?, input)
    }

    #[inline(always)]
    fn take<'b>(&mut self, message: PlainMessage, input: &mut &'b mut [u8]) -> Option<Event<'b>> {
        let PlainMessage { opcode, key, header_len, frame_len } = message;
        let event = if opcode == Opcode::Text {
            let text = frame::take_text(key, header_len, frame_len, input)?;
            Event::Text(Text::borrowed(text))
        } else {
            let payload = frame::take_bytes(key, header_len, frame_len, input)?;
            Event::Binary(Payload::borrowed(payload))
        };
        self.frame_offset = self.next_offset;
        self.next_offset = self.next_offset.saturating_add(frame_len as u64);
        Some(event)
    }

    /// Whether the stream stands between two messages.
    #[inline]
    pub(crate) const fn is_idle(&self) -> bool {
        self.progress.is_none()
    }

    /// Takes bytes from `input` and returns the next message or control frame, or `None` when all
    /// of `input` was taken. Messages may be compressed if there is an `inflater`.
    pub(crate) fn next<'b>(
        &mut self,
        role: Role,
        config: &Config,
        #[cfg(feature = "deflate")] inflater: Option<&mut Inflater>,
        buffers: &mut Buffers,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let mut progress = self.progress.take().unwrap_or_else(|| {
            let mut progress = buffers.progress();
            progress.begin(self.next_offset, role, config);
            #[cfg(feature = "deflate")]
            if inflater.is_some() {
                progress.allow_compressed();
            }
            progress
        });
        let event = progress.next(
            input,
            buffers.classes(),
            #[cfg(feature = "deflate")]
            inflater,
        );
        self.keep(progress, event.is_err(), buffers);
        event
    }

    /// Keeps what is not whole yet, and gives the memory back if all is.
    fn keep(&mut self, progress: Box<Progress>, has_failed: bool, buffers: &mut Buffers) {
        (self.frame_offset, self.next_offset) = progress.offsets();
        if has_failed {
            return;
        }
        if progress.is_over() {
            buffers.give_back_progress(progress);
        } else {
            self.progress = Some(progress);
        }
    }

    /// Whether a piece of a message that is not whole has come since the last call.
    #[inline]
    pub(crate) fn take_data_came(&mut self) -> bool {
        self.progress.as_mut().is_some_and(|progress| progress.take_data_came())
    }

    /// When the message in progress must have ended, if that was set; `None` between two messages.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.progress.as_ref()?.deadline
    }

    /// The deadline of the message in progress, to change.
    #[inline]
    pub(crate) fn deadline_mut(&mut self) -> Option<&mut Option<Instant>> {
        self.progress.as_mut().map(|progress| &mut progress.deadline)
    }

    /// An error in the frame that was read last.
    pub(crate) const fn error(&self, violation: Violation) -> ProtocolError {
        ProtocolError { violation, frame_offset: self.frame_offset }
    }

    /// Forgets the message in progress and gives its memory back.
    pub(crate) fn discard(&mut self) {
        self.progress = None;
    }

    /// The buffer of the message in progress with room for what comes next, if it pays to read
    /// straight into it. The room ends where the frame ends, if not before.
    pub(crate) fn input_buffer(&mut self) -> Option<&mut Vec<u8>> {
        self.progress.as_mut()?.input_buffer()
    }

    /// Accounts for `bytes` bytes that were read into the spare room of
    /// [`input_buffer`](Self::input_buffer).
    #[expect(clippy::panic, reason = "a driver's mistake, and its documentation says so")]
    pub(crate) fn received(
        &mut self,
        bytes: usize,
        buffers: &mut Buffers,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        if bytes == 0 {
            return Ok(None);
        }
        let Some(mut progress) = self.progress.take() else {
            panic!("bytes were received into a buffer that was not lent");
        };
        let event = progress.received(bytes);
        self.keep(progress, event.is_err(), buffers);
        event
    }
}

/// The event of a message that lies whole in the input.
#[inline]
fn whole(message: WholeMessage<'_>) -> Result<Event<'_>, Violation> {
    let WholeMessage { opcode, key, payload, .. } = message;
    if opcode == Opcode::Text {
        let text = if u32::from_ne_bytes(key) == 0 {
            utf8::check(payload)
        } else {
            frame::unmask_text(key, payload)
        };
        return Ok(Event::Text(Text::borrowed(text.map_err(|_| Violation::TextNotUtf8)?)));
    }
    frame::mask(key, payload);
    Ok(Event::Binary(Payload::borrowed(payload)))
}
