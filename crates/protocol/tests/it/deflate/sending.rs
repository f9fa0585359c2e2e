//! What is sent compressed, what is not, and whether the other end understands it.

use proptest::prelude::*;
use sockeye_protocol::{
    CloseCode, CloseReason, Config, Connection, DeflateConfig, Event, Opcode, Output, Prepared,
    Role, SendError, WindowBits,
};

use super::reference::Reference;
use super::{deflating, endpoint_with, negotiate};
use crate::support::{Endpoint, KEY, frame};

/// Text that compresses, with repetitions near and far.
pub(super) fn prose(len: usize) -> String {
    let words = ["salmon", "river", "ocean", "spawn", "leap", "net", "otter", "bear", "stream"];
    let mut state = 7_u32;
    let mut text = String::new();
    while text.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(words[(state >> 24) as usize % words.len()]);
        text.push(if state & 0x10_0000 == 0 { ' ' } else { ',' });
    }
    text.truncate(len);
    text
}

/// Bytes that do not compress.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

pub(super) fn send(
    endpoint: &mut Endpoint,
    act: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
) -> Vec<u8> {
    endpoint.with(act).expect("open");
    endpoint.take_sent()
}

/// The first byte of the only frame, and its payload without its mask.
pub(super) fn parse(sent: &[u8]) -> (u8, Vec<u8>) {
    let (mut len, mut at) = (usize::from(sent[1] & 0x7F), 2);
    if len >= 126 {
        let bytes = if len == 126 { 2 } else { 8 };
        len = sent[2..2 + bytes].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        at += bytes;
    }
    let mut key = [0; 4];
    if sent[1] & 0x80 != 0 {
        key.copy_from_slice(&sent[at..at + 4]);
        at += 4;
    }
    assert_eq!(sent.len(), at + len, "one frame");
    (sent[0], sent[at..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect())
}

/// Two ends of a connection after a handshake.
fn pair(client: &DeflateConfig, server: &DeflateConfig) -> (Endpoint, Endpoint) {
    let (of_client, of_server) = negotiate(client, server);
    let mut ends = (Endpoint::new(Role::Client, roomy()), Endpoint::new(Role::Server, roomy()));
    ends.0.connection.set_deflate(&of_client);
    ends.1.connection.set_deflate(&of_server);
    ends
}

fn roomy() -> Config {
    let mut config = Config::default();
    config.message_bytes_max = 4 << 20;
    config
}

#[test]
fn pmc_07_pmc_10_pmc_14_what_is_sent_is_what_the_rfc_shows() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = endpoint_with(role, Config::default(), &deflating());
        for expected in
            [&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00][..], &[0xF2, 0x00, 0x11, 0x00, 0x00]]
        {
            let sent = send(&mut endpoint, |end, output| end.send_text("Hello", output));
            assert_eq!(parse(&sent), (0xC1, expected.to_vec()));
        }
        for _ in 0..2 {
            let sent = send(&mut endpoint, |end, output| end.send_binary(b"", output));
            assert_eq!(parse(&sent), (0xC2, vec![0x00]));
        }
    }
}

#[test]
fn pmc_16_without_a_context_equal_messages_give_equal_frames() {
    let mut config = deflating();
    config.keeps_own_context = false;
    let text = prose(2000);
    for role in [Role::Server, Role::Client] {
        let mut endpoint = endpoint_with(role, Config::default(), &config);
        let mut payloads =
            (0..3).map(|_| parse(&send(&mut endpoint, |end, output| end.send_text(&text, output))));
        let first = payloads.next().expect("three");
        assert_eq!(first.0, 0xC1);
        assert!(first.1.len() < text.len() / 2);
        assert!(payloads.all(|other| other == first));
    }
}

