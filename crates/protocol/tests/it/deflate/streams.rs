//! Compressed data that deflaters do not make, or not often, and connections that share a thread.

use sockeye_protocol::{
    CloseCode, CloseReason, Config, Connection, DeflateConfig, Prepared, Role, Violation,
    WindowBits,
};

use super::reference::Reference;
use super::sending::{noise, parse, prose, receive, send};
use super::writer::{Block, Writer};
use super::{compressed, deflating, endpoint_with};
use crate::support::{Endpoint, frame};

const BOTH: [Role; 2] = [Role::Server, Role::Client];

/// The messages that come of a stream.
fn inflated(endpoint: &mut Endpoint, role: Role, payload: &[u8]) -> Vec<Vec<u8>> {
    receive(endpoint, &frame(role, 0xC2, payload))
}

#[test]
fn pmc_19_pmd_23_pmc_17_pmc_18_each_window_is_kept_to_its_last_byte() {
    let noise = noise(1 << 15);
    for role in BOTH {
        for bits in 8..=15 {
            let mut config = deflating();
            config.peer_window_max = WindowBits::new(bits).expect("8 to 15");
            let mut endpoint = endpoint_with(role, Config::default(), &config);
            let window = 1 << bits;
            let first = &noise[..window];
            let stored = Writer::default().stored(Block::Other, first).finish();
            assert_eq!(inflated(&mut endpoint, role, &stored), [first]);
            // As far back as a message may refer, to the first byte of the message before it; and
            // then as far back within the message and the one before it.
            let far = Writer::default()
                .fixed(Block::Other, b"", &[(3, window), (10, window), (3, 3)])
                .finish();
            let expected = [&first[..13], &first[10..13]].concat();
            assert_eq!(inflated(&mut endpoint, role, &far), [expected], "{bits} bits");
            // In one message as well.
            let both = Writer::default()
                .stored(Block::Other, first)
                .fixed(Block::Other, b"", &[(10, window)])
                .finish();
            let expected = [first, &first[..10]].concat();
            assert_eq!(inflated(&mut endpoint, role, &both), [expected]);
        }
    }
}

#[test]
fn pmc_12_the_window_outlives_final_blocks_to_its_last_byte() {
    let noise = noise(1 << 15);
    for role in BOTH {
        let mut endpoint = endpoint_with(role, Config::default(), &deflating());
        for distance in [3, 5000, 32_767, 32_768] {
            let recent = &noise[..distance];
            let payload = Writer::default()
                .stored(Block::Final, recent)
                .fixed(Block::Final, b"", &[(3, distance)])
                .fixed(Block::Other, b"", &[(3, distance)])
                .finish();
            // All that follows repeats what came `distance` bytes before.
            let repeated = |from: usize, len: usize| -> Vec<u8> {
                recent.iter().copied().cycle().skip(from).take(len).collect()
            };
            let expected = repeated(0, distance + 6);
            assert_eq!(inflated(&mut endpoint, role, &payload), [expected], "{distance}");
            // The next message refers to what came before and behind the final block.
            let payload = Writer::default().fixed(Block::Final, b"", &[(3, distance)]).finish();
            assert_eq!(inflated(&mut endpoint, role, &payload), [repeated(6, 3)], "{distance}");
        }
    }
}

#[test]
fn pmc_15_final_blocks_that_end_inside_a_byte_are_padded() {
    for role in BOTH {
        for count in 0..8 {
            // Nine bits each: the block ends at every place of a byte.
            let literals = vec![0xFF; count];
            let payload = Writer::default()
                .fixed(Block::Final, &literals, &[])
                .fixed(Block::Final, b"x", &[])
                .fixed(Block::Other, b"y", &[])
                .finish();
            let mut endpoint = endpoint_with(role, Config::default(), &deflating());
            let expected = [&literals[..], b"xy"].concat();
            assert_eq!(inflated(&mut endpoint, role, &payload), [&expected[..]], "{count}");
            let mut reference = Reference::default();
            assert_eq!(reference.message(&payload), expected);
            assert_eq!(reference.final_blocks, 2);
        }
    }
    // Ours has no final blocks, so it has nothing to pad.
    let text = prose(100_000);
    for level in 1..=9 {
        let mut config = deflating();
        config.level = level;
        let mut endpoint = endpoint_with(Role::Server, Config::default(), &config);
        let mut reference = Reference::default();
        for len in [1, 5, 700, 100_000] {
            let sent = send(&mut endpoint, |end, output| end.send_text(&text[..len], output));
            reference.message(&parse(&sent).1);
        }
        assert_eq!(reference.final_blocks, 0, "level {level}");
    }
}

