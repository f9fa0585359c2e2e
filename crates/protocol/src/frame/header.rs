//! Frame headers (RFC 6455, section 5.2).
//!
//! ```text
//!  byte 0             byte 1              then
//! ┌───┬───────┬──────┐┌──────┬──────────┐┌─────────────────────┬──────────────┐
//! │FIN│RSV 1-3│opcode││ MASK │ length 7 ││ length: 0, 2 or 8 B │ key: 0 or 4 B│
//! └───┴───────┴──────┘└──────┴──────────┘└─────────────────────┴──────────────┘
//! ```

use alloc::vec::Vec;

use super::opcode::Opcode;
use crate::error::Violation;
use crate::role::Role;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// RFC 7692, section 6: the message is compressed.
pub(crate) const RESERVED_1: u8 = 0x40;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7F;

/// The longest payload of a control frame, in bytes (section 5.5).
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

/// The opcodes, where nothing is reserved, by the first byte without FIN.
static OPCODES: [Option<Opcode>; FIN as usize] = {
    let mut opcodes = [None; FIN as usize];
    let mut rest: &mut [Option<Opcode>] = &mut opcodes;
    let mut bits = 0;
    while let Some((opcode, others)) = rest.split_first_mut() {
        *opcode = Opcode::from_bits(bits);
        rest = others;
        bits += 1;
    }
    opcodes
};

/// What stands before a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key; `Some` on every frame from a client and on none from a server.
    pub mask: Option<[u8; 4]>,
    /// The payload's length in bytes, less than 2^63.
    pub payload_len: u64,
}

/// How many bytes of a header have been read, and what stands behind them.
type Behind<'b> = (usize, &'b [u8]);

/// What the rules for the next header depend on.
pub(crate) struct Expectation {
    /// The role of the endpoint that reads.
    pub(crate) role: Role,
    /// Whether a fragmented message has begun and not ended.
    pub(crate) in_message: bool,
    /// How many more frames the message may have.
    pub(crate) frames_left: u32,
    /// How many more bytes of payload the message may have.
    pub(crate) bytes_left: u64,
    /// How many bytes of payload a compressed message may have, if there may be one.
    pub(crate) compressed_bytes_max: Option<u64>,
}

impl FrameHeader {
    /// The longest header, in bytes.
    pub const BYTES_MAX: usize = 14;

    /// Writes the header, with the length in its shortest form, to the beginning of `target` and
    /// returns how many bytes it takes.
    ///
    /// ```
    /// use sockeye_protocol::{FrameHeader, Opcode};
    ///
    /// let header = FrameHeader { fin: true, opcode: Opcode::Text, mask: None, payload_len: 256 };
    /// let mut bytes = [0; FrameHeader::BYTES_MAX];
    /// let len = header.encode(&mut bytes);
    /// assert_eq!(bytes[..len], [0x81, 126, 0x01, 0x00]);
    /// ```
    pub fn encode(&self, target: &mut [u8; Self::BYTES_MAX]) -> usize {
        self.put(|header| {
            if let Some(target) = target.get_mut(..header.len()) {
                target.copy_from_slice(header);
            }
            header.len()
        })
    }

    /// Appends the header as [`encode`](Self::encode) writes it.
    #[inline]
    pub(crate) fn append_to(&self, target: &mut Vec<u8>) {
        self.put(|header| target.extend_from_slice(header));
    }

    /// Gives the header's bytes to `put`, which is compiled once for each of their possible numbers:
    /// copies of known length need no loop.
    #[inline(always)]
    fn put<R>(&self, put: impl FnOnce(&[u8]) -> R) -> R {
        let first = self.opcode.bits() | if self.fin { FIN } else { 0 };
        let length = self.payload_len.to_be_bytes();
        let [.., high, low] = length;
        match (self.payload_len, self.mask) {
            (0..=125, None) => put(&[first, low]),
            (0..=125, Some([a, b, c, d])) => put(&[first, MASK | low, a, b, c, d]),
            (126..=0xFFFF, None) => put(&[first, 126, high, low]),
            (126..=0xFFFF, Some([a, b, c, d])) => put(&[first, MASK | 126, high, low, a, b, c, d]),
            (_, None) => {
                let mut header = [first, 127, 0, 0, 0, 0, 0, 0, 0, 0];
                header[2..].copy_from_slice(&length);
                put(&header)
            }
            (_, Some([a, b, c, d])) => {
                let mut header = [first, MASK | 127, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d];
                header[2..10].copy_from_slice(&length);
                put(&header)
            }
        }
    }

    /// Reads a header from the beginning of `bytes`, which an endpoint of this role received, and
    /// returns it with its length in bytes, or `None` if it is not whole yet.
    ///
    /// It takes no extension to be agreed on. Rules on the order of frames and limits are
    /// [`FrameReader`](super::FrameReader)'s.
    ///
    /// ```
    /// use sockeye_protocol::{FrameHeader, Opcode, Role, Violation};
    ///
    /// let (header, len) = FrameHeader::decode(Role::Client, b"\x81\x05Hello")?.expect("it is whole");
    /// assert_eq!((header.opcode, header.payload_len, len), (Opcode::Text, 5, 2));
    /// assert_eq!(FrameHeader::decode(Role::Server, b"\x81\x05Hello"), Err(Violation::Unmasked));
    /// # Ok::<(), Violation>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a rule is broken by the header alone, as soon as the bytes that tell it are there.
    #[inline]
    pub fn decode(role: Role, bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        // The common form: a client's header of six bytes, all of which are there.
        if let (Role::Server, Some([first, second, key @ ..])) = (role, bytes.first_chunk::<6>())
            && let length @ 0..=125 = second & LENGTH
        {
            let opcode = check_start(*first, *second, role, false)?;
            let (fin, payload_len) = (first & FIN != 0, u64::from(length));
            return Ok(Some((Self { fin, opcode, mask: Some(*key), payload_len }, 6)));
        }
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode = check_start(*first, *second, role, false)?;
        let Some((payload_len, behind)) = length(*second, rest)? else { return Ok(None) };
        Ok(Self::with_key(role, behind, first & FIN != 0, opcode, payload_len))
    }

