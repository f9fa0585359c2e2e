//! Sections 5.5.1 and 7: the closing handshake.

use std::time::Duration;

use sockeye_protocol::{
    CloseCode, CloseReason, Config, Initiator, Role, SendError, TimedOut, Timer, Transport,
};

use super::Piece::Frame;
use super::{BOTH, Case, check, refused};
use crate::support::{Endpoint, describe_end, describe_frames, frame};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

fn closed_by_peer(
    rows: &'static str,
    input: &'static [super::Piece],
    event: &'static [&'static str],
    sent: &'static [&'static str],
    end: &'static str,
) -> Case {
    Case { rows, roles: BOTH, input, events: event, sent, end }
}

#[test]
fn cls_01_06_07_18_the_peer_closes() {
    check(&[
        closed_by_peer(
            "CLS-01, CLS-06",
            &[Frame(0x88, b"\x03\xE8")],
            &["close 1000"],
            &["close 1000"],
            "1000 by peer, clean, linger",
        ),
        closed_by_peer(
            "CLS-07",
            &[Frame(0x88, b"\x0F\xA0bye")],
            &["close 4000 bye"],
            &["close 4000"],
            "4000 by peer, clean, linger",
        ),
        closed_by_peer(
            "CLS-07, CLS-18",
            &[Frame(0x88, b"")],
            &["close"],
            &["close"],
            "1005 by peer, clean, linger",
        ),
        closed_by_peer(
            "CLS-27",
            &[Frame(0x88, b"\x03\xF6")],
            &["close 1014"],
            &["close 1014"],
            "1014 by peer, clean, linger",
        ),
        closed_by_peer(
            "CLS-12, CLS-19",
            &[
                Frame(0x88, b"\x03\xE8a"),
                Frame(0x88, b"\x03\xE9b"),
                Frame(0x81, b"late"),
                Frame(0x83, b""),
            ],
            &["close 1000 a"],
            &["close 1000"],
            "1000 by peer, clean, linger",
        ),
    ]);
}

#[test]
fn cls_02_03_close_bodies_that_are_wrong() {
    check(&[
        refused!("CLS-02", BOTH, [Frame(0x88, b"\x03")], ["error CloseBodyTooShort at 0"], "1002"),
        refused!(
            "CLS-03, UTF-08",
            BOTH,
            [Frame(0x88, b"\x03\xE8\xFF")],
            ["error ReasonNotUtf8 at 0"],
            "1007"
        ),
        refused!(
            "CLS-03",
            BOTH,
            [Frame(0x88, b"\x03\xE8\xE2\x82")],
            ["error ReasonNotUtf8 at 0"],
            "1007"
        ),
        refused!(
            "CLS-28",
            BOTH,
            [Frame(0x88, b"\x03\xED")],
            ["error IllegalCloseCode(1005) at 0"],
            "1002"
        ),
        refused!(
            "CLS-29",
            BOTH,
            [Frame(0x88, b"\x03\xEE")],
            ["error IllegalCloseCode(1006) at 0"],
            "1002"
        ),
        refused!(
            "CLS-31",
            BOTH,
            [Frame(0x88, b"\x03\xECreason")],
            ["error IllegalCloseCode(1004) at 0"],
            "1002"
        ),
        refused!(
            "CLS-30",
            BOTH,
            [Frame(0x88, b"\x03\xF7")],
            ["error IllegalCloseCode(1015) at 0"],
            "1002"
        ),
        refused!(
            "CLS-32",
            BOTH,
            [Frame(0x88, b"\x00\x00")],
            ["error IllegalCloseCode(0) at 0"],
            "1002"
        ),
        refused!(
            "CLS-33",
            BOTH,
            [Frame(0x88, b"\x0B\xB7")],
            ["error IllegalCloseCode(2999) at 0"],
            "1002"
        ),
        refused!(
            "CLS-35",
            BOTH,
            [Frame(0x88, b"\xFF\xFF")],
            ["error IllegalCloseCode(65535) at 0"],
            "1002"
        ),
    ]);
}

#[test]
fn cls_05_15_37_the_caller_closes() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.with(|connection, output| {
            let long = "x".repeat(124);
            let reason = CloseReason::new(CloseCode::NORMAL, long.as_str());
            assert_eq!(connection.close(Some(reason), output), Err(SendError::ReasonTooLong));
            for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
                let reason = CloseReason::from(CloseCode::from_u16(code));
                assert_eq!(
                    connection.close(Some(reason), output),
                    Err(SendError::IllegalCloseCode)
                );
            }
            // CLS-36: 1010 is for clients.
            let mandatory = CloseReason::from(CloseCode::MANDATORY_EXTENSION);
            if role == Role::Server {
                assert_eq!(
                    connection.close(Some(mandatory), output),
                    Err(SendError::IllegalCloseCode)
                );
            }
            assert!(output.outbox.is_empty());
            let reason = CloseReason::new(CloseCode::NORMAL, &long[..123]);
            assert_eq!(connection.close(Some(reason), output), Ok(()));
            assert_eq!(connection.close(None, output), Err(SendError::NotOpen));
            assert_eq!(connection.send_text("late", output), Err(SendError::NotOpen));
            assert_eq!(connection.send_ping(b"", output), Err(SendError::NotOpen));
        });
        let sent = describe_frames(&endpoint.take_sent(), role);
        assert_eq!(sent, [format!("close 1000 {}", "x".repeat(123))]);
        assert_eq!(describe_end(&endpoint.connection), "closing, keep");
    }
}

