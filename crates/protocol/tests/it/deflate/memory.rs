//! What compression holds: of a connection, and of a thread.

use sockeye_protocol::{
    Config, Connection, DeflateConfig, Instant, Output, Prepared, Role, WindowBits,
};

use super::reference::Reference;
use super::sending::{noise, parse, prose, send};
use super::{compressed, deflating, endpoint_with};
use crate::support::{Endpoint, frame};
use crate::zero_copy::allocated_by;

const KIB: i64 = 1024;

/// With and without contexts, and windows of so many bits on both sides.
fn config(keeps: bool, bits: u8) -> DeflateConfig {
    let mut config = deflating();
    config.keeps_own_context = keeps;
    config.keeps_peer_context = keeps;
    config.own_window_max = WindowBits::new(bits).expect("8 to 15");
    config.own_window_min = WindowBits::MIN;
    config.peer_window_max = config.own_window_max;
    config
}

/// Feeds `stream` and drops the events.
fn take(endpoint: &mut Endpoint, mut stream: Vec<u8>) {
    let mut input = &mut stream[..];
    endpoint.with(
        |connection, output| {
            while connection.receive(&mut input, output).expect("legal").is_some() {}
        },
    );
}

/// Acts and lets what is in the outbox go.
fn act<R>(endpoint: &mut Endpoint, act: impl FnOnce(&mut Connection, &mut Output<'_>) -> R) -> R {
    let result = endpoint.with(act);
    let len = endpoint.outbox.len();
    endpoint.outbox.advance(len);
    drop(endpoint.outbox.take_spare());
    result
}

fn held(code: impl FnOnce()) -> i64 {
    allocated_by(code).1.held_bytes
}

/// What a connection holds after messages of a mebibyte each way: windows of bits, KiB of the
/// peer's context, KiB of its own.
const HELD_AT_MOST: [(u8, i64, i64); 8] = [
    (8, 1, 0),
    (9, 1, 162),
    (10, 1, 164),
    (11, 2, 168),
    (12, 4, 176),
    (13, 8, 193),
    (14, 16, 225),
    (15, 32, 288),
];

/// The table of docs/performance.md: run with `--nocapture`.
#[test]
fn pmc_25_pmd_24_what_a_connection_holds_is_known_for_each_window() {
    let noise = noise(1 << 20);
    let stream = frame(Role::Server, 0xC2, &compressed(&noise));
    let text = prose(1 << 20);
    println!("bits: KiB agreed on, of the peer's context, of its own, in a message, given back");
    for keeps in [false, true] {
        for (bits, of_peer_max, own_max) in HELD_AT_MOST {
            let config = config(keeps, bits);
            // What the thread lends is there before.
            let mut other = endpoint_with(Role::Server, Config::default(), &config);
            take(&mut other, stream.clone());
            act(&mut other, |end, output| end.send_text(&text, output)).expect("open");

            let mut endpoint = Endpoint::new(Role::Server, Config::default());
            // Nor is what its driver lends all its connections.
            take(&mut endpoint, frame(Role::Server, 0x8A, b""));
            let agreed = super::agreed(Role::Server, &config);
            let state = held(|| endpoint.connection.set_deflate(&agreed));
            let of_peer = held(|| take(&mut endpoint, stream.clone()));
            let own = held(|| {
                act(&mut endpoint, |end, output| end.send_text(&text, output)).expect("open");
            });
            // In the middle of a message, beside another connection that is as well.
            take(&mut other, frame(Role::Server, 0x42, &[]));
            let within = held(|| take(&mut endpoint, frame(Role::Server, 0x42, &[])));
            let given =
                held(|| act(&mut endpoint, |end, output| end.close(None, output)).expect("open"));
            let given = given + held(|| endpoint.connection.receive_eof());
            println!(
                "{bits:>4}: {:.2} {:.1} {:.1} {:.1} {:.1}",
                state as f64 / KIB as f64,
                of_peer as f64 / KIB as f64,
                own as f64 / KIB as f64,
                within as f64 / KIB as f64,
                given as f64 / KIB as f64,
            );
            let (of_peer_max, own_max) = if keeps { (of_peer_max, own_max) } else { (0, 0) };
            assert!((0..=KIB / 4).contains(&state), "{state} bytes with {bits} bits");
            assert!((0..=of_peer_max * KIB).contains(&of_peer), "{of_peer} with {bits} bits");
            assert!((0..=own_max * KIB).contains(&own), "{own} with {bits} bits");
            assert_eq!(own > 0, own_max > 0);
            assert!((0..=48 * KIB).contains(&within), "{within} in a message");
            // The inflater in use goes back to the thread, which has room for one.
            let own_state = state + of_peer + own;
            assert!(given <= -own_state, "{given} of {own_state}, {bits} bits");
        }
    }
}

#[test]
fn pmc_25_threat_c10_buffers_do_not_keep_the_last_message() {
    let mut limits = Config::default();
    limits.message_bytes_max = 16 << 20;
    limits.outbox_bytes_max = 64 << 20;
    let text = prose(10 << 20);
    let payload = compressed_with(&limits, text.as_bytes());
    let mut fragments = Vec::new();
    for (index, piece) in payload.chunks(50_000).enumerate() {
        fragments.extend(frame(Role::Server, if index == 0 { 0x41 } else { 0 }, piece));
    }
    fragments.extend(frame(Role::Server, 0x80, b""));
    for keeps in [false, true] {
        let config = config(keeps, 15);
        let mut endpoint = endpoint_with(Role::Server, limits.clone(), &config);
        // Once, for what the thread and the contexts keep.
        take(&mut endpoint, frame(Role::Server, 0xC1, &compressed(b"x")));
        act(&mut endpoint, |end, output| end.send_text("salmon", output)).expect("open");
        let window = if keeps { 32 * KIB } else { 0 };
        let bytes = held(|| {
            take(&mut endpoint, fragments.clone());
            take(&mut endpoint, frame(Role::Server, 0xC1, &payload));
            act(&mut endpoint, |end, output| end.send_text(&text, output)).expect("open");
        });
        assert!((0..=window).contains(&bytes), "{bytes} bytes, contexts {keeps}");
    }
}

fn compressed_with(limits: &Config, payload: &[u8]) -> Vec<u8> {
    let mut endpoint = endpoint_with(Role::Server, limits.clone(), &deflating());
    parse(&send(&mut endpoint, |end, output| end.send_binary(payload, output))).1
}

/// What waits in the outbox takes the memory that its length says, however much longer it was
/// before.
#[test]
fn compressed_messages_wait_in_no_more_memory_than_they_need() {
    let mut config = deflating();
    config.keeps_own_context = false;
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &config);
    let text = prose(200_000);
    act(&mut endpoint, |end, output| end.send_text(&text, output)).expect("open");
    let bytes = held(|| {
        for _ in 0..8 {
            endpoint.with(|end, output| end.send_text(&text, output)).expect("room");
        }
    });
    let len = i64::try_from(endpoint.outbox.len()).expect("short");
    assert!(len > 8 * 16 * KIB, "long enough not to be copied");
    assert!(bytes <= len + 64 * KIB, "{bytes} bytes hold {len}");
}

