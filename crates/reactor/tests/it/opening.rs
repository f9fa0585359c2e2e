//! The opening handshake on a server: answers, deadlines, limits, deferred decisions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::handshake::Response;
use sockeye_reactor::{Accept, Decision, Ticket, deferred};

use crate::frames::{TEXT, close, masked, request};
use crate::support::{Moment, Scripted, Told, echo, silent};
use crate::world::World;

#[test]
fn a_session_from_handshake_to_close() {
    let mut world = World::new(echo());
    let mut client = world.open();
    client.text("hello");
    world.settle();
    assert_eq!(client.next_text(), "hello");
    client.wire.write(&close(1000));
    world.settle();
    assert_eq!(client.close_code(), 1000);
    assert!(client.wire.is_ended(), "the server ends the transport first");
    drop(client);
    world.settle();
    world.assert_empty();
    let log = world.log.borrow();
    let told: Vec<&Told> = log.iter().collect();
    let [Told::Open(_), Told::Text(..), Told::CloseFrame, Told::Closed(outcome), Told::Dropped] =
        told[..]
    else {
        panic!("{told:?}");
    };
    assert!(outcome.clean && outcome.code.as_u16() == 1000, "{outcome:?}");
}

#[test]
fn a_head_cut_at_every_byte_opens_a_session() {
    let head = request("/");
    for cut in 1..head.len() {
        let mut world = World::new(echo());
        let mut client = world.connect();
        client.wire.write(&head[..cut]);
        world.settle();
        let mut rest = head[cut..].to_vec();
        rest.extend(masked(TEXT, b"at once"));
        client.wire.write(&rest);
        world.settle();
        assert!(client.head().expect("an answer").starts_with("HTTP/1.1 101 "));
        assert_eq!(client.next_text(), "at once", "cut at {cut}");
    }
}

#[test]
fn a_head_that_trickles_opens_a_session() {
    let mut world = World::new(echo());
    let mut client = world.connect();
    for byte in request("/") {
        client.wire.write(&[byte]);
        world.settle();
    }
    assert!(client.head().expect("an answer").starts_with("HTTP/1.1 101 "));
}

