//! Limits that a header alone can break, where messages may be compressed.

use sockeye_protocol::{Config, Role, Violation};

use super::{deflating, endpoint_with};
use crate::support::{Length, raw_frame};

/// What a header of a message with this first byte and length comes to.
fn header(role: Role, first: u8, len: u16) -> Result<(), Violation> {
    let mut config = Config::default();
    config.message_bytes_max = 1000;
    let mut endpoint = endpoint_with(role, config, &deflating());
    let frame = raw_frame(role, first, Length::Sixteen(len), b"");
    endpoint.feed(&frame).map_err(|error| error.violation)
}

/// What is not compressed has the limit of messages. What is compressed is counted when it is
/// inflated; its header may announce a quarter and a kibibyte more.
#[test]
fn frm_15_each_kind_of_message_has_its_limit() {
    for role in [Role::Server, Role::Client] {
        for first in [0x81, 0x82, 0x01] {
            assert_eq!(header(role, first, 1000), Ok(()));
            assert_eq!(header(role, first, 1001), Err(Violation::MessageTooLong), "{first:#x}");
        }
        for first in [0xC1, 0xC2, 0x42] {
            assert_eq!(header(role, first, 1000 + 250 + 1024), Ok(()));
            let above = header(role, first, 1000 + 250 + 1024 + 1);
            assert_eq!(above, Err(Violation::MessageTooLong), "{first:#x}");
        }
    }
}