/// An error in the middle of a message gives back what the message had.
#[test]
fn pmc_25_nothing_is_kept_after_an_error() {
    let noise = noise(100_000);
    let payload = compressed(&noise);
    for keeps in [false, true] {
        let config = config(keeps, 15);
        let mut warm = endpoint_with(Role::Server, Config::default(), &config);
        take(&mut warm, frame(Role::Server, 0xC2, &payload));
        let mut endpoint = endpoint_with(Role::Server, Config::default(), &config);
        let bytes = held(|| {
            take(&mut endpoint, frame(Role::Server, 0xC2, &payload));
            take(&mut endpoint, frame(Role::Server, 0x42, &payload[..50_000]));
            let mut damaged = frame(Role::Server, 0x80, &[0x06; 100]);
            let mut input = &mut damaged[..];
            let result =
                endpoint.with(|connection, output| connection.receive(&mut input, output).err());
            assert!(result.is_some());
        });
        assert!(bytes <= KIB, "{bytes} bytes, contexts {keeps}");
    }
}

/// A context of ours that is not used any more goes with the second ping of the keepalive.
#[test]
fn pmc_25_an_own_context_is_given_back_when_idle() {
    let text = prose(3000);
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &deflating());
    let mut reference = Reference::default();
    let sent = send(&mut endpoint, |end, output| end.send_text(&text, output));
    assert_eq!(reference.message(&parse(&sent).1), text.as_bytes());
    let mut given = Vec::new();
    for _ in 0..2 {
        endpoint.now = endpoint.connection.poll_timeout().expect("a ping");
        given.push(held(|| {
            act(&mut endpoint, |end, output| end.handle_timeout(output)).expect("a ping")
        }));
        let pong = (0_u64..4).map(|number| 0x736F_636B_0000_0000 + number);
        pong.for_each(|payload| {
            endpoint.feed(&frame(Role::Server, 0x8A, &payload.to_be_bytes())).expect("legal");
        });
    }
    assert!(given[0] > -KIB, "the context was in use: {given:?}");
    assert!(given[1] < -200 * KIB, "it was not: {given:?}");
    assert!(endpoint.now > Instant::ZERO);
    // What comes next refers to nothing, and the peer understands it.
    let sent = send(&mut endpoint, |end, output| end.send_text(&text, output));
    assert_eq!(Reference::default().message(&parse(&sent).1), text.as_bytes());
    assert_eq!(reference.message(&parse(&sent).1), text.as_bytes());
}

/// However many settings peers ask for, a thread has a deflater for each.
#[test]
fn messages_without_a_context_build_no_deflater_each() {
    let text = prose(3000);
    let mut endpoints: Vec<Endpoint> = (9..=15)
        .map(|bits| endpoint_with(Role::Server, Config::default(), &config(false, bits)))
        .collect();
    let mut round = || {
        for endpoint in &mut endpoints {
            act(endpoint, |end, output| end.send_text(&text, output)).expect("open");
        }
    };
    round();
    let ((), heap) = allocated_by(round);
    assert!(heap.allocated_bytes < 7 * 20_000, "{} bytes", heap.allocated_bytes);
    assert_eq!(heap.held_bytes, 0);
}

/// Shared messages leave a context of ours to be reset once, before the next of its own.
#[test]
fn shared_messages_between_own_ones_are_not_referred_to() {
    let (text, shared) = (prose(3000), Prepared::text(&prose(2000)));
    for bits in [9, 12, 15] {
        let mut config = deflating();
        config.own_window_max = WindowBits::new(bits).expect("8 to 15");
        let mut endpoint = endpoint_with(Role::Server, Config::default(), &config);
        let mut reference = Reference::default();
        for _ in 0..3 {
            for _ in 0..2 {
                let sent = send(&mut endpoint, |end, output| end.send_text(&text, output));
                assert_eq!(reference.message(&parse(&sent).1), text.as_bytes());
            }
            for _ in 0..3 {
                let sent = send(&mut endpoint, |end, output| end.send_prepared(&shared, output));
                assert_eq!(reference.message(&parse(&sent).1), shared.payload());
            }
        }
        assert!(reference.distance_max <= 1 << bits, "{bits} bits after a reset");
    }
}