#[test]
fn pmc_08_fragments_of_a_sender_that_flushes_keep_their_tails() {
    let text = prose(5000);
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(700).collect();
    for role in BOTH {
        let mut endpoint = endpoint_with(role, Config::default(), &deflating());
        let mut deflater = zlib_rs::Deflate::new(6, false, 15);
        for _ in 0..3 {
            let mut stream = Vec::new();
            for (index, piece) in pieces.iter().enumerate() {
                let mut target = vec![0; 2000];
                let before = deflater.total_out();
                deflater
                    .compress(piece, &mut target, zlib_rs::DeflateFlush::SyncFlush)
                    .expect("it compresses");
                target.truncate(usize::try_from(deflater.total_out() - before).expect("short"));
                assert!(target.ends_with(&[0x00, 0x00, 0xFF, 0xFF]));
                let is_last = index + 1 == pieces.len();
                if is_last {
                    target.truncate(target.len() - 4);
                }
                let first = if index == 0 { 0x41 } else { 0x00 };
                stream.extend(frame(role, first | if is_last { 0x80 } else { 0 }, &target));
            }
            assert_eq!(receive(&mut endpoint, &stream), [text.as_bytes()]);
        }
    }
    // Ours sends a message in one frame, with its tail removed and no other.
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &deflating());
    let (first, payload) = parse(&send(&mut endpoint, |end, output| end.send_text(&text, output)));
    assert_eq!(first, 0xC1);
    assert!(!payload.ends_with(&[0x00, 0x00, 0xFF, 0xFF]));
    assert_eq!(Reference::default().message(&payload), text.as_bytes());
}

#[test]
fn ext_03_nothing_is_compressed_and_nothing_taken_before_it_was_agreed_on() {
    let text = prose(2000);
    for role in BOTH {
        // What is wanted is in the limits, but the other side did not agree.
        let mut config = Config::default();
        config.deflate = Some(deflating());
        let mut endpoint = Endpoint::new(role, config);
        let sent = send(&mut endpoint, |end, output| end.send_text(&text, output));
        assert_eq!(parse(&sent), (0x81, text.clone().into_bytes()));
        let sent =
            send(&mut endpoint, |end, output| end.send_prepared(&Prepared::text(&text), output));
        assert_eq!(parse(&sent).0, 0x81);
        let error = endpoint.feed(&frame(role, 0xC1, &compressed(b"Hello"))).expect_err("RSV1");
        assert_eq!(error.violation, Violation::ReservedBit);
        assert_eq!(error.close_code().as_u16(), 1002);
    }
}

#[test]
fn nothing_of_one_connection_can_be_referred_to_by_another() {
    let secret = noise(40_000);
    let stored = |bytes: &[u8]| Writer::default().stored(Block::Other, bytes);
    let mut attacks: Vec<(Vec<u8>, usize)> = Vec::new();
    for distance in [1, 3, 257, 30_000, 32_768] {
        attacks.push((Writer::default().fixed(Block::Other, b"", &[(3, distance)]).finish(), 0));
        let far = stored(&secret[..2]).fixed(Block::Other, b"", &[(3, 2 + distance)]).finish();
        attacks.push((far, 2));
        let far = stored(&secret[..2])
            .fixed(Block::Final, b"", &[])
            .fixed(Block::Other, b"", &[(3, 2 + distance)])
            .finish();
        attacks.push((far, 2));
    }
    for role in BOTH {
        for keeps in [false, true] {
            let mut config = deflating();
            config.keeps_peer_context = keeps;
            for (attack, _) in &attacks {
                let mut victim = endpoint_with(role, Config::default(), &config);
                let payload = stored(&secret).finish();
                assert_eq!(inflated(&mut victim, role, &payload), [&secret[..]]);
                // Its inflater goes back to the thread in the middle of a message, and whole.
                victim.feed(&frame(role, 0x42, &payload[..20_000])).expect("a fragment");
                drop(victim);
                let mut attacker = endpoint_with(role, Config::default(), &config);
                let error = attacker.feed(&frame(role, 0xC2, attack)).expect_err("too far back");
                assert_eq!(error.violation, Violation::DeflateInvalid);
                assert_eq!(attacker.events.len(), 1);
            }
        }
        // And outwards: what a thread's deflater has seen of one connection, it has forgotten.
        let mut config = deflating();
        config.keeps_own_context = false;
        let text = prose(3000);
        for _ in 0..3 {
            let mut endpoint = endpoint_with(role, Config::default(), &config);
            let sent = send(&mut endpoint, |end, output| end.send_text(&text, output));
            assert_eq!(Reference::default().message(&parse(&sent).1), text.as_bytes());
        }
    }
}

