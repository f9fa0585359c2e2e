//! Frames out of whole messages (RFC 6455, section 6.1).

use alloc::vec::Vec;

use bytes::Bytes;

use crate::copying;
use crate::frame::{self, FrameHeader, Opcode};
use crate::outbox::Outbox;

/// Payloads from this size on are sent from where they lie; smaller ones are copied behind what
/// waits already.
pub(super) const SENT_FROM_WHERE_IT_LIES: usize = 16 * 1024;

/// How many bytes a frame takes in the outbox.
pub(crate) const fn framed_len(payload_len: usize, masked: bool) -> usize {
    let length = match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    let key = if masked { 4 } else { 0 };
    length + key + payload_len
}

/// Appends a whole message, or a control frame, with a copy of `payload`.
pub(crate) fn write(outbox: &mut Outbox, opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) {
    let header = header(opcode, mask, payload.len());
    outbox.append_with(FrameHeader::BYTES_MAX + payload.len(), |tail| {
        header.append_to(tail);
        match mask {
            None => copying::append(tail, payload),
            Some(key) => frame::append_masked(key, payload, tail),
        }
    });
}

/// Appends a whole message of at most 125 bytes, unmasked, if the outbox has memory for it and holds no
/// more than `bytes_max` bytes then. Returns whether it did.
#[inline]
pub(crate) fn write_short(
    outbox: &mut Outbox,
    opcode: Opcode,
    payload: &[u8],
    bytes_max: usize,
) -> bool {
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => {
            outbox.append_framed([0x80 | opcode.bits(), length], payload, bytes_max)
        }
        _ => false,
    }
}

/// As [`write_short`], for a message of 126 to 65,535 bytes.
#[inline(always)]
pub(crate) fn write_medium(
    outbox: &mut Outbox,
    opcode: Opcode,
    payload: &[u8],
    bytes_max: usize,
) -> bool {
    match medium_header(opcode, payload.len()) {
        Some(header) => outbox.append_framed(header, payload, bytes_max),
        None => false,
    }
}

/// The header of a server's message of 126 to 65,535 bytes.
#[inline(always)]
pub(super) fn medium_header(opcode: Opcode, payload_len: usize) -> Option<[u8; 4]> {
    let length @ 126.. = u16::try_from(payload_len).ok()? else { return None };
    let [high, low] = length.to_be_bytes();
    Some([0x80 | opcode.bits(), 126, high, low])
}

/// Appends a whole message. A long payload is not copied but masked where it lies, and its memory
/// becomes the outbox's.
pub(crate) fn write_owned(
    outbox: &mut Outbox,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    mut payload: Vec<u8>,
) {
    if payload.len() < SENT_FROM_WHERE_IT_LIES {
        return write(outbox, opcode, mask, &payload);
    }
    if let Some(key) = mask {
        frame::mask(key, &mut payload);
    }
    append_header(outbox, opcode, mask, payload.len());
    outbox.append_owned(payload);
}

/// Appends a whole message. A long payload is not copied: if nobody else holds it, it is taken as
/// [`write_owned`] does, and if not it is shared, unless it must be masked.
pub(crate) fn write_shared(
    outbox: &mut Outbox,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    payload: Bytes,
) {
    if payload.len() < SENT_FROM_WHERE_IT_LIES {
        return write(outbox, opcode, mask, &payload);
    }
    match (payload.try_into_mut(), mask) {
        (Ok(payload), _) => write_owned(outbox, opcode, mask, payload.into()),
        (Err(payload), Some(_)) => write(outbox, opcode, mask, &payload),
        (Err(payload), None) => {
            append_header(outbox, opcode, mask, payload.len());
            outbox.append_shared(payload);
        }
    }
}

fn append_header(outbox: &mut Outbox, opcode: Opcode, mask: Option<[u8; 4]>, payload_len: usize) {
    let header = header(opcode, mask, payload_len);
    outbox.append_with(FrameHeader::BYTES_MAX, |tail| header.append_to(tail));
}

/// Appends a whole message whose payload is compressed (RFC 7692, section 6.1).
#[cfg(feature = "deflate")]
pub(crate) fn write_compressed(
    outbox: &mut Outbox,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    mut payload: Vec<u8>,
) {
    let mut bytes = [0; FrameHeader::BYTES_MAX];
    let header_len = header(opcode, mask, payload.len()).encode(&mut bytes);
    bytes[0] |= frame::RESERVED_1;
    let header = bytes.get(..header_len).unwrap_or_default();
    if let Some(key) = mask {
        frame::mask(key, &mut payload);
    }
    if payload.len() < SENT_FROM_WHERE_IT_LIES {
        outbox.append_with(header_len + payload.len(), |tail| {
            tail.extend_from_slice(header);
            copying::append(tail, &payload);
        });
    } else {
        // It was made with more room than it came to need, and may wait for long.
        payload.shrink_to_fit();
        outbox.append(header);
        outbox.append_owned(payload);
    }
}

const fn header(opcode: Opcode, mask: Option<[u8; 4]>, payload_len: usize) -> FrameHeader {
    FrameHeader { fin: true, opcode, mask, payload_len: payload_len as u64 }
}
