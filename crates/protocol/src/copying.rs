//! Copies whose time does not depend on where the bytes lie.
//!
//! A long copy by one instruction (`rep movsb`, which C libraries choose from about 2 KiB on) can
//! take twenty times as long as it should on some processors if its target begins 1 to 31 bytes
//! behind its source, counted modulo a page. Large allocations all begin at the same place in a
//! page, so that this is no rare accident. Shorter copies are made otherwise and do not suffer.

use alloc::string::String;
use alloc::vec::Vec;

/// What is copied at once.
const PIECE_BYTES: usize = 2 * 1024;

/// Appends a copy of `bytes`.
#[inline]
pub(crate) fn append(target: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() <= PIECE_BYTES {
        target.extend_from_slice(bytes);
    } else {
        append_pieces(target, bytes);
    }
}

/// Not inlined, so that shorter copies need no registers for it.
#[inline(never)]
fn append_pieces(target: &mut Vec<u8>, bytes: &[u8]) {
    target.reserve(bytes.len());
    for piece in bytes.chunks(PIECE_BYTES) {
        target.extend_from_slice(piece);
    }
}

/// A copy of `bytes`.
pub(crate) fn to_vec(bytes: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(bytes.len());
    append(&mut copy, bytes);
    copy
}

/// A copy of `text`.
pub(crate) fn to_string(text: &str) -> String {
    let mut copy = String::with_capacity(text.len());
    append_text(&mut copy, text);
    copy
}

/// Appends a copy of `text`.
#[inline]
pub(crate) fn append_text(target: &mut String, text: &str) {
    if text.len() <= PIECE_BYTES {
        return target.push_str(text);
    }
    target.reserve(text.len());
    let mut rest = text;
    while let Some((piece, behind)) = rest.split_at_checked(piece_len(rest)) {
        target.push_str(piece);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
}

/// The length of the first piece of `text`, which ends where a character does.
fn piece_len(text: &str) -> usize {
    let end = PIECE_BYTES.min(text.len());
    (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_in_pieces_is_a_copy() {
        for character in ["a", "é", "文", "🦀"] {
            for len in [0, 1, 600, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5000] {
                let text = "x".repeat(len % 4) + &character.repeat(len);
                assert_eq!(to_string(&text), text);
                assert_eq!(to_vec(text.as_bytes()), text.as_bytes());
                let mut target = Vec::from(*b"before");
                append(&mut target, text.as_bytes());
                assert_eq!(target, [b"before", text.as_bytes()].concat());
                let mut target = String::from("before");
                append_text(&mut target, &text);
                assert_eq!(target, format!("before{text}"));
            }
        }
    }
}
