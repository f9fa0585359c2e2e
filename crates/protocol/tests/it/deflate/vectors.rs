//! The examples of RFC 7692, section 7.2.3, and what else a peer may send.

use sockeye_protocol::{Config, Role, Violation};

use super::{agreed, compressed, deflating, endpoint_with};
use crate::support::{Endpoint, frame};

const HELLO: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
const HELLO_AGAIN: &[u8] = &[0xF2, 0x00, 0x11, 0x00, 0x00];
const STORED: &[u8] = &[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00];
const FINAL: &[u8] = &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
const TWO_BLOCKS: &[u8] =
    &[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00];

/// What it shows, the payloads of compressed messages, and what they inflate to.
type Row<'r> = (&'r str, &'r [&'r [u8]], &'r [&'r str]);

const INFLATES: &[Row<'_>] = &[
    ("PMC-07, PMC-09 hello", &[HELLO], &["Hello"]),
    ("PMC-10, PMC-17 context takeover", &[HELLO, HELLO_AGAIN], &["Hello", "Hello"]),
    ("PMC-11 stored block", &[STORED], &["Hello"]),
    ("PMC-12 final block", &[FINAL], &["Hello"]),
    ("PMC-12 the window outlives a final block", &[FINAL, HELLO_AGAIN], &["Hello", "Hello"]),
    (
        "PMC-12 data after a final block",
        &[&[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xF2, 0x00, 0x11, 0x00, 0x00]],
        &["HelloHello"],
    ),
    ("PMC-13 two blocks", &[TWO_BLOCKS], &["Hello"]),
    ("PMC-14 empty", &[&[0x00]], &[""]),
    ("PMC-14 empty, as a fixed block", &[&[0x02, 0x00]], &[""]),
    ("PMC-14 empty between others", &[HELLO, &[0x00], HELLO_AGAIN], &["Hello", "", "Hello"]),
];

