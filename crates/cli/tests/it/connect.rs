//! `sockeye connect`, with a script at its keyboard.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use sockeye::Server;

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
fn run(arguments: &[&str], input: impl AsRef<[u8]>) -> Said {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().expect("it is piped");
    // A client that was refused does not read its input.
    let _ = stdin.write_all(input.as_ref());
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
fn answers_that_take_their_time_are_awaited() {
    let server = Running::start(&[]);
    // One answer a second: the silence between them is shorter than the default wait.
    let said = run(&[&server.url("/slow")], "a\nb\nc\n");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "a\nb\nc\n", "{}", said.stderr);
    assert_eq!(said.code, Some(0));
    // Nothing ever comes from here, so only the wait passes.
    let said = run(&["--wait", "0.1", &server.url("/connect")], "");
    assert_eq!((said.code, said.stdout.len()), (Some(0), 0), "{}", said.stderr);
}

#[test]
fn a_line_that_is_not_utf8_is_not_sent_as_text() {
    let server = Running::start(&[]);
    let input = b"one\n\xff\xfe\nthree\n";
    let said = run(&[&server.url("/echo")], input);
    assert_eq!(said.stdout, b"one\nthree\n", "{}", said.stderr);
    assert!(said.stderr.contains("line 2 is not sent"), "{}", said.stderr);
    let said = run(&["--binary", &server.url("/echo")], input);
    assert_eq!(said.stdout, input, "{}", said.stderr);
}

#[test]
fn nothing_is_said_when_nobody_reads_any_more() {
    let server = Running::start(&[]);
    let mut child = start(&[&server.url("/echo")]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"unheard\n").expect("it reads");
    assert_eq!(ended(&mut child).code(), Some(141));
    let output = child.wait_with_output().expect("it ended");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, format!("connected to {}\n", server.url("/echo")));
}

#[test]
fn help_tells_how_to_leave_and_what_the_status_means() {
    let said = run(&["--help"], "");
    let help = String::from_utf8_lossy(&said.stdout);
    for expected in ["--wait <SECONDS>", "Ctrl-D", "Ctrl-C", "Exit status:", "1000", "130"] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
}

#[test]
fn the_chosen_subprotocol_is_named() {
    let speaker = Server::builder()
        .subprotocol("chat.v1")
        .route("/", async |mut socket| socket.recv().await.map(drop))
        .bind("127.0.0.1:0")
        .expect("a free port");
    let url = format!("ws://{}/", speaker.local_addr().expect("it is bound"));
    let offer = ["--wait", "0", "--subprotocol", "chat.v2", "--subprotocol", "chat.v1"];
    let said = run(&[&offer[..], &[&url]].concat(), "");
    let first = format!("connected to {url}, subprotocol chat.v1\n");
    assert!(said.stderr.starts_with(&first), "{}", said.stderr);
    let server = Running::start(&[]);
    let said = run(&[&offer[..], &[&server.url("/echo")]].concat(), "");
    assert!(said.stderr.contains("/echo, no subprotocol chosen\n"), "{}", said.stderr);
}

#[test]
fn a_refused_upgrade_shows_status_and_body() {
    let server = Running::start(&[]);
    let said = run(&[&server.url("/nowhere")], "");
    assert!(said.stderr.contains("status 404 Not Found\n"), "{}", said.stderr);
    assert_eq!(said.code, Some(1));
    // A URL without a path is one for the page.
    let said = run(&[&server.url("")], "");
    assert!(said.stderr.contains("status 400 Bad Request\n  this path has no WebSocket\n"));
    assert_eq!(said.code, Some(1));
    let said = run(&["--header", "Origin: https://elsewhere.example", &server.url("/echo")], "");
    assert!(said.stderr.contains("403"), "{}", said.stderr);
    assert_eq!(said.code, Some(1));
}

#[test]
fn attack_25_threat_h12_the_body_of_a_refusal_is_shown_without_what_a_terminal_obeys() {
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
    let said = run(&[&format!("ws://{address}/busy")], "");
    server.join().expect("it served");
    assert!(
        said.stderr
            .ends_with("status 503 Service Unavailable\n  come back\n  later \u{fffd}[31mplease\n"),
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
        (&["http://127.0.0.1:1/a"][..], "write ws://127.0.0.1:1/a"),
        (&["https://127.0.0.1:1/"], "wss:// needs TLS, which is not supported yet"),
        (&["wss://127.0.0.1:1/"], "TLS is not supported yet"),
        (&["127.0.0.1:1"], "127.0.0.1:1 is not a WebSocket URL"),
        (&["ftp://127.0.0.1:1/"], "ftp://127.0.0.1:1/ is not a WebSocket URL"),
        (&["ws://"], "ws://"),
        (&["ws://127.0.0.1:99999/"], "ws://127.0.0.1:99999/"),
        (&["ws://127.0.0.1:1/#part"], "ws://127.0.0.1:1/#part"),
        (&["--wait", "soon", "ws://127.0.0.1:1/"], "expected a number of seconds"),
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
