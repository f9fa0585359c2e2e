//! Section 5.1 to 5.3: headers and masking.

use sockeye_protocol::{FrameReader, Role};

use super::Piece::{Bytes, Frame, Raw};
use super::{BOTH, CLIENT, Case, SERVER, accepted, check, refused};
use crate::support::Endpoint;
use crate::support::Length::{Sixteen, SixtyFour};

const LONG: &[u8] = &[b'x'; 126];

#[test]
fn frm_02_16_17_legal_frames() {
    check(&[
        Case {
            rows: "FRM-17",
            roles: BOTH,
            input: &[
                Frame(0x81, b""),
                Frame(0x82, b""),
                Frame(0x02, b""),
                Frame(0x89, b""),
                Frame(0x00, b""),
                Frame(0x8A, b""),
                Frame(0x80, b""),
                Frame(0x88, b""),
            ],
            events: &["text ", "binary ", "ping ", "pong ", "binary ", "close"],
            sent: &["pong ", "close"],
            end: "1005 by peer, clean, linger",
        },
        accepted!(
            "FRM-16",
            BOTH,
            [Frame(0x81, b"a"), Frame(0x82, b"\0\xFF")],
            ["text a", r"binary \x00\xff"]
        ),
        accepted!(
            "FRM-02",
            BOTH,
            [Frame(0x82, &[0; 125]), Frame(0x82, LONG), Frame(0x82, &[1; 1000])],
            [
                "binary 125 bytes, sum 0",
                "binary 126 bytes, sum 49ad5475cc33f100",
                "binary 1000 bytes, sum f34cea31ee14ce80"
            ]
        ),
    ]);
}

#[test]
fn frm_03_04_lengths_out_of_form() {
    check(&[
        refused!(
            "FRM-03",
            BOTH,
            [Raw(0x82, SixtyFour(1 << 63), b"")],
            ["error LengthTopBit at 0"],
            "1002"
        ),
        refused!(
            "FRM-03",
            BOTH,
            [Raw(0x82, SixtyFour(u64::MAX), b"")],
            ["error LengthTopBit at 0"],
            "1002"
        ),
        refused!(
            "FRM-04",
            BOTH,
            [Raw(0x82, Sixteen(0), b"")],
            ["error LengthNotMinimal at 0"],
            "1002"
        ),
        refused!(
            "FRM-04",
            BOTH,
            [Raw(0x82, Sixteen(125), LONG)],
            ["error LengthNotMinimal at 0"],
            "1002"
        ),
        refused!(
            "FRM-04",
            BOTH,
            [Raw(0x82, SixtyFour(0xFFFF), b"")],
            ["error LengthNotMinimal at 0"],
            "1002"
        ),
        refused!(
            "FRM-04",
            BOTH,
            [Raw(0x81, SixtyFour(0), b"")],
            ["error LengthNotMinimal at 0"],
            "1002"
        ),
    ]);
}

#[test]
fn frm_06_to_09_reserved_bits_and_opcodes() {
    check(&[
        refused!("FRM-06", BOTH, [Frame(0xC1, b"a")], ["error ReservedBit at 0"], "1002"),
        refused!("FRM-06", BOTH, [Frame(0xC9, b"a")], ["error ReservedBit at 0"], "1002"),
        refused!("FRM-07", BOTH, [Frame(0xA1, b"a")], ["error ReservedBit at 0"], "1002"),
        refused!("FRM-07", BOTH, [Frame(0x92, b"")], ["error ReservedBit at 0"], "1002"),
        refused!("FRM-22", BOTH, [Frame(0x41, b"a")], ["error ReservedBit at 0"], "1002"),
        refused!(
            "FRM-08",
            BOTH,
            [Raw(0x83, SixtyFour(1 << 62), b"")],
            ["error ReservedOpcode(3) at 0"],
            "1002"
        ),
        refused!("FRM-08", BOTH, [Frame(0x84, b"a")], ["error ReservedOpcode(4) at 0"], "1002"),
        refused!("FRM-08", BOTH, [Frame(0x85, b"a")], ["error ReservedOpcode(5) at 0"], "1002"),
        refused!("FRM-08", BOTH, [Frame(0x86, b"a")], ["error ReservedOpcode(6) at 0"], "1002"),
        refused!("FRM-08", BOTH, [Frame(0x07, b"a")], ["error ReservedOpcode(7) at 0"], "1002"),
        refused!("FRM-09", BOTH, [Frame(0x8B, b"")], ["error ReservedOpcode(11) at 0"], "1002"),
        refused!("FRM-09", BOTH, [Frame(0x8C, b"")], ["error ReservedOpcode(12) at 0"], "1002"),
        refused!("FRM-09", BOTH, [Frame(0x8D, b"")], ["error ReservedOpcode(13) at 0"], "1002"),
        refused!("FRM-09", BOTH, [Frame(0x8E, b"")], ["error ReservedOpcode(14) at 0"], "1002"),
        refused!("FRM-09", BOTH, [Frame(0x8F, b"")], ["error ReservedOpcode(15) at 0"], "1002"),
    ]);
}

