//! A peer, and what the kernel does for it: one receive that goes on, and one send at a time.

use std::io;
use std::net::{Shutdown, TcpStream};

use sockeye_protocol::{Instant, Outbox, Segment, Transport};

use crate::buffers::Lent;
use crate::ring::Ring;
use crate::session::Session;
use crate::shared::Shared;

pub(crate) struct Peer {
    /// Its name in the ring.
    token: usize,
    stream: TcpStream,
    session: Session,
    receiving: Receiving,
    /// The turn in which a send began that is not done, and how much of its segment has gone.
    sending: Option<(u64, usize)>,
    /// The earliest timer that is set for it.
    pub(crate) timer: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
enum Receiving {
    Not,
    On,
    Stopping,
}

impl Peer {
    pub(crate) fn new(token: usize, stream: TcpStream, shared: &Shared) -> Self {
        let session = Session::new(shared);
        Self { token, stream, session, receiving: Receiving::Not, sending: None, timer: None }
    }

    /// Bytes have come, or their end with `None`.
    pub(crate) fn received(
        &mut self,
        result: io::Result<Option<Lent>>,
        goes_on: bool,
        ring: &mut Ring,
        shared: &mut Shared,
    ) {
        match result {
            Ok(Some(lent)) => {
                self.session.receive(lent.bytes, shared);
                ring.buffers.give_back(lent);
            }
            // It was stopped by us, or no buffer was free: it is asked for again.
            Err(error) if matches!(error.raw_os_error(), Some(CANCELED | NO_BUFFERS)) => {}
            Ok(None) | Err(_) => self.session.receive_eof(),
        }
        if !goes_on {
            self.receiving = Receiving::Not;
        }
    }

    /// So many bytes of `segment` have gone.
    pub(crate) fn sent(
        &mut self,
        result: io::Result<usize>,
        segment: Segment,
        turn: u64,
        ring: &mut Ring,
        shared: &mut Shared,
    ) -> io::Result<()> {
        let (begun, gone) = self.sending.take().expect("it sends");
        match result.map(|len| gone + len) {
            // Nobody takes it any more, but what came before is still there to be read.
            Err(_) => {
                self.session.outbox = Outbox::new();
                self.session.written(false, shared);
            }
            Ok(gone) if gone < segment.as_slice().len() => {
                ring.send(self.token, &self.stream, segment, gone)?;
                self.sending = Some((begun, gone));
            }
            Ok(_) => {
                if let Segment::Owned(bytes) = segment {
                    self.session.outbox.lend(bytes);
                }
                self.session.written(begun + 1 < turn, shared);
            }
        }
        Ok(())
    }

    /// Its timer has fired.
    pub(crate) fn handle_timeout(&mut self, shared: &mut Shared) {
        self.timer = None;
        self.session.handle_timeout(shared);
    }

    /// When its timer is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.session.due()
    }

    /// Asks the kernel for what is wanted now. Returns whether it is over, and the kernel done with it.
    pub(crate) fn settle(&mut self, turn: u64, ring: &mut Ring) -> io::Result<bool> {
        if self.sending.is_none()
            && let Some(segment) = self.session.outbox.pop()
        {
            ring.send(self.token, &self.stream, segment, 0)?;
            self.sending = Some((turn, 0));
        }
        let waits = self.sending.is_some_and(|(begun, _)| begun < turn);
        let mut ends = false;
        match self.session.transport() {
            // What is under way completes at once then.
            Transport::Close if self.sending.is_none() || waits => {
                ends = true;
                let _ = self.stream.shutdown(Shutdown::Both);
            }
            Transport::Linger if self.sending.is_none() => {
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            _ => {}
        }
        match (self.receiving, self.session.takes_input()) {
            (Receiving::Not, true) if !ends => {
                ring.receive(self.token, &self.stream)?;
                self.receiving = Receiving::On;
            }
            (Receiving::On, false) => {
                ring.stop_receiving(self.token)?;
                self.receiving = Receiving::Stopping;
            }
            _ => {}
        }
        Ok(ends && self.receiving == Receiving::Not && self.sending.is_none())
    }
}

/// The kernel's words for what was stopped by us, and for a lack of buffers.
const CANCELED: i32 = 125;
const NO_BUFFERS: i32 = 105;
