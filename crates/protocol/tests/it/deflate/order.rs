//! Of several faults the first is told, wherever the bytes are cut.

use sockeye_protocol::{Config, Role};

use super::{deflating, endpoint_with};
use crate::support::frame;

/// A block that is stored as it is.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("short");
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), bytes].concat()
}

/// The beginning of a block of the kind that does not exist.
const INVALID: &[u8] = &[0x06];

#[test]
fn frm_24_pmc_20_pmc_21_the_first_fault_of_a_compressed_message_is_told() {
    for (first, message, expected) in [
        (0xC1, b"ab\xFF".as_slice(), "error TextNotUtf8 at 0"),
        (0xC1, b"abc", "error DeflateInvalid at 0"),
        (0xC1, b"abcd", "error MessageTooLong at 0"),
        (0xC1, b"ab\xFFd", "error TextNotUtf8 at 0"),
        (0xC1, b"abc\xFF", "error TextNotUtf8 at 0"),
        (0xC2, b"abcdefgh", "error MessageTooLong at 0"),
    ] {
        let bytes = frame(Role::Server, first, &[&stored(message), INVALID].concat());
        for cut in 0..=bytes.len() {
            let mut config = Config::default();
            config.message_bytes_max = 3;
            let mut endpoint = endpoint_with(Role::Server, config, &deflating());
            let _ = endpoint.feed(&bytes[..cut]);
            let _ = endpoint.feed(&bytes[cut..]);
            assert_eq!(endpoint.events, [expected], "{message:?} cut at {cut}");
        }
    }
}
