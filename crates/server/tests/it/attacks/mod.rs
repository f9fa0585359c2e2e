//! The catalogue of attacks in docs/security.md, where routes and rules are what withstands them.

mod handlers;
mod origins;
mod paths;
mod smuggling;

/// What an upgrade needs besides its first line and its host.
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The status of an answer.
#[track_caller]
fn status(answer: &[u8]) -> u16 {
    let digits = answer.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
    digits.and_then(|status| status.parse().ok()).unwrap_or_else(|| {
        panic!("no status in {:?}", String::from_utf8_lossy(answer));
    })
}
