//! Compression, when a server or a client is asked for it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sockeye::{Client, DeflateConfig, Error, Message, Server, ServerBuilder, Socket};

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message.clone()).await?;
        socket.send_uncompressed(message).await?;
    }
}

fn serve(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, String) {
    let builder = change(Server::builder().route("/", echo));
    let server = builder.bind("127.0.0.1:0").expect("a port is free");
    let address = server.local_addr().expect("it listens over TCP").to_string();
    (server, address)
}

/// A hand-made client: sends an offer and a message of a thousand `a` compressed to a few bytes, and
/// returns the answer's head and what comes behind it.
fn converse(address: &str, first: u8, payload: &[u8], answer_len: usize) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("the server is there");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut received = Vec::new();
    let mut byte = [0];
    while !received.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        received.push(byte[0]);
    }
    let len = u8::try_from(payload.len()).expect("short");
    let frame = [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat();
    stream.write_all(&frame).expect("sent");
    let mut answer = vec![0; answer_len];
    stream.read_exact(&mut answer).expect("an answer");
    (String::from_utf8(received).expect("a head is ASCII"), answer)
}

#[test]
fn pmd_24_a_server_declines_unless_it_was_asked_to_compress() {
    let (_server, address) = serve(|builder| builder);
    let (head, answer) = converse(&address, 0x81, b"Hello", 7);
    assert!(!head.contains("Extensions"), "{head}");
    assert_eq!(answer, b"\x81\x05Hello");
}

#[test]
fn pmc_27_a_server_that_was_asked_compresses_all_but_secrets() {
    let mut config = DeflateConfig::default();
    config.payload_bytes_min = 5;
    config.keeps_own_context = true;
    let (_server, address) = serve(|builder| builder.deflate(config));
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let (head, answer) = converse(&address, 0xC1, &hello, 9 + 7);
    assert!(
        head.contains(
            "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; \
             server_max_window_bits=10\r\n"
        ),
        "{head}"
    );
    assert_eq!(answer[..9], [&[0xC1, 7], &hello[..]].concat());
    assert_eq!(&answer[9..], b"\x81\x05Hello");
}

#[test]
fn our_client_and_our_server_agree_on_any_settings() {
    let mut keeping = DeflateConfig::default();
    keeping.keeps_own_context = true;
    keeping.keeps_peer_context = true;
    let settings = [None, Some(DeflateConfig::default()), Some(keeping)];
    let text = "salmon, otter, bear; ".repeat(5000);
    for of_server in settings {
        let (_server, address) = serve(|builder| match of_server {
            Some(config) => builder.deflate(config),
            None => builder,
        });
        for of_client in settings {
            let client = Client::new(&format!("ws://{address}/"));
            let client = match of_client {
                Some(config) => client.deflate(config),
                None => client,
            };
            let mut socket = client.connect_blocking().expect("the server is there");
            for _ in 0..3 {
                for message in [Message::text(text.as_str()), Message::binary(vec![7; 70_000])] {
                    socket.send(message.clone()).expect("open");
                    socket.send_uncompressed(message.clone()).expect("open");
                    for _ in 0..4 {
                        assert_eq!(socket.recv().expect("an echo"), message);
                    }
                }
            }
        }
    }
}
