//! What every engine does: the same tests over TCP, Unix sockets and the simulated network.

mod memory;
mod mio;
mod world;

use std::io;
use std::time::Duration;

use sockeye_protocol::Outbox;
use sockeye_reactor::engine::{Carrier, Completion, Engine, Input, Received};
use world::{MemoryWorld, Peer, Pump, TcpWorld, UnixWorld, World};

/// Runs a test in each world.
macro_rules! in_every_world {
    ($($(#[$doc:meta])* fn $name:ident($world:ident: &mut impl World) $body:block)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            fn check($world: &mut impl World) $body
            check(&mut TcpWorld::new());
            check(&mut UnixWorld::new());
            check(&mut MemoryWorld::plain());
            for seed in 0..8 {
                check(&mut MemoryWorld::rough(seed));
            }
        }
    )*};
}

in_every_world! {
    fn accepts_receives_and_sends(world: &mut impl World) {
        let (mut pump, carrier, mut peer) = world.accepted();
        peer.write(b"question");
        assert_eq!(pump.receive_len(carrier, 8), b"question");
        pump.send(carrier, b"answer");
        assert_eq!(peer.read_len(&mut pump, 6), b"answer");
    }

    fn a_backlog_of_several_is_accepted_after_one_edge(world: &mut impl World) {
        let (listener, address, mut pump) = world.listening();
        let peers: Vec<_> = (0..5).map(|_| world.call(&address)).collect();
        let mut accepted = Vec::new();
        while accepted.len() < peers.len() {
            pump.wait(Completion::Acceptable(listener));
            while let Some((carrier, _)) = pump.engine.accept(listener).expect("accept") {
                accepted.push(carrier);
            }
        }
        accepted.sort_unstable();
        accepted.dedup();
        assert_eq!(accepted.len(), peers.len());
        assert!(accepted.iter().zip(0..).all(|(carrier, index)| carrier.index() == index));
    }

    /// The read that brings the bytes must not say `drained`, or nobody would look for the end.
    fn data_and_end_in_one_segment(world: &mut impl World) {
        let (listener, address, mut pump) = world.listening();
        let mut peer = world.call(&address);
        peer.write(b"last words");
        peer.shutdown_write();
        let carrier = pump.accept(listener);
        pump.wait(Completion::Readable(carrier));
        let mut bytes = Vec::new();
        loop {
            match pump.engine.receive(carrier).expect("receive") {
                Input::Bytes { bytes: more, drained } => {
                    bytes.extend_from_slice(more);
                    // The end may still be on its way in a network with latency.
                    if drained {
                        pump.wait(Completion::Readable(carrier));
                    }
                }
                Input::Nothing => pump.wait(Completion::Readable(carrier)),
                Input::End => break,
            }
        }
        assert_eq!(bytes, b"last words");
        pump.send(carrier, b"still here");
        assert_eq!(peer.read_len(&mut pump, 10), b"still here");
    }

    fn the_engine_ends_its_direction_and_goes_on_receiving(world: &mut impl World) {
        let (mut pump, carrier, mut peer) = world.accepted();
        pump.send(carrier, b"bye");
        pump.engine.shutdown_write(carrier);
        assert_eq!(peer.read_to_end(&mut pump), b"bye");
        peer.write(b"more");
        assert_eq!(pump.receive_len(carrier, 4), b"more");
        let mut outbox = Outbox::new();
        outbox.append(b"too late");
        assert!(pump.engine.send(carrier, &mut outbox).is_err());
        assert_eq!(outbox.len(), 8);
    }

    fn an_outbox_larger_than_the_window_is_sent_in_pieces(world: &mut impl World) {
        let (mut pump, carrier, mut peer) = world.accepted();
        let mut outbox = Outbox::new();
        let mut expected = Vec::new();
        let mut blocked_once = false;
        let mut received = Vec::new();
        while !outbox.is_empty() || !blocked_once {
            if outbox.is_empty() {
                assert!(expected.len() < 1 << 28, "so much does not fit");
                for number in 0..200_u8 {
                    let segment = vec![number; 20_000 + usize::from(number)];
                    expected.extend_from_slice(&segment);
                    outbox.append_shared(segment.into());
                }
            }
            let offered = outbox.len();
            let sent = pump.engine.send(carrier, &mut outbox).expect("send");
            assert_eq!(outbox.len(), offered - sent.bytes);
            assert!(sent.blocked || sent.bytes > 0);
            if sent.blocked {
                blocked_once = true;
                // Reading opens the window, and the engine tells.
                let deadline = pump.engine.now() + Duration::from_secs(10);
                while !pump.is_told(Completion::Writable(carrier)) {
                    assert!(pump.engine.now() < deadline, "blocked for ever");
                    received.extend(peer.read_some());
                }
            }
        }
        let missing = expected.len() - received.len();
        received.extend(peer.read_len(&mut pump, missing));
        assert!(received == expected);
        let sent = pump.engine.send(carrier, &mut outbox).expect("send");
        assert_eq!((sent.bytes, sent.blocked), (0, false));
    }

    /// Every event of a socket says that it is writable; only who waits for it is told.
    fn writable_is_reported_only_to_whom_it_blocked(world: &mut impl World) {
        let (mut pump, carrier, mut peer) = world.accepted();
        for _ in 0..3 {
            peer.write(b"ping");
            assert_eq!(pump.receive_len(carrier, 4), b"ping");
        }
        assert!(!pump.has_seen(Completion::Writable(carrier)));
    }

    fn receives_into_spare_capacity_only(world: &mut impl World) {
        let (mut pump, carrier, mut peer) = world.accepted();
        peer.write(b"0123456789");
        pump.wait(Completion::Readable(carrier));
        let mut target = Vec::with_capacity(4);
        let capacity = target.capacity();
        while target.len() < capacity {
            match pump.engine.receive_into(carrier, &mut target).expect("receive") {
                // A read that filled its room cannot know that nothing is left.
                Received::Bytes { drained, .. } => assert!(!drained || target.len() < capacity),
                Received::Nothing => pump.wait(Completion::Readable(carrier)),
                Received::End => panic!("the peer did not end"),
            }
        }
        assert_eq!((&target[..], target.capacity()), (&b"0123456789"[..capacity], capacity));
        let full = pump.engine.receive_into(carrier, &mut target);
        assert_eq!(full.map_err(|error| error.kind()), Err(io::ErrorKind::InvalidInput));
        assert_eq!(pump.receive_len(carrier, 10 - capacity), &b"0123456789"[capacity..]);
    }

    fn a_stale_carrier_reaches_nobody(world: &mut impl World) {
        let (listener, address, mut pump) = world.listening();
        let first_peer = world.call(&address);
        let first = pump.accept(listener);
        pump.engine.close(first);
        drop(first_peer);
        let mut second_peer = world.call(&address);
        let second = pump.accept(listener);
        assert_eq!(first.index(), second.index());
        second_peer.write(b"for the second");
        pump.wait(Completion::Readable(second));

        let mut outbox = Outbox::new();
        outbox.append(b"for the first");
        let gone = io::ErrorKind::NotConnected;
        assert_eq!(pump.engine.send(first, &mut outbox).map_err(|e| e.kind()), Err(gone));
        assert!(pump.engine.receive(first).is_err_and(|e| e.kind() == gone));
        assert!(pump.engine.connect_result(first).is_err_and(|e| e.kind() == gone));
        pump.engine.shutdown_write(first);
        pump.engine.close(first);
        assert_eq!(pump.receive_len(second, 14), b"for the second");
        pump.send(second, b"ok");
        assert_eq!(second_peer.read_len(&mut pump, 2), b"ok");
    }

    fn the_peers_close_is_an_end(world: &mut impl World) {
        let (mut pump, carrier, peer) = world.accepted();
        drop(peer);
        pump.wait(Completion::Readable(carrier));
        loop {
            match pump.engine.receive(carrier).expect("receive") {
                Input::End => break,
                Input::Nothing => pump.wait(Completion::Readable(carrier)),
                Input::Bytes { .. } => panic!("nothing was sent"),
            }
        }
    }

    fn connects_outward(world: &mut impl World) {
        let (listener, address, mut pump) = world.listening();
        let caller = pump.engine.connect(&address).expect("connect");
        pump.wait(Completion::Connected(caller));
        pump.engine.connect_result(caller).expect("connected");
        let callee = pump.accept(listener);
        pump.send(caller, b"hello");
        assert_eq!(pump.receive_len(callee, 5), b"hello");
        pump.send(callee, b"welcome");
        assert_eq!(pump.receive_len(caller, 7), b"welcome");
    }

    fn connecting_to_nobody_fails(world: &mut impl World) {
        let (listener, address, mut pump) = world.listening();
        pump.engine.unlisten(listener);
        let result = pump.engine.connect(&address).and_then(|carrier| {
            pump.wait(Completion::Connected(carrier));
            let result = pump.engine.connect_result(carrier);
            pump.engine.close(carrier);
            result
        });
        // The file of a Unix socket goes with its listener.
        let kind = result.expect_err("nobody listens").kind();
        assert!(matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound));
        assert!(pump.engine.accept(listener).is_err());
    }

    fn refuses_one_waiting_connection(world: &mut impl World) {
        let (listener, address, mut pump) = world.listening();
        let mut peer = world.call(&address);
        pump.wait(Completion::Acceptable(listener));
        assert!(pump.engine.refuse(listener).expect("refuse"));
        assert_eq!(peer.read_to_end(&mut pump), b"");
        assert!(!pump.engine.refuse(listener).expect("refuse"));
        assert!(pump.engine.accept(listener).expect("accept").is_none());
    }

    fn a_waker_ends_the_sleep(world: &mut impl World) {
        let (_, _, mut pump) = world.listening();
        let waker = pump.engine.waker();
        std::thread::spawn(move || (0..3).for_each(|_| waker.wake())).join().expect("wakes");
        pump.wait(Completion::Woken);
    }

    fn a_sleep_is_never_too_short(world: &mut impl World) {
        let (_, _, mut pump) = world.listening();
        for micros in [1, 999, 1_001, 10_500] {
            let timeout = Duration::from_micros(micros);
            let began = pump.engine.now();
            let mut completions = Vec::new();
            pump.engine.poll(Some(timeout), &mut completions).expect("poll");
            assert_eq!(completions, []);
            assert!(pump.engine.now().saturating_duration_since(began) >= timeout);
        }
    }
}

/// A carrier of one engine means nothing to another that has never had so many.
#[test]
fn an_unknown_carrier_is_stale() {
    let mut pump = Pump::new(sockeye_reactor::engine::Mio::new().expect("an engine"));
    assert!(pump.engine.receive(Carrier::new(7, 0)).is_err());
    pump.engine.close(Carrier::new(7, 0));
}
