//! Whole messages out of frames (RFC 6455, sections 5.4 and 6.2).
//!
//! A message that lies whole in the input is unmasked in place and borrowed. Any other is put
//! together in a buffer of its own, which exists only while the message is incomplete: its bytes
//! are unmasked while they are copied, and the buffer is moved out at its end.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::control::{self, ControlBody};
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::{Deflate, Fault, Inflater, Step};
use crate::error::{ProtocolError, Violation};
use crate::event::{Event, Payload, Text};
use crate::frame::{self, FrameReader, Opcode, RawChunk, WholeMessage};
use crate::role::Role;
use crate::utf8::{self, Known};

/// A frame that lacks fewer bytes than this is read through the caller's buffer: to read straight
/// into the message would cost a read of its own.
const DIRECT_BYTES_MIN: u64 = 16 * 1024;

/// Puts messages together.
#[derive(Debug)]
pub(crate) struct MessageReader {
    frames: FrameReader,
    /// The message that is not whole yet, from the first piece that did not lie whole in the input.
    partial: Option<Box<Partial>>,
    /// The control frame that is not whole yet.
    control: Option<Box<ControlBody>>,
    /// Whether a piece of a data frame has come since that was last asked.
    data_came: bool,
    /// What inflates compressed messages, if compression was agreed on.
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// The message that is not whole yet.
#[derive(Debug)]
enum Partial {
    Text(utf8::Text),
    Binary(Vec<u8>),
}

impl MessageReader {
    pub(crate) fn new(role: Role, config: &Config) -> Self {
        Self {
            frames: FrameReader::new(role, config),
            partial: None,
            control: None,
            data_came: false,
            #[cfg(feature = "deflate")]
            inflater: None,
        }
    }

    /// Takes compressed messages from now on.
    #[cfg(feature = "deflate")]
    pub(crate) fn set_deflate(&mut self, agreed: &Deflate, config: &Config) {
        self.frames.allow_compressed();
        self.inflater = Some(Box::new(Inflater::new(agreed, config.message_bytes_max)));
    }

    /// Takes the message that comes next if it is not fragmented and lies whole in `input`: the
    /// common case. If it gives `None`, [`next`](Self::next) knows what comes instead.
    #[inline]
    pub(crate) fn next_whole<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Option<Result<Event<'b>, ProtocolError>> {
        let WholeMessage { opcode, key, payload } = self.frames.next_whole(input)?;
        Some(
            whole_masked(opcode, key, payload)
                .map_err(|violation| self.frames.payload_error(violation)),
        )
    }

