//! UTF-8, whole and piece by piece (RFC 6455, section 8.1).

// Two `from_utf8_unchecked`, each proved where it stands.
#![allow(unsafe_code)]

use alloc::string::String;
use alloc::vec::Vec;

/// Below this many bytes std's validation wins over the vectorized one.
const SIMD_BYTES_MIN: usize = 64;

/// The bytes are not UTF-8, whatever may follow them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// The bytes as text, if they are UTF-8.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<&str, Invalid> {
    if bytes.len() < SIMD_BYTES_MIN {
        if bytes.is_ascii() {
            // SAFETY: every byte is below 0x80, and such a byte is a whole character in UTF-8.
            return Ok(unsafe { core::str::from_utf8_unchecked(bytes) });
        }
        core::str::from_utf8(bytes).map_err(|_| Invalid)
    } else {
        simdutf8::basic::from_utf8(bytes).map_err(|_| Invalid)
    }
}

/// How many bytes at the beginning of `bytes` are whole characters, if what is left can still
/// become one.
pub(crate) fn check_prefix(bytes: &[u8]) -> Result<usize, Invalid> {
    let (valid, invalid_len) = if bytes.len() < SIMD_BYTES_MIN {
        match core::str::from_utf8(bytes) {
            Ok(_) => return Ok(bytes.len()),
            Err(error) => (error.valid_up_to(), error.error_len()),
        }
    } else {
        match simdutf8::compat::from_utf8(bytes) {
            Ok(_) => return Ok(bytes.len()),
            Err(error) => (error.valid_up_to(), error.error_len()),
        }
    };
    // Without a length the error is that the bytes end inside a character.
    if invalid_len.is_none() { Ok(valid) } else { Err(Invalid) }
}

/// What is known of bytes without looking at them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// They are all below 0x80.
    Ascii,
    /// Nothing.
    Nothing,
}

/// A text that grows at its end and is checked as it grows.
#[derive(Debug, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    /// INVARIANT: unless `exposed`, `bytes[..checked]` is UTF-8.
    checked: usize,
    /// Whether others could have changed bytes that had been checked.
    exposed: bool,
}

impl Text {
    /// Lets `append` put bytes behind the end, and checks them. `append` must only append, and say
    /// what it knows of the bytes.
    pub(crate) fn append(
        &mut self,
        append: impl FnOnce(&mut Vec<u8>) -> Known,
    ) -> Result<(), Invalid> {
        let before = self.bytes.len();
        let known = append(&mut self.bytes);
        debug_assert!(self.bytes.len() >= before);
        self.check_appended(before, known)
    }

    /// Checks what stands behind the first `before` bytes, of which so much is known. Others call it
    /// only for what they have [exposed](Self::expose).
    pub(crate) fn check_appended(&mut self, before: usize, known: Known) -> Result<(), Invalid> {
        if known == Known::Ascii && self.checked == before {
            debug_assert!(self.bytes.get(before..).is_some_and(<[u8]>::is_ascii));
            self.checked = self.bytes.len();
            return Ok(());
        }
        self.check_tail()
    }

    /// The bytes, for others to append to. Since they could do more than that, the whole text is
    /// checked once more at its end.
    pub(crate) fn expose(&mut self) -> &mut Vec<u8> {
        self.exposed = true;
        &mut self.bytes
    }

    /// Checks what has not been checked.
    fn check_tail(&mut self) -> Result<(), Invalid> {
        let tail = self.bytes.get(self.checked..).ok_or(Invalid)?;
        self.checked += check_prefix(tail)?;
        Ok(())
    }

