//! Bombs, and the limits that are counted while inflating.

use sockeye_protocol::{Config, Role, Violation};

use super::{compressed, deflating, endpoint_with};
use crate::support::{Endpoint, frame};
use crate::zero_copy::allocated_by;

const LIMIT: usize = 64 * 1024;

fn limited() -> Endpoint {
    let mut config = Config::default();
    config.message_bytes_max = LIMIT;
    endpoint_with(Role::Server, config, &deflating())
}

/// The payload of a compressed message of `len` zeros, made out of itself: a bomb costs little to
/// build.
fn zeros(len: usize) -> Vec<u8> {
    compressed(&vec![0; len])
}

#[test]
fn pmc_21_threat_c2_c3_the_limit_counts_what_a_message_inflates_to() {
    for (len, fits) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false), (10 * LIMIT, false)] {
        let payload = zeros(len);
        for pieces in [1, 2, 3, payload.len()] {
            let size = payload.len().div_ceil(pieces);
            let chunks: Vec<_> = payload.chunks(size).collect();
            let mut endpoint = limited();
            let mut verdict = Ok(());
            for (index, chunk) in chunks.iter().enumerate() {
                let opcode = if index == 0 { 0x42 } else { 0x00 };
                let fin = if index + 1 == chunks.len() { 0x80 } else { 0x00 };
                verdict =
                    verdict.and_then(|()| endpoint.feed(&frame(Role::Server, opcode | fin, chunk)));
            }
            assert_eq!(verdict.is_ok(), fits, "{len} bytes in {pieces} fragments");
            if let Err(error) = verdict {
                assert_eq!(error.violation, Violation::MessageTooLong);
                assert_eq!(error.close_code().as_u16(), 1009);
                assert!(endpoint.events.iter().all(|event| event.starts_with("error")));
            }
        }
    }
}

#[test]
fn pmc_21_data_that_cannot_fit_is_refused_at_its_header() {
    let mut endpoint = limited();
    // What does not compress may be longer than what it inflates to, but not by much.
    endpoint.feed(&frame(Role::Server, 0x42, b"")[..]).expect("a first fragment");
    let longest = LIMIT + LIMIT / 4 + 1024;
    let header = |len: usize| {
        let mut header = vec![0xC2, 0xFF];
        header.extend((len as u64).to_be_bytes());
        header
    };
    let mut endpoint = limited();
    endpoint.feed(&header(longest)).expect("it could fit");
    let mut endpoint = limited();
    let error = endpoint.feed(&header(longest + 1)).expect_err("it cannot");
    assert_eq!(error.violation, Violation::MessageTooLong);
}

/// A compressed message of `len` zeros, `1 << 20` of them after the other: data of a mebibyte is
/// flushed, so that the same bytes can be repeated.
fn bomb(len: usize) -> Vec<u8> {
    let zeros = zeros(1 << 20);
    let once = [&zeros[..], &[0x00, 0x00, 0xFF, 0xFF]].concat();
    let mut payload = once.repeat(len >> 20);
    payload.truncate(payload.len() - 4);
    payload
}

#[test]
fn pmc_21_threat_c1_a_bomb_allocates_no_more_than_the_limit_and_a_chunk() {
    // What the thread keeps is there before.
    limited().feed(&frame(Role::Server, 0xC2, &zeros(10))).expect("legal");
    for len in [1 << 20, 64 << 20, 1 << 30] {
        let bomb = bomb(len);
        assert!(bomb.len() < len / 900, "{} bytes", bomb.len());
        // In one frame, and in fragments of several sizes.
        for size in [bomb.len(), 10_000, 100, 1] {
            let mut stream = Vec::new();
            for (index, piece) in bomb.chunks(size).take(1000).enumerate() {
                stream.extend(frame(Role::Server, if index == 0 { 0x42 } else { 0 }, piece));
            }
            if size == bomb.len() {
                stream[0] |= 0x80;
            }
            let mut endpoint = limited();
            let mut input = &mut stream[..];
            let (error, heap) = allocated_by(|| {
                endpoint.with(|connection, output| connection.receive(&mut input, output).err())
            });
            let what = format!("a bomb of {len} bytes in fragments of {size}");
            let error = error.expect(&what);
            assert_eq!(error.close_code().as_u16(), 1009, "{what}");
            assert!(heap.peak_bytes <= (LIMIT + 64 * 1024) as u64, "{what}: {}", heap.peak_bytes);
            assert!(heap.held_bytes < 1024, "{what}: {} bytes are held", heap.held_bytes);
            // No more was inflated than fits, but for the byte that shows it.
            let cost = endpoint.connection.take_inflating_cost();
            assert!(cost <= LIMIT + 1, "{what}: {cost}");
        }
    }
}

/// A larger limit: the buffer doubles, so the last move holds half of it once more.
#[test]
fn pmc_21_a_larger_limit_is_exceeded_by_half_of_it_while_the_buffer_moves() {
    let limit = 1 << 20;
    let mut config = Config::default();
    config.message_bytes_max = limit;
    let mut endpoint = endpoint_with(Role::Server, config, &deflating());
    limited().feed(&frame(Role::Server, 0xC2, &zeros(10))).expect("legal");
    let mut stream = frame(Role::Server, 0xC2, &zeros(limit + 1));
    let mut input = &mut stream[..];
    let (refused, heap) = allocated_by(|| {
        endpoint.with(|connection, output| connection.receive(&mut input, output).is_err())
    });
    assert!(refused);
    assert!(heap.peak_bytes <= (limit + limit / 2 + 1024) as u64, "{}", heap.peak_bytes);
}

#[test]
fn pmc_22_what_inflating_costs_is_told() {
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &deflating());
    assert_eq!(endpoint.connection.take_inflating_cost(), 0);
    // A fragment, before any event.
    let payload = zeros(100_000);
    endpoint.feed(&frame(Role::Server, 0x42, &payload[..payload.len() - 1])).expect("legal");
    let first = endpoint.connection.take_inflating_cost();
    endpoint.feed(&frame(Role::Server, 0x80, &payload[payload.len() - 1..])).expect("legal");
    let window = 32 * 1024 / 16;
    assert_eq!(first + endpoint.connection.take_inflating_cost(), 100_000 + window);
    assert_eq!(endpoint.connection.take_inflating_cost(), 0);
    // An empty message: the window is lent to an inflater and taken back.
    endpoint.feed(&frame(Role::Server, 0xC2, &[0x00])).expect("legal");
    assert_eq!(endpoint.connection.take_inflating_cost(), 2 * window);
    // Final blocks, each of which has the window copied.
    let mut blocks = [0x03, 0x00].repeat(200);
    blocks.push(0x00);
    endpoint.feed(&frame(Role::Server, 0xC2, &blocks)).expect("legal");
    assert_eq!(endpoint.connection.take_inflating_cost(), 202 * window);
    // What is not compressed costs nothing of this.
    endpoint.feed(&frame(Role::Server, 0x82, &[7; 1000])).expect("legal");
    assert_eq!(endpoint.connection.take_inflating_cost(), 0);
}