    /// Takes bytes from `input` and returns the next message or control frame, or `None` when all
    /// of `input` was taken.
    pub(crate) fn next<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        while let Some(chunk) = self.frames.next_raw(input)? {
            let event = if chunk.header.opcode.is_control() {
                self.control(chunk)
            } else {
                self.data(chunk)
            };
            match event {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(violation) => return Err(self.frames.payload_error(violation)),
            }
        }
        Ok(None)
    }

    /// What inflating has cost since the last call, in bytes inflated.
    #[inline]
    pub(crate) fn take_inflating_cost(&mut self) -> usize {
        #[cfg(feature = "deflate")]
        return self.inflater.as_mut().map_or(0, |inflater| inflater.take_cost());
        #[cfg(not(feature = "deflate"))]
        0
    }

    /// Whether the stream stands between two messages.
    pub(crate) fn is_idle(&self) -> bool {
        self.frames.is_idle()
    }

    /// Whether a piece of a data frame has come since the last call.
    #[inline]
    pub(crate) const fn take_data_came(&mut self) -> bool {
        core::mem::replace(&mut self.data_came, false)
    }

    /// An error in the frame that was read last.
    pub(crate) const fn error(&self, violation: Violation) -> ProtocolError {
        self.frames.payload_error(violation)
    }

    /// Forgets the message in progress and gives its memory back.
    pub(crate) fn discard(&mut self) {
        self.partial = None;
        self.control = None;
        #[cfg(feature = "deflate")]
        {
            self.inflater = None;
        }
    }

    fn control<'b>(&mut self, mut chunk: RawChunk<'b>) -> Result<Option<Event<'b>>, Violation> {
        chunk.unmask();
        let opcode = chunk.header.opcode;
        if chunk.starts_frame && chunk.ends_frame {
            return control::event(opcode, chunk.payload).map(Some);
        }
        let body = self.control.get_or_insert_with(|| Box::new(ControlBody::new()));
        body.append(chunk.payload);
        if !chunk.ends_frame {
            if opcode == Opcode::Close {
                body.check_close_start()?;
            }
            return Ok(None);
        }
        let event = body.event(opcode);
        self.control = None;
        event.map(Some)
    }

    fn data<'b>(&mut self, mut chunk: RawChunk<'b>) -> Result<Option<Event<'b>>, Violation> {
        self.data_came = true;
        let header = chunk.header;
        #[cfg(feature = "deflate")]
        if self.frames.is_compressed() {
            return self.inflate(chunk);
        }
        if chunk.starts_frame && chunk.ends_frame && header.fin && self.partial.is_none() {
            chunk.unmask();
            return whole(header.opcode, chunk.payload).map(Some);
        }
        let to_come = self.frames.message_bytes_to_come(&chunk.header);
        let partial = self.partial.get_or_insert_with(|| Box::new(Partial::new(header.opcode)));
        partial.append_chunk(&chunk, to_come)?;
        if chunk.ends_frame && header.fin { self.finish() } else { Ok(None) }
    }

    /// Inflates a piece of a compressed message into the message in progress.
    #[cfg(feature = "deflate")]
    fn inflate<'b>(&mut self, mut chunk: RawChunk<'b>) -> Result<Option<Event<'b>>, Violation> {
        chunk.unmask();
        let header = chunk.header;
        let Some(inflater) = &mut self.inflater else { return Err(Violation::ReservedBit) };
        let partial = self.partial.get_or_insert_with(|| Box::new(Partial::new(header.opcode)));
        partial.inflate(inflater, chunk.payload)?;
        if !(chunk.ends_frame && header.fin) {
            return Ok(None);
        }
        partial.append(|message| {
            inflater.end(message).map_err(violation)?;
            Ok(Known::Nothing)
        })?;
        self.finish()
    }

    /// Ends the message in progress.
    fn finish(&mut self) -> Result<Option<Event<'static>>, Violation> {
        match self.partial.take() {
            Some(partial) => (*partial).finish().map(Some),
            None => Ok(None),
        }
    }

    /// The buffer of the message in progress with room for what comes next, if it pays to read
    /// straight into it. The room ends where the frame ends, if not before.
    pub(crate) fn input_buffer(&mut self) -> Option<&mut Vec<u8>> {
        let (header, remaining) = self.frames.current()?;
        #[cfg(feature = "deflate")]
        if self.frames.is_compressed() {
            return None;
        }
        if header.opcode.is_control() || remaining < DIRECT_BYTES_MIN {
            return None;
        }
        let to_come = self.frames.message_bytes_to_come(&header);
        let buffer = self.partial.as_mut()?.expose();
        if buffer.capacity() == buffer.len() {
            grow(buffer, 1, to_come);
        }
        let room = (buffer.capacity() - buffer.len()) as u64;
        (room <= remaining).then_some(buffer)
    }

    /// Accounts for `bytes` bytes that were read into the spare room of
    /// [`input_buffer`](Self::input_buffer).
    #[expect(clippy::panic, reason = "a driver's mistake, and its documentation says so")]
    pub(crate) fn received(
        &mut self,
        bytes: usize,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        if bytes == 0 {
            return Ok(None);
        }
        let (Some((header, remaining)), Some(partial)) = (self.frames.current(), &mut self.partial)
        else {
            panic!("bytes were received into a buffer that was not lent");
        };
        let buffer = partial.expose();
        assert!(
            bytes as u64 <= remaining && bytes <= buffer.len(),
            "more bytes were received than the buffer had room for"
        );
        let start = buffer.len() - bytes;
        let received = buffer.get_mut(start..).unwrap_or_default();
        let mut chunk = self.frames.pass(header, received);
        chunk.unmask();
        self.data_came = true;
        let ends_frame = chunk.ends_frame;
        let checked = match &mut **partial {
            Partial::Text(text) => text.check_tail().map_err(|_| Violation::TextNotUtf8),
            Partial::Binary(_) => Ok(()),
        };
        let event = match checked {
            Ok(()) if ends_frame && header.fin => self.finish(),
            other => other.map(|()| None),
        };
        event.map_err(|violation| self.frames.payload_error(violation))
    }
}

