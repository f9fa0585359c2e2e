//! What a peer, or a careless caller, cannot make grow.

use sockeye_protocol::{
    Buffers, CloseCode, Config, FrameHeader, FrameReader, Outbox, Prepared, Role, SendError,
    Violation,
};

use crate::support::{Endpoint, Length, describe_frames, frame, raw_frame};
use crate::zero_copy::allocated_by;

#[test]
fn threat_q2_an_outbox_takes_one_message_of_any_size_and_then_counts() {
    let mut config = Config::default();
    config.outbox_bytes_max = 1000;
    let mut endpoint = Endpoint::new(Role::Server, config);
    endpoint.with(|connection, output| {
        assert_eq!(connection.send_binary(&[0; 5000], output), Ok(()));
        assert_eq!(connection.send_binary(b"", output), Err(SendError::Full));
        assert_eq!(connection.send_prepared(&Prepared::text("x"), output), Err(SendError::Full));
        // Control frames are not refused for the messages before them.
        let len = output.outbox.len();
        output.outbox.advance(len - 900);
        assert_eq!(connection.send_binary(&[0; 98], output), Ok(()));
        assert_eq!(connection.send_text("x", output), Err(SendError::Full));
        assert_eq!(connection.send_ping(b"still", output), Ok(()));
        for _ in 0..10_000 {
            let _ = connection.send_ping(&[0; 125], output);
        }
        assert!(output.outbox.len() <= 1000 + 4096);
        assert_eq!(connection.close(None, output), Ok(()), "a close always fits");
    });
}

#[test]
fn frm_08_10_a_header_commits_no_memory() {
    let mut config = Config::default();
    config.message_bytes_max = usize::MAX;
    for first in [0x81, 0x82, 0x01, 0x83, 0x89] {
        for length in
            [Length::SixtyFour(1 << 40), Length::SixtyFour(1 << 20), Length::Sixteen(0xFFFF)]
        {
            let header = raw_frame(Role::Server, first, length, b"");
            let mut endpoint = Endpoint::new(Role::Server, config.clone());
            let mut bytes = header.clone();
            let (_, heap) = allocated_by(|| {
                endpoint.with(|connection, output| {
                    let mut input = &mut bytes[..];
                    let _ = connection.receive(&mut input, output);
                });
            });
            assert!(heap.peak_bytes <= 512, "{first:#x} {length:?}: {heap:?}");
        }
    }
}

#[test]
fn buffers_grow_with_what_has_come_and_not_with_what_was_announced() {
    let mut config = Config::default();
    config.message_bytes_max = 1 << 30;
    let mut endpoint = Endpoint::new(Role::Server, config);
    endpoint.feed(&raw_frame(Role::Server, 0x82, Length::SixtyFour(1 << 30), b"")).expect("legal");
    let mut received = 0;
    let (_, heap) = allocated_by(|| {
        for _ in 0..100 {
            let mut piece = [7; 1000];
            received += piece.len();
            endpoint.with(|connection, output| {
                let mut input = &mut piece[..];
                assert_eq!(connection.receive(&mut input, output), Ok(None));
            });
        }
    });
    // Growing holds the old and the new buffer for a moment.
    assert!(heap.peak_bytes <= 3 * received as u64 + 512, "{heap:?}");
}

/// Work for n and 2n pieces: allocations and the bytes that they move stay linear.
#[test]
fn frg_14_threat_f5_assembling_is_linear_in_the_number_of_fragments() {
    let work = |fragments: usize| {
        let mut config = Config::default();
        config.fragments_max = Some(u32::MAX);
        let mut stream = frame(Role::Server, 0x02, b"x");
        for _ in 1..fragments {
            stream.extend(frame(Role::Server, 0x00, b"x"));
        }
        let mut endpoint = Endpoint::new(Role::Server, config);
        let (_, heap) = allocated_by(|| {
            endpoint.with(|connection, output| {
                let mut input = &mut stream[..];
                assert_eq!(connection.receive(&mut input, output), Ok(None));
            });
        });
        heap
    };
    let (small, large) = (work(10_000), work(20_000));
    assert!(large.allocated_bytes <= 3 * small.allocated_bytes, "{small:?} {large:?}");
    assert!(large.allocations <= small.allocations + 2, "doubling: {small:?} {large:?}");
}

#[test]
fn an_idle_connection_holds_no_heap_buffer() {
    for role in [Role::Server, Role::Client] {
        let (endpoint, heap) = allocated_by(|| {
            let mut endpoint = Endpoint::new(role, Config::default());
            let mut echo = frame(role, 0x01, &[b'x'; 3000]);
            echo.extend(frame(role, 0x80, &[b'y'; 3000]));
            endpoint.feed(&echo[..1000]).expect("legal");
            endpoint.feed(&echo[1000..]).expect("legal");
            endpoint.events = Vec::new();
            endpoint
                .with(|connection, output| connection.send_text("reply", output))
                .expect("open");
            endpoint.take_sent();
            drop(endpoint.outbox.take_spare());
            endpoint.buffers = Buffers::default();
            endpoint
        });
        // What is left is the shared configuration alone.
        assert!(heap.held_bytes <= 256, "{role:?}: {heap:?}");
        drop(endpoint);
    }
}

#[test]
fn an_empty_outbox_holds_nothing() {
    let (_outbox, heap) = allocated_by(Outbox::new);
    assert_eq!(heap.allocations, 0);
}