#[test]
fn pmc_07_pmc_09_pmc_10_pmc_11_pmc_12_pmc_13_pmc_14_pmc_17_vectors() {
    for role in [Role::Server, Role::Client] {
        for (name, messages, texts) in INFLATES {
            for (first, kind) in [(0xC1, "text"), (0xC2, "binary")] {
                let stream: Vec<u8> =
                    messages.iter().flat_map(|payload| frame(role, first, payload)).collect();
                let expected: Vec<_> = texts.iter().map(|text| format!("{kind} {text}")).collect();
                let mut whole = endpoint_with(role, Config::default(), &deflating());
                whole.feed(&stream).expect(name);
                assert_eq!(whole.events, expected, "{name} as {role:?}");
                for cut in 1..stream.len() {
                    let mut endpoint = endpoint_with(role, Config::default(), &deflating());
                    endpoint.feed(&stream[..cut]).expect(name);
                    endpoint.feed(&stream[cut..]).expect(name);
                    assert_eq!(endpoint.events, expected, "{name} as {role:?} cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn pmc_06_pmc_03_pmc_23_fragments_are_slices_of_one_stream() {
    for role in [Role::Server, Role::Client] {
        for (name, messages, texts) in INFLATES {
            let payload = messages[0];
            for cut in 0..=payload.len() {
                let mut stream = frame(role, 0x41, &payload[..cut]);
                stream.extend(frame(role, 0x89, b"ping"));
                stream.extend(frame(role, 0x80, &payload[cut..]));
                let mut endpoint = endpoint_with(role, Config::default(), &deflating());
                endpoint.feed(&stream).expect(name);
                assert_eq!(endpoint.events, ["ping ping".to_owned(), format!("text {}", texts[0])]);
            }
            let mut endpoint = endpoint_with(role, Config::default(), &deflating());
            endpoint.feed(&frame(role, 0x41, b"")).expect(name);
            for byte in payload {
                endpoint.feed(&frame(role, 0x00, &[*byte])).expect(name);
            }
            endpoint.feed(&frame(role, 0x80, b"")).expect(name);
            assert_eq!(endpoint.events, [format!("text {}", texts[0])], "{name} byte by byte");
        }
    }
}

#[test]
fn pmc_16_without_a_context_each_message_begins_anew() {
    let mut config = deflating();
    config.keeps_peer_context = false;
    for role in [Role::Server, Role::Client] {
        let mut endpoint = endpoint_with(role, Config::default(), &config);
        endpoint.feed(&frame(role, 0xC1, HELLO)).expect("legal");
        let error = endpoint.feed(&frame(role, 0xC1, HELLO_AGAIN)).expect_err("too far back");
        assert_eq!(error.violation, Violation::DeflateInvalid);
    }
}

/// Whatever is wrong with the data, it is 1007, and no more than that.
#[test]
fn pmc_20_pmc_26_invalid_data_is_refused() {
    let rows: &[(&str, &[u8])] = &[
        ("nothing at all", b""),
        ("reserved block type", &[0x06]),
        ("stored length mismatch", &[0x00, 0x05, 0x00, 0x00, 0x00, 0x48]),
        ("too far back", HELLO_AGAIN),
        ("truncated in a code", &HELLO[..3]),
        ("without the last block", &HELLO[..6]),
        ("truncated in a stored block", &STORED[..7]),
        ("truncated in a stored header", &STORED[..2]),
        ("over-subscribed tree", &[0x04, 0x00, 0xFE, 0xFF]),
        ("a final block and no block behind it", &FINAL[..7]),
        ("garbage behind a final block", &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x17, 0xFF]),
        ("the tail was not removed", &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00, 0x00, 0xFF]),
    ];
    for role in [Role::Server, Role::Client] {
        for (name, payload) in rows {
            let stream = frame(role, 0xC1, payload);
            for cut in 0..stream.len() {
                let mut endpoint = endpoint_with(role, Config::default(), &deflating());
                let fed =
                    endpoint.feed(&stream[..cut]).and_then(|()| endpoint.feed(&stream[cut..]));
                let error = fed.expect_err(name);
                assert_eq!(error.violation, Violation::DeflateInvalid, "{name}");
                assert_eq!(error.close_code().as_u16(), 1007);
                assert_eq!(error.frame_offset, 0);
            }
        }
    }
}

#[test]
fn pmc_01_pmc_02_frm_06_reserved_bits() {
    // First bytes of frames, and whether the last of them is refused.
    let rows: &[(&str, &[u8], bool)] = &[
        ("text", &[0xC1], false),
        ("binary", &[0xC2], false),
        ("first fragment", &[0x41, 0x80], false),
        ("ping", &[0xC9], true),
        ("pong", &[0xCA], true),
        ("close", &[0xC8], true),
        ("ping without FIN", &[0x49], true),
        ("continuation", &[0x41, 0xC0], true),
        ("continuation that is not the last", &[0x41, 0x40], true),
        ("continuation of what is not compressed", &[0x01, 0xC0], true),
        ("continuation of nothing", &[0xC0], true),
        ("RSV2", &[0xA1], true),
        ("RSV3", &[0x91], true),
        ("RSV1 and RSV2", &[0xE1], true),
        ("all", &[0xF1], true),
    ];
    for role in [Role::Server, Role::Client] {
        for (name, firsts, refused) in rows {
            let mut endpoint = endpoint_with(role, Config::default(), &deflating());
            let (last, before) = firsts.split_last().expect("not empty");
            for first in before {
                endpoint.feed(&frame(role, *first, b"")).expect(name);
            }
            let payload: &[u8] = if *last == 0x80 || last & 0x0F != 0 { &[0x00] } else { b"" };
            let fed = endpoint.feed(&frame(role, *last, payload));
            if *refused {
                let error = fed.expect_err(name);
                assert_eq!(error.violation, Violation::ReservedBit, "{name}");
                assert_eq!(error.close_code().as_u16(), 1002);
            } else {
                assert_eq!(fed, Ok(()), "{name}");
            }
            // Without an agreement, the first of them is refused.
            let mut plain = Endpoint::new(role, Config::default());
            let fed = firsts.iter().try_for_each(|first| plain.feed(&frame(role, *first, &[0])));
            assert_eq!(fed.expect_err(name).violation.close_code().as_u16(), 1002, "{name}");
        }
    }
}

#[test]
fn pmc_04_pmc_05_uncompressed_messages_come_in_any_mix() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = endpoint_with(role, Config::default(), &deflating());
        for _ in 0..3 {
            endpoint.feed(&frame(role, 0x81, b"plain")).expect("legal");
            endpoint.feed(&frame(role, 0xC1, HELLO)).expect("legal");
            endpoint.feed(&frame(role, 0x02, b"pl")).expect("legal");
            endpoint.feed(&frame(role, 0x80, b"ain")).expect("legal");
            endpoint.feed(&frame(role, 0xC2, HELLO)).expect("legal");
        }
        let round = ["text plain", "text Hello", "binary plain", "binary Hello"];
        assert_eq!(endpoint.events, round.repeat(3));
    }
}

#[test]
fn utf_03_pmc_20_text_is_checked_as_it_inflates() {
    // Impossible in its first fragment, long before the message ends.
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &deflating());
    let payload = compressed(b"caf\xC3\xA9 \xFF and more");
    let error = endpoint.feed(&frame(Role::Server, 0x41, &payload)).expect_err("not UTF-8");
    assert_eq!(error.violation, Violation::TextNotUtf8);
    assert_eq!(error.close_code().as_u16(), 1007);
    // A character cut by the end of the message.
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &deflating());
    let error = endpoint.feed(&frame(Role::Server, 0xC1, &compressed(b"caf\xC3")));
    assert_eq!(error.expect_err("cut").violation, Violation::TextNotUtf8);
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &deflating());
    endpoint.feed(&frame(Role::Server, 0xC2, &compressed(b"caf\xC3"))).expect("binary");
}

#[test]
fn pmc_12_final_blocks_are_counted() {
    let blocks = |count: usize| {
        let mut payload = [0x03, 0x00].repeat(count);
        payload.push(0x00);
        frame(Role::Server, 0xC2, &payload)
    };
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &deflating());
    endpoint.feed(&blocks(256)).expect("as many as are allowed");
    endpoint.feed(&blocks(256)).expect("in each message");
    assert_eq!(endpoint.events, ["binary ", "binary "]);
    let error = endpoint.feed(&blocks(257)).expect_err("one more");
    assert_eq!(error.violation, Violation::TooManyFinalBlocks);
    assert_eq!(error.close_code().as_u16(), 1008);
    let _ = agreed(Role::Server, &deflating());
}
