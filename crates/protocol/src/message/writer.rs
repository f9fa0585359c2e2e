//! Frames out of whole messages (RFC 6455, section 6.1).

#[cfg(feature = "deflate")]
use alloc::vec::Vec;

use bytes::Bytes;

use crate::frame::{self, FrameHeader, Opcode};
use crate::outbox::Outbox;

/// Payloads from this size on are sent from where they lie; smaller ones are copied behind what
/// waits already.
const SENT_FROM_WHERE_IT_LIES: usize = 16 * 1024;

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
    let (header, header_len) = header(opcode, mask, payload.len());
    outbox.append_with(header.len() + payload.len(), |tail| {
        // A copy of known length needs no loop; what is too much of it is taken back.
        let start = tail.len();
        tail.extend_from_slice(&header);
        tail.truncate(start + header_len);
        match mask {
            None => tail.extend_from_slice(payload),
            Some(key) => frame::append_masked(key, payload, tail),
        }
    });
}

/// Appends a whole message. A long payload is not copied: unmasked it is shared, masked it is
/// changed in place if nobody else holds it.
pub(crate) fn write_shared(
    outbox: &mut Outbox,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    payload: Bytes,
) {
    if payload.len() < SENT_FROM_WHERE_IT_LIES {
        return write(outbox, opcode, mask, &payload);
    }
    let payload = match mask {
        None => payload,
        Some(key) => match payload.try_into_mut() {
            Ok(mut payload) => {
                frame::mask(key, &mut payload);
                payload.freeze()
            }
            Err(payload) => return write(outbox, opcode, mask, &payload),
        },
    };
    let (header, header_len) = header(opcode, mask, payload.len());
    outbox.append(header.get(..header_len).unwrap_or_default());
    outbox.append_shared(payload);
}

/// Appends a whole message whose payload is compressed (RFC 7692, section 6.1).
#[cfg(feature = "deflate")]
pub(crate) fn write_compressed(
    outbox: &mut Outbox,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    mut payload: Vec<u8>,
) {
    let (mut header, header_len) = header(opcode, mask, payload.len());
    header[0] |= frame::RESERVED_1;
    if let Some(key) = mask {
        frame::mask(key, &mut payload);
    }
    if payload.len() < SENT_FROM_WHERE_IT_LIES {
        outbox.append_with(header_len + payload.len(), |tail| {
            tail.extend_from_slice(header.get(..header_len).unwrap_or_default());
            tail.extend_from_slice(&payload);
        });
    } else {
        // It was made with more room than it came to need, and may wait for long.
        payload.shrink_to_fit();
        outbox.append(header.get(..header_len).unwrap_or_default());
        outbox.append_shared(payload.into());
    }
}

fn header(
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    payload_len: usize,
) -> ([u8; FrameHeader::BYTES_MAX], usize) {
    let header = FrameHeader { fin: true, opcode, mask, payload_len: payload_len as u64 };
    let mut bytes = [0; FrameHeader::BYTES_MAX];
    let len = header.encode(&mut bytes);
    (bytes, len)
}
