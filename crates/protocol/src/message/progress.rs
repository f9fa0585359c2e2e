//! A message, or a control frame, that is not whole yet.

use alloc::vec::Vec;

use super::classes::{CLASS_BYTES_MIN, Classes};
use super::control::{self, ControlBody};
use crate::config::Config;
use crate::copying;
#[cfg(feature = "deflate")]
use crate::deflate::{Fault, Inflater, Step};
use crate::error::{ProtocolError, Violation};
use crate::event::{Event, Payload, Text};
use crate::frame::{self, FrameReader, Opcode, RawChunk};
use crate::role::Role;
use crate::time::Instant;
use crate::utf8::{self, Known};

/// A frame that lacks fewer bytes than this is read through the caller's buffer: to read straight
/// into the message would cost a read of its own.
const DIRECT_BYTES_MIN: u64 = 16 * 1024;

/// As many bytes as a read into the message has room for at least.
const LEAST_ROOM: usize = 4 * 1024;

/// A message may be put together in an idle buffer with room for all that can come as soon as one in
/// so many of its bytes has come.
const AHEAD_MAX: usize = 256;

/// What is known of a message from its first byte that did not come with the rest to its end, of
/// the control frames inside of it, and of a header that is not whole.
#[derive(Debug)]
pub(super) struct Progress {
    frames: FrameReader,
    /// The message, from the first piece that did not lie whole in the input.
    message: Option<Partial>,
    /// The body of the control frame that is not whole.
    control: ControlBody,
    /// When the message must have ended.
    pub(super) deadline: Option<Instant>,
    /// Whether a piece of a data frame has come since that was last asked.
    data_came: bool,
}

/// The bytes of a message that have come.
#[derive(Debug)]
enum Partial {
    Text(utf8::Text),
    Binary(Vec<u8>),
}

impl Progress {
    /// Of nothing; [`begin`](Self::begin) comes first.
    pub(super) fn new() -> Self {
        Self {
            frames: FrameReader::new(Role::Server, &Config::default()),
            message: None,
            control: ControlBody::new(),
            deadline: None,
            data_came: false,
        }
    }

    /// Begins with what follows the first `offset` bytes of a stream.
    pub(super) fn begin(&mut self, offset: u64, role: Role, config: &Config) {
        self.frames = FrameReader::behind(offset, role, config);
        self.message = None;
        self.control.clear();
        self.deadline = None;
        self.data_came = false;
    }

    /// Lets messages be compressed.
    #[cfg(feature = "deflate")]
    pub(super) const fn allow_compressed(&mut self) {
        self.frames.allow_compressed();
    }

    /// Whether all that has come is whole.
    pub(super) fn is_over(&self) -> bool {
        self.frames.is_idle()
    }

    /// Where in the stream the frame begins that was read last, and where the next one does.
    pub(super) const fn offsets(&self) -> (u64, u64) {
        self.frames.offsets()
    }

    /// Whether a piece of a data frame has come since the last call.
    pub(super) const fn take_data_came(&mut self) -> bool {
        core::mem::replace(&mut self.data_came, false)
    }

