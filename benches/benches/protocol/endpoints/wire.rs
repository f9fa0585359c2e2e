use std::cell::Cell;
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use sockeye_benches::{BROUGHT_BYTES, bring};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What comes over a connection: a stream of bytes that begins again when it ends, so that an
/// endpoint need not be made anew for each run.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) bytes: Rc<[u8]>,
    /// The most bytes that one read brings.
    pub(crate) read_bytes_max: usize,
    /// Whether some of the messages have more than one frame.
    pub(crate) is_fragmented: bool,
}

impl Wire {
    /// A wire of whole messages whose reads bring as much as fits.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), read_bytes_max: usize::MAX, is_fragmented: false }
    }
}

/// A wire with a place on it, and a sink that counts what is written.
pub(crate) struct Stream {
    wire: Wire,
    position: usize,
    written: Written,
}

/// How many bytes were written since it was asked last.
#[derive(Clone, Default)]
pub(crate) struct Written(Rc<Cell<usize>>);

impl Written {
    pub(crate) fn take(&self) -> usize {
        self.0.take()
    }
}

impl Stream {
    pub(crate) fn new(wire: &Wire) -> (Self, Written) {
        let written = Written::default();
        (Self { wire: wire.clone(), position: 0, written: written.clone() }, written)
    }

    /// A stream that brings nothing.
    pub(crate) fn sink(written: &Written) -> Self {
        Self { wire: Wire::new(Vec::new()), position: 0, written: written.clone() }
    }

    /// What the next read of at most `len_max` bytes brings.
    fn next(&mut self, len_max: usize) -> &[u8] {
        let rest = &self.wire.bytes[self.position..];
        let len = rest.len().min(len_max).min(self.wire.read_bytes_max);
        self.position += len;
        if self.position == self.wire.bytes.len() {
            self.position = 0;
        }
        &rest[..len]
    }
}

impl Read for Stream {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next(target.len());
        bring(target, bytes);
        Ok(bytes.len())
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.0.update(|written| written + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = self.next(target.remaining());
        bytes.chunks(BROUGHT_BYTES).for_each(|piece| target.put_slice(piece));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>();
        self.written.0.update(|written| written + len);
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls a future that never waits.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the bytes are in memory"),
    }
}
