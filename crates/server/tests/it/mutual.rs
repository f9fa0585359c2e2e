//! Ends that say much and hear much at once, by the default limits: neither waits for the other one.

use std::thread;
use std::time::Duration;

use sockeye::testing::{Received, TestServer};
use sockeye::{
    BlockingSender, BlockingSocket, Error, Message, Policy, Prepared, Sender, Server, Socket,
    connect_blocking,
};

use crate::support::server;

/// Four times what the sockets of both ends hold.
const MESSAGES: usize = 512;
const BYTES: usize = 64 * 1024;
const MIB: usize = 1 << 20;

async fn say_much(sender: Sender) -> Result<(), Error> {
    for _ in 0..MESSAGES {
        sender.send(vec![1; BYTES]).await?;
    }
    Ok(())
}

fn say_much_blocking(sender: &BlockingSender) {
    for _ in 0..MESSAGES {
        sender.send(vec![2; BYTES]).expect("open");
    }
}

/// Hears all that the other end says, and says as much meanwhile.
fn talk(socket: BlockingSocket) {
    let (sender, mut receiver) = socket.split();
    let saying = thread::spawn(move || {
        say_much_blocking(&sender);
        sender
    });
    for _ in 0..MESSAGES {
        assert_eq!(receiver.recv().expect("the other end goes on").len(), BYTES);
    }
    let sender = saying.join().expect("all was said");
    assert_eq!(receiver.recv().expect("the count").as_text(), Some("512"));
    drop(sender);
}

/// All of it would be cut after thirty seconds if one waited for the other one.
#[test]
fn two_ends_that_both_say_much_and_hear_all_the_time_do_not_wait_for_each_other() {
    let server = Server::builder()
        .route("/async", async |socket: Socket| {
            let (sender, mut receiver) = socket.split();
            let saying = sockeye::spawn(say_much(sender.clone()));
            for _ in 0..MESSAGES {
                receiver.recv().await?;
            }
            saying.await.expect("no panic")?;
            sender.send(MESSAGES.to_string()).await
        })
        .route_blocking("/blocking", |socket: BlockingSocket| {
            let (sender, mut receiver) = socket.split();
            let own = sender.clone();
            let saying = thread::spawn(move || {
                for _ in 0..MESSAGES {
                    own.send(vec![1; BYTES]).expect("open");
                }
            });
            for _ in 0..MESSAGES {
                receiver.recv()?;
            }
            saying.join().expect("no panic");
            sender.send(MESSAGES.to_string())
        })
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let address = server.local_addr().expect("TCP");
    for path in ["async", "blocking"] {
        talk(connect_blocking(&format!("ws://{address}/{path}")).expect("the server is there"));
    }
}

/// 200 small messages, and four long ones of three lengths behind them.
fn said() -> Vec<Message> {
    let long = [MIB, 300 * 1024, BYTES].into_iter().flat_map(|len| [len; 4]);
    let small = (0..200).map(|_| Message::text("small"));
    small.chain(long.map(|len| Message::binary(vec![7; len]))).collect()
}

#[test]
fn the_longest_messages_are_answered_behind_others_on_routes_of_both_kinds() {
    let server = Server::builder()
        .route("/async", async |mut socket: Socket| {
            loop {
                let message = socket.recv().await?;
                socket.send(message).await?;
            }
        })
        .route_blocking("/blocking", |mut socket: BlockingSocket| {
            loop {
                let message = socket.recv()?;
                socket.send(message)?;
            }
        })
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let address = server.local_addr().expect("TCP");
    for path in ["async", "blocking"] {
        let url = format!("ws://{address}/{path}");
        let (sender, mut receiver) = connect_blocking(&url).expect("the server is there").split();
        let saying = thread::spawn(move || {
            said().into_iter().for_each(|message| sender.send(message).expect("open"));
            sender
        });
        for message in said() {
            assert!(receiver.recv().expect("the echo") == message, "{path}");
        }
        drop(saying.join().expect("all was said"));
    }
}

/// As above, to a peer that reads nothing at first, and then slowly.
#[test]
fn an_echo_waits_for_a_slow_reader_and_refuses_nothing() {
    let mut server = server(async |mut socket| {
        loop {
            let message = socket.recv().await?;
            socket.send(message).await?;
        }
    });
    let mut client = server.connect("/");
    client.wire().set_window(0);
    let said = said();
    for message in &said {
        match message {
            Message::Text(text) => client.send_text(text),
            Message::Binary(bytes) => client.send_binary(bytes),
        }
    }
    server.settle();
    assert!(client.wire().unread() > 3 * MIB, "what is not answered stays in the transport");
    client.wire().set_window(100_000);
    let mut lens = Vec::new();
    for _ in 0..200 {
        server.advance(Duration::from_millis(10));
        lens.extend(client.rest().into_iter().map(|received| match received {
            Received::Text(text) => text.len(),
            Received::Binary(bytes) => bytes.len(),
            other => panic!("{other:?}"),
        }));
    }
    assert!(lens.iter().copied().eq(said.iter().map(Message::len)), "{}", lens.len());
}

/// A conversation hears its peer while another task of its own says more than the peer reads.
#[test]
fn a_peer_is_heard_while_much_waits_for_it() {
    let builder = Server::builder().route("/", async |socket: Socket| {
        let (sender, mut receiver) = socket.split();
        let stream = sender.clone();
        sockeye::spawn(async move { while stream.send(vec![1; 10_000]).await.is_ok() {} });
        while receiver.recv().await?.as_text() != Some("stop") {}
        sender.group("heard").publish(Prepared::text("stop"));
        Ok(())
    });
    let builder = builder.route("/witness", async |mut socket: Socket| {
        socket.join(&socket.group("heard"), Policy::Close).await?;
        socket.recv().await.map(drop)
    });
    let mut server = TestServer::new(builder).expect("valid routes");
    let mut witness = server.connect("/witness");
    let mut client = server.connect("/");
    client.wire().set_window(0);
    server.settle();
    client.send_text("go on");
    client.send_text("stop");
    server.settle();
    assert_eq!(witness.texts(), ["stop"]);
}

/// Who never waits for room is not asked more than there is room for.
#[test]
fn an_echo_that_never_waits_is_held_back_instead_of_refused() {
    let mut server = server(async |mut socket| {
        loop {
            let message = socket.recv().await?;
            socket.try_send(message)?;
        }
    });
    let mut client = server.connect("/");
    client.wire().set_window(0);
    let lens = [BYTES; 100];
    lens.iter().for_each(|len| client.send_binary(&vec![7; *len]));
    server.settle();
    assert!(client.wire().unread() > 5 * MIB, "little is answered before it is read");
    let mut received = Vec::new();
    while received.len() < lens.len() {
        client.wire().set_window(MIB);
        server.settle();
        let before = received.len();
        received.extend(client.rest());
        assert!(received.len() > before, "it goes on as fast as it is read");
    }
    assert!(
        received.iter().all(|got| matches!(got, Received::Binary(bytes) if bytes.len() == BYTES))
    );
}
