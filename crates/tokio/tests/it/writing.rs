//! What leaves in one write, and when.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sockeye_tokio::{Event, Message, Outgoing, Prepared, Role, SendError, WebSocket};

use crate::wire::{Calls, End, finish, poll_once, timeless, wire};

/// Two ends of a roomy wire, and what the server's transport is asked.
fn pair() -> (WebSocket<End>, WebSocket<End>, Arc<Calls>) {
    let (client, server) = wire(16 << 20, None);
    let calls = Arc::clone(&server.calls);
    let client = WebSocket::new(client, Role::Client, timeless());
    (client, WebSocket::new(server, Role::Server, timeless()), calls)
}

fn feed(socket: &mut WebSocket<End>, messages: usize) {
    for number in 0..messages {
        finish(socket.feed(Message::text(format!("message {number}")))).expect("it is open");
    }
}

#[test]
fn many_messages_between_two_flushes_are_one_write() {
    let (mut client, mut server, calls) = pair();
    feed(&mut server, 1000);
    assert_eq!(calls.writes(), 0);
    finish(server.flush()).expect("it leaves");
    assert_eq!(calls.writes(), 1);
    for number in 0..1000 {
        let received = finish(client.recv()).expect("open").expect("well");
        assert_eq!(received, Message::text(format!("message {number}")));
    }
}

#[test]
fn answers_to_what_one_read_has_brought_are_one_write() {
    let (mut client, mut server, calls) = pair();
    feed(&mut client, 500);
    finish(client.flush()).expect("it leaves");
    for _ in 0..500 {
        let received = finish(server.recv()).expect("open").expect("well");
        finish(server.feed(received)).expect("it is open");
    }
    assert_eq!((calls.reads(), calls.writes()), (1, 0));
    assert!(poll_once(server.recv()).is_pending(), "nothing more has come");
    assert_eq!((calls.reads(), calls.writes()), (1, 1));
}

#[test]
fn a_visitor_s_answers_are_one_write_and_zero_copies() {
    let (mut client, mut server, calls) = pair();
    feed(&mut client, 500);
    finish(client.flush()).expect("it leaves");
    let mut visited = 0;
    let received = finish(server.recv_each(|event, outgoing| {
        let Event::Text(text) = event else { panic!("only texts were sent") };
        assert!(text.is_borrowed());
        visited += 1;
        outgoing.text(&text)
    }));
    received.expect("open").expect("well");
    assert_eq!((visited, calls.reads(), calls.writes()), (500, 1, 0));
    assert!(poll_once(server.recv()).is_pending());
    assert_eq!(calls.writes(), 1);
    assert!(finish(client.recv()).expect("open").expect("well").is_text());
}

#[test]
fn a_send_is_a_write_of_its_own() {
    let (_client, mut server, calls) = pair();
    for sent in 1..=10 {
        finish(server.send("now".into())).expect("it is open");
        assert_eq!(calls.writes(), sent);
    }
}

#[test]
fn a_pong_leaves_with_the_answers_around_it() {
    let (mut client, mut server, calls) = pair();
    feed(&mut client, 3);
    client.say(|outgoing| outgoing.ping(b"are you there?")).expect("it is open");
    feed(&mut client, 3);
    finish(client.flush()).expect("it leaves");
    for _ in 0..7 {
        let received = finish(server.recv()).expect("open").expect("well");
        if received.is_text() {
            finish(server.feed(received)).expect("it is open");
        }
    }
    assert!(poll_once(server.recv()).is_pending());
    assert_eq!(calls.writes(), 1);
    let answers: Vec<_> =
        (0..7).map(|_| finish(client.recv()).expect("open").expect("well")).collect();
    assert_eq!(answers[3], Message::Pong(b"are you there?"[..].to_vec().into()));
}

/// Long messages are segments of their own, which one vectored write takes.
#[test]
fn segments_leave_in_one_vectored_write() {
    let (mut client, mut server, calls) = pair();
    let payload = vec![7; 20_000];
    server
        .say(|outgoing| {
            outgoing.text("before")?;
            outgoing.binary_owned(payload.clone())?;
            outgoing.text("behind")
        })
        .expect("it is open");
    finish(server.flush()).expect("it leaves");
    assert_eq!(calls.writes.load(Ordering::Relaxed), 1);
    assert_eq!(finish(client.recv()).expect("open").expect("well"), Message::text("before"));
    assert_eq!(finish(client.recv()).expect("open").expect("well"), Message::binary(payload));
    assert_eq!(finish(client.recv()).expect("open").expect("well"), Message::text("behind"));
}

/// What a peer does not read holds back who feeds, and what it then asks for is not read.
#[test]
fn a_peer_that_does_not_read_is_held_back() {
    let (client, server) = wire(1000, None);
    let mut client = WebSocket::new(client, Role::Client, timeless());
    let mut server = WebSocket::new(server, Role::Server, timeless());
    let mark = server.config().outbox_high_mark;
    let mut fed = 0;
    while poll_once(server.feed(Message::binary(vec![0; 5000]))).is_ready() {
        fed += 1;
        assert!(fed < 100, "feeding must wait at some time");
    }
    assert!(server.say(|out| out.waiting_bytes()) <= mark + 5010);
    for _ in 0..fed {
        let mut received = poll_once(client.recv());
        for _ in 0..10_000 {
            if received.is_ready() {
                break;
            }
            let _ = poll_once(server.flush());
            received = poll_once(client.recv());
        }
        assert!(received.is_ready(), "it all arrives");
    }
}

/// A message longer than the outbox may hold is taken all the same, behind others.
#[test]
fn a_fed_message_may_be_longer_than_the_outbox() {
    let (mut client, mut server, _) = pair();
    let long = "x".repeat(900 * 1024);
    feed(&mut server, 1);
    finish(server.feed(Message::text(long.clone()))).expect("it is taken");
    // Above its mark the outbox is written before it takes more.
    finish(server.feed(Message::text(long.clone()))).expect("it is taken");
    finish(server.flush()).expect("it leaves");
    assert!(finish(client.recv()).expect("open").expect("well").is_text());
    for _ in 0..2 {
        assert_eq!(finish(client.recv()).expect("open").expect("well").len(), long.len());
    }
}

/// Whatever way it is said by.
#[test]
fn below_the_mark_one_message_of_any_size_has_room_and_the_next_has_none() {
    const BYTES: usize = 1024 * 1024;
    type Say = fn(&mut Outgoing<'_>) -> Result<(), SendError>;
    let ways: [Say; 5] = [
        |outgoing| outgoing.text(&"x".repeat(BYTES)),
        |outgoing| outgoing.binary(&[b'x'; BYTES]),
        |outgoing| outgoing.text_owned("x".repeat(BYTES)),
        |outgoing| outgoing.binary_owned(vec![b'x'; BYTES]),
        |outgoing| outgoing.prepared(&Prepared::binary(&[b'x'; BYTES])),
    ];
    for say in ways {
        let (mut client, mut server, _) = pair();
        server.say(|outgoing| {
            outgoing.text("first").expect("an empty outbox has room");
            say(outgoing).expect("not much waits");
            assert_eq!(say(outgoing), Err(SendError::Full));
            assert_eq!(outgoing.text("short"), Err(SendError::Full));
        });
        finish(server.flush()).expect("it leaves");
        for len in ["first".len(), BYTES] {
            assert_eq!(finish(client.recv()).expect("open").expect("well").len(), len);
        }
    }
}
