//! One socket to two halves, and two halves to one socket.

use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
#[cfg(unix)]
use tokio::net::{UnixStream, unix};

use super::WebSocket;
use crate::port::Whole;
use crate::split::{Receiver, ReuniteError, Sender, reunite, split};

/// Two halves.
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Makes two halves for two tasks, over any transport.
    ///
    /// tokio's halves of a transport of any kind share a lock, which each read and each write takes.
    /// Those of a socket do not: see [`into_split`](Self::into_split).
    ///
    /// [`Receiver::reunite`] makes one socket of them again.
    #[must_use]
    #[expect(clippy::type_complexity, reason = "a name for it would hide which halves these are")]
    pub fn split(self) -> (Sender<WriteHalf<S>>, Receiver<ReadHalf<S>, WriteHalf<S>>) {
        self.divide(tokio::io::split)
    }

    fn divide<R, W>(self, divide: impl FnOnce(S) -> (R, W)) -> (Sender<W>, Receiver<R, W>)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let Self { receiving, agreed } = self;
        split(*receiving, agreed, |whole: Whole<S>| divide(whole.stream))
    }
}

impl WebSocket<TcpStream> {
    /// Makes two halves for two tasks, which share no lock but that of the writing end, and that once
    /// for each flush.
    #[must_use]
    pub fn into_split(self) -> (Sender<OwnedWriteHalf>, Receiver<OwnedReadHalf, OwnedWriteHalf>) {
        self.divide(TcpStream::into_split)
    }
}

#[cfg(unix)]
impl WebSocket<UnixStream> {
    /// As for TCP.
    #[must_use]
    pub fn into_split(
        self,
    ) -> (Sender<unix::OwnedWriteHalf>, Receiver<unix::OwnedReadHalf, unix::OwnedWriteHalf>) {
        self.divide(UnixStream::into_split)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<ReadHalf<S>, WriteHalf<S>> {
    /// Makes one socket of two halves again.
    ///
    /// Nothing is lost: what was received and not asked for is received next, what was fed or said and
    /// has not left leaves with the next flush, deadlines go on, and a Close frame of either half is
    /// one of the socket's. Only what would stand behind a Close frame is discarded, as the halves do.
    ///
    /// ```
    /// # async fn again(socket: sockeye_tokio::WebSocket<tokio::net::TcpStream>) {
    /// let (sender, receiver) = socket.into_split();
    /// let socket = receiver.reunite(sender).expect("they are of one socket");
    /// # drop(socket);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the halves are of different sockets: both come back as they were.
    #[expect(clippy::type_complexity, reason = "a name for it would hide which halves these are")]
    pub fn reunite(
        self,
        sender: Sender<WriteHalf<S>>,
    ) -> Result<WebSocket<S>, Box<ReuniteError<ReadHalf<S>, WriteHalf<S>>>> {
        WebSocket::of_halves(sender, self, |read, write| Some(read.unsplit(write)))
    }
}

impl Receiver<OwnedReadHalf, OwnedWriteHalf> {
    /// Makes one socket of two halves again. Nothing is lost, as with those of any transport.
    ///
    /// # Errors
    ///
    /// If the halves are of different sockets: both come back as they were.
    pub fn reunite(
        self,
        sender: Sender<OwnedWriteHalf>,
    ) -> Result<WebSocket<TcpStream>, Box<ReuniteError<OwnedReadHalf, OwnedWriteHalf>>> {
        WebSocket::of_halves(sender, self, |read, write| read.reunite(write).ok())
    }
}

#[cfg(unix)]
impl Receiver<unix::OwnedReadHalf, unix::OwnedWriteHalf> {
    /// As for TCP.
    ///
    /// # Errors
    ///
    /// As for TCP.
    pub fn reunite(
        self,
        sender: Sender<unix::OwnedWriteHalf>,
    ) -> Result<WebSocket<UnixStream>, Box<ReuniteError<unix::OwnedReadHalf, unix::OwnedWriteHalf>>>
    {
        WebSocket::of_halves(sender, self, |read, write| read.reunite(write).ok())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    fn of_halves<R, W>(
        sender: Sender<W>,
        receiver: Receiver<R, W>,
        join: impl FnOnce(R, W) -> Option<S>,
    ) -> Result<Self, Box<ReuniteError<R, W>>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (receiving, agreed) = reunite(sender, receiver, join)?;
        Ok(Self { receiving: Box::new(receiving), agreed })
    }
}
