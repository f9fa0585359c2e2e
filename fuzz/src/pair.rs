//! A client and a server on a wire that delays and cuts.

use sockeye_protocol::{
    CloseCode, CloseReason, Config, Connection, DeflateConfig, Output, Prepared, Role, Transport,
};

use crate::choice::Choices;
use crate::deflating::agree;
use crate::endpoint::{Endpoint, Report};

/// The two ends, and what is under way.
pub struct Pair {
    ends: [Endpoint; 2],
    /// What each end has sent and the other has not got.
    wires: [Vec<u8>; 2],
    /// The messages that each end took to be sent.
    sent: [Vec<Report>; 2],
    /// Made once and sent by both.
    prepared: Vec<Prepared>,
}

impl Pair {
    /// A client and a server that have agreed on what they want of compression.
    pub fn new(deflate: Option<[DeflateConfig; 2]>) -> Self {
        // They may ping each other more often than a stranger may.
        let mut config = Config::default();
        config.control_rate_max = u32::MAX;
        let agreed = deflate.and_then(|[client, server]| agree(&client, &server));
        let [client, server] = agreed.map_or([None, None], |agreed| agreed.map(Some));
        Self {
            ends: [
                Endpoint::new(Role::Client, config.clone(), client.as_ref()),
                Endpoint::new(Role::Server, config, server.as_ref()),
            ],
            wires: [Vec::new(), Vec::new()],
            sent: [Vec::new(), Vec::new()],
            prepared: Vec::new(),
        }
    }

    /// Lets them talk as `choices` draws, and asserts that each got what the other sent, whole and
    /// in order, and that both ended.
    pub fn talk(mut self, mut choices: Choices<'_>) {
        while !choices.is_empty() {
            self.step(&mut choices);
        }
        self.end();
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let end = usize::from(choices.coin());
        match choices.below(16) {
            0..=3 => {
                let len = usize::from(choices.number());
                self.deliver(end, len, choices);
            }
            4 => self.deliver(end, usize::MAX, choices),
            5 => self.prepared.push(Prepared::text(&choices.text())),
            6 | 7 => self.send_prepared(end, choices),
            8 => {
                let payload = choices.slice();
                let _ =
                    self.ends[end].with(|connection, output| connection.send_ping(payload, output));
            }
            9 if choices.byte() > 192 => self.close(end),
            10 | 11 => {
                let text = choices.text().into_owned();
                let report = Report::Text(text.clone());
                let owned = choices.coin();
                self.send(end, report, |connection, output| match owned {
                    true => connection.send_text_owned(text, output),
                    false => connection.send_text(&text, output),
                });
            }
            12 => {
                let payload = choices.payload().into_owned();
                let report = Report::Binary(payload.clone());
                self.send(end, report, |connection, output| {
                    connection.send_binary_uncompressed(&payload, output)
                });
            }
            _ => {
                let payload = choices.payload().into_owned();
                let report = Report::Binary(payload.clone());
                let owned = choices.coin();
                self.send(end, report, |connection, output| match owned {
                    true => connection.send_binary_owned(payload, output),
                    false => connection.send_binary(&payload, output),
                });
            }
        }
    }

    fn send(
        &mut self,
        end: usize,
        report: Report,
        send: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), sockeye_protocol::SendError>,
    ) {
        if self.ends[end].with(send).is_ok() {
            self.sent[end].push(report);
        }
    }

    fn send_prepared(&mut self, end: usize, choices: &mut Choices<'_>) {
        if self.prepared.is_empty() {
            return;
        }
        let index = usize::from(choices.byte()) % self.prepared.len();
        let prepared = self.prepared[index].clone();
        let text = String::from_utf8(prepared.payload().to_vec()).expect("a text");
        self.send(end, Report::Text(text), |connection, output| {
            connection.send_prepared(&prepared, output)
        });
    }

    fn close(&mut self, end: usize) {
        let _ = self.ends[end].with(|connection, output| {
            connection.close(Some(CloseReason::new(CloseCode::NORMAL, "done")), output)
        });
    }

    /// Writes what `end` has to say, and lets up to `len_max` bytes arrive in pieces.
    fn deliver(&mut self, end: usize, len_max: usize, choices: &mut Choices<'_>) {
        let written = self.ends[end].send(usize::MAX);
        self.wires[end].extend(written);
        let len = len_max.min(self.wires[end].len());
        let arriving: Vec<u8> = self.wires[end].drain(..len).collect();
        let directly = choices.coin();
        for piece in choices.cut(&arriving) {
            match directly {
                true => self.ends[1 - end].receive_directly(piece),
                false => self.ends[1 - end].receive(piece),
            }
        }
    }

    /// Both close, and all arrives.
    fn end(mut self) {
        self.close(0);
        let mut nothing = Choices::new(&[]);
        for _ in 0..4 {
            self.deliver(0, usize::MAX, &mut nothing);
            self.deliver(1, usize::MAX, &mut nothing);
        }
        for end in [0, 1] {
            let endpoint = &mut self.ends[end];
            let closed = endpoint.connection.closed().expect("closed");
            assert!(closed.clean, "{closed:?}");
            endpoint.connection.receive_eof();
            assert_eq!(endpoint.connection.transport(), Transport::Close);
            assert!(endpoint.messages().eq(&self.sent[1 - end]), "sent is not what arrived");
        }
    }
}
