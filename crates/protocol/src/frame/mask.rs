//! Masking (RFC 6455, section 5.3): byte `i` of the payload XOR byte `i mod 4` of the key.

// Two calls of `from_utf8_unchecked`, and calls of what needs AVX2, each proved where it stands.
#![allow(unsafe_code)]

use alloc::vec::Vec;

use crate::utf8::{self, Invalid, Known};

/// Up to this many bytes are masked without a loop.
const SHORT_BYTES_MAX: usize = 2 * SHORT_HALF;
const SHORT_HALF: usize = 128;

/// From this many bytes on a text is unmasked and checked in one with vector instructions.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
const TEXT_VECTORS_MIN: usize = SHORT_HALF / 2;

/// How much is masked before it is looked at once more: it fits the nearest cache with room to
/// spare.
const BLOCK_BYTES: usize = 8 * 1024;

/// The bytes of the longest vector that is used.
const VECTOR_BYTES: usize = 32;

/// The bits that no byte of ASCII has.
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// Where a client gets its masking keys.
///
/// Each key must be fresh, and unpredictable for those who choose the payload (section 10.3):
/// draw it from a cryptographically secure generator.
pub trait MaskKeys {
    /// The key for the next frame.
    fn next_key(&mut self) -> [u8; 4];
}

/// The [`MaskKeys`] of a server, which masks nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmasked;

impl MaskKeys for Unmasked {
    /// # Panics
    ///
    /// Always: a server never asks, and a client must have real keys.
    #[expect(clippy::panic, reason = "a caller's mistake, and its documentation says so")]
    fn next_key(&mut self) -> [u8; 4] {
        panic!("a client needs masking keys: `Unmasked` is for servers");
    }
}

/// The key for bytes that begin `offset` bytes further on in the same payload.
///
/// ```
/// use sockeye_protocol::frame::rotate_key;
///
/// assert_eq!(rotate_key([1, 2, 3, 4], 5), [2, 3, 4, 1]);
/// ```
#[must_use]
pub const fn rotate_key(key: [u8; 4], offset: u64) -> [u8; 4] {
    let bytes = (offset & 3) as u32;
    u32::from_le_bytes(key).rotate_right(8 * bytes).to_le_bytes()
}

/// Masks or unmasks `payload` in place; `key` is that of its first byte.
///
/// ```
/// use sockeye_protocol::frame::mask;
///
/// let mut payload = *b"Hello";
/// mask([0x37, 0xfa, 0x21, 0x3d], &mut payload);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
#[inline]
pub fn mask(key: [u8; 4], payload: &mut [u8]) {
    mask_seen::<false>(key, payload);
}

/// Appends `payload` to `target`, masked or unmasked; `key` is that of its first byte.
pub fn append_masked(key: [u8; 4], payload: &[u8], target: &mut Vec<u8>) {
    append_seen::<false>(key, payload, target);
}

/// As [`append_masked`]; returns what it saw of the bytes that it appended.
pub(crate) fn append_unmasked(key: [u8; 4], payload: &[u8], target: &mut Vec<u8>) -> Known {
    let seen = append_seen::<true>(key, payload, target);
    if seen & NOT_ASCII == 0 { Known::Ascii } else { Known::Nothing }
}

/// As [`mask`]; returns what it saw of the bytes.
pub(crate) fn unmask_known(key: [u8; 4], payload: &mut [u8]) -> Known {
    if mask_seen::<true>(key, payload) & NOT_ASCII == 0 { Known::Ascii } else { Known::Nothing }
}

/// Masks while it copies; returns the bits of all bytes that were appended as [`mask_seen`] does.
fn append_seen<const SEEN: bool>(key: [u8; 4], payload: &[u8], target: &mut Vec<u8>) -> u64 {
    if payload.len() <= SHORT_BYTES_MAX {
        let start = target.len();
        target.extend_from_slice(payload);
        return mask_short(key, target.get_mut(start..).unwrap_or_default());
    }
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has AVX2, which is all that the function asks for.
        return unsafe { append_avx2::<SEEN>(key, payload, target) };
    }
    append_vectors::<SEEN>(key, payload, target)
}

