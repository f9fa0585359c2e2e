//! Bombs, memory, and the limits that are counted after inflating.

use sockeye_protocol::{Config, Connection, Output, Role, Violation, WindowBits};

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
fn pmc_21_the_limit_counts_what_a_message_inflates_to() {
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

#[test]
fn pmc_21_a_bomb_allocates_no_more_than_the_limit_and_a_chunk() {
    // What the thread keeps is there before.
    limited().feed(&frame(Role::Server, 0xC2, &zeros(10))).expect("legal");
    for len in [1 << 20, 64 << 20] {
        let bomb = frame(Role::Server, 0xC2, &zeros(len));
        let mut endpoint = limited();
        let mut input = &mut bomb.clone()[..];
        let (error, heap) = allocated_by(|| {
            endpoint.with(|connection, output| connection.receive(&mut input, output).is_err())
        });
        assert!(error);
        assert!(heap.peak_bytes <= (LIMIT + LIMIT) as u64, "{} bytes", heap.peak_bytes);
        assert!(heap.held_bytes < 1024, "{} bytes are held", heap.held_bytes);
    }
}

#[test]
fn pmc_25_an_idle_connection_holds_its_window_and_no_more() {
    let text: Vec<u8> =
        (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let stream = frame(Role::Server, 0xC2, &compressed(&text));
    limited().feed(&frame(Role::Server, 0xC2, &zeros(10))).expect("legal");
    for (keeps, window, held_max) in [(false, 15, 0), (true, 15, 32 * 1024), (true, 10, 1024)] {
        let mut config = deflating();
        config.keeps_peer_context = keeps;
        config.peer_window_max = WindowBits::new(window).expect("8 to 15");
        let mut endpoint = endpoint_with(Role::Server, Config::default(), &config);
        let (count, heap) = allocated_by(|| {
            (0..3)
                .map(|_| {
                    let mut bytes = stream.clone();
                    let mut input = &mut bytes[..];
                    endpoint.with(|connection, output| {
                        connection.receive(&mut input, output).expect("legal").is_some()
                    })
                })
                .filter(|came| *came)
                .count()
        });
        assert_eq!(count, 3);
        assert!(
            (0..=held_max).contains(&heap.held_bytes),
            "{} bytes are held with {window} bits, context {keeps}",
            heap.held_bytes
        );
    }
}

#[test]
fn pmc_25_a_connection_without_a_context_of_its_own_has_no_deflater() {
    let mut config = deflating();
    let text = "salmon ".repeat(1000);
    let rows = [(false, 15, 0), (true, 15, 288), (true, 14, 225), (true, 12, 176), (true, 9, 162)];
    for (keeps, bits, held_max_kib) in rows {
        config.keeps_own_context = keeps;
        config.own_window_max = WindowBits::new(bits).expect("8 to 15");
        let mut endpoint = endpoint_with(Role::Server, Config::default(), &config);
        let mut act = |act: &dyn Fn(&mut Connection, &mut Output<'_>)| {
            endpoint.with(act);
            let len = endpoint.outbox.len();
            endpoint.outbox.advance(len);
            drop(endpoint.outbox.take_spare());
        };
        let send = |connection: &mut Connection, output: &mut Output<'_>| {
            connection.send_text(&text, output).expect("open");
        };
        if !keeps {
            // The thread's deflater is there before.
            act(&send);
        }
        let ((), heap) = allocated_by(|| act(&send));
        assert!(
            (0..=held_max_kib * 1024).contains(&heap.held_bytes),
            "{} bytes with {bits} bits, context {keeps}",
            heap.held_bytes
        );
        assert_eq!(heap.held_bytes > 0, keeps);
        // Closing gives it back.
        let ((), given) =
            allocated_by(|| act(&|end, output| end.close(None, output).expect("open")));
        assert!(given.held_bytes <= -heap.held_bytes);
    }
}
