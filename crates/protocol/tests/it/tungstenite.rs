//! The same bytes to another implementation, in memory and in both directions.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use sockeye_protocol::{CloseCode, Config, Role};
use tungstenite::protocol::{Message, Role as PeerRole, WebSocket};

use crate::support::Endpoint;

/// What tungstenite reads from and writes to.
#[derive(Debug, Default)]
struct Pipe {
    to_peer: VecDeque<u8>,
    from_peer: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.to_peer.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.to_peer.read(target)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.from_peer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn peer_of(role: Role) -> WebSocket<Pipe> {
    let role = if role == Role::Server { PeerRole::Client } else { PeerRole::Server };
    WebSocket::from_raw_socket(Pipe::default(), role, None)
}

fn messages() -> Vec<Message> {
    let sizes = [0, 1, 125, 126, 127, 1000, 65_535, 65_536, 200_000];
    let texts = sizes.iter().map(|size| Message::text("é".repeat(size / 2)));
    let binaries = sizes.iter().map(|size| Message::binary(vec![0xA5_u8; *size]));
    texts.chain(binaries).collect()
}

#[test]
fn msk_01_what_tungstenite_sends_we_receive() {
    for role in [Role::Server, Role::Client] {
        let mut peer = peer_of(role);
        let mut endpoint = Endpoint::new(role, Config::default());
        for message in messages() {
            peer.send(message.clone()).expect("sent");
            for piece in std::mem::take(&mut peer.get_mut().from_peer).chunks(4096) {
                endpoint.feed(piece).expect("legal");
            }
            let kind = if message.is_text() { "text" } else { "binary" };
            assert!(endpoint.events.pop().expect("arrived").starts_with(kind));
        }
        peer.send(Message::Ping("are you there".into())).expect("sent");
        endpoint.feed(&std::mem::take(&mut peer.get_mut().from_peer)).expect("legal");
        peer.get_mut().to_peer.extend(endpoint.take_sent());
        assert_eq!(peer.read().expect("a pong"), Message::Pong("are you there".into()));

        peer.close(None).expect("sent");
        endpoint.feed(&std::mem::take(&mut peer.get_mut().from_peer)).expect("legal");
        assert_eq!(endpoint.events.last().map(String::as_str), Some("close"));
    }
}

#[test]
fn msk_01_what_we_send_tungstenite_receives() {
    for role in [Role::Server, Role::Client] {
        let mut peer = peer_of(role);
        let mut endpoint = Endpoint::new(role, Config::default());
        for message in messages() {
            endpoint
                .with(|connection, output| match &message {
                    Message::Text(text) => connection.send_text(text.as_str(), output),
                    Message::Binary(payload) => connection.send_binary(payload, output),
                    other => panic!("{other:?}"),
                })
                .expect("open");
            peer.get_mut().to_peer.extend(endpoint.take_sent());
            assert_eq!(peer.read().expect("arrived"), message);
        }
        endpoint
            .with(|connection, output| connection.close(Some(CloseCode::NORMAL.into()), output))
            .expect("open");
        peer.get_mut().to_peer.extend(endpoint.take_sent());
        assert!(peer.read().expect("a close").is_close());
        let _ = peer.flush();
        endpoint.feed(&std::mem::take(&mut peer.get_mut().from_peer)).expect("legal");
        assert!(endpoint.connection.closed().expect("closed").clean);
    }
}
