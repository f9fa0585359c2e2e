//! `sockeye bench` against the server, against raw TCP, and against servers that do it wrong.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::thread;

use serde_json::Value;

use crate::running::{Running, sockeye};

/// Runs `sockeye bench` with `arguments`; it ends by itself.
fn bench(arguments: &[&str]) -> Output {
    let mut command = sockeye(&["bench"]);
    command.args(arguments).output().expect("the binary starts")
}

/// Runs it for its result.
fn result(arguments: &[&str]) -> Value {
    let output = bench(&[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

/// Runs it for what it complains of.
fn complaint(arguments: &[&str]) -> String {
    let output = bench(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// A server that gives every connection to `talk`, on a thread of its own.
fn served_by(talk: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || talk(stream));
        }
    });
    address
}

/// Sends back what comes, until `change` has changed it.
fn echo_with(mut stream: TcpStream, change: impl Fn(&mut [u8])) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        change(&mut buffer[..read]);
        if stream.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
}

#[test]
fn every_message_of_an_echo_is_checked_counted_and_timed() {
    let server = Running::start(&[]);
    let (url, pid) = (server.url("/echo"), server.pid().to_string());
    for (kind, size) in [("text", "20"), ("multi-byte", "125"), ("binary", "70000"), ("text", "0")]
    {
        let options = [
            "echo",
            &url,
            "--connections",
            "5",
            "--window",
            "3",
            "--count",
            "200",
            "--check",
            "--kind",
            kind,
            "--size",
            size,
            "--server-pid",
            &pid,
        ];
        let result = result(&options);
        assert_eq!(result["done"], 200, "{result}");
        let bytes = 200 * size.parse::<u64>().expect("a number");
        assert_eq!(result["payload"], bytes, "{result}");
        let latency = |name: &str| result["latency"][name].as_u64().expect("a time");
        assert!(latency("p50") > 0 && latency("p50") <= latency("p99.99"), "{result}");
        assert!(latency("p99.99") <= latency("max"), "{result}");
        assert!(result["server"]["cpu"].as_u64() > Some(0), "{result}");
        assert!(result["server"]["memory"]["resident"].as_u64() > Some(0), "{result}");
    }
}

#[test]
fn the_report_for_people_says_what_was_done_and_the_plot_is_a_picture() {
    let server = Running::start(&[]);
    let url = server.url("/echo/async");
    let file = std::env::temp_dir().join(format!("sockeye-bench-{}.svg", std::process::id()));
    let plot = file.to_str().expect("a name in UTF-8");
    let output = bench(&["echo", &url, "-c", "2", "-n", "50", "--plot", plot]);
    let (report, picture) = (String::from_utf8_lossy(&output.stdout), fs::read_to_string(&file));
    let _ = fs::remove_file(&file);
    assert!(report.starts_with(&format!("echo {url}: 2 connections, window 1, text of 20 bytes")));
    for word in ["messages/s", "(50 in ", " p50 ", " p99.99 "] {
        assert!(report.contains(word), "{report}");
    }
    let picture = picture.expect("it was written");
    assert!(picture.starts_with("<svg ") && picture.contains("<polyline "), "{picture}");
}

#[test]
fn with_a_rate_messages_are_due_at_their_own_times() {
    let server = Running::start(&[]);
    let url = server.url("/echo");
    let result =
        result(&["echo", &url, "-c", "7", "--rate", "2000", "--duration", "0.25", "--check"]);
    assert_eq!((&result["done"], &result["unanswered"]), (&500.into(), &0.into()), "{result}");
    // The last is due half a millisecond before the end, and none goes out before it is due.
    assert!(result["elapsed"].as_u64() >= Some(249_000_000), "{result}");
}

