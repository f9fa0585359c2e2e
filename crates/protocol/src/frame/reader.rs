//! Bytes in, pieces of frames out.

use super::header::{Expectation, FrameHeader, RESERVED_1};
use super::mask::{mask, rotate_key};
use super::opcode::Opcode;
use crate::config::Config;
use crate::error::{ProtocolError, Violation};
use crate::role::Role;

/// What `spilled` says after a failure: more than any header has.
const FAILED: u8 = u8::MAX;

/// Takes bytes as they come and gives the payloads of frames, unmasked in place, piece by piece.
///
/// It checks every rule of RFC 6455, sections 5.1 to 5.5, that concerns headers, the order of the
/// frames of a message, and the limits on a message's size and number of frames. It does not look
/// at payloads: UTF-8 and the bodies of Close frames are left to the level above,
/// [`Connection`](crate::Connection). It allocates nothing.
///
/// ```
/// use sockeye_protocol::{Config, FrameReader, Opcode, Role};
///
/// let mut reader = FrameReader::new(Role::Server, &Config::default());
/// let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x82";
/// let mut input = &mut bytes[..];
/// let chunk = reader.next(&mut input)?.expect("the whole frame is there");
/// assert_eq!(chunk.header.opcode, Opcode::Text);
/// assert_eq!(chunk.payload, b"Hello");
/// assert!(chunk.starts_frame && chunk.ends_frame);
/// // The first byte of the next header was taken as well.
/// assert!(reader.next(&mut input)?.is_none() && input.is_empty());
/// # Ok::<(), sockeye_protocol::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct FrameReader {
    role: Role,
    /// The bytes of a header that is not whole yet.
    spill: [u8; FrameHeader::BYTES_MAX],
    /// How many they are, or [`FAILED`].
    spilled: u8,
    /// The frame whose payload is being read; `mask` is the key of its first byte.
    frame: Option<FrameHeader>,
    /// Bytes of `frame`'s payload that have not come yet.
    remaining: u64,
    /// Where in the stream the frame begins whose payload was read last.
    frame_offset: u64,
    /// Where in the stream the next header begins.
    next_offset: u64,
    /// Whether a fragmented message has begun and not ended.
    in_message: bool,
    frames_left: u32,
    bytes_left: u64,
    fragments_max: u32,
    message_bytes_max: u64,
    /// How many bytes of payload a compressed message may have, if compression was agreed on.
    compressed_bytes_max: Option<u64>,
    /// Whether the message that began last through a header of its own is compressed.
    is_compressed: bool,
}

/// A piece of a frame.
#[derive(Debug)]
#[non_exhaustive]
pub struct Chunk<'b> {
    /// The header of the frame that the piece belongs to.
    pub header: FrameHeader,
    /// The piece of the payload, unmasked, in the bytes that were lent.
    pub payload: &'b mut [u8],
    /// Whether this is the first piece of its frame.
    pub starts_frame: bool,
    /// Whether this is the last piece of its frame.
    pub ends_frame: bool,
}

/// A piece of a frame that is still masked.
pub(crate) struct RawChunk<'b> {
    pub(crate) header: FrameHeader,
    pub(crate) payload: &'b mut [u8],
    /// The key for the first byte of `payload`; zero where nothing is masked.
    pub(crate) key: [u8; 4],
    pub(crate) starts_frame: bool,
    pub(crate) ends_frame: bool,
}

/// An unfragmented message that is still masked.
pub(crate) struct WholeMessage<'b> {
    pub(crate) opcode: Opcode,
    /// Zero where nothing is masked.
    pub(crate) key: [u8; 4],
    pub(crate) payload: &'b mut [u8],
    /// How many bytes the frame has.
    pub(crate) frame_len: usize,
}

