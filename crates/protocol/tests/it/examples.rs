//! The examples do what they say.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tungstenite::Message;

/// An example's binary, which `cargo test` has built beside this one.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    Command::new(path.join("examples").join(name))
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the echo server on a free port; returns it with its URL.
fn echo_server() -> (Ended, String) {
    let mut command = example("blocking_echo");
    let child = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn();
    let mut server = Ended(child.expect("the example runs"));
    let mut line = String::new();
    let stdout = server.0.stdout.take().expect("standard output");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let url = line.trim().trim_start_matches("listening on ").to_owned();
    (server, url)
}

#[test]
fn in_memory_shows_a_whole_conversation() {
    let output = example("in_memory").output().expect("the example runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("server receives Text"));
    assert!(lines[1].starts_with("client receives Text"));
    assert!(lines[3].starts_with("client receives Close"));
}

#[test]
fn blocking_echo_echoes_and_refuses() {
    let (_server, url) = echo_server();
    let address = url.trim_start_matches("ws://");

    let stream = TcpStream::connect(address).expect("connected");
    let (mut socket, _) = tungstenite::client(format!("{url}/"), stream).expect("upgraded");
    for message in [Message::text("κόσμε"), Message::binary(vec![7; 100_000])] {
        socket.send(message.clone()).expect("sent");
        assert_eq!(socket.read().expect("echoed"), message);
    }
    socket.close(None).expect("closed");
    while socket.read().is_ok() {}

    let mut stream = TcpStream::connect(address).expect("connected");
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    let answer = std::io::read_to_string(&mut stream).expect("an answer and its end");
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[test]
fn blocking_client_talks_to_blocking_echo() {
    let (_server, url) = echo_server();

    let output = example("blocking_client").args([&url, "one", "two"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["one", "two"]);
    assert!(lines[2].contains("CloseCode(1000)") && lines[2].contains("clean: true"), "{text}");
}