#[test]
fn a_message_that_was_due_and_had_no_reply_counts_with_the_time_that_it_waited() {
    // It answers the question whether it answers, of 30 bytes, the first frame, of 26, and no more.
    let address = served_by(|mut stream| {
        for len in [30, 26] {
            let mut bytes = [0; 30];
            let came = stream.read_exact(&mut bytes[..len]);
            let _ = came.and_then(|()| stream.write_all(&bytes[..len]));
        }
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let url = format!("tcp://{address}");
    let options =
        ["echo", &url, "-c", "1", "--rate", "100", "--duration", "0.1", "--patience", "1"];
    let result = result(&options);
    assert_eq!((&result["done"], &result["unanswered"]), (&1.into(), &9.into()), "{result}");
    // The second was due after 10 ms, and given up a second after the last was due.
    assert!(result["latency"]["max"].as_u64() >= Some(1_000_000_000), "{result}");
}

#[test]
fn a_server_that_only_sends_back_bytes_is_measured_in_the_same_way() {
    let address = served_by(|stream| echo_with(stream, |_| {}));
    let url = format!("tcp://{address}");
    let result = result(&["echo", &url, "-c", "3", "-w", "4", "-n", "100", "-s", "1K", "--check"]);
    assert_eq!(result["done"], 100, "{result}");
}

#[test]
fn idle_connections_are_shared_out_where_one_process_may_not_have_all() {
    let server = Running::start(&[]);
    let (url, pid) = (server.url("/echo"), server.pid().to_string());
    let idle = ["idle", &url, "-c", "25", "-d", "0.1", "--size", "20", "--server-pid", &pid];
    for (per_process, processes) in [("100", 1), ("10", 3)] {
        let result = result(&[&idle[..], &["--per-process", per_process]].concat());
        assert_eq!((&result["done"], &result["processes"]), (&25.into(), &processes.into()));
        assert!(result["server"]["memory"]["per_connection"].is_number(), "{result}");
    }
}

#[test]
fn the_shares_of_an_echo_over_processes_make_up_the_whole() {
    let server = Running::start(&[]);
    let url = server.url("/echo");
    let result = result(&["echo", &url, "-c", "10", "-n", "101", "--per-process", "4", "--check"]);
    assert_eq!((&result["done"], &result["processes"]), (&101.into(), &3.into()), "{result}");
    assert!(result["latency"]["p50"].as_u64() > Some(0), "{result}");
}

#[test]
fn connections_are_opened_in_waves_and_closed_cleanly() {
    let mut server = Running::start(&[]);
    let (url, pid) = (server.url("/echo"), server.pid().to_string());
    let options = ["connect", &url, "-c", "20", "-w", "4", "-n", "50", "--server-pid", &pid];
    let result = result(&options);
    assert_eq!(result["done"], 50, "{result}");
    assert!(result["server"]["cpu_each"].as_f64() > Some(0.0), "{result}");
    server.signal(rustix::process::Signal::TERM);
    let (_, said) = server.ended();
    assert!(said.contains("stopped: 0 connections"), "{said}");
}

#[test]
fn what_is_broadcast_reaches_everyone_in_order() {
    let server = Running::start(&[]);
    let url = server.url("/broadcast");
    let options = ["broadcast", &url, "-c", "8", "-w", "4", "-n", "30", "-s", "100", "--check"];
    let result = result(&options);
    assert_eq!((&result["done"], &result["counted"]), (&240.into(), &"deliveries".into()));
    assert!(result["latency"]["p99"].as_u64() > Some(0), "{result}");
}

/// More is sent than the system and the server's outbox take for one who does not read.
#[test]
fn one_who_never_reads_a_broadcast_keeps_nobody_waiting() {
    let server = Running::start(&[]);
    let url = server.url("/broadcast");
    let options =
        ["broadcast", &url, "-c", "4", "-w", "4", "-n", "300", "-s", "64K", "--stalled", "1"];
    let result = result(&options);
    assert_eq!(result["done"], 1200, "{result}");
    assert!(result["title"].as_str().is_some_and(|title| title.contains("never read")));
}

#[test]
fn a_server_that_does_it_wrong_is_told_apart() {
    let server = Running::start(&[]);
    let silent = served_by(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let flipping = served_by(|stream| {
        // The probe ends in a line; frames are longer than a byte that is no longer what it was.
        echo_with(stream, |bytes| {
            if bytes.last() != Some(&b'\n') {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            }
        });
    });
    let babbling = served_by(|mut stream| {
        let _ = stream.write_all(b"220 mail.example.org ready\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = nobody.expect("a port that nobody has any more");
    let few = ["-c", "2", "-n", "10"];
    let soon = "--patience=0.2";
    for (url, more, word) in [
        (server.url("/nowhere"), "", "refused the upgrade with status 404"),
        (server.url("/connect"), "", "a reply has 6 bytes, and 20 were sent"),
        (format!("ws://{nobody}/"), "", "does the server run?"),
        (format!("ws://{silent}/"), soon, "no answer within 0.2 s: 0 of 2 connections are open"),
        (format!("ws://{babbling}/"), "", "no WebSocket server"),
        (format!("tcp://{silent}"), soon, "no answer within"),
        (format!("tcp://{babbling}"), "", "does not send back what it gets"),
        (format!("tcp://{flipping}"), "--check", "a reply differs from what was sent"),
        (format!("wss://{silent}/"), "", "TLS"),
        (server.url("/echo"), "--server-pid=2147483647", "--server-pid 2147483647"),
        (server.url("/echo"), "--size=2M", "the server closed the connection with code 1009"),
    ] {
        let more: &[&str] = if more.is_empty() { &[] } else { &[more] };
        let said = complaint(&[&["echo", &url], &few[..], more].concat());
        assert!(said.starts_with("sockeye: ") && said.contains(word), "{url}: {said}");
        assert_eq!(said.lines().count(), 1, "{url}: {said}");
    }
    let url = server.url("/echo");
    let said = complaint(&["broadcast", &url, "-c", "2", "-n", "1", soon]);
    assert!(said.contains("does the server send what comes to everyone?"), "{said}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_with_status_2() {
    for arguments in [
        &["echo"][..],
        &["walk", "ws://127.0.0.1:1/"],
        &["echo", "ws://127.0.0.1:1/", "--window", "0"],
        &["echo", "ws://127.0.0.1:1/", "--rate", "0"],
        &["echo", "ws://127.0.0.1:1/", "--size", "2G"],
        &["echo", "ws://127.0.0.1:1/", "--count", "5", "--duration", "5"],
        &["echo", "ws://127.0.0.1:1/", "--kind", "prose"],
        &["idle", "ws://127.0.0.1:1/", "--rate", "5"],
    ] {
        assert_eq!(bench(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_load_may_name_its_congestion_control_and_is_told_which_there_are() {
    let address = served_by(|stream| echo_with(stream, |_| {}));
    let url = format!("tcp://{address}");
    let load = ["echo", &url, "-c", "4", "-n", "20", "--check", "--congestion", "reno"];
    for per_process in ["4", "2"] {
        let result = result(&[&load[..], &["--per-process", per_process]].concat());
        assert_eq!(result["done"], 20, "{result}");
    }
    let complaint = complaint(&["echo", &url, "--congestion", "nobody"]);
    assert!(complaint.contains("--congestion nobody: the system has "), "{complaint}");
}
