//! The driver does what every driver must; skipped where the system permits no io_uring.
#![cfg(target_os = "linux")]

#[path = "../../protocol/tests/it/drivers/checks.rs"]
mod checks;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use sockeye_protocol::Config;

fn start(config: Config, open_within: Duration) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || sockeye_uring_example::serve(listener, config, open_within));
    address
}

#[test]
fn io_uring() {
    if let Err(error) = sockeye_uring_example::check() {
        eprintln!("skipped, there is no io_uring here: {error}");
        return;
    }
    checks::run(start);
}
