//! The examples that drive a connection do what a driver must.

mod checks;

// An example is a program; here it is a module, so that its driver can be started with any limits.
#[path = "../../../examples/blocking_echo.rs"]
#[expect(dead_code, reason = "its `main`")]
mod blocking_echo;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::Config;

pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A thread for each peer, until the test ends.
pub(crate) fn blocking(config: Config, open_within: Duration) -> SocketAddr {
    let (listener, address) = listen();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, config) = (stream.expect("a peer"), Arc::clone(&config));
            std::thread::spawn(move || drop(blocking_echo::serve(stream, config, open_within)));
        }
    });
    address
}

#[test]
fn blocking_threads() {
    checks::run(blocking);
}
