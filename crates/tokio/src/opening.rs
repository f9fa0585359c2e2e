//! What both roles need while the opening handshake lasts.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use sockeye_protocol::Outbox;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::writing::{Side, Writing};

/// Room for a usual head.
pub(crate) const HEAD_BYTES: usize = 2 * 1024;

/// As far as any deadline is: a year.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long whoever was refused may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// How much of what comes behind a refused request is read and discarded, so that the answer is not
/// destroyed by a reset.
const DISCARDED_BYTES_MAX: usize = 256 * 1024;

/// When what begins now and may take so long must be done.
pub(crate) fn deadline(within: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(within).unwrap_or_else(|| now + FAR)
}

/// Runs a part of the handshake, which must be done by `deadline`.
pub(crate) async fn within<T>(
    deadline: Instant,
    part: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout_at(deadline, part).await.unwrap_or(Err(Error::OpeningTimedOut))
}

/// Appends what comes next to `head`.
pub(crate) async fn read_more<S: AsyncRead + Unpin>(
    stream: &mut S,
    head: &mut Vec<u8>,
) -> Result<(), Error> {
    head.reserve(HEAD_BYTES);
    match stream.read_buf(head).await? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        _ => Ok(()),
    }
}

/// Writes all of `outbox`.
pub(crate) async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    outbox: &mut Outbox,
) -> io::Result<()> {
    let mut writing = Writing::new();
    poll_fn(|context| writing.poll_flush(stream, outbox, Side::Sending, context)).await
}

/// Writes the last answer and ends the transport. How far that gets is no longer of interest.
pub(crate) async fn write_last<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut outbox: Outbox,
) {
    let last = async {
        write(stream, &mut outbox).await?;
        stream.shutdown().await?;
        let mut piece = Vec::with_capacity(HEAD_BYTES);
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES_MAX {
            piece.clear();
            match stream.read_buf(&mut piece).await? {
                0 => break,
                bytes => discarded += bytes,
            }
        }
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(LINGER, last).await;
}