/// [`append_vectors`], compiled for AVX2.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
fn append_avx2<const SEEN: bool>(key: [u8; 4], payload: &[u8], target: &mut Vec<u8>) -> u64 {
    append_vectors::<SEEN>(key, payload, target)
}

/// The compiler makes vector instructions of these loops. What was appended is looked at block by
/// block, while it lies in the nearest cache.
#[inline(always)]
fn append_vectors<const SEEN: bool>(key: [u8; 4], payload: &[u8], target: &mut Vec<u8>) -> u64 {
    let keys = xor(key, [0; SHORT_BYTES_MAX]);
    target.reserve(payload.len());
    let mut all = 0;
    for block in payload.chunks(BLOCK_BYTES) {
        let start = target.len();
        for piece in block.chunks(SHORT_BYTES_MAX) {
            target.extend(piece.iter().zip(&keys).map(|(byte, mask)| byte ^ mask));
        }
        if SEEN {
            let appended = target.get(start..).unwrap_or_default();
            all |= appended.iter().fold(0, |seen, byte| seen | byte);
        }
    }
    u64::from(all)
}

/// Unmasks the payload of a whole text message in place and checks that it is UTF-8; `key` is that
/// of its first byte.
#[inline]
pub(crate) fn unmask_text(key: [u8; 4], payload: &mut [u8]) -> Result<&str, Invalid> {
    if !unmask_is_text(key, payload) {
        return Err(Invalid);
    }
    // SAFETY: the function has just said that what it left in `payload` is UTF-8; why it is right
    // stands with each way that it goes.
    Ok(unsafe { core::str::from_utf8_unchecked(payload) })
}

/// Takes the payload out of a frame of `frame_len` bytes at the beginning of `input`, unmasked in place,
/// if it is UTF-8; if not, everything is as it was. Inlined where what is known of the lengths tells
/// which way it goes.
#[inline(always)]
pub(crate) fn take_text<'b>(
    key: [u8; 4],
    header_len: usize,
    frame_len: usize,
    input: &mut &'b mut [u8],
) -> Option<&'b str> {
    let payload = input.get_mut(header_len..frame_len)?;
    if !unmask_is_text(key, payload) {
        mask(key, payload);
        return None;
    }
    let payload = input.split_off_mut(..frame_len)?.get(header_len..)?;
    // SAFETY: these are the bytes of which the function has just said that they are UTF-8: those between
    // the header's end and the frame's, at the beginning of what `input` was then.
    Some(unsafe { core::str::from_utf8_unchecked(payload) })
}

/// As [`take_text`], for bytes of any kind.
#[inline(always)]
pub(crate) fn take_bytes<'b>(
    key: [u8; 4],
    header_len: usize,
    frame_len: usize,
    input: &mut &'b mut [u8],
) -> Option<&'b [u8]> {
    let payload = input.split_off_mut(..frame_len)?.get_mut(header_len..)?;
    if payload.len() > SHORT_BYTES_MAX {
        mask_long::<false>(key, payload);
    } else {
        mask_any_short(key, payload);
    }
    Some(payload)
}

/// Not inlined, as [`unmask_is_short_text`].
#[inline(never)]
fn mask_any_short(key: [u8; 4], payload: &mut [u8]) {
    mask_short(key, payload);
}

/// Unmasks in place and returns whether `payload` is UTF-8 then.
#[inline(always)]
fn unmask_is_text(key: [u8; 4], payload: &mut [u8]) -> bool {
    if payload.len() > SHORT_BYTES_MAX {
        return unmask_is_long_text(key, payload);
    }
    unmask_is_short_text(key, payload)
}

/// As [`unmask_is_text`], for at most [`SHORT_BYTES_MAX`] bytes. Where it is called nothing but a call
/// is to be made, so it is not inlined; and what needs many registers is a call here, so that the
/// shortest need not save them.
#[inline(never)]
fn unmask_is_short_text(key: [u8; 4], payload: &mut [u8]) -> bool {
    let seen = match payload.len() {
        8..16 => mask_ends::<8>(key, payload),
        16..32 => mask_ends::<16>(key, payload),
        _ => return unmask_is_other_short_text(key, payload),
    };
    // Every byte below 0x80 is a whole character in UTF-8.
    seen & NOT_ASCII == 0 || is_text(payload)
}