#[test]
fn pmc_18_pmd_22_no_window_larger_than_agreed_is_used() {
    let text = prose(100_000);
    for role in [Role::Server, Role::Client] {
        for bits in 9..=15 {
            for level in [1, 4, 6, 9] {
                let mut config = deflating();
                config.own_window_max = WindowBits::new(bits).expect("8 to 15");
                config.level = level;
                let mut endpoint = endpoint_with(role, Config::default(), &config);
                let mut reference = Reference::default();
                for part in [&text[..60_000], &text[60_000..], "salmon river ocean"] {
                    let sent = send(&mut endpoint, |end, output| end.send_text(part, output));
                    let (first, payload) = parse(&sent);
                    assert_eq!(first, 0xC1);
                    assert_eq!(reference.message(&payload), part.as_bytes());
                }
                let (window, used) = (1 << bits, reference.distance_max);
                assert!(used <= window, "{bits} bits at level {level}: {used}");
                assert!(level < 9 || used > window / 4, "the window is used");
            }
        }
        // With 8, which no deflater can do, nothing is compressed, and all of it understood.
        let mut config = deflating();
        config.own_window_min = WindowBits::MIN;
        config.own_window_max = WindowBits::MIN;
        let mut endpoint = endpoint_with(role, Config::default(), &config);
        let sent = send(&mut endpoint, |end, output| end.send_text(&text[..900], output));
        assert_eq!(parse(&sent), (0x81, text.as_bytes()[..900].to_vec()));
        if role == Role::Server {
            let shared = Prepared::text(&text[..900]);
            let sent = send(&mut endpoint, |end, output| end.send_prepared(&shared, output));
            assert_eq!(parse(&sent).0, 0x81);
        }
        // Its peer may compress all the same.
        let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
        assert_eq!(receive(&mut endpoint, &frame(role, 0xC1, &hello)), [b"Hello"]);
    }
}

#[test]
fn pmc_24_what_does_not_get_shorter_is_sent_as_it_is() {
    let noise = noise(5000);
    let mut config = deflating();
    config.keeps_own_context = false;
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &config);
    let sent = send(&mut endpoint, |end, output| end.send_binary(&noise, output));
    assert_eq!(parse(&sent), (0x82, noise.clone()));
    // With a context it has been fed, so it goes out compressed, and the next message still inflates.
    let (mut client, mut server) = pair(&deflating(), &deflating());
    for payload in [&noise[..], b"Hello", &noise[..], b"Hello"] {
        let sent = send(&mut server, |end, output| end.send_binary(payload, output));
        assert_eq!(sent[0], 0xC2);
        assert_eq!(receive(&mut client, &sent), [payload]);
    }
}

#[test]
fn pmc_27_messages_below_the_size_and_secrets_are_sent_as_they_are() {
    let config = {
        let mut config = deflating();
        config.payload_bytes_min = 100;
        config.keeps_own_context = false;
        config
    };
    let (short, long) = ("a".repeat(99), "a".repeat(100));
    for role in [Role::Server, Role::Client] {
        let mut endpoint = endpoint_with(role, Config::default(), &config);
        let mut first =
            |act: &dyn Fn(&mut Connection, &mut Output<'_>) -> Result<(), SendError>| {
                parse(&send(&mut endpoint, |end, output| act(end, output))).0
            };
        assert_eq!(first(&|end, output| end.send_text(&short, output)), 0x81);
        assert_eq!(first(&|end, output| end.send_text(&long, output)), 0xC1);
        assert_eq!(first(&|end, output| end.send_binary(long.as_bytes(), output)), 0xC2);
        assert_eq!(first(&|end, output| end.send_text_owned(long.clone(), output)), 0xC1);
        assert_eq!(first(&|end, output| end.send_binary_owned(long.clone(), output)), 0xC2);
        assert_eq!(first(&|end, output| end.send_text_uncompressed(&long, output)), 0x81);
        let bytes = long.as_bytes();
        assert_eq!(first(&|end, output| end.send_binary_uncompressed(bytes, output)), 0x82);
        let prepared = Prepared::text(&long);
        assert_eq!(first(&|end, output| end.send_prepared(&prepared, output)), 0xC1);
        let secret = prepared.uncompressed();
        assert_eq!(first(&|end, output| end.send_prepared(&secret, output)), 0x81);
        let prepared = Prepared::binary(short.as_bytes());
        assert_eq!(first(&|end, output| end.send_prepared(&prepared, output)), 0x82);
        // PMC-03: control frames pass through.
        assert_eq!(first(&|end, output| end.send_ping(&[b'a'; 125], output)), 0x89);
        assert_eq!(first(&|end, output| end.send_pong(&[b'a'; 125], output)), 0x8A);
        let reason = CloseReason::new(CloseCode::NORMAL, "a".repeat(123));
        assert_eq!(first(&|end, output| end.close(Some(reason.clone()), output)), 0x88);
    }
}