/// A buffer that doubles stops at the limit of the message, not at the next power of two.
#[test]
fn frg_13_a_fragmented_message_commits_no_more_than_the_limit() {
    for (first, received) in [(0x02, 700), (0x01, 999)] {
        let mut config = Config::default();
        config.message_bytes_max = 1000;
        let mut endpoint = Endpoint::new(Role::Server, config);
        let mut bytes = frame(Role::Server, first, &vec![b'x'; received]);
        let mut more = frame(Role::Server, 0x00, b"x");
        let (_, heap) = allocated_by(|| {
            endpoint.with(|connection, output| {
                assert_eq!(connection.receive(&mut &mut bytes[..], output), Ok(None));
                assert_eq!(connection.receive(&mut &mut more[..], output), Ok(None));
            });
        });
        // The state of a message in progress takes some hundred bytes.
        assert!(heap.peak_bytes <= 1000 + 512, "{received}: {heap:?}");
    }
}

/// With a mark of zero an empty outbox takes a pong all the same.
#[test]
fn ctl_03_a_ping_is_answered_at_the_lowest_mark() {
    let mut config = Config::default();
    config.outbox_high_mark = 0;
    let mut endpoint = Endpoint::new(Role::Server, config);
    endpoint.feed(&frame(Role::Server, 0x89, b"one")).expect("legal");
    assert_eq!(describe_frames(&endpoint.outbox_bytes(), Role::Server), ["pong one"]);
    endpoint.feed(&frame(Role::Server, 0x89, b"two")).expect("legal");
    assert_eq!(describe_frames(&endpoint.take_sent(), Role::Server), ["pong one"]);
    endpoint.with(|connection, output| connection.outbox_drained(output));
    assert_eq!(describe_frames(&endpoint.outbox_bytes(), Role::Server), ["pong two"]);
    // What comes next brings out the pong that waits, before its own.
    endpoint.feed(&frame(Role::Server, 0x89, b"three")).expect("legal");
    endpoint.take_sent();
    endpoint.feed(&frame(Role::Server, 0x81, b"data")).expect("legal");
    assert_eq!(describe_frames(&endpoint.take_sent(), Role::Server), ["pong three"]);
}

#[test]
fn frm_23_a_header_that_comes_byte_by_byte_needs_no_memory() {
    let mut header = raw_frame(Role::Server, 0x82, Length::SixtyFour(0x1_0000), b"");
    assert_eq!(header.len(), FrameHeader::BYTES_MAX);
    let (_, heap) = allocated_by(|| {
        let mut reader = FrameReader::new(Role::Server, &Config::default());
        for byte in header.chunks_mut(1) {
            assert!(reader.next(&mut &mut byte[..]).expect("legal").is_none());
        }
    });
    assert_eq!(heap.allocations, 0);
}

/// However a connection ends, it gives back what it held for unfinished messages and frames.
#[test]
fn an_ended_connection_holds_no_message() {
    for end in ["violation", "fail", "close", "eof"] {
        let (endpoint, heap) = allocated_by(|| {
            let mut config = Config::default();
            config.outbox_high_mark = 0;
            let mut endpoint = Endpoint::new(Role::Server, config);
            let mut unfinished = [
                frame(Role::Server, 0x02, &[7; 10_000]),
                frame(Role::Server, 0x89, b"answered"),
                frame(Role::Server, 0x89, &[7; 120]),
            ]
            .concat();
            if end == "eof" || end == "fail" {
                unfinished.extend(&frame(Role::Server, 0x8A, &[7; 120])[..50]);
            }
            endpoint.feed(&unfinished).expect("legal");
            let _ = match end {
                "violation" => endpoint.feed(&[0x83, 0x80]),
                "close" => endpoint.feed(&frame(Role::Server, 0x88, b"")),
                "fail" => {
                    endpoint.with(|connection, output| connection.fail(CloseCode::POLICY, output));
                    Ok(())
                }
                _ => {
                    endpoint.connection.receive_eof();
                    Ok(())
                }
            };
            endpoint.events = Vec::new();
            endpoint.take_sent();
            drop(endpoint.outbox.take_spare());
            endpoint.buffers = Buffers::default();
            endpoint
        });
        // What is left is the shared configuration and the verdict.
        assert!(heap.held_bytes <= 220, "{end}: {heap:?}");
        drop(endpoint);
    }
}

#[test]
fn frg_13_the_number_of_fragments_follows_the_size_of_a_message() {
    let mut config = Config::default();
    assert_eq!(config.fragments_max(), 1024 * 1024 / 64);
    config.message_bytes_max = 100;
    assert_eq!(config.fragments_max(), 1024);
    config.message_bytes_max = usize::MAX;
    assert_eq!(config.fragments_max(), u32::MAX);
    config.fragments_max = Some(2);
    assert_eq!(config.fragments_max(), 2);
}

/// However long it is, and whether or not it lies whole in its read.
#[test]
fn frg_13_where_no_frame_is_allowed_no_message_is() {
    let mut config = Config::default();
    config.fragments_max = Some(0);
    for len in [0, 5, 125, 126, 70_000] {
        let mut endpoint = Endpoint::new(Role::Server, config.clone());
        let error = endpoint.feed(&frame(Role::Server, 0x82, &vec![1; len])).expect_err("a frame");
        assert_eq!(error.violation, Violation::TooManyFragments, "{len}");
    }
}

/// Behind others that lie whole in the same read.
#[test]
fn utf_01_an_error_tells_where_its_frame_begins() {
    let good = [5, 200, 5].map(|len| frame(Role::Server, 0x81, &vec![b'a'; len])).concat();
    for len in [5, 200] {
        let bad = frame(Role::Server, 0x81, &vec![0xFF; len]);
        let mut endpoint = Endpoint::new(Role::Server, Config::default());
        let error = endpoint.feed(&[&good[..], &bad].concat()).expect_err("no text");
        assert_eq!(error.violation, Violation::TextNotUtf8);
        assert_eq!(error.frame_offset, good.len() as u64, "{len}");
    }
}
