//! The transport as the receiving half sees it: one stream, or a half of one.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use sockeye_protocol::Outbox;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::writing::{Side, Writing};

/// What receiving needs of a transport.
pub(crate) trait Port {
    /// Fills `buffer` with what has come. Nothing is the end.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;

    /// Appends what has come to `buffer`, within its capacity. Zero is the end.
    fn poll_append(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>>;

    /// Whether nothing waits to be written, neither in `outbox` nor behind it.
    fn is_done(&self, outbox: &Outbox) -> bool;

    /// Writes all of `outbox`.
    fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        outbox: &mut Outbox,
        side: Side,
    ) -> Poll<io::Result<()>>;

    /// Whether the transport has taken anything since this was asked the last time.
    fn has_taken(&mut self) -> bool;

    /// Ends the writing direction.
    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether a half that is not this one has sent a Close frame.
    fn has_closed_elsewhere(&self) -> bool {
        false
    }

    /// A Close frame is about to be flushed: nothing may follow it.
    fn note_close(&mut self) {}

    /// The half is dropped; returns whether the transport is given up with it.
    fn leave(&mut self) -> bool {
        true
    }

    /// The connection is over.
    fn end(&mut self) {}
}

/// A transport that belongs to one socket.
#[derive(Debug)]
pub(crate) struct Whole<S> {
    pub(crate) stream: S,
    writing: Writing,
}

impl<S> Whole<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self::going_on(stream, Writing::new())
    }

    /// One that was written to before.
    pub(crate) const fn going_on(stream: S, writing: Writing) -> Self {
        Self { stream, writing }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Port for Whole<S> {
    #[inline]
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }

    fn poll_append(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        poll_append(&mut self.stream, context, buffer)
    }

    #[inline]
    fn is_done(&self, outbox: &Outbox) -> bool {
        self.writing.is_done(outbox)
    }

    #[inline]
    fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        outbox: &mut Outbox,
        side: Side,
    ) -> Poll<io::Result<()>> {
        self.writing.poll_flush(&mut self.stream, outbox, side, context)
    }

    fn has_taken(&mut self) -> bool {
        self.writing.take_progress()
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// One read into a buffer's spare room, which need not be zeroed for it. Nothing is kept between
/// two polls, so it does not matter that the future is dropped.
pub(crate) fn poll_append<R: AsyncRead + Unpin>(
    stream: &mut R,
    context: &mut Context<'_>,
    buffer: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    pin!(stream.read_buf(buffer)).poll(context)
}
