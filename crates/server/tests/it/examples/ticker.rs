use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sockeye::{CloseCode, connect_blocking};

use crate::tcp::serve;

#[allow(dead_code)]
#[path = "../../../examples/ticker.rs"]
mod example;
#[allow(dead_code)]
#[path = "../../../examples/ticker_client.rs"]
mod ticker_client;

#[test]
fn the_client_prints_until_the_server_goes_away() {
    let (server, url) = serve(example::tick);
    let (printed, prints) = mpsc::channel();
    let socket = connect_blocking(&url).expect("the server is there");
    let client = std::thread::spawn(move || {
        let printed = Mutex::new(printed);
        ticker_client::print(socket, |message| {
            printed.lock().expect("no panic").send(message.to_string()).expect("the test waits");
        });
    });
    for _ in 0..2 {
        let line = prints.recv_timeout(Duration::from_secs(5)).expect("a tick each second");
        assert!(line.starts_with("Rust rocks -> ") && line.ends_with(" UTC"), "{line}");
    }
    let report = server.shutdown(Duration::from_secs(5));
    assert_eq!((report.open, report.closed_cleanly), (1, 1));
    client.join().expect("the client ends by itself");
}

#[test]
fn a_plain_request_is_refused_with_426() {
    let (server, _url) = serve(example::tick);
    let mut stream =
        TcpStream::connect(server.local_addr().expect("TCP")).expect("the server is there");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("Sec-WebSocket-Version: 13\r\n"), "{answer}");
}

#[test]
fn the_server_notices_a_close_at_once_although_it_never_receives() {
    let (ended, end) = mpsc::channel();
    let (_server, url) = serve(async move |socket| {
        let result = example::tick(socket).await;
        ended
            .send(result.expect_err("it ticks until the end"))
            .map_err(|_| sockeye::Error::message("no test"))
    });
    let mut socket = connect_blocking(&url).expect("the server is there");
    socket.recv().expect("the first tick");
    socket.send_text("never received").expect("open");
    let began = Instant::now();
    socket.close(CloseCode::from_u16(4000), "enough").expect("a legal code");
    let error = end.recv_timeout(Duration::from_secs(5)).expect("the route ends");
    assert_eq!(error.close_code(), Some(CloseCode::from_u16(4000)));
    assert!(began.elapsed() < Duration::from_millis(700), "it waited for the next tick");
}
