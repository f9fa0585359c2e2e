//! Section 8.1 and 5.6: text is UTF-8.

use sockeye_protocol::Role;

use super::Piece::Frame;
use super::{BOTH, Case, accepted, check, refused};
use crate::support::{Endpoint, frame};

#[test]
fn utf_01_02_11_valid_text() {
    check(&[
        accepted!(
            "UTF-01",
            BOTH,
            [Frame(0x81, b"\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5")],
            [r"text \xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5"]
        ),
        accepted!(
            "UTF-02",
            BOTH,
            [Frame(0x01, b"\xF0\x9F"), Frame(0x00, b"\xA6"), Frame(0x80, b"\x80")],
            [r"text \xf0\x9f\xa6\x80"]
        ),
        accepted!(
            "UTF-11",
            BOTH,
            [Frame(0x81, b"\xEF\xBF\xBE\xEF\xBF\xBF\0")],
            [r"text \xef\xbf\xbe\xef\xbf\xbf\x00"]
        ),
        accepted!(
            "UTF-03",
            BOTH,
            [Frame(0x81, b"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF")],
            [r"text \xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"]
        ),
        accepted!("UTF-07", BOTH, [Frame(0x82, b"\xFF\xC0\x80")], [r"binary \xff\xc0\x80"]),
    ]);
}

/// A text of many characters that are right, and one that is not.
const LONG: &[u8] =
    b"012345678901234567890123456789\xCE\xBA012345678901234567890123456789\xCE\xCE!";

#[test]
fn utf_01_03_04_invalid_text() {
    check(&[
        // Longer texts are checked in another way, and so are those in pieces.
        refused!("UTF-01", BOTH, [Frame(0x81, LONG)], ["error TextNotUtf8 at 0"], "1007"),
        refused!(
            "UTF-01",
            BOTH,
            [Frame(0x01, b"begun: "), Frame(0x80, LONG)],
            ["error TextNotUtf8 at 1"],
            "1007"
        ),
        refused!("UTF-03", BOTH, [Frame(0x81, b"\xC0\xAF")], ["error TextNotUtf8 at 0"], "1007"),
        refused!(
            "UTF-03",
            BOTH,
            [Frame(0x81, b"\xED\xA0\x80")],
            ["error TextNotUtf8 at 0"],
            "1007"
        ),
        refused!(
            "UTF-03",
            BOTH,
            [Frame(0x81, b"\xF4\x90\x80\x80")],
            ["error TextNotUtf8 at 0"],
            "1007"
        ),
        refused!("UTF-03", BOTH, [Frame(0x81, b"\x80")], ["error TextNotUtf8 at 0"], "1007"),
        refused!("UTF-03", BOTH, [Frame(0x81, b"a\xFE")], ["error TextNotUtf8 at 0"], "1007"),
        refused!(
            "UTF-04",
            BOTH,
            [Frame(0x81, b"\xCE\xBA\xCE")],
            ["error TextNotUtf8 at 0"],
            "1007"
        ),
        refused!(
            "UTF-04",
            BOTH,
            [Frame(0x01, b"\xF0\x9F"), Frame(0x80, b"")],
            ["error TextNotUtf8 at 1"],
            "1007"
        ),
    ]);
}

/// The first impossible byte fails the connection, inside an unfinished frame too.
#[test]
fn utf_05_invalid_text_fails_at_once() {
    for role in [Role::Server, Role::Client] {
        let text = frame(role, 0x01, b"valid \xF4\x90 and much more behind it");
        let header_len = if role == Role::Server { 6 } else { 2 };
        let mut endpoint = Endpoint::new(role, super::config());
        endpoint.feed(&text[..header_len + 7]).expect("\\xF4 may begin a character");
        assert!(endpoint.feed(&text[header_len + 7..header_len + 8]).is_err(), "\\xF4\\x90 cannot");
    }
}
