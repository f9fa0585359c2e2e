//! Masking (RFC 6455, section 5.3): byte `i` of the payload XOR byte `i mod 4` of the key.

use alloc::vec::Vec;

/// Below this size a loop over words is faster than a vectorized one.
const LONG_BYTES_MIN: usize = 128;

/// The bytes that are masked at a time while copying: one cache line.
const BLOCK_BYTES: usize = 64;

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
    let [a, b, c, d] = key;
    match offset & 3 {
        0 => [a, b, c, d],
        1 => [b, c, d, a],
        2 => [c, d, a, b],
        _ => [d, a, b, c],
    }
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
    if payload.len() < LONG_BYTES_MIN { mask_short(key, payload) } else { mask_long(key, payload) }
}

/// Word by word, without the preparations of a vectorized loop.
#[inline]
fn mask_short(key: [u8; 4], payload: &mut [u8]) {
    let word = wide(key);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    let (half, tail) = tail.as_chunks_mut::<4>();
    for bytes in half {
        *bytes = (u32::from_ne_bytes(*bytes) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(key) {
        *byte ^= mask;
    }
}

/// The compiler makes vector instructions of this loop.
fn mask_long(key: [u8; 4], payload: &mut [u8]) {
    let word = wide(key);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    mask_short(key, tail);
}

/// Appends `payload` to `target`, masked or unmasked, in one pass; `key` is that of its first byte.
pub fn append_masked(key: [u8; 4], payload: &[u8], target: &mut Vec<u8>) {
    target.reserve(payload.len());
    let (blocks, tail) = payload.as_chunks::<BLOCK_BYTES>();
    for block in blocks {
        let mut masked = *block;
        mask(key, &mut masked);
        target.extend_from_slice(&masked);
    }
    let mut masked = [0; BLOCK_BYTES];
    let masked = masked.get_mut(..tail.len()).unwrap_or_default();
    masked.copy_from_slice(tail);
    mask(key, masked);
    target.extend_from_slice(masked);
}

/// The key twice, in the order of memory.
const fn wide(key: [u8; 4]) -> u64 {
    let [a, b, c, d] = key;
    u64::from_ne_bytes([a, b, c, d, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn naive(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
        payload.iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]).collect()
    }

    #[test]
    fn msk_01_every_length_alignment_and_phase_against_the_naive_loop() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let bytes: Vec<u8> = (0..1100_u32).map(|index| (index * 31 % 251) as u8).collect();
        for len in 0..=1024 {
            // Every phase where the ends of loops lie, one for each alignment behind that.
            let phases = if len <= 160 { 4 } else { 1 };
            for (align, phase) in
                (0..16).flat_map(|align| (0..phases).map(move |phase| (align, phase)))
            {
                let source = &bytes[align..align + len];
                let phase = rotate_key(key, (align + phase) as u64);
                let expected = naive(phase, source);

                let mut in_place = bytes.clone();
                mask(phase, &mut in_place[align..align + len]);
                assert_eq!(in_place[align..align + len], expected);
                assert_eq!(in_place[..align], bytes[..align]);
                assert_eq!(in_place[align + len..], bytes[align + len..]);

                let mut copied = vec![9; align];
                append_masked(phase, source, &mut copied);
                assert_eq!(copied[align..], expected);
            }
        }
    }

    #[test]
    fn msk_09_a_key_rotated_by_n_continues_at_byte_n() {
        let key = [1, 2, 3, 4];
        let payload: Vec<u8> = (0..40).collect();
        let whole = naive(key, &payload);
        for cut in 0..=payload.len() {
            let mut pieces = payload.clone();
            let (head, tail) = pieces.split_at_mut(cut);
            mask(key, head);
            mask(rotate_key(key, cut as u64), tail);
            assert_eq!(pieces, whole, "cut at {cut}");
        }
    }
}