    /// The text, if it does not end inside a character.
    pub(crate) fn finish(self) -> Result<String, Invalid> {
        if self.checked != self.bytes.len() {
            return Err(Invalid);
        }
        if self.exposed {
            check(&self.bytes)?;
        }
        // SAFETY: if `exposed` is set, `check` has just found the bytes to be UTF-8. If not, then since
        // `checked == bytes.len()` they are those that `check_prefix` found to be whole characters,
        // or ASCII of which `append` was told: the vector is private to this module, `append` is
        // called by this crate with closures that only append and that know ASCII from
        // `frame::append_unmasked`, and `expose`, the only way to change bytes that have been
        // checked, sets `exposed`. Whole characters, one after the other, are UTF-8.
        Ok(unsafe { String::from_utf8_unchecked(self.bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn append(text: &mut Text, bytes: &[u8], known: Known) -> Result<(), Invalid> {
        text.append(|tail| {
            tail.extend_from_slice(bytes);
            known
        })
    }

    /// Feeds `bytes` in two pieces and returns how many bytes were taken when the text failed.
    fn feed(bytes: &[u8], cut: usize) -> Result<String, Invalid> {
        let mut text = Text::default();
        for piece in [&bytes[..cut], &bytes[cut..]] {
            append(&mut text, piece, Known::Nothing)?;
            // What is looked at again with the next piece.
            assert!(text.bytes.len() - text.checked <= 3);
        }
        text.finish()
    }

    #[test]
    fn utf_06_cut_anywhere_the_verdict_is_that_of_std() {
        // An interpreter takes its time.
        let long = "ASCII, κόσμε, 文字, 🦀 ".repeat(if cfg!(miri) { 1 } else { 8 });
        let valid = ["", "a", "κόσμε", "文字", "🦀", &long];
        let invalid: [&[u8]; 9] = [
            b"\x80",
            b"a\xC0\xAF",
            b"\xED\xA0\x80",
            b"\xF4\x90\x80\x80",
            b"\xF8\x88",
            b"\xFE",
            b"\xCE\xBA\xCE",
            b"\xE2\x82",
            b"\xF0\x9F\xA6",
        ];
        let cases = valid.iter().map(|text| text.as_bytes()).chain(invalid);
        for bytes in cases {
            for padding in [0, if cfg!(miri) { 64 } else { 100 }] {
                let mut bytes = bytes.to_vec();
                bytes.splice(0..0, vec![b'-'; padding]);
                let expected = core::str::from_utf8(&bytes).ok().map(String::from);
                assert_eq!(check(&bytes).ok().map(String::from), expected);
                for cut in 0..=bytes.len() {
                    assert_eq!(feed(&bytes, cut).ok(), expected, "{bytes:?} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn utf_01_every_sequence_of_two_and_three_bytes_against_std() {
        for first in 0x80..=0xFF_u8 {
            for second in 0..=0xFF_u8 {
                for third in [None, Some(0x00), Some(0x7F), Some(0x80), Some(0xBF), Some(0xC0)] {
                    let mut bytes = vec![first, second];
                    bytes.extend(third);
                    let expected = core::str::from_utf8(&bytes).is_ok();
                    assert_eq!(feed(&bytes, 1).is_ok(), expected, "{bytes:x?}");
                    let prefix = match core::str::from_utf8(&bytes) {
                        Err(error) => error.error_len().is_none(),
                        Ok(_) => true,
                    };
                    assert_eq!(check_prefix(&bytes).is_ok(), prefix, "{bytes:x?}");
                }
            }
        }
    }

    #[test]
    fn utf_01_03_every_beginning_of_four_bytes_against_std() {
        let tails = [0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF];
        for first in 0xE0..=0xFF_u8 {
            for second in 0..=0xFF_u8 {
                for (third, fourth) in
                    tails.iter().flat_map(|third| tails.map(|last| (*third, last)))
                {
                    let bytes = [first, second, third, fourth];
                    let expected = core::str::from_utf8(&bytes).is_ok();
                    assert_eq!(check(&bytes).is_ok(), expected, "{bytes:x?}");
                    assert_eq!(feed(&bytes, 3).is_ok(), expected, "{bytes:x?}");
                }
            }
        }
    }

    #[test]
    fn exposed_bytes_are_checked_again() {
        let mut text = Text::default();
        append(&mut text, b"abc", Known::Ascii).expect("valid");
        text.expose()[0] = 0xFF;
        assert_eq!(text.finish(), Err(Invalid));

        let mut text = Text::default();
        append(&mut text, b"abc", Known::Ascii).expect("valid");
        text.expose().clear();
        assert_eq!(text.check_tail(), Err(Invalid));
        assert_eq!(text.finish(), Err(Invalid));
    }
}
