//! Over real sockets, with our own client and with tungstenite as the peer.

use std::time::Duration;

use sockeye::{CloseCode, Error, Message, Server, Socket, Spreading, State, connect_blocking};
use tungstenite::Message as Theirs;

/// A server with one route at `/`, and its URL.
pub(crate) fn serve<F>(route: F) -> (Server, String)
where
    F: AsyncFn(Socket) -> Result<(), Error> + Send + Sync + 'static,
{
    let server = Server::builder().route("/", route).bind("127.0.0.1:0").expect("a port is free");
    let url = format!("ws://{}/", server.local_addr().expect("the server listens over TCP"));
    (server, url)
}

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

#[test]
fn an_echo_returns_each_message_in_its_type() {
    let (_server, url) = serve(echo);
    let mut socket = connect_blocking(&url).expect("the server is there");
    for message in [
        Message::text("hello"),
        Message::binary("bytes"),
        Message::text(""),
        Message::text("ñ".repeat(100_000)),
    ] {
        socket.send(message.clone()).expect("the connection is open");
        assert_eq!(socket.recv().expect("an answer"), message);
    }
    socket.close(CloseCode::from_u16(3000), "done").expect("a legal code");
    assert_eq!(socket.state(), State::Closed);
    let closed = socket.closed();
    assert_eq!((closed.code, closed.clean), (CloseCode::from_u16(3000), true));
}

#[test]
fn a_tungstenite_client_talks_to_our_server() {
    let (_server, url) = serve(echo);
    let (mut theirs, _) = tungstenite::connect(&url).expect("the server is there");
    for message in
        [Theirs::text("hello"), Theirs::binary(vec![0, 1, 2]), Theirs::text("ñ".repeat(200_000))]
    {
        theirs.send(message.clone()).expect("sent");
        assert_eq!(theirs.read().expect("an answer"), message);
    }
    theirs.send(Theirs::Ping("p".into())).expect("sent");
    assert_eq!(theirs.read().expect("a pong"), Theirs::Pong("p".into()));
    theirs.close(None).expect("closing");
    assert!(matches!(
        theirs.read(),
        Ok(Theirs::Close(None)) | Err(tungstenite::Error::ConnectionClosed)
    ));
}

#[test]
fn shutdown_closes_with_1001_and_reports() {
    let (server, url) = serve(echo);
    let mut socket = connect_blocking(&url).expect("the server is there");
    socket.send("x").expect("open");
    assert_eq!(socket.recv().expect("an answer"), Message::text("x"));
    let report = server.shutdown(Duration::from_secs(5));
    assert_eq!((report.open, report.closed_cleanly, report.cut), (1, 1, 0));
    match socket.recv() {
        Err(Error::Closed { code, clean: true, .. }) => assert_eq!(code, CloseCode::GOING_AWAY),
        other => panic!("expected the close, found {other:?}"),
    }
    server.wait();
}

#[test]
fn a_unix_socket_serves_the_same_routes() {
    use std::io::{Read, Write};
    let path = std::env::temp_dir().join(format!("sockeye-test-{}.sock", std::process::id()));
    let server =
        Server::builder().route("/", echo).listen_unix(&path).start().expect("the path is free");
    assert_eq!(server.local_addr(), None);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("the server listens");
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
    let _ = std::fs::remove_file(path);
}

#[test]
fn several_loops_share_a_unix_socket_and_two_servers_do_not() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    let path = std::env::temp_dir().join(format!("sockeye-shared-{}.sock", std::process::id()));
    for _ in 0..2 {
        let builder = || Server::builder().route("/", echo).threads(2).listen_unix(&path);
        let server = builder().start().expect("the path is free");
        let error = builder().start().expect_err("somebody is there");
        assert!(
            matches!(error, Error::Io(ref error) if error.kind() == std::io::ErrorKind::AddrInUse),
            "{error}"
        );
        let streams: Vec<UnixStream> = (0..16)
            .map(|_| {
                let mut stream = UnixStream::connect(&path).expect("the server listens");
                stream.write_all(&crate::support::request("/")).expect("sent");
                stream.write_all(&crate::support::frame(0x81, b"hola")).expect("sent");
                stream
            })
            .collect();
        for mut stream in streams {
            let mut answer = Vec::new();
            while !answer.ends_with(b"\x81\x04hola") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("the echo");
                answer.extend(byte);
            }
        }
        server.shutdown(Duration::from_secs(5));
        assert!(!path.exists(), "the file goes with the last listener");
    }
}

#[test]
fn a_port_that_is_in_use_is_an_error_and_not_shared_in_silence() {
    let (server, _url) = serve(echo);
    let address = server.local_addr().expect("TCP");
    let error =
        Server::builder().route("/", echo).threads(2).bind(address).expect_err("somebody is there");
    assert!(
        matches!(error, Error::Io(ref error) if error.kind() == std::io::ErrorKind::AddrInUse),
        "{error}"
    );
}

#[test]
fn one_listener_serves_several_loops_where_it_is_asked_to() {
    let server = Server::builder()
        .route("/", echo)
        .threads(3)
        .spreading(Spreading::HandOver)
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let url = format!("ws://{}/", server.local_addr().expect("the server listens over TCP"));
    let mut sockets: Vec<_> =
        (0..12).map(|_| connect_blocking(&url).expect("the server is there")).collect();
    for socket in &mut sockets {
        socket.send_text("hola").expect("open");
        assert_eq!(socket.recv().expect("the echo"), Message::text("hola"));
    }
    let report = std::thread::spawn(move || server.shutdown(Duration::from_secs(10)));
    for socket in &mut sockets {
        assert!(socket.recv().is_err(), "the server goes away");
    }
    assert_eq!(report.join().expect("no panic").open, 12);
}
