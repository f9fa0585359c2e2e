//! Listeners that somebody else made.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use socket2::{Domain, SockRef, Type};

use super::Address;

/// A socket that listens already: one that the program made itself, to set options that nothing here knows or to bind it
/// before it gives up a privilege, or one that whoever started the program left open for it.
///
/// A reactor [listens on](crate::Reactor::listen_on) it, and closes it when it stops listening. What others hold of the
/// same socket, such as a service manager or a [`TcpListener::try_clone`], goes on listening then, and gets the
/// connections that wait. It does not block any more from then on, for them either. Its descriptor is not passed on to
/// programs that this one starts.
#[derive(Debug)]
#[non_exhaustive]
pub enum GivenListener {
    /// Of TCP, over IPv4 or IPv6.
    Tcp(TcpListener),
    /// Of a Unix socket, at a path or without. Its file is not removed: whoever made it may want it again.
    Unix(UnixListener),
}

impl GivenListener {
    /// Where it listens. A Unix socket without a path has an empty one, and one with an abstract name that name behind a
    /// zero.
    ///
    /// # Errors
    /// The system does not tell, as of what is no socket.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_) => {
                let address = self.socket().local_addr()?;
                let path = address.as_pathname().map(Path::to_owned);
                let abstract_name = || {
                    let name = [&[0], address.as_abstract_namespace()?].concat();
                    Some(PathBuf::from(OsString::from_vec(name)))
                };
                Ok(Address::Unix(path.or_else(abstract_name).unwrap_or_default()))
            }
        }
    }

    /// Whether it is what its type says, and listens: a descriptor that another process left open may be anything.
    ///
    /// # Errors
    /// With an [`InvalidListener`] inside of an error of the kind [`InvalidInput`](io::ErrorKind::InvalidInput).
    pub fn check(&self) -> io::Result<()> {
        let (socket, is_family): (_, fn(Domain) -> bool) = match self {
            Self::Tcp(listener) => {
                (listener.as_fd(), |family| family == Domain::IPV4 || family == Domain::IPV6)
            }
            Self::Unix(listener) => (listener.as_fd(), |family| family == Domain::UNIX),
        };
        let is_kind = is_stream(socket, is_family)?;
        if !is_kind {
            return Err(InvalidListener::OtherKind.into());
        }
        if !listens(socket)? {
            return Err(InvalidListener::NotListening.into());
        }
        Ok(())
    }

    /// The socket, whatever kind it is of.
    pub(super) fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(listener) => listener.into(),
            Self::Unix(listener) => listener.into(),
        }
    }
}

fn is_stream(socket: BorrowedFd<'_>, is_family: fn(Domain) -> bool) -> io::Result<bool> {
    let socket = SockRef::from(&socket);
    let kind = socket.r#type().and_then(|kind| Ok((kind, socket.local_addr()?.domain())));
    match kind {
        Ok((kind, family)) => Ok(kind == Type::STREAM && is_family(family)),
        // A file, for instance.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTSOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn listens(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_acceptconn(socket)?)
}

/// The system does not tell; accepting fails if it does not.
#[cfg(target_vendor = "apple")]
fn listens(_socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(true)
}

impl From<TcpListener> for GivenListener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for GivenListener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Why a [`GivenListener`] is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidListener {
    /// It is a socket of the right kind, and does not listen: it is only bound, or it is a connection.
    NotListening,
    /// It is a socket of another family or type, or no socket at all.
    OtherKind,
}

impl fmt::Display for InvalidListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotListening => "the given socket does not listen",
            Self::OtherKind => {
                "the given listener is not of the kind that its type says: TCP or Unix, of streams"
            }
        })
    }
}

impl std::error::Error for InvalidListener {}

impl From<InvalidListener> for io::Error {
    fn from(invalid: InvalidListener) -> Self {
        Self::new(io::ErrorKind::InvalidInput, invalid)
    }
}
