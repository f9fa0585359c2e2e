//! The protocol on io_uring, with an echo and nothing else.

use std::net::TcpListener;
use std::time::Duration;

use sockeye_protocol::Config;

use crate::{Fault, MESSAGE_BYTES_MAX};

pub(crate) fn serve(listener: TcpListener) -> Result<(), Fault> {
    let mut config = Config::default();
    config.message_bytes_max = MESSAGE_BYTES_MAX;
    Ok(sockeye_uring_example::serve(listener, config, Duration::from_secs(5))?)
}
