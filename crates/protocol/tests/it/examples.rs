//! The examples that are no servers do what they say; `drivers` has the servers.

// An example is a program; here it is a module, so that nothing has to be built beside this one.
#[path = "../../examples/blocking_client.rs"]
#[expect(dead_code, reason = "its `main`")]
mod blocking_client;
#[path = "../../examples/in_memory.rs"]
#[expect(dead_code, reason = "its `main`")]
mod in_memory;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use sockeye_protocol::handshake::{
    Acceptance, Answered, HeadLimits, ServerHandshake, Upgrade, Url,
};
use sockeye_protocol::{Buffers, CloseCode, Config, Event, Initiator, Instant, Outbox, Output};
use tungstenite::Message;

use super::drivers;
use blocking_client::Client;

const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(50);

#[test]
fn in_memory_shows_a_whole_conversation() {
    let lines = in_memory::converse().expect("a conversation");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("server receives Text"));
    assert!(lines[1].starts_with("client receives Text"));
    assert!(lines[3].starts_with("client receives Close"));
}

#[test]
fn blocking_echo_talks_to_another_implementation() {
    let address = drivers::blocking(Config::default(), PATIENCE);
    let stream = TcpStream::connect(address).expect("connected");
    let (mut socket, _) =
        tungstenite::client(format!("ws://{address}/"), stream).expect("upgraded");
    for message in [Message::text("κόσμε"), Message::binary(vec![7; 100_000])] {
        socket.send(message.clone()).expect("sent");
        assert_eq!(socket.read().expect("echoed"), message);
    }
    socket.close(None).expect("closed");
    while socket.read().is_ok() {}
}

fn open(address: SocketAddr, config: Config) -> Client {
    let url = Url::parse(&format!("ws://{address}/")).expect("a URL");
    Client::open(&url, config, PATIENCE).expect("it opens")
}

#[test]
fn blocking_client_talks_to_blocking_echo() {
    let mut client = open(drivers::blocking(Config::default(), PATIENCE), Config::default());
    for text in ["one", "two"] {
        client.connection.send_text(text, &mut client.wire.output()).expect("room");
    }
    let mut heard = Vec::new();
    let closed = client.run(|event, connection, output| {
        if let Event::Text(text) = event {
            heard.push(text.to_string());
            if heard.len() == 2 {
                connection.close(Some(CloseCode::NORMAL.into()), output)?;
            }
        }
        Ok(())
    });
    assert_eq!(heard, ["one", "two"]);
    let closed = closed.expect("no fault");
    assert_eq!((closed.code, closed.by), (CloseCode::NORMAL, Initiator::Local));
    assert!(closed.clean);
}

/// A server that upgrades, sends `bytes`, and then only reads; what it reads is told at the end.
fn deaf_server(bytes: &'static [u8]) -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let (listener, address) = drivers::listen();
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        let config = Arc::new(Config::default());
        let (mut received, mut outbox) = (Vec::new(), Outbox::new());
        let mut answered = None;
        while !matches!(answered, Some(Answered::Open { .. })) {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            received.extend_from_slice(&byte);
            let accept = |_: &Upgrade<'_>| Ok(Acceptance::default());
            let mut buffers = Buffers::default();
            let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
            answered = handshake.answer(&received, &config, &mut output, accept);
        }
        outbox.write_to(&mut stream).expect("the answer");
        stream.write_all(bytes).expect("what it says");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        let _ = told.send(rest);
    });
    (address, heard)
}

#[test]
fn blocking_client_does_not_wait_for_ever_for_a_close() {
    let mut config = Config::default();
    config.close_within = SOON;
    let (address, _heard) = deaf_server(b"");
    let mut client = open(address, config);
    client.connection.close(None, &mut client.wire.output()).expect("open");
    let closed = client.run(|_, _, _| Ok(())).expect("no fault");
    assert_eq!((closed.code, closed.clean), (CloseCode::ABNORMAL, false));
}

#[test]
fn blocking_client_fails_what_is_masked() {
    let mut config = Config::default();
    config.close_within = SOON;
    let (address, heard) = deaf_server(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    let closed = open(address, config).run(|event, _, _| panic!("{event:?}")).expect("no fault");
    assert_eq!((closed.code, closed.by), (CloseCode::PROTOCOL_ERROR, Initiator::Local));
    // A Close frame with a code, masked.
    let said = heard.recv().expect("what the client said");
    assert_eq!((said.len(), said[0], said[1]), (8, 0x88, 0x82));
    assert_eq!([said[6] ^ said[2], said[7] ^ said[3]], 1002_u16.to_be_bytes());
}

#[test]
fn blocking_client_does_not_wait_for_ever_for_an_answer() {
    let (listener, address) = drivers::listen();
    let url = Url::parse(&format!("ws://{address}/")).expect("a URL");
    assert!(Client::open(&url, Config::default(), SOON).is_err());
    drop(listener);
}
