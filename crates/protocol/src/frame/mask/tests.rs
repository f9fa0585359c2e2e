//! Masking against the naive loop, and masked text against std.

use super::*;
use alloc::borrow::ToOwned as _;
use alloc::vec;

fn naive(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    payload.iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]).collect()
}

#[test]
fn msk_01_every_length_alignment_and_phase_against_the_naive_loop() {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let bytes: Vec<u8> = (0..1100_u32).map(|index| (index * 31 % 251) as u8).collect();
    // An interpreter takes its time: there what is short whole, and what is long at ends of vectors.
    let is_tried = |len: &usize| !cfg!(miri) || *len <= 33 || [63, 129, 256, 289].contains(len);
    let aligns = if cfg!(miri) { vec![0, 1, 15] } else { (0..16).collect() };
    for len in (0..=1024).filter(is_tried) {
        // Every phase where the ends of loops lie, one for each alignment behind that.
        let phases = if len <= 160 { 4 } else { 1 };
        for (align, phase) in
            aligns.iter().flat_map(|&align| (0..phases).map(move |phase| (align, phase)))
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

/// Asserts that `bytes` are judged as std judges them when they come masked.
fn judge(key: [u8; 4], bytes: &[u8]) {
    let mut masked = naive(key, bytes);
    let text = unmask_text(key, &mut masked).ok().map(str::to_owned);
    assert_eq!(text.as_deref(), core::str::from_utf8(bytes).ok());
    let mut appended = Vec::new();
    let known = append_unmasked(key, &naive(key, bytes), &mut appended);
    assert_eq!(appended, bytes);
    assert_eq!(known == Known::Ascii, bytes.is_ascii());
}

#[test]
fn utf_01_a_masked_text_of_long_characters_is_judged_as_std_judges_it() {
    let key = [0xfa, 0x21, 0x3d, 0x80];
    let lens = [0..20, 60..72, 120..132, 250..262].into_iter().flatten();
    let cases = lens.flat_map(|len| (0..4).map(move |before| (len, before)));
    for (len, before) in cases.step_by(if cfg!(miri) { 31 } else { 1 }) {
        for character in ["é", "文", "🦀"] {
            let count = len / character.len();
            let text = "a".repeat(before) + &character.repeat(count);
            judge(key, text.as_bytes());
            let mut bytes = (text + "a").into_bytes();
            judge(key, &bytes);
            // One byte wrong, wherever the text may have been cut for the check.
            for place in
                [61, 62, 63, 64, 65, 125, 126, 127, 128, 129, bytes.len().saturating_sub(2)]
            {
                for wrong in [b'a', 0x80, 0xC3, 0xF0] {
                    let Some(byte) = bytes.get_mut(place) else { continue };
                    let right = core::mem::replace(byte, wrong);
                    judge(key, &bytes);
                    bytes[place] = right;
                }
            }
        }
    }
}

#[test]
fn utf_01_a_masked_text_is_judged_as_std_judges_it() {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let pieces: [&[u8]; 6] =
        ["é".as_bytes(), "文".as_bytes(), "🦀".as_bytes(), b"\xFF", b"\xF0\x9F", b"\xED\xA0\x80"];
    let blocks = [BLOCK_BYTES, BLOCK_BYTES + 3, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 40];
    let short = [0..4, 62..67, 125..131, 253..260].into_iter().flatten();
    for len in short.chain(blocks) {
        // Every place in what is short; in what is long where a loop's turns end.
        let borders = [0, 128, 256, BLOCK_BYTES, 2 * BLOCK_BYTES, len];
        let near = borders.map(|border| border.saturating_sub(5)..border + 2);
        let short = if len <= 300 && !cfg!(miri) { 0..len } else { 0..0 };
        for place in near.into_iter().flatten().chain(short) {
            for piece in pieces {
                let mut bytes = vec![b'a'; len];
                let Some(target) = bytes.get_mut(place..) else { continue };
                // A piece at the end is cut.
                target.iter_mut().zip(piece).for_each(|(byte, value)| *byte = *value);
                judge(key, &bytes);
            }
        }
    }
}