#[inline(never)]
fn unmask_is_other_short_text(key: [u8; 4], payload: &mut [u8]) -> bool {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if payload.len() >= TEXT_VECTORS_MIN && std::is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has AVX2, which is all that the function asks for.
        return unsafe { unmask_is_text_avx2(key, payload) };
    }
    mask_short(key, payload) & NOT_ASCII == 0 || is_text(payload)
}

/// Not inlined, so that who calls it need not keep registers for the case that it must.
#[inline(never)]
fn is_text(payload: &[u8]) -> bool {
    utf8::check(payload).is_ok()
}

/// As [`unmask_is_text`], for more than [`SHORT_BYTES_MAX`] bytes. Most texts fit a block.
#[inline(never)]
fn unmask_is_long_text(key: [u8; 4], payload: &mut [u8]) -> bool {
    if payload.len() > BLOCK_BYTES {
        return unmask_is_text_in_blocks(key, payload);
    }
    mask_long::<true>(key, payload) & NOT_ASCII == 0 || is_text(payload)
}

/// Block by block, so that what is checked still lies in the nearest cache. Blocks of ASCII, which
/// are told while they are unmasked, are not looked at again, and what stands behind an error is only
/// unmasked.
#[inline(never)]
fn unmask_is_text_in_blocks(key: [u8; 4], payload: &mut [u8]) -> bool {
    // How many bytes are whole characters: blocks that are ASCII, since `mask_seen` returns the
    // bits of all the bytes that it leaves, and what `check_prefix` finds to be whole characters.
    // None of them changes afterwards.
    let mut checked = 0;
    let mut start = 0;
    while start < payload.len() {
        // A multiple of four, so that the key stays as it is.
        let end = payload.len().min(start + BLOCK_BYTES);
        let Some(block) = payload.get_mut(start..end) else { return false };
        if mask_seen::<true>(key, block) & NOT_ASCII == 0 && checked == start {
            checked = end;
        } else {
            let unchecked = payload.get(checked..end).unwrap_or_default();
            let Ok(len) = utf8::check_prefix(unchecked) else {
                mask(key, payload.get_mut(end..).unwrap_or_default());
                return false;
            };
            checked += len;
        }
        start = end;
    }
    // Whole characters, one after the other, are UTF-8.
    checked == payload.len()
}

/// [`unmask_is_text`] for [`TEXT_VECTORS_MIN`] to [`SHORT_BYTES_MAX`] bytes, without a loop and
/// without a byte leaving the registers before it was checked.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
fn unmask_is_text_avx2(key: [u8; 4], payload: &mut [u8]) -> bool {
    if payload.len() < SHORT_HALF {
        unmask_ends_are_text_avx2::<TEXT_VECTORS_MIN, SHORT_HALF>(key, payload)
    } else {
        unmask_ends_are_text_avx2::<SHORT_HALF, SHORT_BYTES_MAX>(key, payload)
    }
}

/// For `N` to `BLOCK`, which is 2 `N`, bytes.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
fn unmask_ends_are_text_avx2<const N: usize, const BLOCK: usize>(
    key: [u8; 4],
    payload: &mut [u8],
) -> bool {
    let Some((first, last)) = masked_ends::<N>(key, payload) else { return false };
    write_ends(payload, first, last);
    if (seen(first) | seen(last)) & NOT_ASCII == 0 {
        return true;
    }
    match joined::<N, BLOCK>(first, last, payload.len()) {
        // SAFETY: the machine has AVX2, else this function must not be called, and that is all that
        // is asked for.
        Some(block) => unsafe { simdutf8::basic::imp::x86::avx2::validate_utf8(&block) }.is_ok(),
        None => is_text(payload),
    }
}

