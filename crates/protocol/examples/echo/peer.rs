//! A peer of the loop on mio: its socket, and what is known of that.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;

use mio::net::TcpStream;
use sockeye_protocol::{Instant, Outbox, Transport};

use super::session::Session;
use super::shared::Shared;

/// After so many reads it is the others' turn.
const READS_MAX: usize = 4;

pub(crate) struct Peer {
    stream: TcpStream,
    pub(crate) session: Session,
    /// Whether a read may bring something. Readiness is told once, when it begins, so what was not
    /// read to its end must be remembered.
    pub(crate) is_readable: bool,
    /// Whether the last write would have blocked.
    waits: bool,
    /// The earliest timer that is set for it.
    pub(crate) timer: Option<Instant>,
}

/// What is to be done about a peer.
#[derive(PartialEq)]
pub(crate) enum Next {
    Wait,
    Again,
    End,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, shared: &Shared) -> Self {
        let session = Session::new(shared);
        Self { stream, session, is_readable: false, waits: false, timer: None }
    }

    /// Reads, answers and writes, for as long as it is its turn.
    pub(crate) fn turn(&mut self, buffer: &mut [u8], shared: &mut Shared) -> Next {
        for _ in 0..READS_MAX {
            self.write(shared);
            if !self.is_readable || !self.session.takes_input() {
                break;
            }
            match self.stream.read(buffer) {
                Ok(len @ 1..) => self.session.receive(&mut buffer[..len], shared),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Ok(0) | Err(_) => {
                    self.is_readable = false;
                    self.session.receive_eof();
                }
            }
        }
        // Behind what has come, so that a message beats its deadline.
        if self.session.due().is_some_and(|due| due <= shared.now) {
            self.session.handle_timeout(shared);
        }
        self.write(shared);
        let is_written = self.session.outbox.is_empty();
        match self.session.transport() {
            Transport::Close if is_written || self.waits => return Next::End,
            Transport::Linger if is_written => drop(self.stream.shutdown(Shutdown::Write)),
            _ => {}
        }
        let may_read = self.is_readable && self.session.takes_input();
        let may_write = !is_written && !self.waits;
        if may_read || may_write { Next::Again } else { Next::Wait }
    }

    /// Writes what the socket takes.
    fn write(&mut self, shared: &mut Shared) {
        let outbox = &mut self.session.outbox;
        let before = outbox.len();
        let had_waited = std::mem::take(&mut self.waits);
        match outbox.write_to(&mut self.stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.waits = true,
            // Nobody takes it any more, but what came before is still there to be read.
            Err(_) => *outbox = Outbox::new(),
            Ok(()) => {}
        }
        if outbox.len() < before {
            self.session.written(had_waited, shared);
        }
    }
}
