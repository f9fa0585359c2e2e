//! The catalogue of attacks in docs/security.md, as far as a connection alone withstands them.

use sockeye_protocol::{Config, Role, Violation};

use crate::support::{Endpoint, Length, frame, raw_frame};
use crate::zero_copy::{Heap, allocated_by};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

#[test]
fn attack_05_a_frame_that_comes_byte_by_byte_costs_no_more_than_its_bytes() {
    let cost = |role, first, len: usize| -> Heap {
        let mut bytes = frame(role, first, &vec![b'x'; len]);
        let mut endpoint = Endpoint::new(role, Config::default());
        let (messages, heap) = allocated_by(|| {
            let mut messages = 0;
            for byte in bytes.chunks_mut(1) {
                endpoint.with(|connection, output| {
                    let event = connection.receive(&mut &mut byte[..], output).expect("legal");
                    messages += usize::from(event.is_some());
                });
            }
            messages
        });
        assert_eq!(messages, 1);
        heap
    };
    for role in ROLES {
        for first in [0x81, 0x82] {
            let (half, whole) = (cost(role, first, 32 * 1024), cost(role, first, 64 * 1024));
            // The buffer doubles: once more for twice as many bytes.
            assert!(whole.allocations <= half.allocations + 1, "{half:?} {whole:?}");
            assert!(whole.allocated_bytes * 10 < half.allocated_bytes * 22, "{half:?} {whole:?}");
            // Growing holds the old and the new buffer for a moment.
            assert!(whole.peak_bytes <= 2 * 64 * 1024 + 512, "{whole:?}");
        }
    }
}

#[test]
fn attack_23_a_megabyte_of_text_that_begins_wrong_fails_with_its_first_piece() {
    let mut config = Config::default();
    config.message_bytes_max = 1 << 20;
    for role in ROLES {
        for wrong in [&b"\xFF"[..], b"\xC0\xAF", b"\xED\xA0", b"\xF5"] {
            let header = raw_frame(role, 0x81, Length::SixtyFour(1 << 20), b"");
            let payload = [wrong, &[b'x'; 1024]].concat();
            // A frame of its own, to have the payload masked as the header says.
            let piece = frame(role, 0x82, &payload);
            let masked = &piece[piece.len() - payload.len()..];
            let mut endpoint = Endpoint::new(role, config.clone());
            endpoint.feed(&header).expect("its payload may be text");
            let error = endpoint.feed(&masked[..1024]).expect_err("it cannot be any more");
            assert_eq!(error.violation, Violation::TextNotUtf8);
            assert_eq!(error.close_code().as_u16(), 1007);
        }
    }
}

/// Besides the codes themselves, which the conformance tables try one by one.
#[test]
fn attack_24_a_close_frame_has_no_body_or_a_code_and_a_reason_that_is_text() {
    for role in ROLES {
        for len in 0..=126 {
            let mut body = 1000_u16.to_be_bytes().to_vec();
            body.resize(len.max(2), b'r');
            body.truncate(len);
            let mut endpoint = Endpoint::new(role, Config::default());
            let fed = endpoint.feed(&frame(role, 0x88, &body));
            let legal = len != 1 && len <= 125;
            assert_eq!(fed.is_ok(), legal, "a body of {len} bytes");
            // Text is text in a reason too, wherever it goes wrong.
            if (3..=125).contains(&len) {
                for at in [2, len - 1] {
                    let mut wrong = body.clone();
                    wrong[at] = 0xFF;
                    let mut endpoint = Endpoint::new(role, Config::default());
                    let error = endpoint.feed(&frame(role, 0x88, &wrong)).expect_err("no text");
                    assert_eq!(error.close_code().as_u16(), 1007, "{len} bytes, wrong at {at}");
                }
            }
        }
    }
}
