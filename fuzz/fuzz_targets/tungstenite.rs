//! The same bytes to tungstenite and to us, in both roles: the same messages, and a failure here
//! where there is one there. What may differ is listed, each with the sentence that decides it.
#![no_main]

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{Choices, Endpoint, Report};
use sockeye_protocol::{Config, Role, Violation};
use tungstenite::protocol::{Role as OtherRole, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

const MESSAGE_BYTES_MAX: usize = 2048;

/// What tungstenite reads: pieces, and then nothing more for now. What it writes is dropped.
struct Pieces<'b>(VecDeque<&'b [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let mut piece = self.0.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let len = piece.read(target)?;
        if !piece.is_empty() {
            self.0.push_front(piece);
        }
        Ok(len)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite reports, and whether it failed.
fn theirs(role: Role, pieces: Vec<&[u8]>) -> (Vec<Report>, bool) {
    let role = if role == Role::Server { OtherRole::Server } else { OtherRole::Client };
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = WebSocket::from_raw_socket(Pieces(pieces.into()), role, Some(config));
    let mut reports = Vec::new();
    loop {
        reports.push(match socket.read() {
            Ok(Message::Text(text)) => Report::Text(text.as_str().into()),
            Ok(Message::Binary(bytes)) => Report::Binary(bytes.to_vec()),
            Ok(Message::Ping(bytes)) => Report::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => Report::Pong(bytes.to_vec()),
            Ok(Message::Close(frame)) => {
                let reason = |frame: tungstenite::protocol::CloseFrame| {
                    (frame.code.into(), frame.reason.as_str().into())
                };
                reports.push(Report::Close(frame.map(reason)));
                return (reports, false);
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (reports, false);
            }
            Err(_) => return (reports, true),
        });
    }
}

/// Whether we may fail where tungstenite goes on.
fn may_fail(violation: Violation, rest: &[Report]) -> bool {
    match violation {
        // RFC 6455, section 5.2: the shortest form of the length is required.
        // In a control frame a longer form is refused already for what it must announce, more than
        // the 125 bytes of section 5.5.
        Violation::LengthNotMinimal | Violation::ControlTooLong => true,
        // Section 7.4: codes that no frame may carry. tungstenite reports 1002 in their place, or
        // the code itself.
        Violation::IllegalCloseCode(_) => matches!(rest, [] | [Report::Close(_)]),
        // We fail at the first byte that cannot be right, as sections 7.1.7 and 8.1 allow;
        // tungstenite waits for the frame's end, which did not come.
        _ => rest.is_empty(),
    }
}

/// What tungstenite makes of what we report: it does not know 1014, which the registry of RFC 6455,
/// section 11.7, has had since, and reports another code in its place.
fn as_theirs(report: &Report) -> Report {
    match report {
        Report::Close(Some((1014, _))) => Report::Close(Some((1002, "Protocol violation".into()))),
        report => report.clone(),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let role = if choices.coin() { Role::Client } else { Role::Server };
    let lengths = choices.slice();
    let bytes = choices.rest();
    let pieces = Choices::new(&[&[lengths.len() as u8], lengths].concat()).cut(bytes);
    let mut config = Config::default();
    config.message_bytes_max = MESSAGE_BYTES_MAX;
    // RFC 6455, section 10.4, lets limits be set; tungstenite has none on the number of fragments
    // and the rate of control frames.
    config.fragments_max = Some(u32::MAX);
    config.control_rate_max = u32::MAX;
    let mut endpoint = Endpoint::new(role, config, None);
    for piece in &pieces {
        endpoint.receive(piece);
    }
    let (theirs, failed) = theirs(role, pieces);
    let ours = &endpoint.reports[..];
    match ours {
        [before @ .., Report::Failed(error)] => {
            assert!(theirs.starts_with(before), "{before:?} {theirs:?}");
            let rest = &theirs[before.len()..];
            assert!(
                failed && rest.is_empty() || may_fail(error.violation, rest),
                "{error:?} {rest:?}"
            );
        }
        _ => {
            assert_eq!(ours.iter().map(as_theirs).collect::<Vec<_>>(), theirs);
            assert!(!failed, "tungstenite alone fails behind {ours:?}");
        }
    }
});
