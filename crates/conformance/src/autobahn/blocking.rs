//! The blocking client among the protocol's examples.

// An example is a program; here it is a module.
#[path = "../../../protocol/examples/blocking_client.rs"]
#[expect(dead_code, reason = "its `main`")]
mod blocking_client;

use std::net::SocketAddr;

use sockeye_interop::Fault;
use sockeye_protocol::handshake::Url;
use sockeye_protocol::{Config, Event};

use super::echo::make_room;
use super::run::START_WITHIN;
use super::visit::{Answer, Visitor};
use blocking_client::Client;

/// Visits with a blocking client.
#[derive(Debug)]
pub(crate) struct Blocking {
    address: SocketAddr,
}

impl Blocking {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }
}

impl Visitor for Blocking {
    fn visit(&mut self, resource: &str, answer: Answer) -> Result<String, Fault> {
        let url = Url::parse(&format!("ws://{}{resource}", self.address))?;
        let mut config = Config::default();
        make_room(&mut config);
        let mut last = String::new();
        let client = Client::open(&url, config, START_WITHIN)?;
        client.run(|event, connection, output| {
            // What cannot be sent any more is a matter for the verdict.
            let _ = match (event, answer) {
                (Event::Text(text), Answer::Echo) => connection.send_text(text, output),
                (Event::Binary(payload), Answer::Echo) => connection.send_binary(payload, output),
                (Event::Text(text), Answer::Nothing) => {
                    last = text.to_string();
                    Ok(())
                }
                _ => Ok(()),
            };
            Ok(())
        })?;
        Ok(last)
    }
}
