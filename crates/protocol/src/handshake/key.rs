use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::block_api::compress;

/// What RFC 6455 section 1.3 has both sides append to the key.
const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Length of a Sec-WebSocket-Key: 16 bytes in base64.
pub(super) const KEY_LEN: usize = 24;
/// Length of what is hashed, in bits.
const BITS_HASHED: u64 = 8 * (KEY_LEN + GUID.len()) as u64;
/// What is hashed but for the key, which comes first: the GUID, the bit behind it, zeros, and how
/// many bits were to be hashed (RFC 3174 section 4).
const BLOCKS: [[u8; 64]; 2] = {
    let mut blocks = [[0; 64]; 2];
    let (_, behind_key) = blocks.as_flattened_mut().split_at_mut(KEY_LEN);
    let (guid, padding) = behind_key.split_at_mut(GUID.len());
    guid.copy_from_slice(GUID);
    padding.split_at_mut(1).0.copy_from_slice(&[0x80]);
    padding.split_at_mut(padding.len() - 8).1.copy_from_slice(&BITS_HASHED.to_be_bytes());
    blocks
};
/// Where SHA-1 begins (RFC 3174 section 6.1).
const INITIAL_STATE: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
/// Length of a Sec-WebSocket-Accept: the 20 bytes of a SHA-1 hash in base64.
pub(super) const ACCEPT_LEN: usize = 28;

/// Writes the value of Sec-WebSocket-Accept that answers `key`, taken as it was sent (RFC 6455
/// section 4.2.2, 5.4).
#[expect(clippy::expect_used, reason = "the lengths are constants, and fit")]
pub(super) fn accept(key: &[u8; KEY_LEN], accept: &mut [u8; ACCEPT_LEN]) {
    let mut blocks = BLOCKS;
    if let Some(place) = blocks.as_flattened_mut().first_chunk_mut() {
        *place = *key;
    }
    let mut state = INITIAL_STATE;
    compress(&mut state, &blocks);
    let mut hash = [0; 20];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    STANDARD.encode_slice(hash, accept).expect("20 bytes are 28 in base64");
}

/// The Sec-WebSocket-Key of a nonce (RFC 6455 section 4.1, 7.).
#[expect(clippy::expect_used, reason = "the lengths are constants, and fit")]
pub(super) fn from_nonce(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    STANDARD.encode_slice(nonce, &mut key).expect("16 bytes are 24 in base64");
    key
}

/// `key`, if it is the one canonical base64 form of 16 bytes: 22 digits of the standard alphabet,
/// two paddings, and zeros in the four bits that carry nothing.
pub(super) fn canonical(key: &[u8]) -> Option<&[u8; KEY_LEN]> {
    let key = <&[u8; KEY_LEN]>::try_from(key).ok()?;
    let [digits @ .., last, b'=', b'='] = key else {
        return None;
    };
    // No early end: many digits are looked at together.
    let strange = digits.iter().fold(0, |any, byte| {
        any | u8::from(!byte.is_ascii_alphanumeric() & (*byte != b'+') & (*byte != b'/'))
    });
    (strange == 0 && matches!(last, b'A' | b'Q' | b'g' | b'w')).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hss_25_accept_of_the_rfc_vector() {
        let mut value = [0; ACCEPT_LEN];
        accept(b"dGhlIHNhbXBsZSBub25jZQ==", &mut value);
        assert_eq!(&value, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(&from_nonce(*b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
    }

    #[test]
    fn hss_08_only_the_canonical_form_is_a_key() {
        for last in 0..=255_u8 {
            let mut key = *b"dGhlIHNhbXBsZSBub25jZQ==";
            key[21] = last;
            // Of the 64 digits only those with four zero bits at the end may close 16 bytes.
            assert_eq!(
                canonical(&key).is_some(),
                matches!(last, b'A' | b'Q' | b'g' | b'w'),
                "{last:#04x}"
            );
        }
    }
}
