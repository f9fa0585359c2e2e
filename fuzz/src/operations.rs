//! Whatever can happen to a connection, in any order, and what must hold all the same.

use std::time::Duration;

use sockeye_protocol::{
    CloseCode, CloseReason, Config, Connection, FrameReader, Opcode, Output, Prepared, Role,
    SendError, Transport,
};

use crate::choice::Choices;
use crate::deflating::{agree, deflate_config};
use crate::endpoint::{Endpoint, Report};
use crate::frame::frame;

/// What pings and pongs may take beyond the outbox's limit, a few of the connection's own, and a
/// Close.
const CONTROL_BYTES_MAX: usize = 4 * 1024 + 4 * 131;

/// Runs the operations that `choices` draws against a connection of either role.
pub fn operate(mut choices: Choices<'_>) {
    let choices = &mut choices;
    let role = if choices.coin() { Role::Server } else { Role::Client };
    let agreed = match choices.coin() {
        true => agree(&deflate_config(choices), &deflate_config(choices)),
        false => None,
    };
    let (own, peers) = match (agreed, role) {
        (Some([client, server]), Role::Client) => (Some(client), Some(server)),
        (Some([client, server]), Role::Server) => (Some(server), Some(client)),
        (None, _) => (None, None),
    };
    let mut subject = Subject {
        endpoint: Endpoint::new(role, config(choices), own.as_ref()),
        peer: Endpoint::patient(other(role), peers.as_ref()),
        sent: Vec::new(),
        longest: 0,
        pings: 0,
        behind_close: Vec::new(),
    };
    if choices.coin() {
        subject.endpoint.connection.hold_ends();
    }
    while !choices.is_empty() {
        subject.step(choices);
        subject.check();
    }
    subject.end();
}

