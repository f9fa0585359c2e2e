//! A connection that is being opened: connect, ask for the upgrade, read the answer.

use std::io::{self, Read, Write};
use std::time::Instant;

use mio::net::TcpStream;
use sockeye::protocol::Outbox;
use sockeye::protocol::handshake::{ClientHandshake, HeadLimits, Reply};

use super::messages::Random;
use super::target::{Bare, Target};

/// What a server that echoes bytes must send back before it counts as open.
const PROBE: &[u8] = b"Does anybody send this back?\r\n";

const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A connection that is not open yet.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) stream: TcpStream,
    pub(crate) began: Instant,
    /// `None` where only the echo of [`PROBE`] is waited for, or nothing.
    handshake: Option<ClientHandshake>,
    unsent: Vec<u8>,
    /// How many bytes a server that echoes has yet to send back.
    echo_len: usize,
    received: Vec<u8>,
    is_connected: bool,
}

impl Opening {
    /// Begins to connect. A server that is said to echo bytes is asked whether it does.
    pub(crate) fn begin(
        target: &Target,
        number: usize,
        random: &mut Random,
        bare: Bare,
    ) -> Result<Self, String> {
        let began = Instant::now();
        let stream = target.connect(number).map_err(|error| refusal(target, &error))?;
        let mut unsent = Vec::new();
        let mut handshake = None;
        let mut echo_len = 0;
        if let Some(request) = &target.request {
            let mut outbox = Outbox::new();
            let limits = HeadLimits::default();
            handshake = Some(ClientHandshake::start(request, random.nonce(), limits, &mut outbox));
            outbox.chunks().for_each(|chunk| unsent.extend_from_slice(chunk));
        } else if bare == Bare::Echoes {
            unsent.extend_from_slice(PROBE);
            echo_len = PROBE.len();
        }
        Ok(Self {
            stream,
            began,
            handshake,
            unsent,
            echo_len,
            received: Vec::new(),
            is_connected: false,
        })
    }

    /// Goes on as far as it can. When the connection is open, returns what came behind the answer.
    pub(crate) fn advance(&mut self, target: &Target) -> Result<Option<Vec<u8>>, String> {
        if let Ok(Some(error)) = self.stream.take_error() {
            return Err(refusal(target, &error));
        }
        if !self.is_connected {
            match self.stream.peer_addr() {
                Ok(_) => self.is_connected = true,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(None),
                Err(error) => return Err(refusal(target, &error)),
            }
        }
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(refusal(target, &error)),
            }
        }
        if self.handshake.is_none() && self.echo_len == 0 {
            return Ok(Some(Vec::new()));
        }
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    return Err(format!(
                        "{} ended the connection instead of an answer",
                        target.url
                    ));
                }
                Ok(read) => {
                    self.received.extend_from_slice(&buffer[..read]);
                    if let Some(rest) = self.answer(target)? {
                        return Ok(Some(rest));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(refusal(target, &error)),
            }
        }
    }

    fn answer(&mut self, target: &Target) -> Result<Option<Vec<u8>>, String> {
        let Some(handshake) = &mut self.handshake else {
            if !PROBE.starts_with(&self.received) {
                return Err(format!("{} does not send back what it gets", target.url));
            }
            return Ok((self.received.len() == self.echo_len).then(Vec::new));
        };
        match handshake.receive(&self.received) {
            Ok(None) if self.received.len() > HEAD_BYTES_MAX => {
                Err(format!("{} answers without end", target.url))
            }
            Ok(None) => Ok(None),
            Ok(Some(Reply::Switched(switched))) => {
                Ok(Some(self.received.split_off(switched.head_len)))
            }
            Ok(Some(Reply::Refused(refusal))) => Err(format!(
                "{} refused the upgrade with status {} {}",
                target.url,
                refusal.status(),
                refusal.reason()
            )),
            Err(error) => Err(format!("{} is no WebSocket server: {error}", target.url)),
        }
    }
}

fn refusal(target: &Target, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::ConnectionRefused => "; does the server run?",
        io::ErrorKind::AddrNotAvailable => "; there is no port left to come from",
        _ if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            "; `ulimit -n` says how many there may be"
        }
        _ => "",
    };
    format!("cannot connect to {} ({}): {error}{advice}", target.url, target.address())
}
