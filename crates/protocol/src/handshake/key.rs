use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// What RFC 6455 section 1.3 has both sides append to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Length of a Sec-WebSocket-Key: 16 bytes in base64.
const KEY_LEN: usize = 24;
/// Length of a Sec-WebSocket-Accept: the 20 bytes of a SHA-1 hash in base64.
const ACCEPT_LEN: usize = 28;

/// The value of Sec-WebSocket-Accept that answers `key`, taken as it was sent (RFC 6455 section
/// 4.2.2, 5.4).
#[expect(clippy::expect_used, reason = "the lengths are constants, and fit")]
pub(super) fn accept(key: &[u8]) -> [u8; ACCEPT_LEN] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    let mut accept = [0; ACCEPT_LEN];
    STANDARD.encode_slice(hash.finalize(), &mut accept).expect("20 bytes are 28 in base64");
    accept
}

/// The Sec-WebSocket-Key of a nonce (RFC 6455 section 4.1, 7.).
#[expect(clippy::expect_used, reason = "the lengths are constants, and fit")]
pub(super) fn from_nonce(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    STANDARD.encode_slice(nonce, &mut key).expect("16 bytes are 24 in base64");
    key
}

/// Whether `key` is the one canonical base64 form of 16 bytes: 22 digits of the standard alphabet,
/// two paddings, and zeros in the four bits that carry nothing.
pub(super) fn is_canonical(key: &[u8]) -> bool {
    // The decoder wants room for whole groups of four digits.
    let mut nonce = [0; KEY_LEN / 4 * 3];
    STANDARD.decode_slice(key, &mut nonce) == Ok(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hss_25_accept_of_the_rfc_vector() {
        assert_eq!(&accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(&from_nonce(*b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
    }

    #[test]
    fn hss_08_only_the_canonical_form_is_a_key() {
        for last in 0..=255_u8 {
            let mut key = *b"dGhlIHNhbXBsZSBub25jZQ==";
            key[21] = last;
            // Of the 64 digits only those with four zero bits at the end may close 16 bytes.
            assert_eq!(
                is_canonical(&key),
                matches!(last, b'A' | b'Q' | b'g' | b'w'),
                "{last:#04x}"
            );
        }
    }
}
