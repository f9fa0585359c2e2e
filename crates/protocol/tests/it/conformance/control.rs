//! Section 5.5: ping and pong.

use std::time::Duration;

use sockeye_protocol::{CloseCode, Config, Role, SendError, Violation};

use super::Piece::{Frame, Raw};
use super::{BOTH, Case, accepted, check, refused, run};
use crate::support::Length::{Sixteen, SixtyFour};
use crate::support::{Endpoint, describe_frames, frame};
use crate::zero_copy::allocated_by;

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
fn ctl_06_threat_q1_a_flood_of_pings_that_nobody_reads_for_costs_one_slot() {
    for role in [Role::Server, Role::Client] {
        let mut config = Config::default();
        config.outbox_high_mark = 1000;
        config.control_rate_max = u32::MAX;
        let mut endpoint = Endpoint::new(role, config);
        let mut flood = Vec::new();
        for number in 0..100_000_u32 {
            flood.extend(frame(role, 0x89, number.to_string().as_bytes()));
        }
        let mut input = &mut flood[..];
        let (pings, heap) = allocated_by(|| {
            endpoint.with(|connection, output| {
                let mut pings = 0;
                while connection.receive(&mut input, output).expect("legal").is_some() {
                    pings += 1;
                }
                pings
            })
        });
        assert_eq!(pings, 100_000);
        assert!(endpoint.outbox.len() < 1020 && heap.held_bytes < 4096, "{heap:?}");
        let sent = endpoint.take_sent();
        let answered = describe_frames(&sent, role).len();
        assert!(answered < 99_999);
        endpoint.with(|connection, output| connection.outbox_drained(output));
        let sent = describe_frames(&endpoint.take_sent(), role);
        assert_eq!(sent, ["pong 99999"]);
        endpoint.with(|connection, output| connection.outbox_drained(output));
        assert!(endpoint.outbox.is_empty(), "it is answered once");
    }
}

/// A pong stands behind at most the high mark: above it, it waits until so much has left.
#[test]
fn ctl_05_a_pong_stands_behind_no_more_than_the_mark() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = Endpoint::new(role, Config::default());
        let mark = endpoint.connection.config().outbox_high_mark;
        endpoint
            .with(|connection, output| connection.send_binary_owned(vec![7; 16 << 20], output))
            .expect("an empty outbox takes it");
        endpoint.feed(&frame(role, 0x89, b"soon")).expect("legal");
        while endpoint.outbox.len() > mark {
            let before = endpoint.outbox.len();
            endpoint.outbox.advance(16 * 1024);
            endpoint.with(|connection, output| connection.outbox_drained(output));
            assert!(endpoint.outbox.len() < before);
        }
        let pong_len = if role == Role::Server { 6 } else { 10 };
        assert!(endpoint.outbox.len() <= mark + pong_len);
        let sent = endpoint.take_sent();
        let pong = describe_frames(&sent[sent.len() - pong_len..], role);
        assert_eq!(pong, ["pong soon"]);
    }
}

/// A burst in one read is no offence, and one frame more is, wherever the reads are cut.
#[test]
fn ctl_10_a_burst_of_control_frames_is_taken_and_one_more_is_refused() {
    for role in [Role::Server, Role::Client] {
        for first in [0x89, 0x8A] {
            let one = frame(role, first, b"!");
            let burst = one.repeat(200);
            let mut record = run(role, &[&burst]);
            assert_eq!((record.events.len(), record.end.as_str()), (200, "open"));
            assert_eq!(record.sent.len(), if first == 0x89 { 200 } else { 0 });

            let flood = [burst, one.repeat(100), frame(role, 0x81, b"behind")].concat();
            record = run(role, &[&flood]);
            assert_eq!(record.events.len(), 201);
            let offset = 200 * one.len();
            assert_eq!(record.events[200], format!("error TooManyControlFrames at {offset}"));
            assert_eq!(record.sent.last().map(String::as_str), Some("close 1008"));
            assert_eq!(record.end, "1008 by local, unclean, linger");
            for size in [1, 2, 3, 7, 1000] {
                let pieces: Vec<&[u8]> = flood.chunks(size).collect();
                assert_eq!(run(role, &pieces), record, "in pieces of {size}");
            }
        }
    }
}

