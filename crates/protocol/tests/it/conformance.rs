//! The requirements of RFC 6455, sections 5 to 8, as a table: each case runs in the roles that it
//! concerns, whole, byte by byte, and cut at every place, and must give the same events, the same
//! bytes sent, the same verdict, the same deadline.

mod closing;
mod control;
mod ending;
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

/// Runs every case in its roles with every cut.
fn check(cases: &[Case]) {
    for case in cases {
        for &role in case.roles {
            let mut bytes = Vec::new();
            for piece in case.input {
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
            assert_eq!(whole.events, case.events, "{name}: events");
            assert_eq!(whole.sent, case.sent, "{name}: sent");
            assert_eq!(whole.end, end, "{name}: end");

            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(run(role, &single), whole, "{name}: byte by byte");
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(run(role, &[head, tail]), whole, "{name}: cut at {cut}");
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
