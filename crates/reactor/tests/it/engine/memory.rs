//! What only a simulated network can do.

use std::io;
use std::time::Duration;

use sockeye_protocol::{Instant, Outbox};
use sockeye_reactor::engine::{
    Address, Answer, Carrier, Completion, Conditions, Engine, Handed, Input, Memory, Mio, Network,
    Received, Remote,
};

use super::world::{MemoryWorld, Pump, World};

const EMFILE: i32 = 24;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn poll(engine: &mut Memory, timeout: Option<Duration>) -> Vec<Completion> {
    let mut completions = Vec::new();
    engine.poll(timeout, &mut completions).expect("poll");
    completions
}

/// A network with latencies of 3 ms to the caller and 5 ms to the callee.
fn slow_network() -> Network {
    let mut conditions = Conditions::default();
    conditions.latency_to_caller = millis(3);
    conditions.latency_to_callee = millis(5);
    Network::new(conditions)
}

#[test]
fn sleeping_moves_the_clock_and_a_hang_is_an_error() {
    let network = Network::new(Conditions::default());
    let mut engine = network.engine();
    assert_eq!(poll(&mut engine, Some(Duration::from_secs(3600))), []);
    assert_eq!(network.now(), Instant::ZERO + Duration::from_secs(3600));
    let error = engine.poll(None, &mut Vec::new()).expect_err("nothing will ever happen");
    assert_eq!(error.to_string(), "nothing will ever happen");
    network.set_horizon(Some(network.now() + millis(5)));
    assert_eq!(poll(&mut engine, None), []);
    assert_eq!(poll(&mut engine, Some(millis(100))), []);
    assert_eq!(network.now(), Instant::ZERO + Duration::from_secs(3600) + millis(5));
}

#[test]
fn what_travels_takes_its_time() {
    let network = slow_network();
    let mut engine = network.engine();
    let (listener, address) = engine.listen(&Address::Memory(7)).expect("listen");
    let wire = network.connect(&address).expect("connect");
    wire.write(b"hello");
    assert_eq!(poll(&mut engine, Some(Duration::from_secs(1))), [Completion::Acceptable(listener)]);
    assert_eq!(network.now(), Instant::ZERO + millis(5));
    let (carrier, remote) = engine.accept(listener).expect("accept").expect("one waits");
    assert_eq!(remote, Remote::Memory(wire.number()));
    assert_eq!(poll(&mut engine, None), [Completion::Readable(carrier)]);
    let mut outbox = Outbox::new();
    outbox.append(b"hi");
    engine.send(carrier, &mut outbox).expect("send");
    network.advance(millis(2));
    assert_eq!(wire.read(), b"");
    network.advance(millis(1));
    assert_eq!(wire.read(), b"hi");
}

#[test]
fn accepts_fail_as_often_as_asked_and_the_backlog_gets_no_second_edge() {
    let network = Network::new(Conditions::default());
    let mut engine = network.engine();
    let (listener, address) = engine.listen(&Address::Memory(0)).expect("listen");
    network.fail_accepts(EMFILE, 2);
    let wires = [network.connect(&address), network.connect(&address), network.connect(&address)];
    assert_eq!(poll(&mut engine, Some(millis(1))), [Completion::Acceptable(listener)]);
    for _ in 0..2 {
        let error = engine.accept(listener).expect_err("descriptors are short");
        assert_eq!(error.raw_os_error(), Some(EMFILE));
    }
    assert!(engine.refuse(listener).expect("refuse"));
    assert!(wires[0].as_ref().expect("connect").is_ended());
    assert_eq!(poll(&mut engine, Some(Duration::from_secs(60))), []);
    assert!(engine.accept(listener).expect("accept").is_some());
    assert!(engine.accept(listener).expect("accept").is_some());
    assert!(engine.accept(listener).expect("accept").is_none());
}

#[test]
fn a_peer_that_does_not_read_blocks_the_engine_at_its_window() {
    let (mut pump, carrier, wire) = MemoryWorld::plain().accepted();
    wire.set_window(10);
    let mut outbox = Outbox::new();
    outbox.append(b"0123456789abcdef");
    let sent = pump.engine.send(carrier, &mut outbox).expect("send");
    assert_eq!((sent.bytes, sent.blocked), (10, true));
    let sent = pump.engine.send(carrier, &mut outbox).expect("send");
    assert_eq!((sent.bytes, sent.blocked), (0, true));
    assert_eq!(poll(&mut pump.engine, Some(Duration::from_secs(60))), []);
    assert_eq!(wire.read_at_most(3), b"012");
    pump.wait(Completion::Writable(carrier));
    let sent = pump.engine.send(carrier, &mut outbox).expect("send");
    assert_eq!((sent.bytes, sent.blocked), (3, true));
    wire.set_window(100);
    pump.wait(Completion::Writable(carrier));
    pump.send(carrier, b"abc");
    assert_eq!(wire.read(), b"3456789abcabc");
}