/// Time passes in `step`s, with `frames` control frames in each; returns how many were taken
/// before the connection failed.
fn taken(role: Role, step: Duration, frames: usize, steps: usize) -> usize {
    let mut endpoint = Endpoint::new(role, Config::default());
    let pieces = [frame(role, 0x89, b""), frame(role, 0x8A, b"x")];
    for number in 0..steps * frames {
        if number % frames == 0 {
            endpoint.now += step;
        }
        if let Err(error) = endpoint.feed(&pieces[number % 2]) {
            assert_eq!(error.violation, Violation::TooManyControlFrames);
            return number;
        }
        endpoint.take_sent();
    }
    steps * frames
}

#[test]
fn ctl_10_a_flood_is_ended_and_a_lively_peer_is_not() {
    for role in [Role::Server, Role::Client] {
        // Ten a second for a quarter of an hour; as many as are allowed, evenly, and in bursts.
        assert_eq!(taken(role, Duration::from_millis(100), 1, 9000), 9000);
        assert_eq!(taken(role, Duration::from_millis(10), 1, 9000), 9000);
        assert_eq!(taken(role, Duration::from_secs(2), 200, 45), 9000);
        // A hundred thousand a second: the burst, in two milliseconds.
        assert_eq!(taken(role, Duration::from_micros(10), 1, 100_000), 200);
        // Twice what is allowed.
        assert_eq!(taken(role, Duration::from_millis(5), 1, 100_000), 399);
    }
}

/// Neither what we asked for nor what waited for us to read counts.
#[test]
fn ctl_10_answers_and_what_was_not_read_are_no_flood() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = Endpoint::new(role, Config::default());
        let pong = frame(role, 0x8A, b"are you there");
        for _ in 0..100 {
            for _ in 0..50 {
                endpoint
                    .with(|connection, output| connection.send_ping(b"are you there", output))
                    .expect("open");
            }
            endpoint.take_sent();
            endpoint.feed(&pong.repeat(50)).expect("answers, 5000 in no time");
        }
        // A minute at ten a second, read at once.
        endpoint.connection.suspend_keepalive(endpoint.now);
        endpoint.now += Duration::from_secs(60);
        endpoint.connection.resume_keepalive(endpoint.now);
        endpoint.feed(&frame(role, 0x89, b"").repeat(600)).expect("as fast as they were sent");
        // What is left of the minute at the highest rate, and the burst.
        endpoint
            .feed(&frame(role, 0x89, b"").repeat(5400 + 200))
            .expect("the most that is allowed");
        let error = endpoint.feed(&frame(role, 0x89, b"")).expect_err("more than that");
        assert_eq!(error.violation, Violation::TooManyControlFrames);
        assert_eq!(error.close_code(), CloseCode::POLICY);
    }
}

/// The keepalive's own pings are answered for ever, with no room for anything else.
#[test]
fn ctl_10_the_answers_to_the_keepalive_are_never_refused() {
    for role in [Role::Server, Role::Client] {
        let mut config = Config::default();
        config.control_burst_max = 0;
        let mut endpoint = Endpoint::new(role, config);
        for _ in 0..1000 {
            endpoint.now = endpoint.connection.poll_timeout().expect("a ping is due");
            endpoint.with(|connection, output| connection.handle_timeout(output)).expect("in time");
            let mut ping = endpoint.take_sent();
            let payload = ping.split_off(ping.len() - 8);
            let payload: Vec<u8> = match role {
                Role::Server => payload,
                Role::Client => {
                    let key = &ping[2..6];
                    payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
                }
            };
            endpoint.feed(&frame(role, 0x8A, &payload)).expect("it was asked for");
        }
        assert!(endpoint.feed(&frame(role, 0x8A, b"unasked")).is_err());
    }
}

/// The peer does not escape the limit by letting us close.
#[test]
fn ctl_10_the_limit_holds_while_we_close() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.with(|connection, output| connection.close(None, output)).expect("open");
        endpoint.feed(&frame(role, 0x89, b"").repeat(200)).expect("a burst");
        endpoint.feed(&frame(role, 0x89, b"")).expect_err("more");
        let record = endpoint.record();
        assert_eq!(record.sent.iter().filter(|sent| sent.starts_with("close")).count(), 1);
        assert_eq!(record.end, "1008 by local, unclean, linger");
    }
}
