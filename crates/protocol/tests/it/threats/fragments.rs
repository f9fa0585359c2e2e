//! Many small pieces: what they cost is their payload, however many they are.

use sockeye_protocol::{Config, Role, Violation};

use crate::support::{Endpoint, frame};
use crate::zero_copy::allocated_by;

/// A header of its own for each of so many fragments, and no last one.
fn fragments(receiver: Role, count: usize, payload: &[u8]) -> Vec<u8> {
    let mut stream = frame(receiver, 0x02, payload);
    for _ in 1..count {
        stream.extend(frame(receiver, 0x00, payload));
    }
    stream
}

/// Each frame is within the limit, and there is no last one: the message is refused at the header
/// that goes beyond, and no more than the limit was ever held, but for the moment in which it moved
/// from a smaller buffer to its last one.
#[test]
fn sec_05_threat_f1_a_message_without_an_end_is_held_up_to_the_limit() {
    const LIMIT: usize = 1 << 20;
    for receiver in [Role::Server, Role::Client] {
        let mut stream = fragments(receiver, LIMIT >> 12, &[7; 1 << 12]);
        stream.extend(frame(receiver, 0x00, b"x"));
        let mut endpoint = Endpoint::new(receiver, Config::default());
        let (fed, heap) = allocated_by(|| {
            endpoint.with(|connection, output| {
                connection.receive(&mut &mut stream[..], output).map(drop)
            })
        });
        assert_eq!(fed.expect_err("one byte too many").violation, Violation::MessageTooLong);
        assert!(heap.peak_bytes <= (2 * LIMIT + 64 * 1024) as u64, "{heap:?}");
        assert!(heap.held_bytes <= 512, "{heap:?}");
        assert!(endpoint.connection.closed().is_some());
    }
}

/// A thousand connections that hold one fragment less than the limit each, of a byte each: what a
/// connection costs is its payload and less than 4 KiB.
#[test]
fn threat_f2_a_fragment_costs_no_object() {
    const CONNECTIONS: usize = 1000;
    const FRAGMENTS: usize = 1023;
    let mut config = Config::default();
    config.fragments_max = Some(1024);
    let stream = fragments(Role::Server, FRAGMENTS, b"x");
    let mut buffer = stream.clone();
    let mut endpoints: Vec<Endpoint> =
        (0..CONNECTIONS).map(|_| Endpoint::new(Role::Server, config.clone())).collect();
    let ((), heap) = allocated_by(|| {
        for endpoint in &mut endpoints {
            buffer.copy_from_slice(&stream);
            endpoint.with(|connection, output| {
                assert_eq!(connection.receive(&mut &mut buffer[..], output), Ok(None));
            });
        }
    });
    let each = heap.held_bytes / CONNECTIONS as i64;
    assert!(each <= 4096 + FRAGMENTS as i64, "{each} bytes for each connection");
    for endpoint in &mut endpoints {
        endpoint.feed(&frame(Role::Server, 0x00, b"x")).expect("the last one that is allowed");
        let error = endpoint.feed(&frame(Role::Server, 0x00, b"x")).expect_err("one too many");
        assert_eq!(error.violation, Violation::TooManyFragments);
    }
}

/// Empty fragments are counted like any other, with the default limit, and cost nothing.
#[test]
fn threat_f3_empty_fragments_are_counted() {
    for receiver in [Role::Server, Role::Client] {
        for first in [0x01, 0x02] {
            let config = Config::default();
            let limit = config.fragments_max() as usize;
            let mut endpoint = Endpoint::new(receiver, config);
            let mut stream = frame(receiver, first, b"");
            stream.extend(frame(receiver, 0x00, b"").repeat(limit - 1));
            let (fed, heap) = allocated_by(|| {
                endpoint.with(|connection, output| {
                    connection.receive(&mut &mut stream[..], output).map(drop)
                })
            });
            assert_eq!(fed, Ok(()), "{limit} are allowed");
            assert!(heap.held_bytes <= 512, "{heap:?}");
            let error = endpoint.feed(&frame(receiver, 0x00, b"")).expect_err("one too many");
            assert_eq!(error.violation, Violation::TooManyFragments);
        }
    }
}

/// Nothing is kept for each read: a message that comes byte by byte is allocated for as often as
/// its buffer doubles.
#[test]
fn threat_f4_f5_reads_of_a_byte_cost_no_object() {
    for (receiver, first) in [(Role::Server, 0x81), (Role::Client, 0x82)] {
        for len in [1 << 12, 1 << 16, 1 << 18_u32] {
            let stream = frame(receiver, first, &vec![b'x'; len]);
            let mut endpoint = Endpoint::new(receiver, Config::default());
            let mut events = 0;
            let ((), heap) = allocated_by(|| {
                for mut byte in stream {
                    let piece = std::slice::from_mut(&mut byte);
                    endpoint.with(|connection, output| {
                        let event = connection.receive(&mut &mut piece[..], output);
                        events += usize::from(event.expect("legal").is_some());
                    });
                }
            });
            assert_eq!(events, 1);
            let doublings = u64::from(len.ilog2());
            assert!(heap.allocations <= doublings + 4, "{len} bytes: {heap:?}");
            assert!(heap.allocated_bytes <= 4 * len as u64 + 1024, "{len} bytes: {heap:?}");
        }
    }
}

/// Control frames that come byte by byte between the fragments of a message cost one small body at
/// a time.
#[test]
fn threat_f4_a_control_frame_in_pieces_costs_one_body() {
    let mut config = Config::default();
    config.control_rate_max = u32::MAX;
    let mut endpoint = Endpoint::new(Role::Server, config);
    endpoint.feed(&frame(Role::Server, 0x01, b"x")).expect("legal");
    let ping = frame(Role::Server, 0x8A, &[7; 125]);
    let (_, heap) = allocated_by(|| {
        for _ in 0..1000 {
            for mut byte in ping.iter().copied() {
                let piece = std::slice::from_mut(&mut byte);
                endpoint.with(|connection, output| {
                    connection.receive(&mut &mut piece[..], output).expect("legal");
                });
            }
        }
    });
    assert!(heap.peak_bytes <= 1024 && heap.held_bytes <= 512, "{heap:?}");
}
