//! A listening socket: how it is made, and how it accepts.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ::mio::event::Source;
use ::mio::net::{TcpListener, UnixListener};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::super::{Address, GivenListener, InvalidListener, Remote};
use super::stream::{Stream, set_user_timeout};

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Place),
}

/// Where a Unix listener is.
#[derive(Debug)]
pub(super) enum Place {
    /// At a path whose file is ours.
    Own(Arc<UnixSocket>),
    /// Where somebody else has put it, whose file is left alone.
    Given(PathBuf),
}

impl Listener {
    /// Binds and listens.
    pub(super) fn bind(address: &Address, user_timeout: Option<Duration>) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let socket = tcp_socket(address)?;
                share_port(&socket)?;
                socket.bind(&SockAddr::from(*address))?;
                // Accepted sockets inherit both.
                socket.set_tcp_nodelay(true)?;
                set_user_timeout(&socket, user_timeout)?;
                socket.listen(BACKLOG)?;
                Ok(Self::Tcp(TcpListener::from_std(socket.into())))
            }
            Address::Unix(path) => {
                let shared = UnixSocket::at(path)?;
                let own = shared.socket.try_clone()?;
                Ok(Self::Unix(UnixListener::from_std(own.into()), Place::Own(shared)))
            }
            Address::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Takes over what listens already.
    pub(super) fn take_over(
        given: GivenListener,
        user_timeout: Option<Duration>,
    ) -> io::Result<Self> {
        given.check()?;
        let address = given.address()?;
        match (given, address) {
            (GivenListener::Tcp(listener), _) => {
                listener.set_nonblocking(true)?;
                // Accepted sockets inherit both, as those of our own listeners do.
                SockRef::from(&listener).set_tcp_nodelay(true)?;
                set_user_timeout(&listener, user_timeout)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)))
            }
            (GivenListener::Unix(listener), Address::Unix(path)) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(listener), Place::Given(path)))
            }
            (GivenListener::Unix(_), _) => Err(InvalidListener::OtherKind.into()),
        }
    }

    /// The address that the listener got.
    pub(super) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, Place::Own(shared)) => Ok(Address::Unix(shared.file.path.clone())),
            Self::Unix(_, Place::Given(path)) => Ok(Address::Unix(path.clone())),
        }
    }

    /// What the selector watches.
    pub(super) const fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener, _) => listener,
        }
    }

    /// Accepts one connection; `None`: none is waiting.
    pub(super) fn accept(&self) -> io::Result<Option<(Stream, Remote)>> {
        loop {
            let accepted = match self {
                Self::Tcp(listener) => listener.accept().and_then(|(stream, remote)| {
                    if !NODELAY_IS_INHERITED {
                        stream.set_nodelay(true)?;
                    }
                    Ok((Stream::accepted_tcp(stream), Remote::Tcp(remote)))
                }),
                Self::Unix(listener, _) => listener
                    .accept()
                    .map(|(stream, _)| (Stream::accepted_unix(stream), Remote::Unix)),
            };
            return match accepted {
                Ok(accepted) => Ok(Some(accepted)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}

/// Lets the engines of several threads listen at one port.
#[cfg(not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin")))]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// A port belongs to one listener here, who hands over what it accepts.
#[cfg(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))]
fn share_port(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

/// Fails if somebody listens at an address.
pub(super) fn ensure_unused(address: &Address) -> io::Result<()> {
    match address {
        // A socket that does not share its port cannot be bound beside one that listens.
        Address::Tcp(address) => tcp_socket(address)?.bind(&SockAddr::from(*address)),
        Address::Unix(path) => {
            let is_free =
                fs::symlink_metadata(path).is_err() || is_stale(path, &SockAddr::unix(path)?);
            if is_free { Ok(()) } else { Err(io::ErrorKind::AddrInUse.into()) }
        }
        Address::Memory(_) => Ok(()),
    }
}

/// One socket for all listeners of this process at a path, since a path cannot be bound twice: the
/// engines of several threads accept from one backlog.
#[derive(Debug)]
pub(super) struct UnixSocket {
    socket: Socket,
    file: SocketFile,
}

impl UnixSocket {
    /// The one that this process has at `path` already, or a new one.
    fn at(path: &Path) -> io::Result<Arc<Self>> {
        static ALL: Mutex<Vec<Weak<UnixSocket>>> = Mutex::new(Vec::new());
        // Nothing is left half-way under this lock.
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        let is_same = |other: &Arc<Self>| other.file.path == path && other.file.is_ours();
        if let Some(shared) = all.iter().filter_map(Weak::upgrade).find(is_same) {
            return Ok(shared);
        }
        let socket = bind_unix(path)?;
        let file = SocketFile::of(path)?;
        socket.listen(BACKLOG)?;
        let shared = Arc::new(Self { socket, file });
        all.push(Arc::downgrade(&shared));
        Ok(shared)
    }
}

/// The kernel cuts it to its own limit (net.core.somaxconn, mostly 4096).
const BACKLOG: i32 = 4096;

/// Saves a system call for each connection.
const NODELAY_IS_INHERITED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// A socket that can take over a port on which old connections have not died down yet.
fn tcp_socket(address: &SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Binds a Unix socket, over a socket file that a dead server left behind if need be.
fn bind_unix(path: &Path) -> io::Result<Socket> {
    let address = SockAddr::unix(path)?;
    let socket = unix_socket()?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path, &address) => {
            fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        result => result?,
    }
    Ok(socket)
}

/// Whether `path` is a socket file at which nobody listens. A full backlog, or a lack of
/// permission, means that somebody does.
fn is_stale(path: &Path, address: &SockAddr) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = || {
        let answer = unix_socket().and_then(|socket| socket.connect(address));
        answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    is_socket && refused()
}

fn unix_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The file of a Unix listener, removed with it, unless another server's has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: file.dev(), inode: file.ino() })
    }

    /// Whether the file at the path is still the one that was made for this socket.
    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours() {
            // Whoever finds it nevertheless can see that it is stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    /// Setting the options at each accept would cost two system calls for each connection.
    #[cfg(target_os = "linux")]
    #[test]
    fn accepted_sockets_inherit_their_options() {
        let timeout = Some(Duration::from_secs(30));
        let address = Address::Tcp(([127, 0, 0, 1], 0).into());
        let own = Listener::bind(&address, timeout).expect("bind");
        assert_inherits(own, timeout);
        let given = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let given = Listener::take_over(given.into(), timeout).expect("it listens");
        assert_inherits(given, timeout);
    }

    #[cfg(target_os = "linux")]
    #[track_caller]
    fn assert_inherits(listener: Listener, timeout: Option<Duration>) {
        let Ok(Address::Tcp(bound)) = listener.address() else { panic!("a TCP address") };
        let _peer = TcpStream::connect(bound).expect("connect");
        let Listener::Tcp(listener) = listener else { panic!("a TCP listener") };
        // The handshake on the loopback is over when `connect` returns.
        let (accepted, _) = listener.accept().expect("accept");
        assert!(accepted.nodelay().expect("nodelay"));
        let accepted = SockRef::from(&accepted);
        assert_eq!(accepted.tcp_user_timeout().expect("timeout"), timeout);
        assert!(accepted.nonblocking().expect("nonblocking"));
    }
}
