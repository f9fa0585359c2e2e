//! Outward connections: the client's side of the same loop.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::handshake::{Acceptance, ClientRequest, HeadLimits, ServerHandshake, Url};
use sockeye_protocol::{Event, Outbox};
use sockeye_reactor::engine::{Address, Answer};
use sockeye_reactor::{ConnectError, Outward};

use crate::frames::TEXT;
use crate::support::{Moment, Script, Scripted, Told, echo, silent};
use crate::world::{Client, World};

pub(crate) const NUMBER: u64 = 900;

pub(crate) fn request() -> ClientRequest {
    let url = Url::parse("ws://server.example.com/chat").expect("a URL");
    ClientRequest::new(&url).subprotocol("salmon").expect("a token")
}

/// A reactor that connects to an address where the test answers.
pub(crate) fn dial(script: Script, answer: Answer) -> (World, Option<Client>) {
    let mut world = World::new(script.clone());
    world.network.set_answer(NUMBER, answer);
    let handler = Scripted::new(&world.log, &script);
    world.reactor.connect(&Address::Memory(NUMBER), &request(), handler).expect("no error at once");
    world.settle();
    let server = world.network.accept(NUMBER).map(Client::new);
    (world, server)
}

/// What the handler was told, which must be that nothing opened.
#[track_caller]
pub(crate) fn failure(world: &World) -> String {
    let log = world.log.borrow();
    let [Told::Failed(error)] = &log[..] else { panic!("{log:?}") };
    match error {
        ConnectError::Refused(refused) => {
            format!("{} {:?}", refused.status, String::from_utf8_lossy(&refused.body))
        }
        error => format!("{error:?}"),
    }
}

/// The answer to the request with this head (RFC 6455 section 4.2.2).
pub(crate) fn accepting(head: &str) -> Vec<u8> {
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let head = handshake.receive(head.as_bytes()).expect("a request").expect("all of it");
    let acceptance = Acceptance { subprotocol: Some("salmon".into()), ..Acceptance::default() };
    let mut outbox = Outbox::new();
    head.upgrade().expect("an upgrade").accept(&acceptance, &mut outbox).expect("it was offered");
    outbox.chunks().flatten().copied().collect()
}

#[test]
fn hsc_29_a_client_session_from_handshake_to_close() {
    let subprotocol = Rc::new(RefCell::new(None));
    let seen = subprotocol.clone();
    let (mut world, server) = dial(
        Rc::new(move |peer, moment| match moment {
            Moment::Open => {
                *seen.borrow_mut() = peer.subprotocol().map(String::from);
                peer.send_text("hello").expect("an open session");
            }
            Moment::Event(Event::Text(text)) => peer.send_text(text).expect("an open session"),
            _ => {}
        }),
        Answer::Accept,
    );
    let mut server = server.expect("a connection");
    let head = server.head().expect("a request");
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
    // The first message comes in one segment with the answer.
    let mut answer = accepting(&head);
    answer.extend(b"\x81\x02hi");
    server.wire.write(&answer);
    world.settle();
    assert_eq!(subprotocol.borrow().as_deref(), Some("salmon"));
    assert_eq!(server.next(), Some((TEXT, b"hello".to_vec())));
    assert_eq!(server.next(), Some((TEXT, b"hi".to_vec())));
    server.wire.write(b"\x88\x02\x03\xE8");
    world.settle();
    assert_eq!(server.close_code(), 1000);
    assert!(!server.wire.is_ended(), "a client leaves the transport's end to the server");
    server.wire.shutdown_write();
    world.settle();
    world.assert_empty();
    assert_eq!(world.count(|told| matches!(told, Told::Closed(outcome) if outcome.clean)), 1);
}

#[test]
fn msk_03_sec_03_threat_k1_every_frame_has_a_key_of_its_own() {
    let (mut world, server) = dial(
        Rc::new(|peer, moment| {
            if let Moment::Open = moment {
                for _ in 0..100 {
                    peer.send_text("GET / HTTP/1.1").expect("room");
                }
            }
        }),
        Answer::Accept,
    );
    let mut server = server.expect("a connection");
    let head = server.head().expect("a request");
    server.wire.write(&accepting(&head));
    world.settle();
    let bytes = server.rest();
    assert_eq!(bytes.len(), 100 * (2 + 4 + 14));
    assert!(!bytes.windows(4).any(|window| window == b"HTTP"));
    let keys: std::collections::HashSet<&[u8]> =
        bytes.chunks(20).map(|frame| &frame[2..6]).collect();
    assert!(keys.len() > 98);
}

