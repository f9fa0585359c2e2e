//! `sockeye connect`, with a script at its keyboard.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::running::{Running, ended, sockeye};
use crate::wire::{FIN, TEXT, Wire};

struct Said {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

fn start(arguments: &[&str]) -> Child {
    let mut command = sockeye(&["connect"]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary starts")
}

/// Runs it with `input` at its standard input and returns all that it said.
fn run(arguments: &[&str], input: &str) -> Said {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().expect("it is piped");
    // A client that was refused does not read its input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let status = ended(&mut child);
    let output = child.wait_with_output().expect("it ended");
    Said {
        code: status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

#[test]
fn lines_go_out_and_messages_come_in() {
    let server = Running::start(&[]);
    let said = run(&[&server.url("/echo")], "one\n¡dos!\n\nlast without a line feed");
    assert_eq!(
        String::from_utf8_lossy(&said.stdout),
        "one\n¡dos!\n\nlast without a line feed\n",
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("1000"), "{}", said.stderr);
    assert_eq!(said.code, Some(0));
}

#[test]
fn the_seeds_dialogue_can_be_piped() {
    let server = Running::start(&[]);
    let said = run(&[&server.url("/dialogue")], "Ana\n33\n");
    let stdout = String::from_utf8_lossy(&said.stdout);
    assert!(stdout.ends_with("And your age?\nYou're Ana, and you are 33 old.\n"), "{stdout}");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
}

#[test]
fn binary_lines_are_binary_messages() {
    let server = Running::start(&[]);
    let said = run(&["--binary", &server.url("/echo")], "\u{1}bytes\n");
    assert_eq!(said.stdout, b"\x01bytes\n", "{}", said.stderr);
    assert_eq!(said.code, Some(0));
}

#[test]
fn a_refused_upgrade_shows_status_and_body() {
    let server = Running::start(&[]);
    let said = run(&[&server.url("/nowhere")], "");
    assert!(said.stderr.contains("404"), "{}", said.stderr);
    assert_eq!(said.code, Some(1));
    assert_eq!(said.code, Some(1));
    let said = run(&["--header", "Origin: https://elsewhere.example", &server.url("/echo")], "");
    assert!(said.stderr.contains("403"), "{}", said.stderr);
    assert_eq!(said.code, Some(1));
}

#[test]
fn the_body_of_a_refusal_is_shown_without_what_a_terminal_obeys() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client comes");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a whole request");
            request.extend(byte);
        }
        let response = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 27\r\n\r\ncome back\nlater \u{1b}[31mplease\n";
        stream.write_all(response.as_bytes()).expect("the client reads");
    });
    let said = run(&[&format!("ws://{address}/")], "");
    server.join().expect("it served");
    assert!(
        said.stderr.ends_with("status 503\n  come back\n  later \u{fffd}[31mplease\n"),
        "{}",
        said.stderr
    );
    assert_eq!(said.code, Some(1));
}

#[test]
fn a_port_where_nobody_listens_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let said = run(&[&format!("ws://{address}/")], "");
    assert!(
        said.stderr.contains(&address.to_string()) && said.stderr.contains("refused"),
        "{}",
        said.stderr
    );
    assert_eq!(said.code, Some(1));
}

#[test]
fn bad_urls_and_headers_are_explained() {
    for (arguments, expected) in [
        (&["http://127.0.0.1:1/"][..], "http://127.0.0.1:1/"),
        (&["ws://"], "ws://"),
        (&["ws://127.0.0.1:99999/"], "ws://127.0.0.1:99999/"),
        (&["ws://127.0.0.1:1/#part"], "ws://127.0.0.1:1/#part"),
        (&["--header", "no colon", "ws://127.0.0.1:1/"], "no colon"),
        (&["--header", "Upgrade: h2c", "ws://127.0.0.1:1/"], "belongs to the handshake"),
        (&["--subprotocol", "a b", "ws://127.0.0.1:1/"], "not a token"),
    ] {
        let said = run(arguments, "");
        assert!(said.stderr.contains(expected), "{arguments:?}: {}", said.stderr);
        assert!(matches!(said.code, Some(1 | 2)), "{arguments:?}: {:?}", said.code);
        assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    }
}

#[test]
fn a_server_that_stops_is_an_abnormal_end_with_its_code() {
    let mut server = Running::start(&[]);
    let mut child = start(&[&server.url("/echo")]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"here\n").expect("it reads");
    // Once the echo is out, the client is connected.
    let mut stdout = child.stdout.take().expect("it is piped");
    stdout.read_exact(&mut [0; 5]).expect("the echo");
    server.signal(Signal::TERM);
    assert_eq!(ended(&mut child).code(), Some(1));
    let output = child.wait_with_output().expect("it ended");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("1001"), "{stderr}");
    assert!(server.ended().0.success());
}

#[test]
fn ctrl_c_closes_politely() {
    let server = Running::start(&[]);
    let mut watcher = Wire::open(server.address, "/chat");
    watcher.send(&crate::wire::frame(FIN | TEXT, b"first"));
    while watcher.text() != "guest-1: first" {}
    let mut child = start(&[&server.url("/chat")]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"second\n").expect("it reads");
    while watcher.text() != "guest-2: second" {}
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    while watcher.text() != "* guest-2 has left" {}
    assert_eq!(ended(&mut child).code(), Some(130));
}
