//! Section 5.4: fragmentation.

use super::Piece::{Frame, Raw};
use super::{BOTH, Case, accepted, check, refused};
use crate::support::Length::SixtyFour;

#[test]
fn frg_02_to_12_fragments_make_one_message() {
    check(&[
        accepted!("FRG-02", BOTH, [Frame(0x01, b"Hel"), Frame(0x80, b"lo")], ["text Hello"]),
        accepted!(
            "FRG-04",
            BOTH,
            [Frame(0x02, b"a"), Frame(0x00, b"b"), Frame(0x00, b"c"), Frame(0x80, b"d")],
            ["binary abcd"]
        ),
        accepted!(
            "FRG-12",
            BOTH,
            [Frame(0x01, b""), Frame(0x00, b"a"), Frame(0x00, b""), Frame(0x80, b"")],
            ["text a"]
        ),
        accepted!("FRG-12", BOTH, [Frame(0x01, b""), Frame(0x80, b"")], ["text "]),
        accepted!(
            "FRG-10, DAT-07",
            BOTH,
            [Frame(0x02, b"\xFF"), Frame(0x80, b"\xFE")],
            [r"binary \xff\xfe"]
        ),
        accepted!(
            "FRG-01, FRG-03, DAT-08",
            BOTH,
            [Frame(0x01, b"a"), Frame(0x80, b"b"), Frame(0x82, b"c")],
            ["text ab", "binary c"]
        ),
    ]);
}

#[test]
fn frg_05_06_the_order_of_frames() {
    check(&[
        refused!(
            "FRG-06",
            BOTH,
            [Frame(0x80, b"a")],
            ["error UnexpectedContinuation at 0"],
            "1002"
        ),
        refused!(
            "FRG-06",
            BOTH,
            [Frame(0x00, b"a")],
            ["error UnexpectedContinuation at 0"],
            "1002"
        ),
        refused!(
            "FRG-06",
            BOTH,
            [Frame(0x81, b"a"), Frame(0x80, b"b")],
            ["text a", "error UnexpectedContinuation at 1"],
            "1002"
        ),
        refused!(
            "FRG-05",
            BOTH,
            [Frame(0x01, b"a"), Frame(0x81, b"b")],
            ["error ExpectedContinuation at 1"],
            "1002"
        ),
        refused!(
            "FRG-05",
            BOTH,
            [Frame(0x01, b"a"), Frame(0x02, b"b")],
            ["error ExpectedContinuation at 1"],
            "1002"
        ),
    ]);
}

#[test]
fn frg_07_08_control_frames_in_between() {
    check(&[
        Case {
            rows: "FRG-07, DAT-06",
            roles: BOTH,
            input: &[
                Frame(0x01, b"a"),
                Frame(0x89, b"p"),
                Frame(0x00, b"b"),
                Frame(0x8A, b"q"),
                Frame(0x80, b"c"),
            ],
            events: &["ping p", "pong q", "text abc"],
            sent: &["pong p"],
            end: "open",
        },
        refused!("FRG-08", BOTH, [Frame(0x09, b"a")], ["error FragmentedControl at 0"], "1002"),
        refused!("FRG-08", BOTH, [Frame(0x0A, b"")], ["error FragmentedControl at 0"], "1002"),
        refused!(
            "FRG-08",
            BOTH,
            [Frame(0x08, b"\x03\xE8")],
            ["error FragmentedControl at 0"],
            "1002"
        ),
    ]);
}

#[test]
fn frg_13_the_number_of_fragments_is_limited_and_empty_ones_count() {
    check(&[
        accepted!(
            "FRG-13",
            BOTH,
            [
                Frame(0x01, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x80, b""),
                Frame(0x01, b"a"),
                Frame(0x80, b"b")
            ],
            ["text ", "text ab"]
        ),
        refused!(
            "FRG-13",
            BOTH,
            [
                Frame(0x01, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x00, b""),
                Frame(0x80, b"")
            ],
            ["error TooManyFragments at 8"],
            "1008"
        ),
    ]);
}

#[test]
fn sec_05_the_limit_is_on_the_whole_message() {
    check(&[
        refused!(
            "SEC-05",
            BOTH,
            [Frame(0x02, &[1; 999]), Frame(0x00, b"1"), Frame(0x80, b"2")],
            ["error MessageTooLong at 2"],
            "1009"
        ),
        // Control frames are not counted, so they pass where the message is full.
        Case {
            rows: "SEC-05, FRG-07",
            roles: BOTH,
            input: &[Frame(0x02, &[0; 1000]), Frame(0x89, b"p"), Frame(0x80, b"")],
            events: &["ping p", "binary 1000 bytes, sum 0"],
            sent: &["pong p"],
            end: "open",
        },
        refused!(
            "SEC-05",
            BOTH,
            [Frame(0x02, b"1"), Raw(0x80, SixtyFour(1 << 60), b"")],
            ["error MessageTooLong at 1"],
            "1009"
        ),
    ]);
}

#[test]
fn frg_16_a_message_that_the_close_cuts_off_is_not_delivered() {
    check(&[Case {
        rows: "FRG-16",
        roles: BOTH,
        input: &[Frame(0x01, b"a"), Frame(0x88, b"\x03\xE8"), Frame(0x80, b"b")],
        events: &["close 1000"],
        sent: &["close 1000"],
        end: "1000 by peer, clean, linger",
    }]);
}
