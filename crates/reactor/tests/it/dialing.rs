//! The order of things when a client connects (RFC 6455 section 4.1).

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::Event;
use sockeye_reactor::ConnectError;
use sockeye_reactor::engine::{Address, Answer, Conditions};

use crate::frames::TEXT;
use crate::outward::{NUMBER, accepting, dial, failure, request};
use crate::support::{Moment, Script, Scripted, Told, silent};
use crate::world::{Client, World};

/// Says something as soon as it may, and answers what it hears.
fn talkative() -> Script {
    Rc::new(|peer, moment| match moment {
        Moment::Open => peer.send_text("at once").expect("an open session"),
        Moment::Event(Event::Text(text)) => peer.send_text(text).expect("an open session"),
        _ => {}
    })
}

#[test]
fn hsc_01_the_transport_then_the_request_then_the_reply() {
    let delay = Duration::from_millis(50);
    let mut conditions = Conditions::default();
    conditions.latency_to_callee = delay;
    conditions.latency_to_caller = delay;
    let mut world = World::with(talkative(), Default::default(), conditions);
    world.network.set_answer(NUMBER, Answer::Accept);
    let handler = Scripted::new(&world.log, &talkative());
    world.reactor.connect(&Address::Memory(NUMBER), &request(), handler).expect("no error at once");
    world.settle();
    assert_eq!(
        world.reactor.stats().bytes_written,
        0,
        "nothing is sent before there is a transport"
    );
    world.pass(Duration::from_millis(200));
    let mut server = Client::new(world.network.accept(NUMBER).expect("a connection"));
    let head = server.head().expect("the request");
    assert_eq!(world.count(|_| true), 0, "nothing opens before the reply");
    server.wire.write(&accepting(&head));
    world.settle();
    assert_eq!(world.count(|_| true), 0, "the reply is on its way");
    world.pass(Duration::from_millis(200));
    assert_eq!(world.count(|told| matches!(told, Told::Open(_))), 1);
    assert_eq!(server.next(), Some((TEXT, b"at once".to_vec())));
}

#[test]
fn hsc_05_without_a_transport_there_is_no_session() {
    for (answer, error) in
        [(Answer::Refuse, "Transport(ConnectionRefused)"), (Answer::Silence, "TimedOut")]
    {
        let (mut world, server) = dial(talkative(), answer);
        assert!(server.is_none());
        world.pass(Duration::from_millis(5_100));
        assert_eq!(failure(&world), error);
        assert_eq!(world.reactor.stats().bytes_written, 0);
        world.assert_empty();
    }
    // An address that cannot be tried fails in the call.
    let mut world = World::new(silent());
    let handler = Scripted::new(&world.log, &silent());
    let tried = world.reactor.connect(&Address::Unix("/".into()), &request(), handler);
    assert!(tried.is_err() && world.log.borrow().is_empty());
    world.assert_empty();
}

#[test]
fn hsc_20_nothing_is_sent_until_the_reply_is_whole_and_right() {
    let (mut world, server) = dial(talkative(), Answer::Accept);
    let mut server = server.expect("a connection");
    let head = server.head().expect("the request");
    let reply = accepting(&head);
    for byte in &reply[..reply.len() - 1] {
        world.pass(Duration::from_millis(20));
        server.wire.write(&[*byte]);
    }
    world.pass(Duration::from_millis(500));
    assert_eq!(server.rest(), b"", "the reply is not whole");
    assert_eq!(world.count(|_| true), 0);
    server.wire.write(&reply[reply.len() - 1..]);
    world.settle();
    assert_eq!(server.next(), Some((TEXT, b"at once".to_vec())));

    let (mut world, server) = dial(talkative(), Answer::Accept);
    let mut server = server.expect("a connection");
    server.head().expect("the request");
    world.pass(Duration::from_millis(5_100));
    assert_eq!(server.rest(), b"", "five seconds without a reply");
    assert_eq!(failure(&world), "TimedOut");

    let (mut world, server) = dial(talkative(), Answer::Accept);
    let mut server = server.expect("a connection");
    let head = server.head().expect("the request");
    let mut reply =
        String::from_utf8(accepting(&head)).expect("text").replace("Accept: ", "Accept: x");
    reply.push_str("more");
    server.wire.write(reply.as_bytes());
    world.settle();
    assert_eq!(server.rest(), b"", "a wrong reply is answered with the end of the transport");
    assert!(server.wire.is_ended());
    assert!(matches!(world.log.borrow()[..], [Told::Failed(ConnectError::Handshake(_))]));
    world.assert_empty();
}

#[test]
fn hsc_15_every_attempt_has_a_key_of_its_own() {
    let mut world = World::new(silent());
    world.network.set_answer(NUMBER, Answer::Accept);
    let request = request();
    let mut keys = HashSet::new();
    for _ in 0..100 {
        let handler = Scripted::new(&world.log, &silent());
        world.reactor.connect(&Address::Memory(NUMBER), &request, handler).expect("no error");
        world.settle();
        let mut server = Client::new(world.network.accept(NUMBER).expect("a connection"));
        let head = server.head().expect("a request");
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let key = key.expect("a key");
        assert_eq!((key.len(), &key[22..]), (24, "=="), "{key}");
        keys.insert(key.to_owned());
    }
    assert_eq!(keys.len(), 100, "the same request never has the same key");
}

#[test]
fn hsc_30_a_reply_that_trickles_has_five_seconds() {
    let (mut world, server) = dial(silent(), Answer::Accept);
    let server = server.expect("a connection");
    server.wire.write(b"HTTP/1.1 101 Switching Protocols\r\nX: ");
    for _ in 0..49 {
        world.pass(Duration::from_millis(100));
        server.wire.write(b"a");
    }
    world.settle();
    assert_eq!((world.count(|_| true), world.reactor.sessions()), (0, 1));
    world.pass(Duration::from_millis(150));
    assert_eq!(failure(&world), "TimedOut");
    world.assert_empty();

    let (mut world, server) = dial(silent(), Answer::Accept);
    let server = server.expect("a connection");
    let line = format!("X: {}\r\n", "a".repeat(1000));
    server
        .wire
        .write(format!("HTTP/1.1 101 Switching Protocols\r\n{}", line.repeat(17)).as_bytes());
    world.settle();
    assert_eq!(failure(&world), "Handshake(HeadTooLarge)");
    world.assert_empty();
}
