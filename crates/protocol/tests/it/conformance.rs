//! The requirements of RFC 6455, sections 5 to 8, as a table: each case runs in the roles that it
//! concerns, whole, byte by byte, cut at every place, and cut at random places, and must give the
//! same events, the same bytes sent, the same close code and verdict, the same action for the
//! transport, the same deadline.

mod closing;
mod control;
mod ending;
mod exhaustive;
mod fragments;
mod framing;
mod sending;
mod text;

use std::time::Duration;

use sockeye_protocol::{Config, Role};

use crate::support::{Endpoint, Length, Record, frame, raw_frame};

/// A piece of what the peer sends.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// A frame: its first byte and its payload.
    Frame(u8, &'static [u8]),
    /// A frame whose length stands as given, whatever its payload is.
    Raw(u8, Length, &'static [u8]),
    /// Bytes as they are.
    Bytes(&'static [u8]),
}

#[derive(Clone, Copy, Debug)]
struct Case {
    /// The rows of the matrix that the case proves.
    rows: &'static str,
    roles: &'static [Role],
    input: &'static [Piece],
    /// What the caller is told. An error says behind how many pieces the frame begins that is
    /// concerned: `at 1` is the second piece, however long the first is in this role.
    events: &'static [&'static str],
    sent: &'static [&'static str],
    end: &'static str,
}

const BOTH: &[Role] = &[Role::Server, Role::Client];
const SERVER: &[Role] = &[Role::Server];
const CLIENT: &[Role] = &[Role::Client];

fn config() -> Config {
    let mut config = Config::default();
    config.message_bytes_max = 1000;
    config.fragments_max = Some(8);
    config
}

fn run(role: Role, pieces: &[&[u8]]) -> Record {
    let mut endpoint = Endpoint::new(role, config());
    // Later than the beginning, so that deadlines tell what was taken for a sign of life.
    endpoint.now += Duration::from_secs(1);
    for piece in pieces {
        // What comes behind an error is fed too: it must change nothing.
        let _ = endpoint.feed(piece);
    }
    endpoint.record()
}

/// How many times a case is cut at random.
const RANDOM_CUTS: usize = 16;

/// The pieces of `bytes`, which end where a generator of known seed says.
fn cut_at_random<'b>(mut bytes: &'b [u8], random: &mut u64) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    // From pieces of some bytes to a few large ones.
    let longest = 2 + bytes.len() * (1 + next_random(random) % 8) / 8;
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at((next_random(random) % longest).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// The next number of a linear congruential generator, from its better bits.
fn next_random(random: &mut u64) -> usize {
    *random =
        random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::from(random.to_be_bytes()[0]) << 8 | usize::from(random.to_be_bytes()[1])
}

/// The events of a case with the offsets of the bytes in the places of those of the pieces.
fn with_offsets(events: &[&str], offsets: &[usize]) -> Vec<String> {
    let with_offset = |event: &&str| match event.rsplit_once(" at ") {
        Some((error, piece)) if error.starts_with("error") => {
            format!("{error} at {}", offsets[piece.parse::<usize>().expect("a number")])
        }
        _ => (*event).to_owned(),
    };
    events.iter().map(with_offset).collect()
}

/// Runs every case in its roles with every cut.
fn check(cases: &[Case]) {
    let mut random = 2026;
    for case in cases {
        for &role in case.roles {
            let mut bytes = Vec::new();
            let mut offsets = Vec::new();
            for piece in case.input {
                offsets.push(bytes.len());
                bytes.extend(match *piece {
                    Piece::Frame(first, payload) => frame(role, first, payload),
                    Piece::Raw(first, length, payload) => raw_frame(role, first, length, payload),
                    Piece::Bytes(bytes) => bytes.to_vec(),
                });
            }
            let whole = run(role, &[&bytes]);
            // The server lingers where the client waits for the server's end.
            let end = match role {
                Role::Client => case.end.replace("clean, linger", "clean, keep"),
                Role::Server => case.end.to_owned(),
            };
            let end = end.replace("unclean, keep", "unclean, linger");
            let name = format!("{} as {role:?}", case.rows);
            let events = with_offsets(case.events, &offsets);
            assert_eq!(whole.events, events, "{name}: events");
            assert_eq!(whole.sent, case.sent, "{name}: sent");
            assert_eq!(whole.end, end, "{name}: end");

            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(run(role, &single), whole, "{name}: byte by byte");
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(run(role, &[head, tail]), whole, "{name}: cut at {cut}");
            }
            for _ in 0..RANDOM_CUTS {
                let pieces = cut_at_random(&bytes, &mut random);
                assert_eq!(run(role, &pieces), whole, "{name}: cut into {pieces:?}");
            }
        }
    }
}

/// A case in which the peer breaks a rule: `error` names it and where, `code` is what it is told.
macro_rules! refused {
    ($rows:literal, $roles:expr, [$($piece:expr),* $(,)?], [$($event:literal),* $(,)?], $code:literal) => {
        Case {
            rows: $rows,
            roles: $roles,
            input: &[$($piece),*],
            events: &[$($event),*],
            sent: &[concat!("close ", $code)],
            end: concat!($code, " by local, unclean, linger"),
        }
    };
}

/// A case in which everything is legal and the connection stays open.
macro_rules! accepted {
    ($rows:literal, $roles:expr, [$($piece:expr),* $(,)?], [$($event:literal),* $(,)?]) => {
        Case {
            rows: $rows,
            roles: $roles,
            input: &[$($piece),*],
            events: &[$($event),*],
            sent: &[],
            end: "open",
        }
    };
}

use {accepted, refused};