#[test]
fn frm_25_cls_20_nothing_is_looked_at_behind_an_error() {
    check(&[
        refused!(
            "FRM-25",
            BOTH,
            [Frame(0x81, b"a"), Frame(0x83, b""), Frame(0x81, b"b"), Frame(0x89, b"")],
            ["text a", "error ReservedOpcode(3) at 1"],
            "1002"
        ),
        refused!(
            "CLS-20",
            BOTH,
            [Frame(0x81, b"a"), Frame(0x83, b""), Frame(0x88, b"\x03\xE8")],
            ["text a", "error ReservedOpcode(3) at 1"],
            "1002"
        ),
    ]);
}

#[test]
fn frm_15_a_message_over_the_limit_is_refused_at_its_header() {
    check(&[
        refused!(
            "FRM-15",
            BOTH,
            [Raw(0x82, Sixteen(1001), b"")],
            ["error MessageTooLong at 0"],
            "1009"
        ),
        refused!(
            "FRM-14",
            BOTH,
            [Raw(0x82, SixtyFour(i64::MAX as u64), b"")],
            ["error MessageTooLong at 0"],
            "1009"
        ),
        refused!(
            "FRM-14",
            BOTH,
            [Raw(0x82, SixtyFour(1 << 32), b"")],
            ["error MessageTooLong at 0"],
            "1009"
        ),
        refused!(
            "FRM-15",
            BOTH,
            [Frame(0x02, &[0; 600]), Raw(0x80, Sixteen(401), b"")],
            ["error MessageTooLong at 1"],
            "1009"
        ),
    ]);
}

#[test]
fn frm_18_19_msk_the_wrong_side_masks() {
    check(&[
        refused!("FRM-18", SERVER, [Bytes(b"\x81\x05Hello")], ["error Unmasked at 0"], "1002"),
        refused!("FRM-18", SERVER, [Bytes(b"\x88\x00")], ["error Unmasked at 0"], "1002"),
        refused!(
            "FRM-18",
            SERVER,
            [Frame(0x81, b"a"), Bytes(b"\x89\x00")],
            ["text a", "error Unmasked at 1"],
            "1002"
        ),
        refused!(
            "FRM-19",
            CLIENT,
            [Bytes(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")],
            ["error Masked at 0"],
            "1002"
        ),
        refused!("FRM-19", CLIENT, [Bytes(b"\x8A\x80\0\0\0\0")], ["error Masked at 0"], "1002"),
        accepted!(
            "MSK-07, DAT-09",
            SERVER,
            [Bytes(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")],
            ["text Hello"]
        ),
        Case {
            rows: "MSK-07",
            roles: SERVER,
            input: &[
                // "ping", and code 3000 with "bye", masked with the key of section 5.7.
                Bytes(b"\x89\x84\x37\xfa\x21\x3d\x47\x93\x4f\x5a"),
                Bytes(b"\x88\x85\x37\xfa\x21\x3d\x3c\x42\x43\x44\x52"),
            ],
            events: &["ping ping", "close 3000 bye"],
            sent: &["pong ping", "close 3000"],
            end: "3000 by peer, clean, linger",
        },
        accepted!(
            "MSK-09",
            SERVER,
            [Frame(0x82, b"a payload of"), Frame(0x81, b"any length and phase")],
            ["binary a payload of", "text any length and phase"]
        ),
        accepted!("MSK-08", SERVER, [Bytes(b"\x82\x83\0\0\0\0abc")], ["binary abc"]),
    ]);
}

/// Earliest byte: the error comes with the first byte that makes the input invalid.
#[test]
fn frm_10_errors_come_at_the_first_byte_that_makes_them_certain() {
    let cases: [(&[u8], usize); 6] = [
        (&[0xC1, 0x85], 2),
        (&[0x81, 0x05], 2),
        (&[0x89, 0xFE], 2),
        (&[0x82, 0xFE, 0x00, 0x7D], 4),
        (&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], 10),
        (&[0x82, 0xFE, 0x03, 0xE9], 4),
    ];
    for (bytes, at) in cases {
        let mut endpoint = Endpoint::new(Role::Server, super::config());
        for (index, byte) in bytes.iter().enumerate() {
            assert_eq!(endpoint.feed(&[*byte]).is_err(), index + 1 == at, "{bytes:x?} at {index}");
        }
    }
}

/// A failed reader is of no more use and does no more harm.
#[test]
fn frm_25_a_failed_frame_reader_discards_everything() {
    for cut in 0..2 {
        let mut reader = FrameReader::new(Role::Client, &super::config());
        let mut input = [0x83, 0x00];
        let (mut head, mut tail) = input.split_at_mut(cut);
        let head = reader.next(&mut head).map(|chunk| chunk.is_none());
        assert_eq!(head, Ok(true));
        assert!(reader.next(&mut tail).is_err());
        for _ in 0..20 {
            let mut legal = *b"\x81\x01a";
            let mut input = &mut legal[..];
            assert!(reader.next(&mut input).expect("failed before").is_none() && input.is_empty());
        }
        assert!(!reader.is_idle());
    }
}