impl<'b> WholeMessage<'b> {
    /// Takes the frame that comes next, between two messages, if it is an unfragmented message of
    /// at most `bytes_max` bytes that lies whole in `input`: the common case. It takes less than [`FrameReader::next_raw`] would and refuses nothing, so each
    /// rule still has one place.
    #[inline]
    pub(crate) fn take(role: Role, bytes_max: u64, input: &mut &'b mut [u8]) -> Option<Self> {
        let (opcode, second) = match **input {
            [0x81, second, ..] => (Opcode::Text, second),
            [0x82, second, ..] => (Opcode::Binary, second),
            _ => return None,
        };
        let is_masked = role == Role::Server;
        // With the wrong mask bit this is 128 at least.
        let length = second ^ if is_masked { 0x80 } else { 0 };
        let (payload_len, start_len) = match length {
            0..=125 => (usize::from(length), 2),
            126 => {
                let length = input.get(2..)?.first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), 4)
            }
            127 => {
                let length = input.get(2..)?.first_chunk()?;
                (usize::try_from(u64::from_be_bytes(*length)).ok()?, 10)
            }
            _ => return None,
        };
        let header_len = if is_masked { start_len + 4 } else { start_len };
        let is_minimal = match length {
            0..=125 => true,
            126 => payload_len > 125,
            _ => payload_len > 0xFFFF,
        };
        if !is_minimal || payload_len as u64 > bytes_max {
            return None;
        }
        let frame_len = payload_len.checked_add(header_len)?;
        if frame_len > input.len() {
            return None;
        }
        let frame = take(input, frame_len);
        let (header, payload) = frame.split_at_mut(header_len);
        let key = if is_masked { *header.last_chunk()? } else { [0; 4] };
        Some(Self { opcode, key, payload, frame_len })
    }
}

/// An unfragmented message of a client's that lies whole in the input: what most messages are. Who
/// looks for one refuses nothing, so each rule still has one place.
pub(crate) struct PlainMessage {
    pub(crate) opcode: Opcode,
    pub(crate) key: [u8; 4],
    pub(crate) header_len: usize,
    pub(crate) frame_len: usize,
}

impl PlainMessage {
    /// The message that is next, between two messages, if it has no more than the 125 bytes whose
    /// length stands in its header's second byte.
    #[inline(always)]
    pub(crate) fn short(input: &[u8]) -> Option<Self> {
        let [first @ (0x81 | 0x82), second @ 0x80..=0xFD, key @ ..] = *input.first_chunk::<6>()?
        else {
            return None;
        };
        Self::whole(first, key, 6, usize::from(second & 0x7F), input)
    }

    /// As [`short`](Self::short), if it has the 126 to 65,535 bytes whose length stands in the two
    /// bytes behind that, and no more than `bytes_max`.
    #[inline(always)]
    pub(crate) fn medium(bytes_max: usize, input: &[u8]) -> Option<Self> {
        let [first @ (0x81 | 0x82), 0xFE, high, low, key @ ..] = *input.first_chunk::<8>()? else {
            return None;
        };
        let payload_len = usize::from(u16::from_be_bytes([high, low]));
        if payload_len < 126 || payload_len > bytes_max {
            return None;
        }
        Self::whole(first, key, 8, payload_len, input)
    }

    #[inline(always)]
    fn whole(
        first: u8,
        key: [u8; 4],
        header_len: usize,
        payload_len: usize,
        input: &[u8],
    ) -> Option<Self> {
        let opcode = if first == 0x81 { Opcode::Text } else { Opcode::Binary };
        let frame_len = payload_len + header_len;
        (frame_len <= input.len()).then_some(Self { opcode, key, header_len, frame_len })
    }
}

impl RawChunk<'_> {
    /// Unmasks the payload in place.
    pub(crate) fn unmask(&mut self) {
        if self.header.mask.is_some() {
            mask(self.key, self.payload);
        }
    }
}

