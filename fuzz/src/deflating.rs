//! What two sides want of compression, and what they agree on.

use sockeye_protocol::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, Reply, ServerHandshake, Url,
};
use sockeye_protocol::{Deflate, DeflateConfig, Outbox, WindowBits};

use crate::choice::Choices;

/// Any settings that one side can have.
pub fn deflate_config(choices: &mut Choices<'_>) -> DeflateConfig {
    let mut window = || WindowBits::new(8 + choices.below(8)).expect("8 to 15");
    let mut config = DeflateConfig::default();
    config.own_window_max = window();
    config.own_window_min = window();
    config.peer_window_max = window();
    config.keeps_own_context = choices.coin();
    config.keeps_peer_context = choices.coin();
    config.level = choices.byte();
    config.payload_bytes_min = usize::from(choices.byte());
    config
}

/// What the client and the server have after an opening handshake. The two must be each other's
/// mirror images.
pub fn agree(client: &DeflateConfig, server: &DeflateConfig) -> Option<[Deflate; 2]> {
    let url = Url::parse("ws://localhost/").expect("a URL");
    let request = ClientRequest::new(&url).deflate(*client);
    let limits = HeadLimits::default();
    let mut outbox = Outbox::new();
    let mut handshake = ClientHandshake::start(&request, [7; 16], limits, &mut outbox);
    let sent = outbox.chunks().collect::<Vec<_>>().concat();
    let head = ServerHandshake::new(limits).receive(&sent);
    let head = head.expect("our own request").expect("a whole one");
    let upgrade = head.upgrade().expect("an upgrade");
    let deflate = upgrade.deflate(server);
    let mut outbox = Outbox::new();
    let acceptance = Acceptance { deflate, ..Acceptance::default() };
    upgrade.accept(&acceptance, &mut outbox).expect("acceptable");
    let sent = outbox.chunks().collect::<Vec<_>>().concat();
    let switched = match handshake.receive(&sent) {
        Ok(Some(Reply::Switched(switched))) => switched,
        // The one wish of a client that no offer can say.
        _ if server.peer_window_max < client.own_window_min => return None,
        other => panic!("our own answer is refused: {other:?}"),
    };
    assert_eq!(switched.deflate.is_some(), deflate.is_some());
    let [own, peers] = [switched.deflate?, deflate?];
    assert!(own.own_window() <= peers.peer_window() && peers.own_window() <= own.peer_window());
    assert!(!own.keeps_own_context() || peers.keeps_peer_context());
    assert!(!peers.keeps_own_context() || own.keeps_peer_context());
    Some([own, peers])
}
