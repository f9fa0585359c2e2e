//! The examples that drive a connection do what a driver must.

mod checks;

// An example is a program; here it is a module, so that its driver can be started with any limits.
#[path = "../../../examples/blocking_echo.rs"]
#[expect(dead_code, reason = "its `main`")]
mod blocking_echo;
#[path = "../../../examples/mio_echo.rs"]
#[expect(dead_code, reason = "its `main`")]
mod mio_echo;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use sockeye_protocol::Config;

pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

pub(crate) fn blocking(config: Config, open_within: Duration) -> SocketAddr {
    start(blocking_echo::serve, config, open_within)
}

fn mio(config: Config, open_within: Duration) -> SocketAddr {
    start(mio_echo::serve, config, open_within)
}

type Serve = fn(TcpListener, Config, Duration) -> io::Result<()>;

/// On a thread that lasts as long as the tests.
fn start(serve: Serve, config: Config, open_within: Duration) -> SocketAddr {
    let (listener, address) = listen();
    std::thread::spawn(move || serve(listener, config, open_within).expect("it serves on"));
    address
}

#[test]
fn blocking_threads() {
    checks::run(blocking);
}

#[test]
fn a_mio_loop() {
    checks::run(mio);
}
