//! Futures that are dropped at any point lose, double and reorder nothing.

use std::task::Poll;

use sockeye_tokio::{Config, Message, Role, WebSocket};

use crate::wire::{End, Random, poll_once, timeless, wire};

/// Drops of a `recv` that waited, unless `SOCKEYE_CANCELLATIONS` says how many.
const CANCELLATIONS: usize = 100_000;

fn cancellations() -> usize {
    let told = std::env::var("SOCKEYE_CANCELLATIONS").ok();
    told.and_then(|told| told.parse().ok()).unwrap_or(CANCELLATIONS)
}

/// A message that says which it is, and whose every byte follows from that.
fn message(number: u64) -> Message {
    let mut random = Random(number);
    let len = match random.below(20) {
        0 => 0,
        1 => 300 + random.below(2000),
        2 if random.below(40) == 0 => 40_000 + random.below(60_000),
        _ => random.below(130),
    };
    let letters = b"abcdefghijklmnopqrstuvwxyz";
    let payload: String = (0..len).map(|_| char::from(letters[random.below(26)])).collect();
    let payload = format!("{number}:{payload}");
    match random.below(3) {
        0 => Message::binary(payload.into_bytes()),
        _ => Message::text(payload),
    }
}

/// One end, with what it has sent and received.
struct Talker {
    socket: WebSocket<End>,
    /// What it could not feed yet.
    pending: Option<Message>,
    sent: u64,
    received: u64,
    pings: u64,
    pongs: u64,
    cancelled: usize,
}

impl Talker {
    fn new(end: End, role: Role, config: Config) -> Self {
        let socket = WebSocket::new(end, role, config);
        Self { socket, pending: None, sent: 0, received: 0, pings: 0, pongs: 0, cancelled: 0 }
    }

    /// Begins something and polls it once or a few times; what is not done then is dropped.
    fn step(&mut self, random: &mut Random, is_talking: bool) {
        match random.below(8) {
            0 if is_talking => {
                if random.below(30) == 0 && self.socket.say(|out| out.ping(b"?")).is_ok() {
                    self.pings += 1;
                }
                let message = self.pending.take().unwrap_or_else(|| message(self.sent));
                match poll_once(self.socket.feed(message.clone())) {
                    Poll::Ready(fed) => {
                        fed.expect("the connection is open");
                        self.sent += 1;
                    }
                    // There was no room, so it was not taken.
                    Poll::Pending => self.pending = Some(message),
                }
            }
            1 => {
                if let Poll::Ready(flushed) = poll_once(self.socket.flush()) {
                    flushed.expect("the transport takes it");
                }
            }
            2 => self.receive_borrowed(),
            _ => match poll_once(self.socket.recv()) {
                Poll::Pending => self.cancelled += 1,
                Poll::Ready(received) => {
                    let received = received.expect("it is open").expect("all goes well");
                    self.check(&received);
                }
            },
        }
    }

    fn receive_borrowed(&mut self) {
        let mut seen = Vec::new();
        let received = poll_once(self.socket.recv_each(|event, _| {
            seen.push(Message::from(event));
            Ok(())
        }));
        match received {
            Poll::Pending => {
                assert!(seen.is_empty(), "what was handed over is told");
                self.cancelled += 1;
            }
            Poll::Ready(received) => {
                received.expect("it is open").expect("all goes well");
                assert!(!seen.is_empty());
                seen.iter().for_each(|message| self.check(message));
            }
        }
    }

    fn check(&mut self, received: &Message) {
        match received {
            Message::Ping(_) => {}
            Message::Pong(_) => self.pongs += 1,
            data => {
                assert_eq!(*data, message(self.received), "message {}", self.received);
                self.received += 1;
            }
        }
    }
}

/// Both ends talk until enough receives were dropped, and then until all has arrived.
fn talk(seed: u64, capacity: usize, cancellations: usize) {
    let mut random = Random(seed);
    let (client, server) = wire(capacity, Some(seed));
    let mut config = timeless();
    config.outbox_high_mark = 4096;
    config.control_rate_max = u32::MAX;
    config.control_burst_max = u32::MAX;
    let mut ends = [
        Talker::new(client, Role::Client, config.clone()),
        Talker::new(server, Role::Server, config),
    ];
    while ends.iter().map(|end| end.cancelled).sum::<usize>() < cancellations {
        let end = random.below(2);
        ends[end].step(&mut random, true);
    }
    for _ in 0..10_000_000 {
        let [one, other] = &ends;
        if one.sent == other.received && other.sent == one.received {
            assert!(one.sent > 0 && other.sent > 0);
            // Of several pings that could not be answered at once only the newest is.
            assert!(one.pongs <= one.pings && other.pongs <= other.pings);
            assert!(one.pings < 10 || one.pongs > 0);
            return;
        }
        let end = random.below(2);
        ends[end].step(&mut random, false);
    }
    panic!("something did not arrive");
}

#[test]
fn dropped_receives_lose_double_and_reorder_nothing() {
    let share = cancellations() / 4;
    for (seed, capacity) in [(1, 64), (2, 1000), (3, 10_000), (4, 1_000_000)] {
        talk(seed, capacity, share);
    }
}

/// A dropped `send` has taken its message, unless it was still waiting for room.
#[test]
fn a_dropped_send_sends_nothing_half() {
    let mut random = Random(9);
    let (client, server) = wire(100, Some(9));
    let mut client = WebSocket::new(client, Role::Client, timeless());
    let mut server = WebSocket::new(server, Role::Server, timeless());
    let mut received = 0;
    for sent in 0..500 {
        // The outbox is far below its mark, so the message is taken by the first poll.
        if let Poll::Ready(result) = poll_once(client.send(message(sent))) {
            result.expect("the connection is open");
        }
        for _ in 0..random.below(2000) {
            if let Poll::Ready(next) = poll_once(server.recv()) {
                assert_eq!(next.expect("open").expect("well"), message(received));
                received += 1;
            }
            let _ = poll_once(client.flush());
        }
        assert!(client.say(|out| out.waiting_bytes()) < 64 * 1024);
    }
    while received < 500 {
        let _ = poll_once(client.flush());
        if let Poll::Ready(next) = poll_once(server.recv()) {
            assert_eq!(next.expect("open").expect("well"), message(received));
            received += 1;
        }
    }
}