/// What is UTF-8 exactly if the `len` bytes are of which `first` and `last` are the two ends, which
/// overlap: both, each with zeros where it has what belongs to the other. A check of it needs no
/// care for a rest that fills no vector. `None` if the two cannot be cut where a character begins.
///
/// They are cut behind the last byte but two, but one, or the last of `first` before which a
/// character begins, or behind `first` where its three last bytes end a character of four. Zeros are
/// characters, so nothing is valid that goes on behind one, and each part is valid for itself or not
/// at all; and text that is cut where a character begins is valid if both parts are.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[inline(always)]
fn joined<const N: usize, const BLOCK: usize>(
    first: [u8; N],
    last: [u8; N],
    len: usize,
) -> Option<[u8; BLOCK]> {
    let begins = |byte: u8| byte & 0xC0 != 0x80;
    let cut = match *first.last_chunk()? {
        [_, _, byte] if begins(byte) => N - 1,
        [_, byte, _] if begins(byte) => N - 2,
        [byte, _, _] if begins(byte) => N - 3,
        _ => N,
    };
    // How many bytes of `last` stand before the cut.
    let doubled = (cut + N).checked_sub(len)?;
    let mut block = [0; BLOCK];
    let (low, high) = block.split_at_mut_checked(N)?;
    let keep_low = KEEP.get(2 * SHORT_HALF - cut..)?.first_chunk::<N>()?;
    let keep_high = KEEP.get(SHORT_HALF - doubled..)?.first_chunk::<N>()?;
    low.copy_from_slice(&and(first, keep_low));
    high.get_mut(..N)?.copy_from_slice(&and(last, keep_high));
    Some(block)
}

/// Ones between zeros, [`SHORT_HALF`] bytes each: from some place on it begins with so many of one
/// and goes on with the other.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
const KEEP: &[u8; 3 * SHORT_HALF] = &{
    let mut keep = [0; 3 * SHORT_HALF];
    keep.split_at_mut(SHORT_HALF).1.split_at_mut(SHORT_HALF).0.copy_from_slice(&[0xFF; SHORT_HALF]);
    keep
};

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[inline(always)]
fn and<const N: usize>(mut bytes: [u8; N], keep: &[u8; N]) -> [u8; N] {
    for (byte, keep) in bytes.iter_mut().zip(keep) {
        *byte &= keep;
    }
    bytes
}

/// Masks in place and returns the bits of all bytes that `payload` holds then, ORed at any place of
/// the word; without `SEEN` what it returns means nothing.
#[inline]
fn mask_seen<const SEEN: bool>(key: [u8; 4], payload: &mut [u8]) -> u64 {
    if payload.len() <= SHORT_BYTES_MAX {
        mask_short(key, payload)
    } else {
        mask_long::<SEEN>(key, payload)
    }
}

/// Masks at most [`SHORT_BYTES_MAX`] bytes in place and returns the bits of all bytes that
/// `payload` holds then, ORed at any place of the word.
#[inline(always)]
fn mask_short(key: [u8; 4], payload: &mut [u8]) -> u64 {
    match payload.len() {
        0..4 => {
            let mut seen = 0;
            for (byte, mask) in payload.iter_mut().zip(key) {
                *byte ^= mask;
                seen |= *byte;
            }
            u64::from(seen)
        }
        4..8 => mask_ends::<4>(key, payload),
        8..16 => mask_ends::<8>(key, payload),
        16..32 => mask_ends::<16>(key, payload),
        32..64 => mask_ends::<32>(key, payload),
        64..128 => mask_ends::<64>(key, payload),
        _ => mask_ends::<SHORT_HALF>(key, payload),
    }
}

/// Masks from `N` to twice as many bytes without a loop: the first `N` and the last `N`, which
/// overlap. Both are read before either is written.
#[inline]
fn mask_ends<const N: usize>(key: [u8; 4], payload: &mut [u8]) -> u64 {
    debug_assert!((N..=2 * N).contains(&payload.len()));
    let Some((first, last)) = masked_ends::<N>(key, payload) else { return 0 };
    write_ends(payload, first, last);
    seen(first) | seen(last)
}