/// What is asked, and the status that it is answered with.
const ANSWERS: &[(&str, &str, u16)] = &[
    ("no upgrade", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
    ("an unknown path", "GET /missing HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ("not HTTP", "hello there\r\n\r\n", 400),
    (
        "a bad key",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        400,
    ),
    (
        "an old version",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
        426,
    ),
];

#[test]
fn a_refusal_is_answered_in_http_and_the_transport_is_closed_after_it() {
    for (name, asked, status) in ANSWERS {
        let mut world = World::new(silent());
        let mut client = world.connect();
        client.wire.write(asked.as_bytes());
        world.settle();
        let head = client.head().expect("an answer");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {head}");
        client.rest();
        assert!(client.wire.is_ended() && !client.wire.is_reset(), "{name}");
        assert_eq!(world.count(|told| matches!(told, Told::Responded(code) if code == status)), 1);
        client.wire.shutdown_write();
        world.settle();
        world.assert_empty();
    }
}

#[test]
fn hss_27_http_14_threat_h8_nothing_behind_a_refused_upgrade_is_read_as_a_request() {
    let mut world = World::new(silent());
    let mut client = world.connect();
    let mut bytes = b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    bytes.extend(request("/"));
    client.wire.write(&bytes);
    world.settle();
    client.wire.write(&request("/"));
    world.settle();
    assert!(client.head().expect("an answer").starts_with("HTTP/1.1 404 "));
    assert_eq!(client.rest(), b"", "one request, one answer");
    assert_eq!(world.count(|told| matches!(told, Told::Open(_))), 0);
}

#[test]
fn http_16_a_request_behind_the_101_is_a_frame_that_breaks_a_rule() {
    for together in [true, false] {
        let mut world = World::new(silent());
        let mut client = world.connect();
        let mut bytes = request("/");
        if !together {
            client.wire.write(&std::mem::take(&mut bytes));
            world.settle();
        }
        bytes.extend(b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n");
        client.wire.write(&bytes);
        world.settle();
        assert!(client.head().expect("an answer").starts_with("HTTP/1.1 101 "));
        assert_eq!(client.close_code(), 1002);
        assert_eq!(client.rest(), b"", "nobody answers in HTTP any more");
        assert_eq!(world.count(|told| matches!(told, Told::Responded(_))), 0);
    }
}

#[test]
fn hss_26_what_an_opening_handler_says_follows_the_101() {
    let mut world = World::new(Rc::new(|peer, moment| {
        if let Moment::Open = moment {
            peer.send_text("welcome").expect("an open session");
        }
    }));
    let mut client = world.connect();
    let head = request("/");
    client.wire.write(&head[..head.len() - 1]);
    world.settle();
    assert_eq!((client.rest(), world.count(|_| true)), (vec![], 0));
    client.wire.write(&head[head.len() - 1..]);
    world.settle();
    assert!(client.head().expect("an answer").starts_with("HTTP/1.1 101 "));
    assert_eq!(client.next_text(), "welcome");
}

#[test]
fn who_goes_on_sending_behind_a_refusal_is_cut_off_at_the_limit() {
    let mut world = World::new(silent());
    let mut client = world.connect();
    client.wire.write(b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n");
    world.settle();
    assert!(client.head().is_some());
    for _ in 0..8 {
        client.wire.write(&[b'x'; 64 * 1024]);
        world.settle();
    }
    world.assert_empty();

    let mut lingering = world.connect();
    lingering.wire.write(b"GET /missing HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(Duration::from_millis(4_900));
    assert!(lingering.head().is_some());
    assert_eq!(world.reactor.sessions(), 1);
    world.pass(Duration::from_millis(200));
    world.assert_empty();
}

#[test]
fn hss_32_a_handshake_has_five_seconds_whatever_trickles_in() {
    let mut world = World::new(silent());
    let mut silent = world.connect();
    let mut trickling = world.connect();
    for byte in request("/").iter().take(50) {
        trickling.wire.write(&[*byte]);
        world.pass(Duration::from_millis(98));
    }
    assert_eq!(world.reactor.sessions(), 2);
    world.pass(Duration::from_millis(120));
    assert!(trickling.head().expect("an answer").starts_with("HTTP/1.1 408 "));
    assert_eq!(silent.rest(), b"", "who says nothing is told nothing");
    assert!(silent.wire.is_ended());
    world.pass(Duration::from_secs(6));
    world.assert_empty();
}

#[test]
fn above_the_limit_of_connections_upgrades_are_told_to_come_back() {
    let mut world = World::configured(echo(), |config| config.connections_max = 2);
    let first = world.open();
    let _second = world.open();
    let mut third = world.connect();
    third.wire.write(&request("/"));
    world.settle();
    let head = third.head().expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: "), "{head}");
    drop(first);
    world.settle();
    world.open();
}

#[test]
fn half_open_handshakes_stop_accepting_only_at_their_limit() {
    let mut world = World::configured(echo(), |config| config.openings_max = 4);
    let mut open = world.open();
    let flood: Vec<_> = (0..8).map(|_| world.connect()).collect();
    world.settle();
    assert_eq!(world.reactor.sessions(), 5);
    open.text("unaffected");
    world.settle();
    assert_eq!(open.next_text(), "unaffected");
    world.pass(Duration::from_millis(5_100));
    assert_eq!(world.reactor.sessions(), 5, "the next four were accepted");
    drop(flood);
    world.settle();
    assert_eq!(world.reactor.sessions(), 1);
    world.open();
}

/// A world whose decisions are deferred, and their tickets.
fn deferring() -> (World, Rc<RefCell<Vec<Ticket<Scripted>>>>) {
    let mut world = World::new(echo());
    let tickets = Rc::new(RefCell::new(Vec::new()));
    let kept = tickets.clone();
    world.reactor.service_mut().decide = Some(Box::new(move |_| {
        let (ticket, later) = deferred();
        kept.borrow_mut().push(ticket);
        Decision::Defer(later)
    }));
    (world, tickets)
}

fn accept(world: &World) -> Decision<Scripted> {
    Decision::Accept(Accept::new(Scripted::new(&world.log, &echo())))
}

#[test]
fn a_deferred_decision_opens_the_session_with_what_came_meanwhile() {
    let (mut world, tickets) = deferring();
    let mut client = world.connect();
    let mut bytes = request("/");
    bytes.extend(masked(TEXT, b"early"));
    client.wire.write(&bytes);
    world.settle();
    client.text("later");
    world.settle();
    assert!(client.head().is_none());
    tickets.borrow_mut().pop().expect("a ticket").answer(accept(&world));
    world.settle();
    assert!(client.head().expect("an answer").starts_with("HTTP/1.1 101 "));
    assert_eq!(client.next_text(), "early");
    assert_eq!(client.next_text(), "later");
}

#[test]
fn a_deferred_decision_may_refuse_be_forgotten_or_come_too_late() {
    let (mut world, tickets) = deferring();
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let client = world.connect();
            client.wire.write(&request("/"));
            world.settle();
            client
        })
        .collect();
    let [mut refused, mut forgotten, mut late]: [_; 3] = clients.try_into().ok().expect("three");
    let late_ticket = tickets.borrow_mut().pop().expect("a ticket");
    drop(tickets.borrow_mut().pop());
    tickets.borrow_mut().pop().expect("a ticket").answer(Decision::Respond(Response::new(403)));
    world.settle();
    assert!(refused.head().expect("an answer").starts_with("HTTP/1.1 403 "));
    assert!(forgotten.head().expect("an answer").starts_with("HTTP/1.1 503 "));
    assert!(late.head().is_none());
    world.pass(Duration::from_millis(5_100));
    assert!(late.head().expect("an answer").starts_with("HTTP/1.1 503 "));
    late_ticket.answer(accept(&world));
    world.settle();
    assert_eq!(world.count(|told| matches!(told, Told::Open(_))), 0);
}

#[test]
fn a_decision_that_was_made_before_it_was_deferred_counts() {
    let mut world = World::new(echo());
    let log = world.log.clone();
    world.reactor.service_mut().decide = Some(Box::new(move |_| {
        let (ticket, later) = deferred();
        ticket.answer(Decision::Accept(Accept::new(Scripted::new(&log, &echo()))));
        Decision::Defer(later)
    }));
    world.open();
}

#[test]
fn threat_q5_a_decision_for_a_peer_that_is_gone_reaches_nobody_else() {
    let (mut world, tickets) = deferring();
    let gone = world.connect();
    gone.wire.write(&request("/"));
    world.settle();
    drop(gone);
    world.pass(Duration::from_secs(11));
    world.assert_empty();
    // The next one has its slot, and waits for a decision of its own.
    let mut next = world.connect();
    next.wire.write(&request("/"));
    world.settle();
    assert_eq!(world.reactor.sessions(), 1);
    let late = tickets.borrow_mut().remove(0);
    late.answer(accept(&world));
    world.settle();
    assert!(next.head().is_none());
    let its_own = tickets.borrow_mut().remove(0);
    its_own.answer(Decision::Respond(Response::new(403)));
    world.settle();
    assert!(next.head().expect("an answer").starts_with("HTTP/1.1 403 "));
}
