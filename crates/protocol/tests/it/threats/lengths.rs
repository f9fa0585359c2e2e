//! Lengths: what a header says is compared rightly, and believed only as far as bytes have come.

use sockeye_protocol::{
    Config, FrameHeader, FrameReader, Opcode, Outbox, ProtocolError, Role, Violation,
};

use crate::support::{Endpoint, Length, raw_frame};
use crate::zero_copy::allocated_by;

/// Around every edge of an integer that an implementation might use.
const LENGTHS: [u64; 17] = [
    0,
    1,
    125,
    126,
    127,
    0xFFFF,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 53,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 3,
    u64::MAX,
];

/// Limits on a message, around the same edges; a machine of 32 bits has none beyond its own.
fn limits() -> impl Iterator<Item = usize> {
    [0, 125, 0xFFFF, (1 << 31) - 1, 1 << 32, 1 << 53, u64::MAX]
        .into_iter()
        .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Every way to write a length, whether it is allowed or not.
fn encodings() -> impl Iterator<Item = Length> {
    LENGTHS.into_iter().flat_map(|len| {
        let seven = u8::try_from(len).ok().filter(|len| *len <= 125).map(Length::Seven);
        let sixteen = u16::try_from(len).ok().map(Length::Sixteen);
        [seven, sixteen, Some(Length::SixtyFour(len))].into_iter().flatten()
    })
}

const fn value(length: Length) -> u64 {
    match length {
        Length::Seven(len) => len as u64,
        Length::Sixteen(len) => len as u64,
        Length::SixtyFour(len) => len,
    }
}

/// What the rules say of a header that begins a stream, written down once more and differently.
fn expected(
    first: u8,
    length: Length,
    is_masked_rightly: bool,
    receiver: Role,
    limit: u64,
) -> Result<(), Violation> {
    if first & 0x70 != 0 {
        return Err(Violation::ReservedBit);
    }
    let opcode = first & 0x0F;
    if matches!(opcode, 3..=7 | 0xB..=0xF) {
        return Err(Violation::ReservedOpcode(opcode));
    }
    if !is_masked_rightly {
        let unmasked = receiver == Role::Server;
        return Err(if unmasked { Violation::Unmasked } else { Violation::Masked });
    }
    if opcode >= 8 {
        return match length {
            _ if first & 0x80 == 0 => Err(Violation::FragmentedControl),
            Length::Seven(1) if opcode == 8 => Err(Violation::CloseBodyTooShort),
            Length::Seven(_) => Ok(()),
            _ => Err(Violation::ControlTooLong),
        };
    }
    if opcode == 0 {
        return Err(Violation::UnexpectedContinuation);
    }
    let len = u128::from(value(length));
    let shortest = match length {
        Length::Seven(_) => 0,
        Length::Sixteen(_) => 126,
        Length::SixtyFour(_) => 0x1_0000,
    };
    if len < shortest {
        Err(Violation::LengthNotMinimal)
    } else if len >= 1 << 63 {
        Err(Violation::LengthTopBit)
    } else if len > u128::from(limit) {
        Err(Violation::MessageTooLong)
    } else {
        Ok(())
    }
}

fn header(receiver: Role, first: u8, length: Length, is_masked_rightly: bool) -> Vec<u8> {
    let other = if receiver == Role::Server { Role::Client } else { Role::Server };
    raw_frame(if is_masked_rightly { receiver } else { other }, first, length, b"")
}

/// Every boundary, in every encoding, under every limit, with and without a mask, for every first
/// byte, in both roles; whole and byte by byte. And whatever the header said, almost nothing was
/// allocated for it: neither for a legal one nor for one that breaks a rule.
#[test]
fn threat_l1_l2_l3_k6_k7_every_header_at_every_boundary() {
    // An interpreter is for the arithmetic of machines of 32 bits, and takes its time.
    let firsts: Vec<u8> = if cfg!(miri) { vec![0x82] } else { (0..=u8::MAX).collect() };
    for receiver in [Role::Server, Role::Client] {
        for limit in limits() {
            let mut config = Config::default();
            config.message_bytes_max = limit;
            for length in encodings() {
                for &first in &firsts {
                    for is_masked_rightly in [true, false] {
                        let bytes = header(receiver, first, length, is_masked_rightly);
                        let verdict =
                            expected(first, length, is_masked_rightly, receiver, limit as u64);
                        let name = format!("{receiver:?} {first:#x} {length:?} {limit}");
                        check(receiver, &config, &bytes, verdict, &name);
                    }
                }
            }
        }
    }
}

fn check(role: Role, config: &Config, bytes: &[u8], verdict: Result<(), Violation>, name: &str) {
    let mut reader = FrameReader::new(role, config);
    let mut whole = bytes.to_vec();
    let violation = |error: ProtocolError| error.violation;
    let (got, heap) = allocated_by(|| reader.next(&mut &mut whole[..]).map(drop));
    assert_eq!(got.map_err(violation), verdict, "{name}");
    assert_eq!(heap.allocations, 0, "{name}");
    let mut reader = FrameReader::new(role, config);
    let mut by_byte = Ok(());
    for mut byte in bytes.iter().copied() {
        by_byte = by_byte
            .and_then(|()| reader.next(&mut &mut std::slice::from_mut(&mut byte)[..]).map(drop));
    }
    assert_eq!(by_byte.map_err(violation), verdict, "{name}, byte by byte");
}

/// What [`FrameReader`] does not allocate, a connection does not either, but for the few bytes of a
/// Close frame: a header alone costs less than 64 KiB by far, whatever it says.
#[test]
fn threat_l3_whatever_a_header_says_it_commits_no_memory() {
    for receiver in [Role::Server, Role::Client] {
        for limit in [1 << 20, usize::MAX] {
            let mut config = Config::default();
            config.message_bytes_max = limit;
            for first in 0..=u8::MAX {
                for length in [1 << 62, (1 << 63) - 1, u64::MAX, 1 << 40, 1 << 20] {
                    let mut bytes = header(receiver, first, Length::SixtyFour(length), true);
                    let mut endpoint = Endpoint::new(receiver, config.clone());
                    let (_, heap) = allocated_by(|| {
                        endpoint.with(|connection, output| {
                            let mut input = &mut bytes[..];
                            let _ = connection.receive(&mut input, output);
                            connection.input_buffer().map(|buffer| buffer.capacity())
                        })
                    });
                    assert!(heap.peak_bytes <= 512, "{first:#x} {length}: {heap:?}");
                }
            }
        }
    }
}

/// The limit is checked when the header comes: a frame of one byte too many is refused there, and
/// what follows for ever costs nothing. At the limit, no more is held than has come, doubled.
#[test]
fn sec_04_threat_l4_bytes_of_a_frame_that_never_ends_do_not_pile_up() {
    const LIMIT: usize = 100_000;
    for receiver in [Role::Server, Role::Client] {
        let mut config = Config::default();
        config.message_bytes_max = LIMIT;
        let beyond = LIMIT as u64 + 1;
        for (first, announced) in [(0x82, beyond), (0x81, beyond), (0x02, 1 << 40)] {
            let mut stream = header(receiver, first, Length::SixtyFour(announced), true);
            let mut endpoint = Endpoint::new(receiver, config.clone());
            let error = endpoint.feed(&stream).expect_err("refused at its header");
            assert_eq!(error.violation, Violation::MessageTooLong);
            stream = vec![b'x'; 10_000];
            let (_, heap) = allocated_by(|| {
                endpoint.with(|connection, output| {
                    for _ in 0..100 {
                        assert_eq!(connection.receive(&mut &mut stream[..], output), Ok(None));
                    }
                });
            });
            assert_eq!(heap.allocations, 0, "{first:#x}: {heap:?}");
        }
        let mut endpoint = Endpoint::new(receiver, config.clone());
        let header = header(receiver, 0x82, Length::SixtyFour(LIMIT as u64), true);
        endpoint.feed(&header).expect("legal");
        let mut piece = vec![b'x'; 1000];
        let ((), heap) = allocated_by(|| {
            endpoint.with(|connection, output| {
                for _ in 1..LIMIT / 1000 {
                    assert_eq!(connection.receive(&mut &mut piece[..], output), Ok(None));
                }
            });
        });
        assert!(heap.held_bytes <= LIMIT as i64 + 512, "{heap:?}");
        assert!(heap.peak_bytes <= LIMIT as u64 * 2 + 512, "while it grows: {heap:?}");
    }
}

/// Only version 13 exists, so no length is coded in any other way: what drafts meant by a run of
/// bytes from 0x80 on is a frame that breaks a rule at its second byte.
#[test]
fn threat_l5_lengths_of_drafts_are_not_spoken() {
    for first in 0x80..=0xFF_u8 {
        for run in 0x80..=0xFF_u8 {
            let mut endpoint = Endpoint::new(Role::Client, Config::default());
            let stream = [first, run, run, run, run, run, run, run, run, run, run, run];
            assert!(endpoint.feed(&stream).is_err(), "{first:#x} {run:#x}");
            assert_eq!(endpoint.connection.transport(), sockeye_protocol::Transport::Linger);
        }
    }
}

/// A length is written as it is: nothing is cut to 32 bits on the way to the wire.
#[test]
fn threat_l6_lengths_are_written_whole() {
    for payload_len in LENGTHS.into_iter().filter(|len| *len < 1 << 63) {
        for mask in [None, Some([1, 2, 3, 4])] {
            let header = FrameHeader { fin: true, opcode: Opcode::Binary, mask, payload_len };
            let mut bytes = [0; FrameHeader::BYTES_MAX];
            let len = header.encode(&mut bytes);
            let role = if mask.is_some() { Role::Server } else { Role::Client };
            let mut config = Config::default();
            config.message_bytes_max = usize::MAX;
            if usize::try_from(payload_len).is_err() {
                continue;
            }
            let mut reader = FrameReader::new(role, &config);
            let mut input = [&bytes[..len], &[0; 1]].concat();
            let chunk = reader.next(&mut &mut input[..]).expect("legal").expect("a first piece");
            assert_eq!(chunk.header, header);
        }
    }
}

/// A control frame that is too long is refused at its second byte: no byte of it is waited for.
#[test]
fn threat_l7_a_long_control_frame_is_refused_at_its_second_byte() {
    for receiver in [Role::Server, Role::Client] {
        for first in [0x88, 0x89, 0x8A] {
            for length in [Length::Sixteen(4096), Length::Sixteen(126), Length::SixtyFour(1 << 20)]
            {
                let bytes = header(receiver, first, length, true);
                let mut endpoint = Endpoint::new(receiver, Config::default());
                endpoint.feed(&bytes[..1]).expect("it could be legal");
                let error = endpoint.feed(&bytes[1..2]).expect_err("it cannot");
                assert_eq!(error.violation, Violation::ControlTooLong);
            }
        }
    }
}

/// A transport that says that it took more than it was offered is a bug, and is told so at once,
/// before bytes that were never there are counted. One that takes nothing, or a part, is none.
#[test]
fn threat_l8_a_transport_takes_no_more_than_it_is_offered() {
    for shares in [&[3_usize, 2][..], &[5], &[1]] {
        for taken in 0..=7 {
            let mut outbox = Outbox::new();
            for share in shares {
                outbox.append(&vec![7; *share]);
            }
            let len = outbox.len();
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                outbox.advance(taken);
            }));
            assert_eq!(told.is_err(), taken > len, "{taken} of {len}");
            assert_eq!(outbox.len(), if taken > len { len } else { len - taken });
        }
    }
}