const fn other(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// Limits and deadlines, small and large.
fn config(choices: &mut Choices<'_>) -> Config {
    let sizes = [0, 1, 125, 126, 1000, 20_000, 65_535, 65_536, 100_000];
    let seconds = |seconds| Duration::from_secs(seconds);
    let mut config = Config::default();
    config.message_bytes_max = choices.one_of(&sizes);
    config.fragments_max = choices.one_of(&[None, Some(1), Some(3)]);
    config.outbox_bytes_max = choices.one_of(&sizes);
    config.outbox_high_mark = choices.one_of(&sizes);
    config.message_within = choices.one_of(&[None, Some(0), Some(5)]).map(seconds);
    config.ping_after = choices.one_of(&[None, Some(0), Some(20)]).map(seconds);
    config.pong_within = seconds(choices.one_of(&[0, 20]));
    config.close_within = seconds(choices.one_of(&[0, 5]));
    config
}

/// The connection under test, and a peer that reads all that it sends.
struct Subject {
    endpoint: Endpoint,
    peer: Endpoint,
    /// The messages that the connection took to be sent.
    sent: Vec<Report>,
    /// The longest of them.
    longest: usize,
    /// How many pings of the keepalive may wait in the outbox.
    pings: usize,
    /// What was sent behind the Close.
    behind_close: Vec<u8>,
}

impl Subject {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(16) {
            0 => self.endpoint.receive(choices.slice()),
            1 => self.endpoint.receive(&choices.payload()),
            2 => self.endpoint.receive_directly(&choices.payload()),
            3 | 4 => {
                let frame = any_frame(choices, self.endpoint.connection.role());
                for piece in choices.cut(&frame) {
                    self.endpoint.receive(piece);
                }
            }
            5 => {
                let frame = any_frame(choices, self.endpoint.connection.role());
                self.endpoint.receive_directly(&frame);
            }
            6..=8 => self.send(choices),
            9 => self.send_control(choices),
            10 => self.drain(usize::from(choices.number())),
            11 => {
                self.endpoint.now += Duration::from_millis(choices.number().into());
                let _ = self.handle_timeout();
            }
            12 => match choices.coin() {
                true => self.endpoint.with(|connection, output| connection.outbox_drained(output)),
                false => self.endpoint.with(|connection, output| connection.let_end(output)),
            },
            13 => match choices.below(3) {
                0 => self.at_now(Connection::suspend_keepalive),
                1 => self.at_now(Connection::resume_keepalive),
                _ => self.at_now(|connection, now| connection.postpone_pong(now)),
            },
            14 => self.close(choices),
            _ => match choices.below(4) {
                0 => self.endpoint.with(|connection, _| connection.receive_eof()),
                1 => {
                    let code = CloseCode::from_u16(choices.number());
                    self.endpoint.with(|connection, output| connection.fail(code, output));
                }
                _ => self.drain(usize::MAX),
            },
        }
    }

    fn at_now(&mut self, act: impl FnOnce(&mut Connection, sockeye_protocol::Instant)) {
        self.endpoint.with(|connection, output| act(connection, output.now));
    }

    /// Sends a message in one of the ways that there are.
    fn send(&mut self, choices: &mut Choices<'_>) {
        let way = choices.below(8);
        let (text, payload) = match way & 1 {
            0 => (choices.text().into_owned(), Vec::new()),
            _ => (String::new(), choices.payload().into_owned()),
        };
        let was_open = self.endpoint.connection.is_open();
        let was_empty = self.endpoint.outbox.is_empty();
        let send = |connection: &mut Connection, output: &mut Output<'_>| match way {
            0 => connection.send_text(&text, output),
            1 => connection.send_binary(&payload, output),
            2 => connection.send_text_owned(text.clone(), output),
            3 => connection.send_binary_owned(payload.clone(), output),
            4 => connection.send_text_uncompressed(&text, output),
            5 => connection.send_binary_uncompressed(&payload, output),
            6 => connection.send_prepared(&Prepared::text(&text), output),
            _ => connection.send_prepared(&Prepared::binary(&payload).uncompressed(), output),
        };
        match self.endpoint.with(send) {
            Ok(()) => {
                assert!(was_open);
                self.longest = self.longest.max(text.len() + payload.len());
                self.sent.push(match way & 1 {
                    0 => Report::Text(text),
                    _ => Report::Binary(payload),
                });
            }
            Err(SendError::Full) => assert!(was_open && !was_empty),
            Err(error) => assert!(!was_open && error == SendError::NotOpen, "{error:?}"),
        }
    }

    fn send_control(&mut self, choices: &mut Choices<'_>) {
        let (is_ping, payload) = (choices.coin(), choices.slice());
        let sent = self.endpoint.with(|connection, output| match is_ping {
            true => connection.send_ping(payload, output),
            false => connection.send_pong(payload, output),
        });
        assert_eq!(payload.len() > 125, sent == Err(SendError::ControlTooLong));
    }

    fn close(&mut self, choices: &mut Choices<'_>) {
        let reason = String::from_utf8_lossy(choices.slice());
        let code = CloseCode::from_u16(choices.one_of(&[1000, 1005, 1010, 1011, 3000, 65535]));
        let reason = (!reason.is_empty()).then(|| CloseReason::new(code, reason));
        let was_open = self.endpoint.connection.is_open();
        let closed = self.endpoint.with(|connection, output| connection.close(reason, output));
        let is_open = self.endpoint.connection.is_open();
        assert_eq!(closed.is_ok(), was_open && !is_open, "{closed:?}");
    }

    fn handle_timeout(&mut self) -> Result<(), sockeye_protocol::TimedOut> {
        self.pings += 1;
        self.endpoint.with(|connection, output| connection.handle_timeout(output))
    }

    /// Lets the peer read up to `len_max` bytes: all that is sent is legal.
    fn drain(&mut self, len_max: usize) {
        let mut sent = self.endpoint.send(len_max);
        let behind = self.endpoint.behind_close(sent.len());
        self.behind_close.extend(sent.split_off(sent.len() - behind));
        self.peer.receive(&sent);
        if let Some(Report::Failed(error)) = self.peer.reports.last() {
            panic!("what was sent breaks a rule: {error:?}");
        }
        assert!(self.behind_close.is_empty() || self.peer.connection.closed().is_some());
        // The peer's own answers are nobody's business.
        self.peer.send(usize::MAX);
    }

    /// What holds after every step.
    fn check(&self) {
        let Endpoint { connection, outbox, .. } = &self.endpoint;
        let config = connection.config();
        // What does not compress grows by little.
        let longest = self.longest + self.longest / 100 + 64;
        let limit = longest.max(config.outbox_bytes_max).max(config.outbox_high_mark);
        let limit = limit + CONTROL_BYTES_MAX + 14 * self.pings;
        assert!(outbox.len() <= limit, "{} bytes wait, of {limit}", outbox.len());
        assert_eq!(outbox.len(), outbox.chunks().map(<[u8]>::len).sum::<usize>());
    }

    /// Time passes and nothing else happens: the transport ends, unless nobody wanted that.
    fn end(mut self) {
        for _ in 0..8 {
            self.drain(usize::MAX);
            let Some(due) = self.endpoint.connection.poll_timeout() else { break };
            self.endpoint.now = self.endpoint.now.max(due);
            let _ = self.handle_timeout();
            self.check();
        }
        assert!(self.endpoint.connection.poll_timeout().is_none(), "deadlines do not end");
        if self.endpoint.connection.is_open() {
            self.endpoint.with(|connection, _| connection.receive_eof());
        }
        assert_eq!(self.endpoint.connection.transport(), Transport::Close);
        self.drain(usize::MAX);
        // RFC 6455, section 5.5.2: pings are answered until the peer's Close comes.
        let mut behind = &mut self.behind_close[..];
        let mut reader =
            FrameReader::new(other(self.endpoint.connection.role()), &Config::default());
        while let Some(chunk) = reader.next(&mut behind).expect("a legal frame") {
            assert_eq!(chunk.header.opcode, Opcode::Pong, "behind a Close");
        }
        assert!(reader.is_idle(), "part of a frame");
        assert!(self.peer.messages().eq(&self.sent), "what arrived is not what was sent");
    }
}

/// A frame to `receiver` that is mostly legal.
fn any_frame(choices: &mut Choices<'_>, receiver: Role) -> Vec<u8> {
    let first = choices.one_of(&[
        0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8A, 0xC1, 0xC2, 0x41, 0x42, 0xFF,
    ]);
    let key = (receiver == Role::Server).then(|| choices.array());
    frame(first, key, &choices.payload())
}