#[test]
fn hsc_21_a_refusal_comes_with_its_status_and_body() {
    for (answer, expected) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nsorry and more", "403 \"sorry\""),
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503 \"\""),
    ] {
        let (mut world, server) = dial(silent(), Answer::Accept);
        let server = server.expect("a connection");
        for byte in answer.bytes() {
            server.wire.write(&[byte]);
            world.settle();
        }
        assert_eq!(failure(&world), expected);
        world.assert_empty();
    }
}

#[test]
fn a_refusals_body_may_end_with_the_transport_or_with_the_deadline() {
    let (mut world, server) = dial(silent(), Answer::Accept);
    let server = server.expect("a connection");
    server.wire.write(b"HTTP/1.1 500 Oops\r\n\r\nwhat a day");
    world.settle();
    server.wire.shutdown_write();
    world.settle();
    assert_eq!(failure(&world), "500 \"what a day\"");

    let (mut world, server) = dial(silent(), Answer::Accept);
    let server = server.expect("a connection");
    server.wire.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nhalf");
    world.pass(Duration::from_millis(5_100));
    assert_eq!(failure(&world), "500 \"half\"");
    world.assert_empty();
}

#[test]
fn what_can_go_wrong_is_told_apart() {
    let (world, _) = dial(silent(), Answer::Refuse);
    assert_eq!(failure(&world), "Transport(ConnectionRefused)");
    world.assert_empty();

    let (mut world, _) = dial(silent(), Answer::Silence);
    world.pass(Duration::from_millis(5_100));
    assert_eq!(failure(&world), "TimedOut");
    world.assert_empty();

    let (mut world, server) = dial(silent(), Answer::Accept);
    world.pass(Duration::from_millis(5_100));
    assert_eq!(failure(&world), "TimedOut");
    drop(server);

    let (mut world, server) = dial(silent(), Answer::Accept);
    let server = server.expect("a connection");
    server.wire.shutdown_write();
    world.settle();
    assert_eq!(failure(&world), "Ended");

    let (mut world, server) = dial(silent(), Answer::Accept);
    let server = server.expect("a connection");
    server.wire.write(b"SSH-2.0-OpenSSH\r\n\r\n");
    world.settle();
    assert!(failure(&world).starts_with("Handshake("), "{}", failure(&world));
    world.assert_empty();
}

#[test]
fn an_attempt_may_have_a_time_of_its_own() {
    let mut world = World::new(silent());
    world.network.set_answer(NUMBER, Answer::Silence);
    let handler = Scripted::new(&world.log, &silent());
    let mut outward = Outward::new(Address::Memory(NUMBER), request(), handler);
    outward.within = Some(Duration::from_secs(8));
    world.reactor.service_mut().outward = Some(outward);
    world.pass(Duration::from_millis(7_900));
    assert_eq!(world.reactor.sessions(), 1);
    world.pass(Duration::from_millis(200));
    assert_eq!(failure(&world), "TimedOut");
    world.assert_empty();
}

#[test]
fn a_service_connects_to_a_server_on_the_same_loop() {
    let mut world = World::new(echo());
    let script: Script = Rc::new(|peer, moment| match moment {
        Moment::Open => peer.send_text("round").expect("an open session"),
        Moment::Event(Event::Text(_)) => peer.close(None).expect("an open session"),
        _ => {}
    });
    let handler = Scripted::new(&world.log, &script);
    let outward = Outward::new(world.address.clone(), request(), handler);
    world.reactor.service_mut().outward = Some(outward);
    world.settle();
    world.assert_empty();
    assert_eq!(world.texts(), ["round", "round"], "{:?}", world.log.borrow());
    assert_eq!(world.count(|told| matches!(told, Told::Closed(outcome) if outcome.clean)), 2);
}

/// Nothing is open yet where a handshake breaks off: a client is told once that it failed, a server
/// has nothing to tell.
#[test]
fn frm_26_a_handshake_that_breaks_off_anywhere_ends_once() {
    for cut in 0.. {
        let (mut world, server) = dial(silent(), Answer::Accept);
        let mut server = server.expect("a connection");
        let answer = accepting(&server.head().expect("a request"));
        if cut == answer.len() {
            break;
        }
        server.wire.write(&answer[..cut]);
        server.wire.shutdown_write();
        world.settle();
        assert_eq!(failure(&world), "Ended", "{cut} bytes of the answer");
        world.assert_empty();
    }
    let request = crate::frames::request("/");
    for cut in 0..request.len() {
        let mut world = World::new(silent());
        let client = world.connect();
        client.wire.write(&request[..cut]);
        client.wire.shutdown_write();
        world.settle();
        assert!(world.log.borrow().is_empty(), "{cut} bytes of the request");
        world.assert_empty();
    }
}
