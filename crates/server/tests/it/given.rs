//! Serving on listeners that the program made itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use sockeye::{
    Address, Error, InvalidListener, Message, Server, ServerBuilder, Socket, connect_blocking,
};

fn echoing() -> ServerBuilder {
    Server::builder().route("/", async |mut socket: Socket| {
        loop {
            let message = socket.recv().await?;
            socket.send(message).await?;
        }
    })
}

#[test]
fn a_given_listener_and_an_address_of_its_own_serve_the_same_routes_until_they_drain() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let given = listener.local_addr().expect("an address");
    let builder = echoing().threads(2).listen_on(listener);
    let server = builder.bind("127.0.0.1:0").expect("a port is free");
    let own = server.local_addr().expect("it listens over TCP");
    let expected = [own, given].map(Address::Tcp);
    assert_eq!(server.addresses().cloned().collect::<Vec<_>>(), expected);
    let mut sockets: Vec<_> = [given, own, given, own]
        .map(|address| connect_blocking(&format!("ws://{address}/")).expect("the server is there"))
        .into();
    for socket in &mut sockets {
        socket.send_text("hola").expect("open");
        assert_eq!(socket.recv().expect("the echo"), Message::text("hola"));
    }
    let report = std::thread::spawn(move || server.shutdown(Duration::from_secs(10)));
    for socket in &mut sockets {
        assert!(socket.recv().is_err(), "the server goes away");
    }
    let report = report.join().expect("no panic");
    assert_eq!((report.open, report.closed_cleanly), (4, 4));
    let error = TcpStream::connect(given).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_given_unix_listener_is_enough_and_keeps_its_file() {
    let path = std::env::temp_dir().join(format!("sockeye-on-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).expect("a free path");
    let server = echoing().listen_on(listener).start().expect("it listens");
    assert_eq!(server.local_addr(), None);
    let mut stream = UnixStream::connect(&path).expect("the server listens");
    stream.write_all(&crate::support::request("/")).expect("sent");
    stream.write_all(&crate::support::frame(0x81, b"hola")).expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x04hola") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the echo");
        answer.extend(byte);
    }
    // Else the drain would wait for its answer to the close.
    drop(stream);
    server.shutdown(Duration::from_secs(5));
    std::fs::remove_file(path).expect("the file is not the server's to remove");
}

#[test]
fn what_is_no_listener_is_an_error_with_the_reason_before_anybody_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let wrong = UnixListener::from(OwnedFd::from(listener));
    let error = echoing().listen_on(wrong).bind("127.0.0.1:0").expect_err("it is of TCP");
    let Error::Io(error) = error else { panic!("{error}") };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    assert_eq!(inner, Some(&InvalidListener::OtherKind));
    assert!(matches!(echoing().start(), Err(Error::Other(_))), "it has nowhere to listen");
}