#[test]
fn cls_08_10_11_the_closing_handshake_that_the_caller_began() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint
            .with(|connection, output| connection.close(Some(CloseCode::NORMAL.into()), output))
            .expect("open");
        // CLS-11: what the peer sent before it saw our Close still arrives.
        endpoint.feed(&frame(role, 0x81, b"crossing")).expect("legal");
        endpoint.feed(&frame(role, 0x88, b"\x03\xE8")).expect("legal");
        let record = endpoint.record();
        assert_eq!(record.events, ["text crossing", "close 1000"]);
        assert_eq!(record.sent, ["close 1000"], "the answer to our Close is not answered");
        let transport = if role == Role::Server { "linger" } else { "keep" };
        assert_eq!(record.end, format!("1000 by local, clean, {transport}"));
    }
}

#[test]
fn cls_09_14_the_server_ends_the_transport_first() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.feed(&frame(role, 0x88, b"")).expect("legal");
        let expected = if role == Role::Server { Transport::Linger } else { Transport::Keep };
        assert_eq!(endpoint.connection.transport(), expected);
        endpoint.connection.receive_eof();
        assert_eq!(endpoint.connection.transport(), Transport::Close);
        assert_eq!(endpoint.connection.poll_timeout(), None);
        let closed = endpoint.connection.closed().expect("closed");
        assert!(
            closed.clean && closed.by == Initiator::Peer && closed.code == CloseCode::NO_STATUS
        );
    }
}

/// A server that keeps the transport open does not keep its client waiting for ever.
#[test]
fn cls_09_the_end_of_the_transport_has_a_deadline() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.feed(&frame(role, 0x88, b"\x03\xE8")).expect("legal");
        let deadline = endpoint.connection.poll_timeout().expect("a deadline");
        assert_eq!(deadline, endpoint.now + Duration::from_secs(5));
        assert!(describe_end(&endpoint.connection).starts_with("1000 by peer, clean"));
        endpoint.now = deadline;
        assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
        assert_eq!(describe_end(&endpoint.connection), "1000 by peer, clean, close");
    }
}

/// Both close before either hears of it: each takes the other's for the answer.
#[test]
fn cls_10_closes_that_cross_are_clean_on_both_sides() {
    let mut ends = ROLES.map(|role| Endpoint::new(role, Config::default()));
    let sent = [CloseCode::NORMAL, CloseCode::GOING_AWAY].map(CloseReason::from);
    for (end, reason) in ends.iter_mut().zip(sent) {
        end.with(|connection, output| connection.close(Some(reason), output)).expect("open");
    }
    let [to_client, to_server] = [ends[0].take_sent(), ends[1].take_sent()];
    ends[0].feed(&to_server).expect("legal");
    ends[1].feed(&to_client).expect("legal");
    assert!(ends.iter().all(|end| end.outbox.is_empty()), "nobody answers an answer");
    assert_eq!(describe_end(&ends[0].connection), "1001 by local, clean, linger");
    assert_eq!(describe_end(&ends[1].connection), "1000 by local, clean, keep");
}

#[test]
fn cls_13_what_comes_behind_the_end_is_discarded_up_to_a_limit() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.feed(&frame(role, 0x83, b"")).expect_err("reserved opcode");
        for _ in 0..4 {
            assert_eq!(endpoint.connection.transport(), Transport::Linger);
            endpoint.feed(&vec![0; 64 * 1024]).expect("discarded");
        }
        assert_eq!(endpoint.connection.transport(), Transport::Linger);
        let verdict = endpoint.with(|connection, output| connection.received(1, output));
        assert_eq!(verdict, Ok(None));
        assert_eq!(endpoint.connection.transport(), Transport::Close);
    }
}

#[test]
fn frm_26_cls_23_an_end_without_a_close_is_abnormal_at_every_byte() {
    for role in ROLES {
        let stream =
            [frame(role, 0x01, b"ab"), frame(role, 0x89, b"p"), frame(role, 0x80, b"c")].concat();
        for cut in 0..=stream.len() {
            let mut endpoint = Endpoint::new(role, Config::default());
            endpoint.feed(&stream[..cut]).expect("legal");
            endpoint.connection.receive_eof();
            assert_eq!(
                describe_end(&endpoint.connection),
                "1006 by peer, unclean, close",
                "cut at {cut}"
            );
            endpoint.connection.receive_eof();
            assert_eq!(describe_end(&endpoint.connection), "1006 by peer, unclean, close");
        }
    }
}