#[test]
fn a_close_frame_inside_a_compressed_message_ends_it() {
    let payload = compressed(prose(50_000).as_bytes());
    let close = CloseReason::new(CloseCode::GOING_AWAY, "bye");
    for role in BOTH {
        let mut endpoint = endpoint_with(role, Config::default(), &deflating());
        let mut stream = frame(role, 0x41, &payload[..payload.len() / 2]);
        stream.extend(frame(role, 0x88, b"\x03\xE9bye"));
        // Whatever comes behind it is discarded.
        stream.extend(frame(role, 0xC0, &payload));
        endpoint.feed(&stream).expect("legal");
        assert_eq!(endpoint.events.len(), 1, "{:?}", endpoint.events);
        assert_eq!(endpoint.connection.closed().expect("closed").code, close.code());
        let sent = parse(&endpoint.take_sent());
        assert_eq!((sent.0, sent.1.len()), (0x88, 2));
        // Ours leaves what the peer has begun: its message still arrives.
        let mut endpoint = endpoint_with(role, Config::default(), &deflating());
        endpoint.feed(&frame(role, 0x41, &payload[..1000])).expect("a fragment");
        endpoint.with(|end, output| end.close(Some(close.clone()), output)).expect("open");
        endpoint.take_sent();
        let messages = receive(&mut endpoint, &frame(role, 0x80, &payload[1000..]));
        assert_eq!(messages, [prose(50_000).as_bytes()]);
    }
}

/// Feeds damaged data of every kind, on a stack of 128 KiB: neither a panic nor deep recursion.
#[test]
fn pmc_20_damaged_data_neither_panics_nor_needs_a_deep_stack() {
    let run = || {
        let text = prose(3000);
        let mut seeds: Vec<Vec<u8>> = (1..=9)
            .map(|level| {
                let mut config = deflating();
                config.level = level;
                let mut endpoint = endpoint_with(Role::Client, Config::default(), &config);
                parse(&send(&mut endpoint, |end, output| end.send_text(&text, output))).1
            })
            .collect();
        seeds.push(Writer::default().stored(Block::Final, text.as_bytes()).finish());
        seeds.push([0x03, 0x00].repeat(300));
        seeds.push(compressed(&vec![0; 1 << 20]));
        let damage = noise(4096);
        let mut config = Config::default();
        config.message_bytes_max = 64 * 1024;
        let (mut whole, mut refused) = (0, 0);
        for seed in &seeds {
            for round in 0..400 {
                let mut payload = seed.clone();
                for change in 0..=round % 4 {
                    let at = 10 * round + 2 * change;
                    let place = usize::from(damage[at]) * payload.len() / 256;
                    // The beginning has the trees.
                    let place = if round % 2 == 0 { place } else { place % 60 };
                    payload[place] ^= damage[at + 1] | 1;
                }
                let mut endpoint = endpoint_with(Role::Server, config.clone(), &deflating());
                let first = if round % 3 == 0 { 0xC1 } else { 0xC2 };
                match endpoint.feed(&frame(Role::Server, first, &payload)) {
                    Ok(()) => whole += 1,
                    Err(error) => {
                        refused += 1;
                        assert!([1007, 1008, 1009].contains(&error.close_code().as_u16()));
                    }
                }
            }
        }
        assert!(whole > 100 && refused > 1000, "{whole} were whole, {refused} refused");
    };
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(run);
    thread.expect("a thread").join().expect("no panic");
}

