//! The client of `crates/wasm-example` under Node: a WebAssembly module that has the protocol, with Node's bytes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use sockeye::Server;
use sockeye_interop::{Fault, Node, Program, scratch};
use sockeye_protocol::handshake::{Acceptance, Answered, HeadLimits, ServerHandshake, Upgrade};
use sockeye_protocol::{Buffers, Config, Instant, Outbox, Output};

/// The first build compiles the protocol for another target.
const BUILD_WITHIN: Duration = Duration::from_secs(600);
const WITHIN: Duration = Duration::from_secs(60);
const CRATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wasm-example");

/// The module, built once.
fn module() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || -> Result<PathBuf, Fault> {
        // A folder of its own: Cargo may be holding the usual one.
        let folder = scratch().join("wasm");
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--locked", "--target", "wasm32-unknown-unknown"]);
        command.arg("--manifest-path").arg(format!("{CRATE}/Cargo.toml"));
        command.arg("--target-dir").arg(&folder);
        Program::start(command)?.succeed(BUILD_WITHIN)?;
        Ok(folder.join("wasm32-unknown-unknown/debug/sockeye_wasm_example.wasm"))
    };
    BUILT
        .get_or_init(|| {
            build().expect("it builds, after `rustup target add wasm32-unknown-unknown`")
        })
        .clone()
}

/// What the client prints.
fn client(address: SocketAddr, path: &str, close_within: &str, messages: &[&str]) -> Vec<String> {
    let mut command = Node::command().expect("a Node");
    command.arg(format!("{CRATE}/client.mjs")).arg(module());
    command.arg(format!("ws://{address}{path}")).arg(close_within).args(messages);
    let mut program = Program::start(command).expect("Node starts");
    program.succeed(WITHIN).expect("it ends well")
}

/// A server that upgrades, says `bytes`, and tells all that it hears until the client ends.
fn raw_server(bytes: &'static [u8]) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let serve = move || {
        let (mut stream, _) = listener.accept().expect("a client");
        upgrade(&mut stream);
        stream.write_all(bytes).expect("said");
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        heard
    };
    (address, std::thread::spawn(serve))
}

fn upgrade(stream: &mut TcpStream) {
    let config = Arc::new(Config::default());
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let (mut received, mut outbox, mut buffers) = (Vec::new(), Outbox::new(), Buffers::default());
    let mut answered = None;
    while !matches!(answered, Some(Answered::Open { .. })) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a request");
        received.extend(byte);
        let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
        let accept = |_: &Upgrade<'_>| Ok(Acceptance::default());
        answered = handshake.answer(&received, &config, &mut output, accept);
    }
    outbox.write_to(stream).expect("the answer");
}

#[test]
fn messages_of_any_size_come_back() {
    let server = Server::builder()
        .route("/echo", async |mut socket| {
            loop {
                let message = socket.recv().await?;
                socket.send(message).await?;
            }
        })
        .bind("127.0.0.1:0")
        .expect("it listens");
    let address = server.local_addr().expect("an address");
    let lines = client(address, "/echo", "5000", &["Hello", "κόσμε", "#0", "#70000", "#300000"]);
    let expected =
        ["text Hello", "text κόσμε", "binary 0", "binary 70000", "binary 300000", "closed 1000"];
    assert_eq!(lines, expected);

    assert_eq!(client(address, "/elsewhere", "5000", &["?"]), ["refused", "closed 0"]);
}

#[test]
fn a_bad_frame_is_answered_with_its_code() {
    // "Hello", masked, which a server's frames must not be.
    let (address, server) = raw_server(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(client(address, "/", "100", &[]), ["closed 1002"]);
    let heard = server.join().expect("it ends");
    assert_eq!((heard.len(), heard[0], heard[1]), (8, 0x88, 0x82));
    assert_eq!([heard[6] ^ heard[2], heard[7] ^ heard[3]], 1002_u16.to_be_bytes());
}

#[test]
fn a_close_that_nobody_answers_ends_in_time() {
    // The echo of what the client says, so that it closes, and then nothing.
    let (address, _server) = raw_server(b"\x81\x05Hello");
    assert_eq!(client(address, "/", "100", &["Hello"]), ["text Hello", "closed 1006"]);
}
