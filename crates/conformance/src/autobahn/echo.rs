//! What the suite asks of both roles: every message comes back, large ones and small pieces included.

use std::time::Duration;

use sockeye::{CloseCode, CloseReason, ConnectionConfig, Event, Peer};

/// Category 9 goes up to 16 MiB.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Cases 9.3.1 and 9.4.1 cut 4 MiB into pieces of 64 bytes.
const FRAGMENTS_MAX: u32 = 1_000_000;
/// The suite masks and logs its pieces in Python, which may take a while on a busy machine.
const MESSAGE_WITHIN: Duration = Duration::from_secs(240);

/// Sends a message back from where it was received.
pub(crate) fn echo(peer: &mut Peer<'_>, event: Event<'_>) {
    let sent = match event {
        Event::Text(text) if text.is_borrowed() => peer.send_text(&text),
        Event::Text(text) => peer.send_text_owned(text.into_string()),
        Event::Binary(payload) if payload.is_borrowed() => peer.send_binary(&payload),
        Event::Binary(payload) => peer.send_binary_owned(payload.into_bytes()),
        _ => Ok(()),
    };
    if sent.is_err() && peer.is_open() {
        // The case fails then, as it must: an echo with gaps is none.
        let _ = peer.close(Some(CloseReason::new(CloseCode::INTERNAL, "no room for the echo")));
    }
}

/// Makes room for the largest cases and asks for compression; everything else stays at its default.
pub(crate) fn make_room(config: &mut ConnectionConfig) {
    config.message_bytes_max = MESSAGE_BYTES_MAX;
    config.outbox_bytes_max = 2 * MESSAGE_BYTES_MAX;
    config.fragments_max = Some(FRAGMENTS_MAX);
    config.message_within = Some(MESSAGE_WITHIN);
    #[cfg(feature = "deflate")]
    {
        // The suite's cases vary windows and contexts, so both contexts are kept and nothing is too
        // short to be compressed.
        let mut deflate = sockeye_protocol::DeflateConfig::default();
        deflate.keeps_own_context = true;
        deflate.keeps_peer_context = true;
        deflate.payload_bytes_min = 0;
        config.deflate = Some(deflate);
    }
}
