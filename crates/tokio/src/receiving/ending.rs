//! How a connection ends: in order, by a failure, or because its socket is dropped.

use std::task::{Context, Poll, Waker};

use sockeye_protocol::{CloseCode, Transport};
use tokio::io::ReadBuf;

use super::Receiving;
use crate::error::Error;
use crate::memory::{Lent, Memory};
use crate::port::Port;
use crate::writing::Side;

/// What a socket that is dropped reads and discards at most, so that its Close frame is not
/// destroyed by a reset.
const DISCARDED_READS_MAX: usize = 2;

impl<P: Port> Receiving<P> {
    /// The transport has ended; `error` says how, if that was not to be expected.
    pub(super) fn lose(&mut self, error: Error) {
        if self.connection.closed().is_none() {
            self.failure = Some(Box::new(error));
        }
        self.connection.receive_eof();
    }

    /// Tells of an error as soon as the Close frame that explains it to the peer has left, if the
    /// transport takes it at once.
    pub(super) fn tell(
        &mut self,
        context: &mut Context<'_>,
        memory: &mut Memory,
        error: Error,
    ) -> Poll<Option<Result<(), Error>>> {
        self.poll_leave(context, memory);
        Poll::Ready(Some(Err(error)))
    }

    /// The answer to a Close leaves at once: whoever gets the Close may drop the socket.
    pub(super) fn leave_if_closed(&mut self, context: &mut Context<'_>, memory: &mut Memory) {
        if self.connection.closed().is_some() {
            self.poll_leave(context, memory);
        }
    }

    /// Lets what was said leave, and ends the writing direction if that is due behind it.
    pub(super) fn poll_leave(&mut self, context: &mut Context<'_>, memory: &mut Memory) {
        if !matches!(self.poll_flush(context, memory, Side::Receiving), Poll::Ready(Ok(()))) {
            return;
        }
        if self.connection.transport() == Transport::Linger
            && !self.is_shut
            && let Some(port) = &mut self.port
            && port.poll_shutdown(context).is_ready()
        {
            self.is_shut = true;
        }
    }

    /// The end: what still waits leaves if the transport takes it at once.
    pub(super) fn end(
        &mut self,
        context: &mut Context<'_>,
        memory: &mut Memory,
    ) -> Option<Result<(), Error>> {
        let flushed = self.poll_flush(context, memory, Side::Receiving);
        self.unread.leave(0);
        if let Some(mut port) = self.port.take() {
            if !self.is_shut && matches!(flushed, Poll::Ready(Ok(()))) {
                let _ = port.poll_shutdown(context);
            }
            port.end();
        }
        self.outbox.advance(self.outbox.len());
        self.failure.take().map(|failure| Err(*failure))
    }

    /// Says goodbye without waiting: for one that is dropped while it is open.
    pub(super) fn farewell(&mut self) {
        let context = &mut Context::from_waker(Waker::noop());
        let mut memory = Lent::take();
        self.heed_other_half(&mut memory);
        if self.connection.is_open() {
            let is_panicking = std::thread::panicking();
            let code = if is_panicking { CloseCode::INTERNAL } else { CloseCode::NORMAL };
            let _ = self.outgoing(&mut memory).close_for(Some(code.into()));
        }
        let flushed = self.poll_flush(context, &mut memory, Side::Receiving);
        if !matches!(flushed, Poll::Ready(Ok(()))) {
            return;
        }
        self.unread.leave(0);
        let Some(port) = &mut self.port else { return };
        let _ = port.poll_shutdown(context);
        for _ in 0..DISCARDED_READS_MAX {
            let mut buffer = ReadBuf::new(self.unread.begin_read(&mut memory));
            let read = port.poll_read(context, &mut buffer);
            if !matches!(read, Poll::Ready(Ok(()))) || buffer.filled().is_empty() {
                break;
            }
        }
        self.unread.tidy(&mut memory);
    }
}