#[test]
fn pmc_27_with_a_context_messages_of_a_quarter_of_the_size_are_compressed() {
    let mut config = DeflateConfig::default();
    for (keeps, min) in [(false, 256), (true, 64)] {
        config.keeps_own_context = keeps;
        let mut endpoint = endpoint_with(Role::Server, Config::default(), &config);
        for (len, first) in [(min - 1, 0x81), (min, 0xC1)] {
            let sent = send(&mut endpoint, |end, output| end.send_text(&"a".repeat(len), output));
            assert_eq!(parse(&sent).0, first, "{len} bytes, context {keeps}");
        }
        // A shared message has no context, whatever the connection has.
        for (len, first) in [(255, 0x81), (256, 0xC1)] {
            let shared = Prepared::text(&"a".repeat(len));
            let sent = send(&mut endpoint, |end, output| end.send_prepared(&shared, output));
            assert_eq!(parse(&sent).0, first, "{len} bytes, context {keeps}");
        }
    }
}

/// Feeds `sent` and returns the messages, whole.
pub(super) fn receive(endpoint: &mut Endpoint, sent: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = sent.to_vec();
    let mut input = &mut bytes[..];
    let mut messages = Vec::new();
    endpoint.with(|connection, output| {
        while let Some(event) = connection.receive(&mut input, output).expect("legal") {
            messages.push(match event {
                Event::Text(text) => text.into_string().into_bytes(),
                Event::Binary(payload) => payload.into_vec(),
                other => panic!("{other:?}"),
            });
        }
    });
    messages
}

#[test]
fn a_prepared_message_is_compressed_once_for_each_setting_and_confuses_nobody() {
    let text = prose(3000);
    let shared = Prepared::text(&text);
    let noisy = Prepared::binary(&noise(1000));
    let mut narrow = deflating();
    narrow.own_window_max = WindowBits::new(10).expect("8 to 15");
    let mut alone = deflating();
    alone.keeps_own_context = false;
    let mut frames = Vec::new();
    for config in [&deflating(), &deflating(), &narrow, &narrow, &alone] {
        let (mut client, mut server) = pair(&deflating(), config);
        let mut reference = Reference::default();
        for round in 0..4 {
            // Its own, then a shared one, then its own again, which could refer to both.
            for own in [&text[..700], &text[200..1500]] {
                let sent = send(&mut server, |end, output| end.send_text(own, output));
                assert_eq!(receive(&mut client, &sent), [own.as_bytes()]);
                assert_eq!(reference.message(&parse(&sent).1), own.as_bytes());
            }
            let sent = send(&mut server, |end, output| end.send_prepared(&shared, output));
            assert_eq!(receive(&mut client, &sent), [text.as_bytes()], "round {round}");
            assert_eq!(reference.message(&parse(&sent).1), text.as_bytes());
            frames.push(sent);
            let sent = send(&mut server, |end, output| end.send_prepared(&noisy, output));
            assert_eq!(parse(&sent).0, 0x82);
            assert_eq!(receive(&mut client, &sent).len(), 1);
        }
    }
    assert_eq!(frames[0][0], 0xC1);
    assert!(frames[0].len() < text.len() / 2);
    assert!(frames[..8].iter().all(|frame| *frame == frames[0]));
    assert!(frames[8..16].iter().all(|frame| *frame == frames[8] && *frame != frames[0]));
    assert!(frames[16..].iter().all(|frame| *frame == frames[0]));
    assert_eq!((shared.opcode(), shared.payload()), (Opcode::Text, text.as_bytes()));
    // A client compresses it as its own.
    let (mut client, mut server) = pair(&deflating(), &deflating());
    for _ in 0..3 {
        let sent = send(&mut client, |end, output| end.send_prepared(&shared, output));
        assert_eq!(sent[0], 0xC1);
        assert_eq!(receive(&mut server, &sent), [text.as_bytes()]);
    }
}

