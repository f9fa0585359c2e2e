//! Writing what waits in an outbox, for two tasks that may both want to.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::Bytes;
use sockeye_protocol::{Outbox, Segment};
use tokio::io::AsyncWrite;

/// Slices of one vectored write: enough for what one read is answered with.
const SLICES_MAX: usize = 16;

/// From this size on a segment is moved from one outbox to another, and not copied.
const MOVED_BYTES_MIN: usize = 4 * 1024;

/// Who wants to write. They may be two tasks, one that receives and one that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Receiving,
    Sending,
}

impl Side {
    const fn index(self) -> usize {
        match self {
            Self::Receiving => 0,
            Self::Sending => 1,
        }
    }
}

/// What is remembered between two writes.
///
/// A transport wakes the task that asked it last. Where two tasks wait for it, both must hear of
/// it: whoever is woken may have lost interest meanwhile, and the other would wait for ever.
#[derive(Debug)]
pub(crate) struct Writing {
    /// Whether the transport itself holds nothing back.
    is_flushed: bool,
    /// Some was written since somebody asked.
    has_progress: bool,
    /// Exists only while something waits.
    waiting: Option<Box<[Option<Waker>; 2]>>,
}

impl Writing {
    pub(crate) const fn new() -> Self {
        Self { is_flushed: true, has_progress: false, waiting: None }
    }

    /// Whether there is nothing to do.
    #[inline]
    pub(crate) const fn is_done(&self, outbox: &Outbox) -> bool {
        outbox.is_empty() && self.is_flushed
    }

    /// Whether anything was written since this was asked the last time.
    pub(crate) const fn take_progress(&mut self) -> bool {
        std::mem::replace(&mut self.has_progress, false)
    }

    /// Writes all that waits, and flushes the transport.
    ///
    /// What was written is forgotten at once, so a future that is dropped at `Pending` has lost
    /// nothing and repeats nothing.
    #[inline]
    pub(crate) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        outbox: &mut Outbox,
        side: Side,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_done(outbox) {
            return Poll::Ready(Ok(()));
        }
        let polled = self.poll_write(stream, outbox, context);
        if polled.is_ready() && self.waiting.is_none() {
            return polled;
        }
        self.attend(polled, stream, outbox, side, context)
    }

    /// What has to be done where somebody waits.
    #[cold]
    fn attend<W: AsyncWrite + Unpin>(
        &mut self,
        mut polled: Poll<io::Result<()>>,
        stream: &mut W,
        outbox: &mut Outbox,
        side: Side,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if polled.is_pending() {
            let waiting = self.waiting.get_or_insert_default();
            waiting[side.index()] = Some(context.waker().clone());
            let [Some(one), Some(other)] = &**waiting else { return Poll::Pending };
            if one.will_wake(other) {
                return Poll::Pending;
            }
            let both = Waker::from(Arc::new(Both([one.clone(), other.clone()])));
            polled = self.poll_write(stream, outbox, &mut Context::from_waker(&both));
        }
        if polled.is_ready() {
            self.wake_other(context.waker());
        }
        polled
    }

    /// Tells both tasks that what they wait for will not come.
    pub(crate) fn wake_all(&mut self) {
        self.take_waiting().for_each(Waker::wake);
    }

    /// Tells the other task that what it waits for is done.
    fn wake_other(&mut self, own: &Waker) {
        self.take_waiting().filter(|waker| !waker.will_wake(own)).for_each(Waker::wake);
    }

    fn take_waiting(&mut self) -> impl Iterator<Item = Waker> {
        self.waiting.take().into_iter().flat_map(|waiting| *waiting).flatten()
    }

    #[inline]
    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        outbox: &mut Outbox,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !outbox.is_empty() {
            self.is_flushed = false;
            let written = ready!(poll_write_once(stream, outbox, context))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outbox.advance(written);
            self.has_progress = true;
        }
        ready!(Pin::new(stream).poll_flush(context))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }
}

/// One write, of several segments at once where there are several and the transport can.
#[inline]
fn poll_write_once<W: AsyncWrite + Unpin>(
    stream: &mut W,
    outbox: &Outbox,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let first = outbox.first_chunk();
    if first.len() == outbox.len() || !stream.is_write_vectored() {
        return Pin::new(stream).poll_write(context, first);
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let filled = outbox.io_slices(&mut slices);
    Pin::new(stream).poll_write_vectored(context, &slices[..filled])
}

/// Appends all of `source` to `target`.
pub(crate) fn append(target: &mut Outbox, source: &mut Outbox) {
    if target.is_empty() {
        return std::mem::swap(target, source);
    }
    while let Some(segment) = source.pop() {
        match segment {
            Segment::Owned(bytes) if bytes.len() >= MOVED_BYTES_MIN => {
                target.append_shared(Bytes::from(bytes));
            }
            Segment::Owned(bytes) => target.append(&bytes),
            Segment::Shared(bytes) => target.append_shared(bytes),
        }
    }
}

/// Wakes two tasks.
struct Both([Waker; 2]);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.iter().for_each(Waker::wake_by_ref);
    }
}
