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
use sockeye_protocol::{Buffers, Config, FrameHeader, Instant, Outbox, Output};

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

/// A client whose handshakes have so many milliseconds each.
fn start(url: &str, within: &str, messages: &[&str]) -> Program {
    let mut command = Node::command().expect("a Node");
    command.arg(format!("{CRATE}/client.mjs")).arg(module()).arg(url).arg(within).args(messages);
    Program::start(command).expect("Node starts")
}

/// What the client prints.
fn client(address: SocketAddr, path: &str, within: &str, messages: &[&str]) -> Vec<String> {
    let mut program = start(&format!("ws://{address}{path}"), within, messages);
    program.succeed(WITHIN).expect("it ends well")
}

/// A server for one client, on a thread of its own.
fn raw_server<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let accept = move || {
        let (stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(WITHIN)).expect("a timeout");
        serve(stream)
    };
    (address, std::thread::spawn(accept))
}

/// Upgrades and says `behind`, all at once, and returns what it hears until the client ends.
fn say_behind_the_answer(mut stream: TcpStream, behind: &[u8]) -> Vec<u8> {
    upgrade(&mut stream, behind);
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    heard
}

fn upgrade(stream: &mut TcpStream, behind: &[u8]) {
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
    outbox.append(behind);
    outbox.write_to(stream).expect("the answer");
}

/// "Hello", masked, which a server's frames must not be.
const BAD: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

/// Asserts that these are the bytes of a Close frame with this code and nothing else.
fn assert_close(frame: &[u8], code: u16) {
    let &[first, second, a, b, _, _, high, low] = frame else {
        panic!("{} bytes: {:?}", frame.len(), &frame[..frame.len().min(64)]);
    };
    assert_eq!([first, second], [0x88, 0x82]);
    assert_eq!([high ^ a, low ^ b], code.to_be_bytes());
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
    let (address, server) = raw_server(|stream| say_behind_the_answer(stream, BAD));
    assert_eq!(client(address, "/", "5000", &[]), ["closed 1002"]);
    assert_close(&server.join().expect("it ends"), 1002);
}

#[test]
fn what_waits_is_sent_before_the_end() {
    // More than Node takes at once is to be sent when the connection fails.
    let (address, server) = raw_server(|stream| say_behind_the_answer(stream, BAD));
    let messages = ["#300000"; 3];
    assert_eq!(client(address, "/", "20000", &messages), ["closed 1002"]);
    let heard = server.join().expect("it ends");
    let close = heard.split_at(3 * (300_000 + FrameHeader::BYTES_MAX).min(heard.len())).1;
    assert_close(close, 1002);
}

#[test]
fn a_ping_that_came_while_much_waited_is_answered() {
    let (address, server) = raw_server(|mut stream| {
        upgrade(&mut stream, b"\x89\x01?");
        let mut heard = vec![0; 3 * (300_000 + FrameHeader::BYTES_MAX) + 7];
        stream.read_exact(&mut heard).expect("three messages and a pong");
        let mut rest = Vec::new();
        stream.write_all(b"\x88\x00").expect("a Close");
        stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        let _ = stream.read_to_end(&mut rest);
        heard.split_off(heard.len() - 7)
    });
    assert_eq!(client(address, "/", "5000", &["#300000"; 3]), ["closed 1005"]);
    let pong = server.join().expect("it hears a pong");
    assert_eq!((pong[0], pong[1], pong[6] ^ pong[2]), (0x8a, 0x81, b'?'));
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let (address, server) = raw_server(|mut stream| {
        let mut request = Vec::new();
        // Part of an answer is none.
        stream.write_all(b"HTTP/1.1 101 ").expect("said");
        let _ = stream.read_to_end(&mut request);
        request
    });
    assert_eq!(client(address, "/", "300", &["Hello"]), ["closed 0"]);
    assert!(server.join().expect("it ends").ends_with(b"\r\n\r\n"));
}

#[test]
fn what_is_for_tls_is_not_said_in_the_clear() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut program = start(&format!("wss://{address}/"), "1000", &[]);
    assert!(!program.wait(WITHIN).expect("it ends").success());
    assert!(program.heard().iter().any(|line| line.contains("is not for ws:")));
    listener.set_nonblocking(true).expect("an option");
    assert!(listener.accept().is_err(), "somebody has come");
}

#[test]
fn a_close_that_nobody_answers_ends_in_time() {
    // The echo of what the client says, so that it closes, and then nothing.
    let (address, _server) = raw_server(|stream| say_behind_the_answer(stream, b"\x81\x05Hello"));
    assert_eq!(client(address, "/", "500", &["Hello"]), ["text Hello", "closed 1006"]);
}
