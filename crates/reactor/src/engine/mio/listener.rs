//! A listening socket: how it is made, and how it accepts.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ::mio::event::Source;
use ::mio::net::{TcpListener, TcpStream, UnixListener};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::super::{Address, GivenListener, InvalidListener, Remote};
use super::stream::{Stream, set_user_timeout};

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener, Inheritance),
    Unix(UnixListener, Place),
}

/// Whether the sockets that a TCP listener accepts have its options.
#[derive(Debug)]
pub(super) enum Inheritance {
    /// As the system does it.
    All,
    /// Those that were connected before the listener had its options lack them: all that are accepted until none waits.
    BehindTheFirst(Option<Duration>),
    /// The listener knows not all of the options, and what it accepts may.
    Unknown(Option<Duration>),
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
                Ok(Self::Tcp(TcpListener::from_std(socket.into()), Inheritance::All))
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
        // One that was inherited goes to the program's children as well, where it would outlive the server.
        given.socket().set_cloexec(true)?;
        match (given, address) {
            (GivenListener::Tcp(listener), _) => {
                listener.set_nonblocking(true)?;
                let inheritance = match set_known_options(&listener, user_timeout)? {
                    true => Inheritance::BehindTheFirst(user_timeout),
                    false => Inheritance::Unknown(user_timeout),
                };
                Ok(Self::Tcp(TcpListener::from_std(listener), inheritance))
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
            Self::Tcp(listener, _) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, Place::Own(shared)) => Ok(Address::Unix(shared.file.path.clone())),
            Self::Unix(_, Place::Given(path)) => Ok(Address::Unix(path.clone())),
        }
    }

    /// What the selector watches.
    pub(super) const fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener, _) => listener,
            Self::Unix(listener, _) => listener,
        }
    }

    /// Accepts one connection; `None`: none is waiting.
    pub(super) fn accept(&mut self) -> io::Result<Option<(Stream, Remote)>> {
        loop {
            let accepted = match self {
                Self::Tcp(listener, inheritance) => {
                    listener.accept().and_then(|(stream, remote)| {
                        inheritance.complete(&stream)?;
                        Ok((Stream::accepted_tcp(stream), Remote::Tcp(remote)))
                    })
                }
                Self::Unix(listener, _) => listener
                    .accept()
                    .map(|(stream, _)| (Stream::accepted_unix(stream), Remote::Unix)),
            };
            return match accepted {
                Ok(accepted) => Ok(Some(accepted)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.note_none_waits();
                    Ok(None)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    fn note_none_waits(&mut self) {
        if let Self::Tcp(_, inheritance @ Inheritance::BehindTheFirst(_)) = self {
            *inheritance = Inheritance::All;
        }
    }
}

impl Inheritance {
    /// Gives an accepted socket the options that it lacks.
    fn complete(&self, stream: &TcpStream) -> io::Result<()> {
        match self {
            Self::All if NODELAY_IS_INHERITED => Ok(()),
            Self::All => stream.set_nodelay(true),
            Self::BehindTheFirst(user_timeout) | Self::Unknown(user_timeout) => {
                set_known_options(stream, *user_timeout).map(drop)
            }
        }
    }
}

/// Sets the options of a TCP socket that somebody else made, or that came through such a one. False: it knows not all of
/// them, as those do not that speak TCP over several paths.
fn set_known_options(socket: &impl AsFd, user_timeout: Option<Duration>) -> io::Result<bool> {
    let nodelay = SockRef::from(socket).set_tcp_nodelay(true);
    let results = [nodelay, set_user_timeout(socket, user_timeout)];
    let mut knows_all = true;
    for result in results {
        match result.map_err(|error| (Errno::from_io_error(&error), error)) {
            Ok(()) => {}
            Err((Some(Errno::NOPROTOOPT | Errno::OPNOTSUPP), _)) => knows_all = false,
            Err((_, error)) => return Err(error),
        }
    }
    Ok(knows_all)
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
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::net;

    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));

    fn given() -> (net::TcpListener, SocketAddr) {
        let given = net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = given.local_addr().expect("an address");
        (given, address)
    }

    /// Setting the options at each accept would cost two system calls for each connection.
    #[test]
    fn accepted_sockets_inherit_their_options() {
        let address = Address::Tcp(([127, 0, 0, 1], 0).into());
        assert_inherits(&Listener::bind(&address, TIMEOUT).expect("bind"));
        let (given, _) = given();
        assert_inherits(&Listener::take_over(given.into(), TIMEOUT).expect("it listens"));
    }

    /// The system gives the options to a socket when it is connected, and not when it is accepted.
    #[test]
    fn sockets_that_waited_before_the_listener_was_given_have_their_options() {
        let (given, address) = given();
        let _early = [(); 2].map(|()| connect(address));
        let mut listener = Listener::take_over(given.into(), TIMEOUT).expect("it listens");
        let _late = connect(address);
        for _ in 0..3 {
            assert_options(&accept(&mut listener));
        }
        assert!(listener.accept().expect("it listens").is_none());
        // From now on nothing is left to be done.
        let Listener::Tcp(_, Inheritance::All) = listener else { panic!("{listener:?}") };
        assert_inherits(&listener);
    }

    /// Else a child of the program would go on listening where nobody accepts.
    #[test]
    fn a_listener_that_was_inherited_is_not_passed_on() {
        use rustix::io::{FdFlags, fcntl_getfd};
        let path = std::env::temp_dir().join(format!("sockeye-passed-{}", std::process::id()));
        let unix = std::os::unix::net::UnixListener::bind(&path).expect("a free path");
        fs::remove_file(&path).expect("it is there");
        for given in [GivenListener::from(given().0), unix.into()] {
            given.socket().set_cloexec(false).expect("a descriptor");
            let flags = match Listener::take_over(given, TIMEOUT).expect("it listens") {
                Listener::Tcp(listener, _) => fcntl_getfd(listener),
                Listener::Unix(listener, _) => fcntl_getfd(listener),
            };
            assert_eq!(flags.expect("flags"), FdFlags::CLOEXEC);
        }
    }

    /// TCP over several paths knows no user timeout, while the connection of a peer that does not speak it is of TCP.
    #[test]
    fn a_listener_that_knows_not_all_options_is_taken_over() {
        let protocol = Some(socket2::Protocol::MPTCP);
        // The system may not speak it.
        let Ok(socket) = Socket::new(Domain::IPV4, Type::STREAM, protocol) else { return };
        socket.bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).expect("a port");
        socket.listen(16).expect("listen");
        let given = net::TcpListener::from(socket);
        let address = given.local_addr().expect("an address");
        let mut listener = Listener::take_over(given.into(), TIMEOUT).expect("it listens");
        for _ in 0..2 {
            let _peer = connect(address);
            assert_options(&accept(&mut listener));
            assert!(listener.accept().expect("it listens").is_none());
        }
    }

    /// The handshake on the loopback is over when it returns.
    fn connect(address: SocketAddr) -> net::TcpStream {
        net::TcpStream::connect(address).expect("connect")
    }

    fn accept(listener: &mut Listener) -> Socket {
        let accepted = listener.accept().expect("it listens").expect("one waits");
        accepted.0.into_descriptor().into()
    }

    #[track_caller]
    fn assert_inherits(listener: &Listener) {
        let Ok(Address::Tcp(bound)) = listener.address() else { panic!("a TCP address") };
        let _peer = connect(bound);
        let Listener::Tcp(listener, _) = listener else { panic!("a TCP listener") };
        let (accepted, _) = listener.accept().expect("accept");
        assert_options(&net::TcpStream::from(accepted).into());
    }

    #[track_caller]
    fn assert_options(accepted: &Socket) {
        assert!(accepted.tcp_nodelay().expect("nodelay"));
        assert_eq!(accepted.tcp_user_timeout().expect("timeout"), TIMEOUT);
        assert!(accepted.nonblocking().expect("nonblocking"));
    }
}