impl FrameReader {
    /// A reader for the endpoint `role`, with the limits on messages of `config`.
    #[must_use]
    pub fn new(role: Role, config: &Config) -> Self {
        let fragments_max = config.fragments_max();
        let message_bytes_max = config.message_bytes_max as u64;
        Self {
            role,
            spill: [0; FrameHeader::BYTES_MAX],
            spilled: 0,
            frame: None,
            remaining: 0,
            frame_offset: 0,
            next_offset: 0,
            in_message: false,
            frames_left: fragments_max,
            bytes_left: message_bytes_max,
            fragments_max,
            message_bytes_max,
            compressed_bytes_max: None,
            is_compressed: false,
        }
    }

    /// A reader for what follows the first `offset` bytes of a stream, where a message has ended.
    pub(crate) fn behind(offset: u64, role: Role, config: &Config) -> Self {
        Self { next_offset: offset, ..Self::new(role, config) }
    }

    /// Lets messages be compressed, by RSV1 on their first frame (RFC 7692, section 6). The limit
    /// on their size is then that of whoever inflates them; what is checked here is that nothing
    /// comes which cannot fit, since even data that does not compress grows by little.
    #[cfg(feature = "deflate")]
    pub(crate) const fn allow_compressed(&mut self) {
        let growth = self.message_bytes_max / 4;
        self.compressed_bytes_max =
            Some(self.message_bytes_max.saturating_add(growth).saturating_add(1024));
    }