#[test]
fn cls_38_a_peer_that_does_not_answer_the_close_is_dropped() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.with(|connection, output| connection.close(None, output)).expect("open");
        let deadline = endpoint.connection.poll_timeout().expect("a deadline");
        assert_eq!(deadline, endpoint.now + Duration::from_secs(5));
        endpoint.now = deadline;
        let verdict = endpoint.with(|connection, output| connection.handle_timeout(output));
        assert!(matches!(verdict, Err(TimedOut { timer: Timer::Close, .. })));
        assert_eq!(describe_end(&endpoint.connection), "1006 by local, unclean, close");
        assert_eq!(endpoint.connection.poll_timeout(), None);
    }
}

#[test]
fn cls_21_40_failing_for_a_reason_of_the_callers_own() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.with(|connection, output| connection.fail(CloseCode::INTERNAL, output));
        endpoint.with(|connection, output| connection.fail(CloseCode::POLICY, output));
        endpoint.feed(&frame(role, 0x81, b"late")).expect("discarded");
        let deadline = endpoint.connection.poll_timeout().expect("lingering ends");
        endpoint.now = deadline;
        assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
        let record = endpoint.record();
        assert_eq!((record.events.len(), record.sent), (0, vec!["close 1011".to_owned()]));
        assert_eq!(record.end, "1011 by local, unclean, close");
    }
}

/// Nothing that a driver does after the end brings the connection back or arms a deadline.
#[test]
fn cls_39_the_end_is_reached_once_and_not_left() {
    for role in ROLES {
        for end in ["fail", "eof", "close"] {
            let mut endpoint = Endpoint::new(role, Config::default());
            endpoint.feed(&frame(role, 0x01, b"unfinished")).expect("legal");
            match end {
                "fail" => {
                    endpoint.with(|connection, output| connection.fail(CloseCode::POLICY, output));
                }
                "eof" => endpoint.connection.receive_eof(),
                _ => endpoint.feed(&frame(role, 0x88, b"")).expect("legal"),
            }
            let verdict = endpoint.connection.closed().cloned();
            let deadline = endpoint.connection.poll_timeout();
            assert_eq!(deadline.is_some(), end != "eof");
            let sent = endpoint.take_sent();
            assert_eq!(sent.is_empty(), end == "eof");
            endpoint.with(|connection, output| {
                assert!(connection.input_buffer().is_none());
                assert_eq!(connection.received(0, output), Ok(None));
                assert_eq!(connection.received(5, output), Ok(None));
                connection.fail(CloseCode::INTERNAL, output);
                connection.outbox_drained(output);
                connection.resume_keepalive(output.now);
                assert_eq!(connection.close(None, output), Err(SendError::NotOpen));
                assert_eq!(connection.send_pong(b"", output), Err(SendError::NotOpen));
                assert_eq!(connection.handle_timeout(output), Ok(()));
            });
            assert_eq!(endpoint.connection.poll_timeout(), deadline, "{end} as {role:?}");
            endpoint.feed(&frame(role, 0x80, b"late")).expect("discarded");
            endpoint.connection.receive_eof();
            let record = endpoint.record();
            assert_eq!(record.sent.len(), 0, "{end} as {role:?}");
            assert!(record.end.ends_with("close"), "{}", record.end);
            assert!(record.events.iter().all(|event| event == "close"));
            assert!(verdict.is_some());
        }
    }
}

/// CLS-36: what this endpoint must not send is not sent when it fails either.
#[test]
fn cls_28_36_failing_with_a_code_that_must_not_be_sent_sends_an_empty_close() {
    for (role, code, sent) in [
        (Role::Server, CloseCode::MANDATORY_EXTENSION, "close"),
        (Role::Client, CloseCode::MANDATORY_EXTENSION, "close 1010"),
        (Role::Server, CloseCode::ABNORMAL, "close"),
    ] {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.with(|connection, output| connection.fail(code, output));
        let record = endpoint.record();
        assert_eq!(record.sent, [sent]);
        assert_eq!(record.end, format!("{code} by local, unclean, linger"));
    }
}

/// CLS-04: the reason is a field for logs, and stands in no description of an error.
#[test]
fn cls_04_frm_10_a_wrong_close_body_fails_at_its_first_wrong_byte() {
    for role in ROLES {
        let cases: [(&[u8], usize); 4] = [
            (b"\x03\xEDsecret", 2),
            (b"\x03\xE8secret\xFFbehind", 9),
            (b"\x03\xE8secret\xE2\x28behind", 10),
            (b"\x03\xE8secret\xE2\x82", 10),
        ];
        for (body, wrong) in cases {
            let bytes = frame(role, 0x88, body);
            let first = bytes.len() - body.len() + wrong - 1;
            let mut endpoint = Endpoint::new(role, Config::default());
            endpoint.feed(&bytes[..first]).expect("it may still become right");
            let error = endpoint.feed(&bytes[first..=first]).expect_err("certain now");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
