//! Section 5.5: ping and pong.

use sockeye_protocol::{Config, Role, SendError};

use super::Piece::{Frame, Raw};
use super::{BOTH, Case, accepted, check, refused};
use crate::support::Length::{Sixteen, SixtyFour};
use crate::support::{Endpoint, describe_frames, frame};

#[test]
fn ctl_03_04_07_pings_are_answered_with_their_payload() {
    check(&[
        Case {
            rows: "CTL-03",
            roles: BOTH,
            input: &[Frame(0x89, b"")],
            events: &["ping "],
            sent: &["pong "],
            end: "open",
        },
        Case {
            rows: "CTL-04",
            roles: BOTH,
            input: &[Frame(0x89, b"\0\xFF\x80")],
            events: &[r"ping \x00\xff\x80"],
            sent: &[r"pong \x00\xff\x80"],
            end: "open",
        },
        Case {
            rows: "CTL-04",
            roles: BOTH,
            input: &[Frame(0x89, &[7; 125])],
            events: &["ping 125 bytes, sum 37cfcf5e169cb9c7"],
            sent: &["pong 125 bytes, sum 37cfcf5e169cb9c7"],
            end: "open",
        },
        Case {
            rows: "CTL-03",
            roles: BOTH,
            input: &[Frame(0x89, b"1"), Frame(0x89, b"2"), Frame(0x89, b"3")],
            events: &["ping 1", "ping 2", "ping 3"],
            sent: &["pong 1", "pong 2", "pong 3"],
            end: "open",
        },
        accepted!(
            "CTL-07",
            BOTH,
            [Frame(0x8A, b""), Frame(0x8A, b"unasked")],
            ["pong ", "pong unasked"]
        ),
        Case {
            rows: "CTL-08",
            roles: BOTH,
            input: &[Frame(0x88, b""), Frame(0x89, b"late")],
            events: &["close"],
            sent: &["close"],
            end: "1005 by peer, clean, linger",
        },
    ]);
}

#[test]
fn ctl_01_long_control_frames_are_refused_at_their_header() {
    check(&[
        refused!(
            "CTL-01",
            BOTH,
            [Raw(0x89, Sixteen(126), &[0; 126])],
            ["error ControlTooLong at 0"],
            "1002"
        ),
        refused!(
            "CTL-01",
            BOTH,
            [Raw(0x8A, SixtyFour(1 << 40), b"")],
            ["error ControlTooLong at 0"],
            "1002"
        ),
        refused!(
            "CTL-01",
            BOTH,
            [Raw(0x88, Sixteen(4), b"\x03\xE8ab")],
            ["error ControlTooLong at 0"],
            "1002"
        ),
    ]);
}

#[test]
fn ctl_02_the_caller_cannot_send_long_control_frames() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.with(|connection, output| {
            assert_eq!(connection.send_ping(&[0; 126], output), Err(SendError::ControlTooLong));
            assert_eq!(connection.send_pong(&[0; 126], output), Err(SendError::ControlTooLong));
            assert!(output.outbox.is_empty());
            assert_eq!(connection.send_ping(&[0; 125], output), Ok(()));
            assert_eq!(connection.send_pong(b"unasked", output), Ok(()));
        });
        assert_eq!(
            describe_frames(&endpoint.take_sent(), role),
            ["ping 125 bytes, sum 0", "pong unasked"]
        );
    }
}

/// Above the mark only the newest ping is answered, once there is room again.
#[test]
fn ctl_06_a_flood_of_pings_that_nobody_reads_for_costs_one_slot() {
    for role in [Role::Server, Role::Client] {
        let mut config = Config::default();
        config.outbox_high_mark = 1000;
        let mut endpoint = Endpoint::new(role, config);
        for number in 0..10_000_u32 {
            endpoint.feed(&frame(role, 0x89, &number.to_be_bytes())).expect("legal");
        }
        assert!(endpoint.outbox.len() < 1020, "{}", endpoint.outbox.len());
        let sent = endpoint.take_sent();
        let answered = describe_frames(&sent, role).len();
        assert!(answered < 9_999);
        endpoint.with(|connection, output| connection.outbox_drained(output));
        let sent = describe_frames(&endpoint.take_sent(), role);
        assert_eq!(sent, [format!("pong {}", 9_999_u32.to_be_bytes().escape_ascii())]);
        endpoint.with(|connection, output| connection.outbox_drained(output));
        assert!(endpoint.outbox.is_empty(), "it is answered once");
    }
}