    /// Whether the message that the current data frame belongs to is compressed.
    #[cfg(feature = "deflate")]
    pub(crate) const fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// Takes bytes from `input` and returns the next piece of a frame, or `None` when all of
    /// `input` was taken and more must come. A frame without payload gives one empty piece.
    ///
    /// # Errors
    ///
    /// When the peer broke a rule or a limit, at the first byte that does so. From then on the
    /// reader takes and discards everything, and gives `None`.
    pub fn next<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Chunk<'b>>, ProtocolError> {
        if self.is_idle()
            && self.frames_left > 0
            && let Some(message) = WholeMessage::take(self.role, self.bytes_left, input)
        {
            let WholeMessage { opcode, key, payload, frame_len } = message;
            self.frame_offset = self.next_offset;
            self.next_offset = self.next_offset.saturating_add(frame_len as u64);
            let mask_key = (self.role == Role::Server).then_some(key);
            let payload_len = payload.len() as u64;
            if mask_key.is_some() {
                mask(key, payload);
            }
            let header = FrameHeader { fin: true, opcode, mask: mask_key, payload_len };
            return Ok(Some(Chunk { header, payload, starts_frame: true, ends_frame: true }));
        }
        Ok(self.next_raw(input)?.map(|mut raw| {
            raw.unmask();
            let RawChunk { header, payload, starts_frame, ends_frame, .. } = raw;
            Chunk { header, payload, starts_frame, ends_frame }
        }))
    }

    /// Like [`next`](Self::next), but leaves the payload masked.
    pub(crate) fn next_raw<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Result<Option<RawChunk<'b>>, ProtocolError> {
        let header = match self.frame {
            Some(header) => header,
            None => match self.next_header(input)? {
                Some(header) => header,
                None => return Ok(None),
            },
        };
        if input.is_empty() && self.remaining > 0 {
            return Ok(None);
        }
        // What is left of the frame may exceed what this machine can address; the input cannot.
        let remaining = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let taken = remaining.min(input.len());
        let payload = take(input, taken);
        Ok(Some(self.pass(header, payload)))
    }

    /// Accounts for `payload` as the next bytes of the current frame.
    pub(crate) fn pass<'b>(&mut self, header: FrameHeader, payload: &'b mut [u8]) -> RawChunk<'b> {
        let position = header.payload_len - self.remaining;
        let key = rotate_key(header.mask.unwrap_or_default(), position);
        self.remaining -= payload.len() as u64;
        let ends_frame = self.remaining == 0;
        if ends_frame {
            self.end_frame(header);
        }
        RawChunk { header, payload, key, starts_frame: position == 0, ends_frame }
    }

    /// The frame whose payload is being read, with the number of bytes that have not come yet.
    pub(crate) fn current(&self) -> Option<(FrameHeader, u64)> {
        self.frame.map(|header| (header, self.remaining))
    }

    /// The most bytes that can still come of the message that the frame with this `header` belongs
    /// to, which must be the one whose payload was read last.
    pub(crate) fn message_bytes_to_come(&self, header: &FrameHeader) -> u64 {
        let behind_frame = if header.fin { 0 } else { self.bytes_left };
        self.remaining.saturating_add(behind_frame)
    }

    /// Whether the stream stands between two messages.
    #[must_use]
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.frame.is_none() && self.spilled == 0 && !self.in_message
    }

    /// An error in the payload that was read last.
    pub(crate) const fn payload_error(&self, violation: Violation) -> ProtocolError {
        ProtocolError { violation, frame_offset: self.frame_offset }
    }

    /// Where in the stream the frame begins that was read last, and where the next one does.
    pub(crate) const fn offsets(&self) -> (u64, u64) {
        (self.frame_offset, self.next_offset)
    }

    /// An error in the header that comes next; the reader has failed.
    const fn header_error(&mut self, violation: Violation) -> ProtocolError {
        self.spilled = FAILED;
        ProtocolError { violation, frame_offset: self.next_offset }
    }

    /// Takes the next header from `input`, which may need several calls.
    fn next_header(&mut self, input: &mut &mut [u8]) -> Result<Option<FrameHeader>, ProtocolError> {
        let expected = Expectation {
            role: self.role,
            in_message: self.in_message,
            frames_left: self.frames_left,
            bytes_left: self.bytes_left,
            compressed_bytes_max: self.compressed_bytes_max,
        };
        if self.spilled == 0 {
            // The common case: the whole header lies in the input.
            if let Some((header, len)) = FrameHeader::parse(input, &expected)
                .map_err(|violation| self.header_error(violation))?
            {
                let first = take(input, len).first().copied().unwrap_or_default();
                return Ok(Some(self.begin_frame(header, first, len)));
            }
        }
        while !input.is_empty() {
            let Some(slot) = self.spill.get_mut(usize::from(self.spilled)) else {
                // No header is longer than the spill, so this is what a failed reader says.
                core::mem::take(input);
                break;
            };
            *slot = take(input, 1).first().copied().unwrap_or_default();
            self.spilled += 1;
            let spilled = self.spill.get(..usize::from(self.spilled)).unwrap_or_default();
            if let Some((header, len)) = FrameHeader::parse(spilled, &expected)
                .map_err(|violation| self.header_error(violation))?
            {
                self.spilled = 0;
                return Ok(Some(self.begin_frame(header, self.spill[0], len)));
            }
        }
        Ok(None)
    }

    /// `first` is the header's first byte, whose reserved bits `header` does not have.
    fn begin_frame(&mut self, header: FrameHeader, first: u8, header_len: usize) -> FrameHeader {
        self.frame = Some(header);
        self.remaining = header.payload_len;
        self.frame_offset = self.next_offset;
        self.next_offset =
            self.next_offset.saturating_add(header.payload_len).saturating_add(header_len as u64);
        if !header.opcode.is_control() {
            if !self.in_message {
                self.is_compressed = first & RESERVED_1 != 0;
                if let Some(bytes_max) = self.compressed_bytes_max.filter(|_| self.is_compressed) {
                    self.bytes_left = bytes_max;
                }
            }
            self.in_message = true;
            self.frames_left -= 1;
            self.bytes_left -= header.payload_len;
        }
        header
    }

    fn end_frame(&mut self, header: FrameHeader) {
        self.frame = None;
        if header.fin && !header.opcode.is_control() {
            self.in_message = false;
            self.frames_left = self.fragments_max;
            self.bytes_left = self.message_bytes_max;
        }
    }
}

/// Takes the first `len` bytes out of `input`.
#[inline]
fn take<'b>(input: &mut &'b mut [u8], len: usize) -> &'b mut [u8] {
    let (taken, rest) = core::mem::take(input).split_at_mut(len);
    *input = rest;
    taken
}
