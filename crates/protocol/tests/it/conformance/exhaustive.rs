//! What is small enough to be tried whole: pairs of bytes, lengths, codes, and random fragments.

use sockeye_protocol::{
    CloseCode, CloseReason, Config, FrameHeader, FrameReader, Opcode, Role, SendError, Violation,
};

use super::{cut_at_random, next_random};
use crate::support::{Endpoint, Length, describe_end, describe_frames, frame, raw_frame};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

fn other(role: Role) -> Role {
    if role == Role::Server { Role::Client } else { Role::Server }
}

/// Every pair of first bytes against a table written down apart from the parser, and what comes of
/// the legal ones: that tells which bits were read as what.
#[test]
fn frm_01_every_first_pair_of_bytes_against_the_rules() {
    for role in ROLES {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let mut endpoint = Endpoint::new(role, Config::default());
                let verdict = endpoint.feed(&[first, second]);
                let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
                let (masked, len) = (second & 0x80 != 0, second & 0x7F);
                let legal = first & 0x70 == 0
                    && matches!(opcode, 1 | 2 | 8 | 9 | 10)
                    && masked == (role == Role::Server)
                    && (opcode < 8 || (fin && len <= 125 && (opcode != 8 || len != 1)));
                assert_eq!(verdict.is_ok(), legal, "{first:#x} {second:#x} as {role:?}");
                if !legal || len > 125 || (opcode == 8 && len > 0) {
                    continue;
                }
                // The masking key, and zeros up to the last byte; then that.
                let rest = vec![0; usize::from(len) + if masked { 4 } else { 0 }];
                if let Some((_, all_but_one)) = rest.split_last() {
                    endpoint.feed(all_but_one).expect("legal");
                    assert!(endpoint.events.is_empty(), "{first:#x} {second:#x} as {role:?}");
                    endpoint.feed(&rest[..1]).expect("legal");
                }
                let name = match opcode {
                    1 => "text",
                    2 => "binary",
                    8 => "close",
                    9 => "ping",
                    _ => "pong",
                };
                let told = endpoint.events.first().map(|event| event.split(' ').next());
                assert_eq!(told, fin.then_some(Some(name)), "{first:#x} {second:#x} as {role:?}");
                if fin && opcode < 8 {
                    endpoint.feed(&frame(role, 0x80, b"")).expect_err("nothing to go on with");
                }
            }
        }
    }
}

/// A header by itself against the reader that takes it from a stream, cut at every byte: only the
/// order of frames and the limits are the reader's own.
#[test]
fn frm_01_10_a_header_alone_is_judged_as_in_a_stream() {
    let mut config = Config::default();
    config.message_bytes_max = usize::MAX >> 1;
    let lengths =
        [0, 1, 125, 126, 0xFFFF, 0x1_0000, u64::from(u32::MAX), (1 << 62) - 1, 1 << 63, u64::MAX];
    for (role, first, length) in ROLES.into_iter().flat_map(|role| {
        (0..=u8::MAX).flat_map(move |first| lengths.map(|length| (role, first, length)))
    }) {
        for second in (0..=u8::MAX).filter(|second| second & 0x7F >= 123 || length == 0) {
            let mut bytes = vec![first, second];
            match second & 0x7F {
                126 => bytes.extend_from_slice(&length.to_be_bytes()[6..]),
                127 => bytes.extend_from_slice(&length.to_be_bytes()),
                _ => {}
            }
            bytes.extend_from_slice(&[1, 2, 3, 4, 5]);
            for len in 0..=bytes.len() {
                let alone = FrameHeader::decode(role, &bytes[..len]);
                let mut reader = FrameReader::new(role, &config);
                let mut piece = bytes[..len].to_vec();
                let told = reader.next(&mut &mut piece[..]).map_err(|error| error.violation);
                match (alone, told) {
                    (Ok(Some((header, header_len))), Ok(Some(chunk))) => {
                        assert_eq!(header, chunk.header);
                        assert!(chunk.payload.len() <= len - header_len);
                    }
                    // The reader gives the first byte of a payload with its header.
                    (Ok(Some((header, header_len))), Ok(None)) => {
                        assert!(header.payload_len > 0 && header_len == len);
                    }
                    (Ok(alone), Err(Violation::UnexpectedContinuation)) => {
                        assert_eq!(first & 0x7F, 0);
                        assert!(alone.is_none_or(|(header, _)| header.opcode.bits() == 0));
                    }
                    (Ok(None), told) => assert_eq!(told.map(|chunk| chunk.is_some()), Ok(false)),
                    (Err(alone), Err(told)) => {
                        let is_order = told == Violation::UnexpectedContinuation;
                        assert!(alone == told || is_order, "{first:#x} {second:#x} {len}");
                    }
                    (alone, told) => panic!("{first:#x} {second:#x} {len}: {alone:?} {told:?}"),
                }
            }
        }
    }
}