/// The first `N` bytes and the last, masked.
#[inline]
fn masked_ends<const N: usize>(key: [u8; 4], payload: &[u8]) -> Option<([u8; N], [u8; N])> {
    let end_key = rotate_key(key, payload.len() as u64);
    Some((xor(key, *payload.first_chunk()?), xor(end_key, *payload.last_chunk()?)))
}

#[inline]
fn write_ends<const N: usize>(payload: &mut [u8], first: [u8; N], last: [u8; N]) {
    if let Some(chunk) = payload.first_chunk_mut() {
        *chunk = first;
    }
    if let Some(chunk) = payload.last_chunk_mut() {
        *chunk = last;
    }
}

/// `bytes`, a multiple of four, masked.
#[inline]
fn xor<const N: usize>(key: [u8; 4], mut bytes: [u8; N]) -> [u8; N] {
    if N.is_multiple_of(8) {
        for word in bytes.as_chunks_mut().0 {
            *word = (u64::from_ne_bytes(*word) ^ wide(key)).to_ne_bytes();
        }
        return bytes;
    }
    for word in bytes.as_chunks_mut().0 {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    bytes
}

/// The bits of all of `bytes`, a multiple of four.
#[inline]
fn seen<const N: usize>(bytes: [u8; N]) -> u64 {
    if N.is_multiple_of(8) {
        return bytes.as_chunks().0.iter().fold(0, |seen, word| seen | u64::from_ne_bytes(*word));
    }
    let words = bytes.as_chunks().0.iter();
    u64::from(words.fold(0, |seen, word| seen | u32::from_ne_bytes(*word)))
}

/// As [`mask_short`] with the vector instructions that this machine has; without `SEEN` what it
/// returns means nothing.
fn mask_long<const SEEN: bool>(key: [u8; 4], payload: &mut [u8]) -> u64 {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has AVX2, which is all that the function asks for.
        return unsafe { mask_avx2::<SEEN>(key, payload) };
    }
    mask_anywhere::<SEEN>(key, payload)
}

/// [`mask_vectors`], compiled for any machine. Not inlined, so that others need no registers for it.
#[inline(never)]
fn mask_anywhere<const SEEN: bool>(key: [u8; 4], payload: &mut [u8]) -> u64 {
    mask_vectors::<SEEN>(key, payload)
}

/// [`mask_vectors`], compiled for AVX2.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
fn mask_avx2<const SEEN: bool>(key: [u8; 4], payload: &mut [u8]) -> u64 {
    mask_vectors::<SEEN>(key, payload)
}

/// Masks `payload`, which is no shorter than a vector. The compiler makes vector instructions of
/// this loop. It begins where a vector is aligned, since a store across the border of a cache line
/// costs two; what lies before and behind is masked apart, without a loop.
#[inline(always)]
fn mask_vectors<const SEEN: bool>(key: [u8; 4], payload: &mut [u8]) -> u64 {
    debug_assert!(payload.len() >= VECTOR_BYTES);
    let Some((first, last)) = masked_ends::<VECTOR_BYTES>(key, payload) else { return 0 };
    let mut seen = seen(first) | seen(last);
    let unaligned = payload.as_ptr().align_offset(VECTOR_BYTES).min(VECTOR_BYTES);
    let word = wide(rotate_key(key, unaligned as u64));
    let aligned = payload.get_mut(unaligned..).unwrap_or_default();
    let (vectors, _) = aligned.as_chunks_mut::<VECTOR_BYTES>();
    for bytes in vectors.as_flattened_mut().as_chunks_mut().0 {
        let masked = u64::from_ne_bytes(*bytes) ^ word;
        if SEEN {
            seen |= masked;
        }
        *bytes = masked.to_ne_bytes();
    }
    write_ends(payload, first, last);
    seen
}

/// The key twice, in the order of memory.
const fn wide(key: [u8; 4]) -> u64 {
    // The same in both orders of bytes.
    let key = u32::from_ne_bytes(key) as u64;
    key << 32 | key
}

#[cfg(test)]
mod tests;
