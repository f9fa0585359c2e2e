//! One socket of two halves again.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sockeye_protocol::Outbox;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Half, Receiver, Sender};
use crate::agreed::Agreed;
use crate::memory::Lent;
use crate::port::Whole;
use crate::receiving::Receiving;
use crate::writing::{self, Writing};

/// The two halves, which are of different sockets.
pub struct ReuniteError<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    /// The one that sends.
    pub Sender<W>,
    /// The one that receives.
    pub Receiver<R, W>,
);

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> fmt::Debug for ReuniteError<R, W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ReuniteError").field(&self.0).field(&self.1).finish()
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> fmt::Display for ReuniteError<R, W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("these are halves of different sockets")
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Error for ReuniteError<R, W> {}

/// What both halves had, over the transport that `join` makes of its halves; or the halves, if they
/// are of different sockets.
#[expect(clippy::type_complexity, reason = "a name for it would hide what comes back")]
pub(crate) fn reunite<S, R, W>(
    mut sender: Sender<W>,
    receiver: Receiver<R, W>,
    join: impl FnOnce(R, W) -> Option<S>,
) -> Result<(Receiving<Whole<S>>, Agreed), Box<ReuniteError<R, W>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    if !Arc::ptr_eq(&sender.shared, &receiver.shared) {
        return Err(Box::new(ReuniteError(sender, receiver)));
    }
    let Receiver { receiving, agreed, shared } = receiver;
    let has_closed = shared.is_closed() || !sender.connection.is_open();
    let (stream, writing, broken, mut unsent) = {
        let pen = &mut *shared.pen();
        let writing = std::mem::replace(&mut pen.writing, Writing::new());
        (pen.stream.take(), writing, pen.broken, std::mem::take(&mut pen.outbox))
    };
    let mut said = Outbox::new();
    let mut receiving = receiving.over(|half: Half<R, W>, outbox| {
        said = outbox;
        join(half.read, stream?).map(|stream| Whole::going_on(stream, writing))
    });
    // In the order in which it would have left, and no frame behind a Close frame.
    let mut fed = std::mem::take(&mut sender.outbox);
    if !shared.is_closed() {
        let behind = match (receiving.connection.is_open(), sender.connection.is_open()) {
            (true, _) => [Some(&mut said), Some(&mut fed)],
            (false, true) => [Some(&mut fed), Some(&mut said)],
            // Each ends with a Close frame, and messages stand before one of them only.
            (false, false) => [Some(&mut fed), None],
        };
        behind.into_iter().flatten().for_each(|outbox| writing::append(&mut unsent, outbox));
    }
    // Nothing is left that the sender could send, or end, as it goes.
    shared.is_closed.store(true, Ordering::Release);
    sender.has_posted = false;
    drop(sender);

    receiving.outbox = if receiving.port.is_some() { unsent } else { Outbox::new() };
    receiving.note_broken(broken);
    receiving.connection.forget_sent();
    if has_closed && receiving.connection.is_open() {
        receiving.outgoing(&mut Lent::take()).close_elsewhere();
    }
    Ok((receiving, agreed))
}
