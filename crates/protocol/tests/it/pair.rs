//! A client and a server joined by a simulated wire: delays, short writes and losses by seed, a
//! clock that jumps to the next thing that happens, and a bound on the steps.

use std::time::Duration;

use sockeye_protocol::{CloseCode, Config, Initiator, Instant, Role, Transport};

use crate::support::Endpoint;

/// A small generator, so that every failure can be replayed from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

struct Wire {
    /// What is under way, with the time of its arrival; `None` is the end of the stream.
    flight: Vec<(Instant, Option<Vec<u8>>)>,
    ended: bool,
}

struct Pair {
    ends: [Endpoint; 2],
    wires: [Wire; 2],
    random: Random,
    now: Instant,
    cut: bool,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let wire = || Wire { flight: Vec::new(), ended: false };
        Self {
            ends: [
                Endpoint::new(Role::Client, Config::default()),
                Endpoint::new(Role::Server, Config::default()),
            ],
            wires: [wire(), wire()],
            random: Random(seed),
            now: Instant::ZERO,
            cut: false,
        }
    }

    /// Writes what the end has to say, in pieces, and obeys its wish for the transport.
    fn write(&mut self, end: usize) {
        let Self { ends, wires, random, now, cut } = self;
        let (endpoint, wire) = (&mut ends[end], &mut wires[end]);
        let mut arrival = wire.flight.last().map_or(*now, |(arrival, _)| (*arrival).max(*now));
        while !endpoint.outbox.is_empty() && !wire.ended {
            let len = endpoint.outbox.chunks().next().expect("not empty").len();
            let len = 1 + random.below(len);
            let piece = endpoint.outbox.chunks().next().expect("not empty")[..len].to_vec();
            endpoint.outbox.advance(len);
            arrival += Duration::from_millis(random.below(40) as u64);
            if !*cut {
                wire.flight.push((arrival, Some(piece)));
            }
        }
        if endpoint.connection.transport() != Transport::Keep && !wire.ended {
            wire.ended = true;
            if !*cut {
                wire.flight.push((arrival, None));
            }
        }
    }

    /// Jumps to the next arrival or deadline and handles it; `false` when nothing is left.
    fn step(&mut self) -> bool {
        for end in 0..2 {
            self.write(end);
        }
        let arrivals = self.wires.iter().filter_map(|wire| wire.flight.first().map(|(at, _)| *at));
        let deadlines = self.ends.iter().filter_map(|end| end.connection.poll_timeout());
        let Some(next) = arrivals.chain(deadlines).min() else {
            return false;
        };
        self.now = self.now.max(next);
        for end in 0..2 {
            self.ends[end].now = self.now;
            while self.wires[1 - end].flight.first().is_some_and(|(at, _)| *at <= self.now) {
                match self.wires[1 - end].flight.remove(0).1 {
                    Some(piece) => {
                        self.ends[end].feed(&piece).expect("both ends obey the protocol");
                    }
                    None => self.ends[end].connection.receive_eof(),
                }
            }
            let _ = self.ends[end].with(|connection, output| connection.handle_timeout(output));
        }
        true
    }

    fn drive(&mut self) {
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the pair does not come to rest");
    }

    fn send(&mut self, end: usize, text: &str) {
        self.ends[end].now = self.now;
        self.ends[end].with(|connection, output| connection.send_text(text, output)).expect("open");
    }

    fn close(&mut self, end: usize, code: CloseCode) {
        self.ends[end].now = self.now;
        self.ends[end]
            .with(|connection, output| connection.close(Some(code.into()), output))
            .expect("open");
    }
}

#[test]
fn dat_05_conversations_arrive_in_order_and_end_cleanly_whoever_closes() {
    for seed in 0..200 {
        let mut pair = Pair::new(seed);
        let mut expected = [Vec::new(), Vec::new()];
        for number in 0..20 {
            let end = pair.random.below(2);
            let text = format!("{number} {}", "x".repeat(pair.random.below(300)));
            pair.send(end, &text);
            expected[1 - end].push(text);
            for _ in 0..pair.random.below(4) {
                pair.step();
            }
        }
        let closers = pair.random.below(3);
        for end in 0..2 {
            if closers == 2 || closers == end {
                pair.close(end, CloseCode::NORMAL);
            }
        }
        pair.drive();
        for (end, expected) in expected.iter().enumerate() {
            let endpoint = &pair.ends[end];
            let texts = endpoint.events.iter().filter(|event| event.starts_with("text")).count();
            assert_eq!(texts, expected.len(), "seed {seed}, end {end}");
            assert_eq!(
                endpoint.events.last().map(String::as_str),
                Some("close 1000"),
                "seed {seed}"
            );
            let closed = endpoint.connection.closed().expect("closed");
            assert!(closed.clean, "seed {seed}, end {end}: {closed:?}");
            // CLS-10: when both close at once, each says that it began.
            let by =
                if closers == 2 || closers == end { Initiator::Local } else { Initiator::Peer };
            assert!(closed.by == by || closers == 2, "seed {seed}, end {end}: {closed:?}");
            assert_eq!(endpoint.connection.transport(), Transport::Close, "seed {seed}, end {end}");
        }
        assert!(pair.now.saturating_duration_since(Instant::ZERO) < Duration::from_secs(60));
    }
}

#[test]
fn an_hour_of_idling_is_kept_alive() {
    let mut pair = Pair::new(1);
    while pair.now < Instant::ZERO + Duration::from_secs(3600) {
        assert!(pair.step());
    }
    for end in &pair.ends {
        assert!(end.connection.is_open());
        assert!(
            end.connection.round_trip().expect("pings were answered") < Duration::from_millis(500)
        );
    }
}

#[test]
fn a_cut_wire_is_found_by_both_ends_in_time() {
    let mut pair = Pair::new(2);
    pair.send(0, "hello");
    while pair.ends[1].events.is_empty() {
        pair.step();
    }
    pair.cut = true;
    pair.wires[0].flight.clear();
    pair.wires[1].flight.clear();
    let cut_at = pair.now;
    pair.drive();
    for end in &pair.ends {
        let closed = end.connection.closed().expect("closed");
        assert_eq!((closed.code, closed.clean), (CloseCode::ABNORMAL, false));
    }
    assert!(pair.now.saturating_duration_since(cut_at) <= Duration::from_secs(40));
}
