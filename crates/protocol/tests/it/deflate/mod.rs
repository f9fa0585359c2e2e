//! Compression of messages (RFC 7692).

mod headers;
mod limits;
mod memory;
mod offers;
mod order;
mod reference;
mod sending;
mod streams;
mod threats;
mod vectors;
mod writer;

use sockeye_protocol::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, Reply, ServerHandshake, Url,
};
use sockeye_protocol::{Config, Deflate, DeflateConfig, Outbox, Role, WindowBits};

use crate::support::Endpoint;

/// Both contexts are kept, and everything is compressed.
fn deflating() -> DeflateConfig {
    let mut config = DeflateConfig::default();
    config.keeps_own_context = true;
    config.keeps_peer_context = true;
    config.payload_bytes_min = 0;
    config
}

/// What both sides have after an opening handshake.
fn negotiate(client: &DeflateConfig, server: &DeflateConfig) -> (Deflate, Deflate) {
    let url = Url::parse("ws://example.com/").expect("a URL");
    let request = ClientRequest::new(&url).deflate(*client);
    let mut to_server = Outbox::new();
    let mut handshake =
        ClientHandshake::start(&request, [7; 16], HeadLimits::default(), &mut to_server);
    let received = to_server.chunks().collect::<Vec<_>>().concat();
    let head = ServerHandshake::new(HeadLimits::default()).receive(&received);
    let head = head.expect("a request").expect("whole");
    let upgrade = head.upgrade().expect("an upgrade");
    let deflate = upgrade.deflate(server);
    let mut to_client = Outbox::new();
    let acceptance = Acceptance { deflate, ..Acceptance::default() };
    upgrade.accept(&acceptance, &mut to_client).expect("acceptable");
    let received = to_client.chunks().collect::<Vec<_>>().concat();
    match handshake.receive(&received) {
        Ok(Some(Reply::Switched(switched))) => {
            (switched.deflate.expect("agreed"), deflate.expect("agreed"))
        }
        other => panic!("{other:?}"),
    }
}

/// What `role` has if it wants `config` and its peer agrees to everything.
fn agreed(role: Role, config: &DeflateConfig) -> Deflate {
    let mut lax = deflating();
    lax.own_window_min = WindowBits::MIN;
    match role {
        Role::Client => negotiate(config, &lax).0,
        Role::Server => negotiate(&lax, config).1,
    }
}

/// An endpoint that agreed on what `deflate` wants.
fn endpoint_with(role: Role, config: Config, deflate: &DeflateConfig) -> Endpoint {
    let mut endpoint = Endpoint::new(role, config);
    endpoint.connection.set_deflate(&agreed(role, deflate));
    endpoint
}

/// The payload of a compressed message that refers to no other.
fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut endpoint = endpoint_with(Role::Server, Config::default(), &deflating());
    endpoint.with(|connection, output| connection.send_binary(payload, output)).expect("open");
    let sent = endpoint.take_sent();
    assert_eq!(sent[0], 0xC2, "compressed");
    let header_len = match sent[1] {
        0..=125 => 2,
        126 => 4,
        _ => 10,
    };
    sent[header_len..].to_vec()
}