    /// Takes bytes from `input` and returns the next message or control frame, or `None` when all
    /// of `input` was taken.
    pub(super) fn next<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        memory: &mut Classes,
        #[cfg(feature = "deflate")] mut inflater: Option<&mut Inflater>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        while let Some(chunk) = self.frames.next_raw(input)? {
            let event = if chunk.header.opcode.is_control() {
                self.control(chunk)
            } else {
                self.data_came = true;
                #[cfg(feature = "deflate")]
                if self.frames.is_compressed() {
                    self.inflate(chunk, inflater.as_deref_mut())
                } else {
                    self.data(chunk, memory)
                }
                #[cfg(not(feature = "deflate"))]
                self.data(chunk, memory)
            };
            match event {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(violation) => return Err(self.frames.payload_error(violation)),
            }
        }
        Ok(None)
    }

    fn control<'b>(&mut self, mut chunk: RawChunk<'b>) -> Result<Option<Event<'b>>, Violation> {
        chunk.unmask();
        let opcode = chunk.header.opcode;
        if chunk.starts_frame && chunk.ends_frame {
            return control::event(opcode, chunk.payload).map(Some);
        }
        self.control.append(chunk.payload);
        if !chunk.ends_frame {
            if opcode == Opcode::Close {
                self.control.check_close_start()?;
            }
            return Ok(None);
        }
        let event = self.control.event(opcode);
        self.control.clear();
        event.map(Some)
    }

    fn data<'b>(
        &mut self,
        mut chunk: RawChunk<'b>,
        memory: &mut Classes,
    ) -> Result<Option<Event<'b>>, Violation> {
        let header = chunk.header;
        let is_end = chunk.ends_frame && header.fin;
        if is_end && chunk.starts_frame && self.message.is_none() {
            chunk.unmask();
            return whole(header.opcode, chunk.payload).map(Some);
        }
        let to_come = self.frames.message_bytes_to_come(&header);
        let message = self.message.get_or_insert_with(|| Partial::new(header.opcode));
        message.append_chunk(&chunk, to_come, memory)?;
        if is_end { self.finish() } else { Ok(None) }
    }

    /// Inflates a piece of a compressed message into the message in progress.
    #[cfg(feature = "deflate")]
    fn inflate<'b>(
        &mut self,
        mut chunk: RawChunk<'b>,
        inflater: Option<&mut Inflater>,
    ) -> Result<Option<Event<'b>>, Violation> {
        chunk.unmask();
        let header = chunk.header;
        let Some(inflater) = inflater else { return Err(Violation::ReservedBit) };
        let message = self.message.get_or_insert_with(|| Partial::new(header.opcode));
        message.inflate(inflater, chunk.payload)?;
        if !(chunk.ends_frame && header.fin) {
            return Ok(None);
        }
        message.append(|message| {
            inflater.end(message).map_err(violation)?;
            Ok(Known::Nothing)
        })?;
        self.finish()
    }

    /// Ends the message.
    fn finish(&mut self) -> Result<Option<Event<'static>>, Violation> {
        match self.message.take() {
            Some(message) => message.finish().map(Some),
            None => Ok(None),
        }
    }

    /// The message's buffer with room for what comes next, if it pays to read straight into it.
    pub(super) fn input_buffer(&mut self) -> Option<&mut Vec<u8>> {
        let (header, remaining) = self.frames.current()?;
        #[cfg(feature = "deflate")]
        if self.frames.is_compressed() {
            return None;
        }
        if header.opcode.is_control() || remaining < DIRECT_BYTES_MIN {
            return None;
        }
        let to_come = self.frames.message_bytes_to_come(&header);
        let buffer = self.message.as_mut()?.expose();
        // Not a read for the few bytes that still fit.
        grow(buffer, LEAST_ROOM, to_come);
        let room = (buffer.capacity() - buffer.len()) as u64;
        (room <= remaining).then_some(buffer)
    }

    /// Accounts for `bytes` bytes, at least one, that were read into the spare room of
    /// [`input_buffer`](Self::input_buffer).
    #[expect(clippy::panic, reason = "a driver's mistake, and its documentation says so")]
    pub(super) fn received(
        &mut self,
        bytes: usize,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        let (Some((header, remaining)), Some(message)) = (self.frames.current(), &mut self.message)
        else {
            panic!("bytes were received into a buffer that was not lent");
        };
        let buffer = message.expose();
        assert!(
            bytes as u64 <= remaining && bytes <= buffer.len(),
            "more bytes were received than the buffer had room for"
        );
        let start = buffer.len() - bytes;
        let received = buffer.get_mut(start..).unwrap_or_default();
        let chunk = self.frames.pass(header, received);
        let known = match header.mask {
            Some(_) => frame::unmask_known(chunk.key, chunk.payload),
            None => Known::Nothing,
        };
        self.data_came = true;
        let is_end = chunk.ends_frame && header.fin;
        let checked = match message {
            Partial::Text(text) => {
                text.check_appended(start, known).map_err(|_| Violation::TextNotUtf8)
            }
            Partial::Binary(_) => Ok(()),
        };
        let event = match checked {
            Ok(()) if is_end => self.finish(),
            other => other.map(|()| None),
        };
        event.map_err(|violation| self.frames.payload_error(violation))
    }
}

/// The event of a message that lies whole in the input, unmasked.
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
    fn append_chunk(
        &mut self,
        chunk: &RawChunk<'_>,
        to_come: u64,
        memory: &mut Classes,
    ) -> Result<(), Violation> {
        let payload = &*chunk.payload;
        self.append(|buffer| {
            let appended_max = to_come.saturating_add(payload.len() as u64);
            grow_from(memory, buffer, payload.len(), appended_max);
            if chunk.header.mask.is_some() {
                return Ok(frame::append_unmasked(chunk.key, payload, buffer));
            }
            copying::append(buffer, payload);
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

/// Makes room for `additional` bytes, of at most `appended_max` that can still be appended at all.
fn grow(buffer: &mut Vec<u8>, additional: usize, appended_max: u64) {
    if let Some(capacity) = wanted(buffer, additional, appended_max) {
        buffer.reserve_exact(capacity - buffer.len());
    }
}

/// As [`grow`], into a buffer that lies idle where there is one of such a size, or of the size of
/// all that can come: that is memory which earlier messages have filled.
fn grow_from(memory: &mut Classes, buffer: &mut Vec<u8>, additional: usize, appended_max: u64) {
    let Some(capacity) = wanted(buffer, additional, appended_max) else { return };
    let whole = usize::try_from(appended_max)
        .ok()
        .and_then(|appended_max| appended_max.checked_add(buffer.len()))
        .filter(|whole| *whole / AHEAD_MAX <= buffer.len() + additional);
    let idle = whole.and_then(|whole| memory.take_idle(whole));
    match idle.or_else(|| memory.take_idle(capacity)) {
        Some(mut larger) => {
            copying::append(&mut larger, buffer);
            memory.give_back(core::mem::replace(buffer, larger));
        }
        // What is smaller would not be kept when it comes back.
        None => buffer.reserve_exact(capacity.max(CLASS_BYTES_MIN) - buffer.len()),
    }
}

/// The capacity that `buffer` should have before `additional` bytes are appended, if it has less
/// than they need. It doubles, so that copying stays linear, and is never more than twice what has
/// come, nor more than what can come at all.
fn wanted(buffer: &Vec<u8>, additional: usize, appended_max: u64) -> Option<usize> {
    let needed = buffer.len() + additional;
    if needed <= buffer.capacity() {
        return None;
    }
    // No vector is longer than `isize::MAX`, which a machine of 32 bits can come near to.
    let longest = usize::try_from(appended_max).unwrap_or(usize::MAX).saturating_add(buffer.len());
    let doubled = needed.checked_next_power_of_two().unwrap_or(usize::MAX);
    Some(doubled.min(longest).min(isize::MAX.unsigned_abs()).max(needed))
}