/// Every length up to 70,000, and those beside the powers of two that matter.
#[test]
fn frm_02_05_11_headers_are_written_in_the_shortest_form_and_read_back() {
    let mut config = Config::default();
    config.message_bytes_max = usize::MAX;
    let large = [31, 32, 53].into_iter().flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits]);
    for payload_len in (0..=70_000).chain(large).chain([(1 << 63) - 1]) {
        for mask in [None, Some([1, 2, 3, 4])] {
            let header = FrameHeader { fin: true, opcode: Opcode::Binary, mask, payload_len };
            let mut bytes = [0; FrameHeader::BYTES_MAX];
            let len = header.encode(&mut bytes);
            let expected = match payload_len {
                0..=125 => 2,
                126..=0xFFFF => 4,
                _ => 10,
            } + if mask.is_some() { 4 } else { 0 };
            assert_eq!(len, expected, "{payload_len}");
            let length = Length::shortest(usize::try_from(payload_len).expect("64 bits"));
            let role = if mask.is_some() { Role::Server } else { Role::Client };
            let by_hand = raw_frame(role, 0x82, length, b"");
            let by_hand_len = by_hand.len() - if mask.is_some() { 4 } else { 0 };
            assert_eq!(bytes[..by_hand_len], by_hand[..by_hand_len], "{payload_len}");

            let mut reader = FrameReader::new(role, &config);
            let mut received = bytes[..len].to_vec();
            received.resize(len + usize::from(payload_len > 0), 0);
            let mut input = &mut received[..];
            let chunk = reader.next(&mut input).expect("legal").expect("a piece");
            assert_eq!(chunk.header, header, "{payload_len}");
        }
    }
}

/// The lengths around the borders of the three forms, as the connection sends and receives them.
#[test]
fn frm_02_05_the_sizes_at_the_borders_go_there_and_come_back() {
    for role in ROLES {
        for size in (0..300).chain(65_530..65_540) {
            let payload: Vec<u8> = (0..251).cycle().take(size).collect();
            let mut endpoint = Endpoint::new(role, Config::default());
            endpoint
                .with(|connection, output| connection.send_binary(&payload, output))
                .expect("open");
            let sent = endpoint.take_sent();
            let mask_len = if role == Role::Client { 4 } else { 0 };
            let length_len = [0, 2, 8][usize::from(size > 125) + usize::from(size > 65_535)];
            assert_eq!(sent.len(), 2 + length_len + mask_len + size);
            let mut peer = Endpoint::new(other(role), Config::default());
            let mut bytes = sent.clone();
            let mut input = &mut bytes[..];
            let arrived = peer.with(|connection, output| {
                match connection.receive(&mut input, output).expect("legal") {
                    Some(sockeye_protocol::Event::Binary(arrived)) => arrived.into_vec(),
                    event => panic!("{event:?}"),
                }
            });
            assert_eq!(arrived, payload, "{size}");
        }
    }
}

#[test]
fn frm_04_every_length_that_has_a_shorter_form_is_refused() {
    let sixteen = (0..=125).map(Length::Sixteen);
    let sixty_four = (0..=0xFFFF).map(Length::SixtyFour);
    for length in sixteen.chain(sixty_four) {
        for role in ROLES {
            let mut reader = FrameReader::new(role, &Config::default());
            let mut bytes = raw_frame(role, 0x82, length, b"");
            let error = reader.next(&mut &mut bytes[..]).expect_err("not the shortest");
            assert_eq!(error.violation, Violation::LengthNotMinimal, "{length:?}");
        }
    }
}

/// Sums of lengths do not overflow, whatever the limit is.
#[test]
fn frm_14_the_longest_lengths_under_the_highest_limit() {
    for role in ROLES {
        for (limit, refused) in
            [(usize::MAX, false), (usize::MAX >> 1, true), (usize::MAX >> 2, true)]
        {
            let mut config = Config::default();
            config.message_bytes_max = limit;
            let mut endpoint = Endpoint::new(role, config);
            endpoint.feed(&frame(role, 0x02, &[7; 1000])).expect("legal");
            let longest = Length::SixtyFour((1 << 63) - 1);
            let fed = endpoint.feed(&raw_frame(role, 0x00, longest, &[7; 1000]));
            assert_eq!(fed.is_err(), refused, "{limit:#x}");
            if refused {
                assert_eq!(fed.map_err(|error| error.violation), Err(Violation::MessageTooLong));
            } else {
                endpoint.feed(&[7; 1000]).expect("it goes on for a while");
                assert!(endpoint.events.is_empty());
            }
        }
    }
}

