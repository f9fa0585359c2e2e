//! Where the load goes, and from which address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream as StdStream, ToSocketAddrs};

use mio::net::TcpStream;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use sockeye::Role;
use sockeye::protocol::handshake::{ClientRequest, Header, Url};

use crate::arguments::Common;
use crate::connect::check_scheme;

use super::congestion;

/// Connections from one address of the loopback network. The system chooses among 28,232 ports, but takes its time over
/// the second half of them.
const PER_SOURCE: usize = PORTS as usize;
/// The ports of all addresses but the first begin here, and once more that many above: below those that the system gives
/// out, so that they are free, and found without a search.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 10_000;

/// A server.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    address: SocketAddr,
    /// What to ask for; `None` of a server that echoes bytes.
    pub(crate) request: Option<ClientRequest>,
    /// The congestion control of connections to it, if that is not the system's own.
    congestion: Option<String>,
}

/// What a `tcp://` server does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bare {
    /// It sends everything back.
    Echoes,
    /// It sends everything to everyone.
    PassesOn,
    /// It sends frames of its own.
    Speaks,
}

impl Target {
    /// The servers that the command line names.
    pub(crate) fn all(common: &Common) -> Result<Vec<Self>, String> {
        let known = |index: usize| common.addresses.get(index).copied();
        if let Some(name) = &common.congestion {
            congestion::check(name)?;
        }
        let target = |(index, url): (usize, &String)| {
            let target = Self::new(url, known(index), &common.headers)?;
            Ok(Self { congestion: common.congestion.clone(), ..target })
        };
        common.urls.iter().enumerate().map(target).collect()
    }

    fn new(
        url: &str,
        known: Option<SocketAddr>,
        headers: &[(String, String)],
    ) -> Result<Self, String> {
        let (host, port, request) = if let Some(rest) = url.strip_prefix("tcp://") {
            let (host, port) = rest.trim_end_matches('/').rsplit_once(':').unwrap_or((rest, ""));
            let port = port
                .parse()
                .map_err(|_| format!("{url} has no port: write it like tcp://127.0.0.1:9000"))?;
            (host.trim_matches(['[', ']']).to_owned(), port, None)
        } else {
            check_scheme(url)?;
            let parsed = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
            let mut request = ClientRequest::new(&parsed);
            for (name, value) in headers {
                let refused = |error| format!("the header {name}: {error}");
                request = if name.eq_ignore_ascii_case("origin") {
                    request.origin(value).map_err(refused)?
                } else {
                    let header = Header::new(name.clone(), value.clone()).map_err(refused)?;
                    request.header(header).map_err(refused)?
                };
            }
            (parsed.host().to_owned(), parsed.port(), Some(request))
        };
        let address = match known {
            Some(address) => address,
            None => resolve(&host, port)?,
        };
        Ok(Self { url: url.to_owned(), address, request, congestion: None })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The role of whoever reads what comes from it, if servers without a handshake are like `bare`.
    pub(crate) fn role(&self, bare: Bare) -> Role {
        // Frames of our own come back masked, as a server gets them.
        let is_ours = self.request.is_none() && bare != Bare::Speaks;
        if is_ours { Role::Server } else { Role::Client }
    }

    /// Begins to connect; `number` is which connection of all it is, and says from which address.
    pub(crate) fn connect(&self, number: usize) -> io::Result<TcpStream> {
        let family = match self.address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        if let Some(name) = &self.congestion {
            congestion::set(&socket, name)?;
        }
        if let Some(source) = source(number)
            && matches!(self.address, SocketAddr::V4(address) if address.ip().is_loopback())
        {
            // What a connection of an earlier run left behind is no hindrance.
            set_socket_reuseaddr(&socket, true)?;
            if bind(&socket, &SocketAddr::V4(source)).is_err() {
                let port = source.port() + PORTS;
                bind(&socket, &SocketAddr::from((*source.ip(), port)))?;
            }
        }
        match connect(&socket, &self.address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from_std(StdStream::from(socket));
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Where to come from, where the usual address has no port left.
fn source(number: usize) -> Option<SocketAddrV4> {
    let index = u32::try_from(number / PER_SOURCE).unwrap_or(u32::MAX);
    let port = FIRST_PORT + u16::try_from(number % PER_SOURCE).unwrap_or_default();
    // The network has 2^24 addresses; 127.0.0.1 is the first of them.
    let address = Ipv4Addr::from_bits(0x7F00_0001 + index % 0x00FF_FF00);
    (index > 0).then(|| SocketAddrV4::new(address, port))
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let addresses = (host, port).to_socket_addrs();
    let mut addresses = addresses.map_err(|error| format!("cannot find {host}: {error}"))?;
    addresses.next().ok_or_else(|| format!("{host} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, String> {
        Target::new(url, None, &[])
    }

    #[test]
    fn a_url_says_where_to_connect_and_what_to_ask_for() {
        let echo = target("ws://127.0.0.1:9001/echo").expect("a good URL");
        assert_eq!(echo.address(), ([127, 0, 0, 1], 9001).into());
        assert!(echo.request.is_some());
        let raw = target("tcp://[::1]:7/").expect("a good URL");
        assert_eq!(raw.address().to_string(), "[::1]:7");
        assert!(raw.request.is_none());
    }

    #[test]
    fn a_bad_url_is_explained() {
        for (url, word) in [
            ("tcp://127.0.0.1", "port"),
            ("tcp://127.0.0.1:many", "port"),
            ("127.0.0.1:9001", "ws://"),
            ("http://127.0.0.1/", "ws://127.0.0.1/"),
            ("wss://127.0.0.1/", "TLS"),
            ("ws://127.0.0.1:0x/", "port"),
        ] {
            let error = target(url).expect_err(url);
            assert!(error.contains(word), "{url}: {error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn connections_have_the_congestion_control_that_was_asked_for() {
        use rustix::net::sockopt::tcp_congestion;
        // Everybody is permitted this one, everywhere; the other is what one has without asking.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("tcp://{}", listener.local_addr().expect("an address"));
        let own = target(&url).expect("a good URL");
        let stream = own.connect(0).expect("a listener");
        let default = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
        assert_eq!(tcp_congestion(&stream).expect("a name"), default.expect("a name").trim());
        let congestion = Some("reno".to_owned());
        let stream = Target { congestion, ..own }.connect(0).expect("a listener");
        assert_eq!(tcp_congestion(&stream).expect("a name"), "reno");
        assert_eq!(congestion::check("reno"), Ok(()));
        let error = congestion::check("nobody").expect_err("there is none");
        assert!(
            error.starts_with("--congestion nobody: the system has ") && error.contains("reno")
        );
    }

    #[test]
    fn each_address_of_the_loopback_network_serves_for_so_many_connections() {
        assert_eq!(source(PER_SOURCE - 1), None);
        let at = |text: &str| Some(text.parse().expect("an address"));
        assert_eq!(source(PER_SOURCE), at("127.0.0.2:10000"));
        assert_eq!(source(2 * PER_SOURCE - 1), at("127.0.0.2:19999"));
        assert_eq!(source(300 * PER_SOURCE), at("127.0.1.45:10000"));
    }
}