/// Closing with unread bytes destroys what was sent just before: why a failed connection lingers.
#[test]
fn closing_with_unread_bytes_resets() {
    let (mut pump, carrier, wire) = MemoryWorld::plain().accepted();
    wire.write(b"unread");
    pump.send(carrier, b"close frame");
    pump.engine.close(carrier);
    assert!(wire.is_reset());
    assert_eq!(wire.read(), b"");

    let (mut pump, carrier, wire) = MemoryWorld::plain().accepted();
    pump.send(carrier, b"close frame");
    pump.engine.close(carrier);
    wire.write(b"too late");
    assert!(wire.is_reset());
}

#[test]
fn a_reset_ends_receiving_and_sending() {
    let (mut pump, carrier, wire) = MemoryWorld::plain().accepted();
    wire.set_window(0);
    let mut outbox = Outbox::new();
    outbox.append(b"bytes");
    assert!(pump.engine.send(carrier, &mut outbox).expect("send").blocked);
    wire.reset();
    pump.wait(Completion::Readable(carrier));
    pump.wait(Completion::Writable(carrier));
    let reset = io::ErrorKind::ConnectionReset;
    assert!(pump.engine.receive(carrier).is_err_and(|error| error.kind() == reset));
    assert!(pump.engine.send(carrier, &mut outbox).is_err_and(|error| error.kind() == reset));
    let network = pump.engine.network().clone();
    assert_eq!(network.connections(), 1);
    pump.engine.close(carrier);
    assert_eq!(network.connections(), 0);
}

#[test]
fn a_peer_that_vanished_is_heard_of_no_more() {
    let (mut pump, carrier, wire) = MemoryWorld::plain().accepted();
    wire.vanish();
    pump.send(carrier, b"is anybody there");
    assert_eq!(poll(&mut pump.engine, Some(Duration::from_secs(3600))), []);
    assert!(matches!(pump.engine.receive(carrier), Ok(Input::Nothing)));
    pump.engine.close(carrier);
    assert_eq!(pump.engine.network().connections(), 0);
}

#[test]
fn outward_connections_are_answered_as_the_test_says() {
    let network = slow_network();
    network.set_answer(1, Answer::Accept);
    network.set_answer(2, Answer::Refuse);
    network.set_answer(3, Answer::Silence);
    let mut engine = network.engine();
    let carriers =
        [1, 2, 3, 4].map(|number| engine.connect(&Address::Memory(number)).expect("begun"));
    let early = engine.connect_result(carriers[0]).map_err(|error| error.kind());
    assert_eq!(early, Err(io::ErrorKind::WouldBlock));
    let mut outbox = Outbox::new();
    outbox.append(b"early");
    assert!(engine.send(carriers[0], &mut outbox).is_err());

    let mut connected = Vec::new();
    while connected.len() < 3 {
        connected.extend(poll(&mut engine, None));
    }
    assert_eq!(connected, [0, 1, 3].map(|index| Completion::Connected(carriers[index])));
    assert_eq!(network.now(), Instant::ZERO + millis(8));
    assert!(engine.poll(None, &mut Vec::new()).is_err(), "the third is never answered");
    assert!(engine.connect_result(carriers[0]).is_ok());
    for refused in [carriers[1], carriers[3]] {
        let result = engine.connect_result(refused).map_err(|error| error.kind());
        assert_eq!(result, Err(io::ErrorKind::ConnectionRefused));
        engine.close(refused);
    }
    let wire = network.accept(1).expect("accepted");
    assert!(network.accept(1).is_none());
    wire.write(b"welcome");
    assert_eq!(Pump::new(engine).receive_len(carriers[0], 7), b"welcome");
}