#[test]
fn a_refused_message_leaves_the_context_as_it_was() {
    let mut limits = Config::default();
    limits.outbox_bytes_max = 1000;
    let mut server = endpoint_with(Role::Server, limits, &deflating());
    let mut client = endpoint_with(Role::Client, Config::default(), &deflating());
    let text = prose(900);
    server.with(|end, output| end.send_text(&text, output)).expect("empty");
    let refused = server.with(|end, output| end.send_text(&prose(990), output));
    assert_eq!(refused, Err(SendError::Full));
    let sent = server.take_sent();
    assert_eq!(receive(&mut client, &sent), [text.as_bytes()]);
    let sent = send(&mut server, |end, output| end.send_text(&text, output));
    assert_eq!(receive(&mut client, &sent), [text.as_bytes()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any messages, under any agreement, sent in any way and cut anywhere, arrive as they were.
    #[test]
    fn pmc_06_pmc_16_pmc_17_round_trip(
        contexts in any::<[bool; 4]>(),
        windows in prop::array::uniform4(9_u8..=15),
        messages in prop::collection::vec((0..70_000_usize, 0..3_usize, 0..5_u8), 1..8),
        cut in 1..5000_usize,
        from_client in any::<bool>(),
    ) {
        let config = |at: usize| {
            let mut config = deflating();
            config.keeps_own_context = contexts[at];
            config.keeps_peer_context = contexts[at + 1];
            config.own_window_max = WindowBits::new(windows[at]).expect("8 to 15");
            config.peer_window_max = WindowBits::new(windows[at + 1]).expect("8 to 15");
            config
        };
        let (client, server) = pair(&config(0), &config(2));
        let (mut from, mut to) = if from_client { (client, server) } else { (server, client) };
        let (text, noise) = (prose(70_000), noise(70_000));
        let zeros = vec![0; 70_000];
        for (len, kind, way) in messages {
            let payload = match kind {
                0 => &text.as_bytes()[..len],
                1 => &noise[..len],
                _ => &zeros[..len],
            };
            let sent = send(&mut from, |end, output| match way {
                0 => end.send_binary_owned(payload.to_vec(), output),
                1 => end.send_prepared(&Prepared::binary(payload), output),
                2 => end.send_binary_uncompressed(payload, output),
                _ => end.send_binary(payload, output),
            });
            let received: Vec<_> =
                sent.chunks(cut).flat_map(|piece| receive(&mut to, piece)).collect();
            prop_assert_eq!(received.len(), 1);
            prop_assert!(received[0] == payload);
        }
        let _ = KEY;
    }
}

/// Of both lengths that have ways of their own, and with a long one between.
#[test]
fn messages_that_are_not_compressed_go_their_ways_between_those_that_are() {
    let both = deflating();
    let (of_client, of_server) = negotiate(&both, &both);
    let mut ends = [Role::Client, Role::Server].map(|role| Endpoint::new(role, Config::default()));
    ends[0].connection.set_deflate(&of_client);
    ends[1].connection.set_deflate(&of_server);
    let [client, server] = &mut ends;
    for len in [100, 1000, 65_535, 70_000, 1000, 100] {
        let (text, now) = (prose(len), server.now);
        let mut plain = frame(Role::Server, 0x81, text.as_bytes());
        let mut input = &mut plain[..];
        let taken = server.connection.receive_medium(&mut input, now);
        assert_eq!(taken.is_some(), (126..=65_535).contains(&len), "{len} bytes");
        // What is compressed refers to what was compressed before, whatever came between.
        let mut sent = send(client, |connection, output| connection.send_text(&text, output));
        assert!(sent[0] == 0xC1 && (len < 1000 || sent[1] & 0x7F == 126), "{len} bytes");
        let mut input = &mut sent[..];
        assert!(server.connection.receive_medium(&mut input, now).is_none());
        let mut events = Vec::new();
        server.with(|connection, output| {
            while let Some(event) = connection.receive(&mut input, output).expect("legal") {
                events.push(matches!(event, Event::Text(taken) if *taken == *text));
            }
        });
        assert_eq!(events, [true], "{len} bytes");
        // Nor is anything sent uncompressed by the way.
        server.outbox.lend(Vec::with_capacity(100_000));
        assert!(!server.connection.send_medium_text(&text, &mut server.outbox));
        assert!(server.outbox.is_empty());
    }
}