/// The event of a message that lies whole in the input and is still masked, unless `key` is zero.
#[inline]
fn whole_masked(opcode: Opcode, key: [u8; 4], payload: &mut [u8]) -> Result<Event<'_>, Violation> {
    if key == [0; 4] {
        return whole(opcode, payload);
    }
    if opcode == Opcode::Text {
        let text = frame::unmask_text(key, payload).map_err(|_| Violation::TextNotUtf8)?;
        return Ok(Event::Text(Text::borrowed(text)));
    }
    frame::mask(key, payload);
    Ok(Event::Binary(Payload::borrowed(payload)))
}

/// The event of a message that lies whole in the input.
#[inline]
fn whole(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, Violation> {
    if opcode == Opcode::Text {
        let text = utf8::check(payload).map_err(|_| Violation::TextNotUtf8)?;
        Ok(Event::Text(Text::borrowed(text)))
    } else {
        Ok(Event::Binary(Payload::borrowed(payload)))
    }
}

impl Partial {
    fn new(opcode: Opcode) -> Self {
        debug_assert!(opcode != Opcode::Continuation, "a message begins with its type");
        match opcode {
            Opcode::Text => Self::Text(utf8::Text::default()),
            _ => Self::Binary(Vec::new()),
        }
    }

    /// Appends the chunk's payload; at most `to_come` bytes of the message follow it.
    fn append_chunk(&mut self, chunk: &RawChunk<'_>, to_come: u64) -> Result<(), Violation> {
        let payload = &*chunk.payload;
        self.append(|buffer| {
            grow(buffer, payload.len(), to_come.saturating_add(payload.len() as u64));
            if chunk.header.mask.is_some() {
                return Ok(frame::append_unmasked(chunk.key, payload, buffer));
            }
            buffer.extend_from_slice(payload);
            Ok(Known::Nothing)
        })
    }

    /// Inflates `input`, all of it.
    #[cfg(feature = "deflate")]
    fn inflate(&mut self, inflater: &mut Inflater, mut input: &[u8]) -> Result<(), Violation> {
        let mut step = Step::More;
        while step == Step::More {
            self.append(|message| {
                step = inflater.step(&mut input, message).map_err(violation)?;
                Ok(Known::Nothing)
            })?;
        }
        Ok(())
    }

    /// Lets `append` put bytes behind the end, and checks them.
    fn append(
        &mut self,
        append: impl FnOnce(&mut Vec<u8>) -> Result<Known, Violation>,
    ) -> Result<(), Violation> {
        match self {
            Self::Text(text) => {
                let mut appended = Ok(());
                let checked = text.append(|buffer| {
                    append(buffer).unwrap_or_else(|violation| {
                        appended = Err(violation);
                        Known::Nothing
                    })
                });
                // What was appended came before what stopped it.
                checked.map_err(|_| Violation::TextNotUtf8)?;
                appended
            }
            Self::Binary(buffer) => append(buffer).map(|_| ()),
        }
    }

    /// The message's bytes, to append to.
    fn expose(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Text(text) => text.expose(),
            Self::Binary(buffer) => buffer,
        }
    }

    fn finish(self) -> Result<Event<'static>, Violation> {
        match self {
            Self::Text(text) => match text.finish() {
                Ok(text) => Ok(Event::Text(Text::owned(text))),
                Err(utf8::Invalid) => Err(Violation::TextNotUtf8),
            },
            Self::Binary(buffer) => Ok(Event::Binary(Payload::owned(buffer))),
        }
    }
}

#[cfg(feature = "deflate")]
const fn violation(fault: Fault) -> Violation {
    match fault {
        Fault::Invalid => Violation::DeflateInvalid,
        Fault::TooLong => Violation::MessageTooLong,
        Fault::TooManyFinalBlocks => Violation::TooManyFinalBlocks,
    }
}

/// Makes room for `additional` bytes. It doubles, so that copying stays linear, and never makes
/// room for more than twice what has come, nor for more than the `appended_max` bytes that can
/// still be appended at all.
fn grow(buffer: &mut Vec<u8>, additional: usize, appended_max: u64) {
    let needed = buffer.len() + additional;
    if needed <= buffer.capacity() {
        return;
    }
    // No vector is longer than `isize::MAX`, which a machine of 32 bits can come near to.
    let longest = usize::try_from(appended_max).unwrap_or(usize::MAX).saturating_add(buffer.len());
    let room = needed.saturating_mul(2).min(longest).min(isize::MAX.unsigned_abs());
    buffer.reserve_exact(room.max(needed) - buffer.len());
}