/// Whether a Close frame may carry the code, written down apart from the code.
fn may_be_received(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[test]
fn attack_24_cls_26_27_28_29_30_31_32_33_34_35_every_code_that_a_peer_can_send() {
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut endpoint = Endpoint::new(role, Config::default());
            let fed = endpoint.feed(&frame(role, 0x88, &code.to_be_bytes()));
            let sent = describe_frames(&endpoint.take_sent(), role);
            if may_be_received(code) {
                assert_eq!(fed, Ok(()), "{code}");
                assert_eq!(endpoint.events, [format!("close {code}")]);
                assert_eq!(sent, [format!("close {code}")]);
                assert!(describe_end(&endpoint.connection).starts_with(&format!("{code} by peer")));
            } else {
                let violation = fed.map_err(|error| error.violation);
                assert_eq!(violation, Err(Violation::IllegalCloseCode(code)));
                assert_eq!(sent, ["close 1002"], "{code}");
            }
        }
    }
}

#[test]
fn cls_15_26_27_28_29_30_31_32_33_34_35_36_every_code_that_the_caller_can_ask_for() {
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut endpoint = Endpoint::new(role, Config::default());
            let reason = CloseReason::new(CloseCode::from_u16(code), "why");
            let verdict =
                endpoint.with(|connection, output| connection.close(Some(reason), output));
            let sent = describe_frames(&endpoint.take_sent(), role);
            if may_be_received(code) && (code != 1010 || role == Role::Client) {
                assert_eq!((verdict, sent), (Ok(()), vec![format!("close {code} why")]));
            } else {
                assert_eq!((verdict, sent), (Err(SendError::IllegalCloseCode), vec![]), "{code}");
                assert!(endpoint.connection.is_open());
            }
        }
    }
}

/// A message of up to 64 fragments is its pieces one after the other, and what was cut where is
/// nothing that the caller could see.
#[test]
fn frg_03_04_11_utf_02_random_fragments_make_the_message_of_one_frame() {
    let text = "Κόσμε, 文字 and 🦀: characters of one to four bytes. ".repeat(20);
    let mut random = 1;
    for role in ROLES {
        for round in 0..200 {
            let (kind, len) = (1 + round % 2, next_random(&mut random) % text.len());
            let len = (0..=len).rev().find(|len| text.is_char_boundary(*len)).expect("zero is one");
            let message = &text.as_bytes()[..len];
            let mut whole = Endpoint::new(role, Config::default());
            whole.feed(&frame(role, 0x80 | kind, message)).expect("legal");

            let pieces = cut_at_random(message, &mut random);
            let mut fragmented = Endpoint::new(role, Config::default());
            let last = pieces.len().max(1) - 1;
            for (index, piece) in
                pieces.iter().chain(message.is_empty().then_some(&message)).enumerate()
            {
                let opcode = if index == 0 { kind } else { 0 };
                let fin = if index == last { 0x80 } else { 0 };
                fragmented.feed(&frame(role, fin | opcode, piece)).expect("legal");
            }
            assert_eq!(whole.record(), fragmented.record(), "{pieces:?}");
        }
    }
}

/// A text may be cut into frames between any two bytes, and into three anywhere.
#[test]
fn utf_02_a_text_cut_into_frames_everywhere() {
    let text = "aé€🦀z";
    for role in ROLES {
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let (head, tail) = text.as_bytes().split_at(second);
                let (head, middle) = head.split_at(first);
                let mut endpoint = Endpoint::new(role, Config::default());
                for (opcode, piece) in [(0x01, head), (0x00, middle), (0x80, tail)] {
                    endpoint.feed(&frame(role, opcode, piece)).expect("legal");
                }
                let expected = format!("text {}", text.as_bytes().escape_ascii());
                assert_eq!(endpoint.events, [expected], "cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn ctl_04_a_pong_repeats_every_length_and_every_byte() {
    for role in ROLES {
        for len in 0..=125_u8 {
            for start in [0, 131] {
                let body: Vec<u8> = (0..len).map(|index| index.wrapping_add(start)).collect();
                let mut endpoint = Endpoint::new(role, Config::default());
                endpoint.feed(&frame(role, 0x89, &body)).expect("legal");
                let mut sent = endpoint.take_sent();
                let mut reader = FrameReader::new(other(role), &Config::default());
                let mut input = &mut sent[..];
                let pong = reader.next(&mut input).expect("legal").expect("a pong");
                assert_eq!((pong.header.opcode, &pong.payload[..]), (Opcode::Pong, &body[..]));
            }
        }
    }
}

#[test]
fn utf_07_msk_07_binary_payloads_are_opaque() {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    for role in ROLES {
        let mut bytes = frame(role, 0x82, &all);
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.with(|connection, output| {
            let event = connection.receive(&mut &mut bytes[..], output).expect("legal");
            let Some(sockeye_protocol::Event::Binary(payload)) = event else { panic!("{event:?}") };
            assert_eq!(payload.into_vec(), all);
        });
    }
}