#[test]
fn two_engines_share_a_clock_that_waits_for_both() {
    let network = slow_network();
    let (mut server, mut client) = (network.engine(), network.engine());
    let (listener, address) = server.listen(&Address::Memory(0)).expect("listen");
    let caller = client.connect(&address).expect("begun");
    // The server has not said yet how long it sleeps, so the client's sleep cannot move the clock.
    assert_eq!(poll(&mut client, Some(Duration::from_secs(10))), []);
    assert_eq!(network.now(), Instant::ZERO);
    assert_eq!(poll(&mut server, Some(millis(2))), []);
    assert_eq!(network.now(), Instant::ZERO + millis(2));
    assert_eq!(poll(&mut server, Some(millis(9))), [Completion::Acceptable(listener)]);
    let (callee, _) = server.accept(listener).expect("accept").expect("one waits");
    assert_eq!(poll(&mut server, None), []);
    assert_eq!(poll(&mut client, None), [Completion::Connected(caller)]);
    assert_eq!(network.now(), Instant::ZERO + millis(8));
    drop(client);
    assert_eq!(poll(&mut server, None), [Completion::Readable(callee)]);
    assert!(matches!(server.receive(callee), Ok(Input::End)));
}

#[test]
fn the_same_seed_cuts_in_the_same_places() {
    let cuts = |seed| {
        let mut world = MemoryWorld::rough(seed);
        let (mut pump, carrier, wire) = world.accepted();
        wire.write(&[7; 20_000]);
        let mut target = Vec::with_capacity(20_000);
        let mut cuts = Vec::new();
        while target.len() < 20_000 {
            match pump.engine.receive_into(carrier, &mut target).expect("receive") {
                Received::Bytes { count, .. } => cuts.push(count),
                Received::Nothing => pump.wait(Completion::Readable(carrier)),
                Received::End => panic!("nobody ended"),
            }
        }
        cuts
    };
    assert_eq!(cuts(3), cuts(3));
    assert_ne!(cuts(3), cuts(8));
    assert!(cuts(3).len() > 5);
}

#[test]
fn a_dropped_engine_closes_what_it_had() {
    let (listener, address, mut pump) = MemoryWorld::plain().listening();
    let network = pump.engine.network().clone();
    let accepted = network.connect(&address).expect("connect");
    pump.accept(listener);
    let waiting = network.connect(&address).expect("connect");
    drop(pump);
    assert!(accepted.is_ended() && waiting.is_reset());
    assert!(network.connect(&address).is_err());
    drop((accepted, waiting));
    assert_eq!(network.connections(), 0);
}

#[test]
fn unread_bytes_can_be_seen_from_the_other_end() {
    let (mut pump, carrier, wire) = MemoryWorld::plain().accepted();
    assert!(pump.engine.network().is_quiet());
    wire.write(&[0; 1000]);
    assert!(!pump.engine.network().is_quiet());
    assert_eq!(wire.unread(), 1000);
    pump.receive_len(carrier, 1000);
    assert_eq!(wire.unread(), 0);
    pump.send(carrier, b"1234");
    assert_eq!(wire.readable_len(), 4);
}

#[test]
fn only_what_another_engine_of_the_network_has_accepted_is_adopted() {
    let network = Network::new(Conditions::default());
    let (mut first, mut second) = (network.engine(), network.engine());
    let (listener, address) = first.listen(&Address::Memory(0)).expect("an address");
    let unsupported = |result: io::Result<_>| {
        result.map(|(carrier, _): (Carrier, Remote)| carrier).expect_err("a stranger").kind()
    };
    let handed = |engine: &mut Memory| {
        let accepted = engine.accept_for_another(listener).expect("it listens");
        accepted.expect("somebody waits")
    };
    let called = || {
        let wire = network.connect(&address).expect("a listener");
        wire.write(b"early");
        wire
    };
    let wire = called();
    let (carrier, remote) = second.adopt(handed(&mut first)).expect("one of its own");
    assert_eq!(remote, Remote::Memory(wire.number()));
    assert_eq!(poll(&mut second, Some(Duration::ZERO)), [Completion::Readable(carrier)]);
    let received = second.receive(carrier).expect("it is open");
    assert!(matches!(received, Input::Bytes { bytes, drained: true } if bytes == b"early"));

    // By another network, which closes it, and by nobody.
    let mut stranger = Network::new(Conditions::default()).engine();
    for adopted in [true, false] {
        let wire = called();
        let handed = handed(&mut first);
        if adopted {
            assert_eq!(unsupported(stranger.adopt(handed)), io::ErrorKind::Unsupported);
        } else {
            drop(handed);
        }
        poll(&mut first, Some(Duration::ZERO));
        assert!(wire.is_reset() || wire.is_ended());
    }
    let number = || Handed::new(5_u8, Remote::Unix);
    assert_eq!(unsupported(second.adopt(number())), io::ErrorKind::Unsupported);
    let mut mio = Mio::new().expect("an engine");
    assert_eq!(unsupported(mio.adopt(number())), io::ErrorKind::Unsupported);
    assert!(first.accept_for_another(listener).expect("it listens").is_none());
}
