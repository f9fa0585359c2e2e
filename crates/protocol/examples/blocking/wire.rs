//! A blocking socket with deadlines, for the examples of a server and of a client.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Duration;

use sockeye_protocol::{Buffers, Connection, Instant, MaskKeys, Outbox, Output};

/// For how long a peer may take nothing of what is written to it.
const STALLED_MAX: Duration = Duration::from_secs(30);
/// A write that took so long has waited for the peer.
const WAITED_MIN: Duration = Duration::from_millis(100);

/// A socket, and what lies between it and a connection.
pub(crate) struct Wire<K> {
    pub(crate) stream: TcpStream,
    origin: std::time::Instant,
    pub(crate) outbox: Outbox,
    pub(crate) buffers: Buffers,
    mask_keys: K,
}

impl<K: MaskKeys> Wire<K> {
    pub(crate) fn new(stream: TcpStream, mask_keys: K) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(STALLED_MAX))?;
        let (outbox, buffers) = (Outbox::new(), Buffers::default());
        Ok(Self { stream, origin: std::time::Instant::now(), outbox, buffers, mask_keys })
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    pub(crate) fn output(&mut self) -> Output<'_> {
        let now = self.now();
        let Self { outbox, mask_keys, buffers, .. } = self;
        Output { outbox, mask_keys, buffers, now }
    }

    /// Reads, but waits no longer than until `due`; `None` if nothing has come by then, or a signal
    /// has cut it short.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        due: Option<Instant>,
    ) -> io::Result<Option<usize>> {
        // A timeout of zero would mean to wait for ever.
        let left = due.map(|due| due.saturating_duration_since(self.now()));
        self.stream.set_read_timeout(left.map(|left| left.max(Duration::from_millis(1))))?;
        match self.stream.read(buffer) {
            Ok(len) => Ok(Some(len)),
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self, connection: &mut Connection) {
        let before = self.now();
        if let Err(error) = self.outbox.write_to(&mut self.stream) {
            // Nobody takes it any more, but what came before is still there to be read.
            self.outbox = Outbox::new();
            if is_timeout(&error) {
                connection.receive_eof();
            }
        }
        // A ping may have lain behind what had to wait, and could not be answered meanwhile.
        if self.now() > before + WAITED_MIN {
            connection.postpone_pong(self.now());
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
