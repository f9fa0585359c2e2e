//! Where a socket's peer is, in little memory.

use std::net::{Ipv4Addr, SocketAddr};

use sockeye_reactor::engine::Remote;

/// An IPv4 address lies where it is, any other in a box.
#[derive(Debug)]
pub(super) struct Address {
    near: Ipv4Addr,
    port: u16,
    far: Option<Box<Remote>>,
}

impl Address {
    pub(super) fn new(remote: Remote) -> Self {
        match remote {
            Remote::Tcp(SocketAddr::V4(near)) => {
                Self { near: *near.ip(), port: near.port(), far: None }
            }
            far => Self { near: Ipv4Addr::UNSPECIFIED, port: 0, far: Some(Box::new(far)) },
        }
    }

    pub(super) fn remote(&self) -> Remote {
        let near = || Remote::Tcp((self.near, self.port).into());
        self.far.as_deref().map_or_else(near, |far| *far)
    }
}