/// The same bytes cut in any way have the same verdict: text is judged before what ends it.
#[test]
fn utf_09_pmc_20_pmc_21_the_first_fault_counts_wherever_the_bytes_are_cut() {
    let mut config = Config::default();
    config.message_bytes_max = 3000;
    let text = prose(2990);
    let bad_text = |end: &[u8]| [text.as_bytes(), end].concat();
    let stored = |bytes: &[u8]| Writer::default().stored(Block::Other, bytes);
    let mut unknown_block = stored(&bad_text(b"\xFF")).finish();
    *unknown_block.last_mut().expect("a header") = 0x06;
    let rows: &[(&str, Vec<u8>, Violation)] = &[
        (
            "not UTF-8, then too long",
            stored(&bad_text(b"\xFF and more than fits")).finish(),
            Violation::TextNotUtf8,
        ),
        ("not UTF-8, then not deflate", unknown_block, Violation::TextNotUtf8),
        (
            "too long, then not UTF-8",
            stored(&bad_text(b"and more than fits \xFF")).finish(),
            Violation::MessageTooLong,
        ),
        (
            "the byte too many is not UTF-8",
            stored(&bad_text(b"0123456789\xFF")).finish(),
            Violation::TextNotUtf8,
        ),
        (
            "a character that does not fit",
            stored(&bad_text("012345678é".as_bytes())).finish(),
            Violation::MessageTooLong,
        ),
        ("a character cut by the end", stored(&bad_text(b"\xC3")).finish(), Violation::TextNotUtf8),
    ];
    for role in BOTH {
        for (name, payload, violation) in rows {
            let stream = frame(role, 0xC1, payload);
            for cut in (0..stream.len()).step_by(7).chain(stream.len() - 40..stream.len()) {
                let mut endpoint = endpoint_with(role, config.clone(), &deflating());
                let fed =
                    endpoint.feed(&stream[..cut]).and_then(|()| endpoint.feed(&stream[cut..]));
                assert_eq!(fed.expect_err(name).violation, *violation, "{name} cut at {cut}");
            }
        }
        // Valid text whose compressed form is not UTF-8, and the other way round.
        let mut endpoint = endpoint_with(role, Config::default(), &deflating());
        let payload = compressed("Grüße, κόσμε".as_bytes());
        assert!(std::str::from_utf8(&payload).is_err());
        let messages = receive(&mut endpoint, &frame(role, 0xC1, &payload));
        assert_eq!(messages, ["Grüße, κόσμε".as_bytes()]);
        let payload = Writer::default().fixed(Block::Other, b"\x80", &[]).finish();
        let error = endpoint.feed(&frame(role, 0xC1, &payload)).expect_err("not UTF-8");
        assert_eq!(error.violation, Violation::TextNotUtf8);
        assert_eq!(error.close_code().as_u16(), 1007);
    }
}

/// Whatever room a deflater's output finds, what comes of it is one message.
#[test]
fn payloads_of_every_length_inflate_to_themselves() {
    let (noise, text) = (noise(2100), prose(2100));
    let config: DeflateConfig = deflating();
    let mut endpoints: Vec<(Endpoint, Reference)> = (0..2)
        .map(|_| (endpoint_with(Role::Server, Config::default(), &config), Reference::default()))
        .collect();
    for len in (1..400).chain(2000..2100) {
        for ((endpoint, reference), payload) in
            endpoints.iter_mut().zip([&noise[..len], &text.as_bytes()[..len]])
        {
            let act = |end: &mut Connection, output: &mut sockeye_protocol::Output<'_>| {
                end.send_binary(payload, output)
            };
            let (first, sent) = parse(&send(endpoint, act));
            assert_eq!(first, 0xC2);
            assert_eq!(reference.message(&sent), payload, "{len} bytes");
        }
    }
}
