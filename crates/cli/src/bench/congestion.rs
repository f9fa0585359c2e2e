//! The congestion control of the connections, where it is not to be the system's own.

use std::io;
use std::os::fd::AsFd;

/// What the system says of its congestion controls.
#[cfg(target_os = "linux")]
const KNOWN: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";
#[cfg(target_os = "linux")]
const PERMITTED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";

/// Sets it for one socket, before it connects or listens.
#[cfg(target_os = "linux")]
pub(crate) fn set(socket: impl AsFd, name: &str) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_tcp_congestion(socket, name)?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn set(_socket: impl AsFd, _name: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether connections can have it, tried on a socket of its own.
#[cfg(target_os = "linux")]
pub(crate) fn check(name: &str) -> Result<(), String> {
    use rustix::net::{AddressFamily, SocketType, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None);
    let result = socket.map_err(io::Error::from).and_then(|socket| set(socket, name));
    result.map_err(|error| {
        let names = |file: &str| {
            let names = std::fs::read_to_string(file).unwrap_or_default();
            names.split_whitespace().collect::<Vec<_>>().join(", ")
        };
        match error.kind() {
            io::ErrorKind::NotFound => {
                format!("--congestion {name}: the system has {}", names(KNOWN))
            }
            io::ErrorKind::PermissionDenied => {
                format!("--congestion {name}: the system permits {}", names(PERMITTED))
            }
            _ => format!("--congestion {name}: {error}"),
        }
    })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn check(_name: &str) -> Result<(), String> {
    Err("--congestion is known on Linux only".to_owned())
}