    /// As [`decode`](Self::decode), with the rules on what is expected next. Every rule is checked
    /// as soon as the bytes that it concerns are there.
    #[inline]
    pub(crate) fn parse(
        bytes: &[u8],
        expected: &Expectation,
    ) -> Result<Option<(Self, usize)>, Violation> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let may_be_compressed = expected.compressed_bytes_max.is_some();
        let opcode = check_start(*first, *second, expected.role, may_be_compressed)?;
        check_order(opcode, expected)?;
        let Some((payload_len, behind)) = length(*second, rest)? else { return Ok(None) };
        let bytes_left = match expected.compressed_bytes_max {
            Some(bytes_max) if first & RESERVED_1 != 0 => bytes_max,
            _ => expected.bytes_left,
        };
        if !opcode.is_control() && payload_len > bytes_left {
            return Err(Violation::MessageTooLong);
        }
        Ok(Self::with_key(expected.role, behind, first & FIN != 0, opcode, payload_len))
    }

    /// The header, with its length in bytes, if it is whole: behind its first `start_len` bytes comes
    /// `behind`, which begins with the masking key if it comes from a client.
    #[inline]
    fn with_key(
        role: Role,
        (start_len, behind): Behind<'_>,
        fin: bool,
        opcode: Opcode,
        payload_len: u64,
    ) -> Option<(Self, usize)> {
        match role {
            Role::Client => Some((Self { fin, opcode, mask: None, payload_len }, start_len)),
            Role::Server => {
                let mask: [u8; 4] = *behind.first_chunk()?;
                let len = start_len + mask.len();
                Some((Self { fin, opcode, mask: Some(mask), payload_len }, len))
            }
        }
    }
}

/// The rules that the first two bytes can break by themselves, in the RFC's order.
#[inline]
fn check_start(
    first: u8,
    second: u8,
    role: Role,
    may_be_compressed: bool,
) -> Result<Opcode, Violation> {
    let opcode = match OPCODES.get(usize::from(first & !FIN)) {
        Some(Some(opcode)) => *opcode,
        _ => check_reserved(first, may_be_compressed)?,
    };
    // 5.1: a client masks all its frames, a server none.
    match (role, second & MASK != 0) {
        (Role::Server, false) => return Err(Violation::Unmasked),
        (Role::Client, true) => return Err(Violation::Masked),
        _ => {}
    }
    if opcode.is_control() {
        // 5.5: control frames are not fragmented and carry at most 125 bytes.
        if first & FIN == 0 {
            return Err(Violation::FragmentedControl);
        }
        if usize::from(second & LENGTH) > CONTROL_BYTES_MAX {
            return Err(Violation::ControlTooLong);
        }
        // 5.5.1: a body begins with a code of two bytes.
        if opcode == Opcode::Close && second & LENGTH == 1 {
            return Err(Violation::CloseBodyTooShort);
        }
    }
    Ok(opcode)
}

/// The rules on what is reserved, for a first byte that is more than a defined opcode and FIN.
#[cold]
#[inline(never)]
fn check_reserved(first: u8, may_be_compressed: bool) -> Result<Opcode, Violation> {
    // 5.2: "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values".
    let reserved = first & RESERVED;
    if reserved != 0 && !(reserved == RESERVED_1 && may_be_compressed) {
        return Err(Violation::ReservedBit);
    }
    // 5.2: an unknown opcode fails the connection.
    let Some(opcode) = Opcode::from_bits(first & OPCODE) else {
        return Err(Violation::ReservedOpcode(first & OPCODE));
    };
    // RFC 7692, 6.1: on the first frame of a message, and on no control frame.
    if opcode.is_control() || opcode == Opcode::Continuation {
        return Err(Violation::ReservedBit);
    }
    Ok(opcode)
}

/// The rules on what may follow what came before.
#[inline]
fn check_order(opcode: Opcode, expected: &Expectation) -> Result<(), Violation> {
    // 5.4: the frames of one message follow each other, and only control frames come in between.
    match (opcode, expected.in_message) {
        (Opcode::Continuation, false) => return Err(Violation::UnexpectedContinuation),
        (Opcode::Text | Opcode::Binary, true) => return Err(Violation::ExpectedContinuation),
        _ => {}
    }
    // 10.4: a limit on the number of frames, empty ones included.
    if expected.frames_left == 0 && !opcode.is_control() {
        return Err(Violation::TooManyFragments);
    }
    Ok(())
}

/// The payload's length; `None` if it is not whole.
#[inline]
fn length(second: u8, rest: &[u8]) -> Result<Option<(u64, Behind<'_>)>, Violation> {
    match second & LENGTH {
        length @ 0..=125 => Ok(Some((u64::from(length), (2, rest)))),
        126 => {
            let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let length = check_length(u64::from(u16::from_be_bytes(*length)), 126)?;
            Ok(Some((length, (4, rest))))
        }
        _ => {
            let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
            Ok(Some((check_length(u64::from_be_bytes(*length), 0x1_0000)?, (10, rest))))
        }
    }
}

/// 5.2: the shortest form must be used, and the most significant bit must be 0.
const fn check_length(length: u64, at_least: u64) -> Result<u64, Violation> {
    if length < at_least {
        Err(Violation::LengthNotMinimal)
    } else if length >> 63 != 0 {
        Err(Violation::LengthTopBit)
    } else {
        Ok(length)
    }
}
