//! Routes that panic when they are told to, and routes that block their loop.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use sockeye::testing::TestServer;
use sockeye::{
    BlockingSocket, Error, Event, Handler, Peer, Server, ServerBuilder, Socket, connect_blocking,
};

use crate::support::close_frame;

/// Echoes, until it is sent one word.
struct Fragile;

impl Handler for Fragile {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        if let Event::Text(text) = event {
            assert_ne!(&*text, "panic", "as the test wants it");
            peer.send_text(&text).expect("room");
        }
    }
}

async fn fragile(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        assert_ne!(message.as_text(), Some("panic"), "as the test wants it");
        socket.send(message).await?;
    }
}

fn builder() -> ServerBuilder {
    Server::builder().route_events("/events", |_| Ok(Fragile)).route("/async", fragile)
}

#[test]
fn attack_33_a_route_that_can_be_made_to_panic_costs_its_own_connection_each_time() {
    let mut server = TestServer::new(builder()).expect("valid routes");
    let mut others: Vec<_> =
        ["/events", "/async"].into_iter().map(|path| server.connect(path)).collect();
    for round in 0..20 {
        for path in ["/events", "/async"] {
            let mut attacker = server.connect(path);
            attacker.send_text("panic");
            for other in &mut others {
                other.send_text("still here");
            }
            server.settle();
            assert!(attacker.rest().contains(&close_frame(1011)), "{path}, round {round}");
            for other in &mut others {
                assert_eq!(other.texts(), ["still here"], "{path}, round {round}");
            }
        }
    }
    server.settle();
    let stats = server.stats();
    assert_eq!((stats.connections, stats.panics), (2, 40));
}

/// Blocks whoever asks until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn wait(&self) {
        let (is_open, opened) = &*self.0;
        let is_open = is_open.lock().expect("no panic under it");
        drop(opened.wait_while(is_open, |is_open| !*is_open).expect("no panic under it"));
    }

    fn open(&self) {
        let (is_open, opened) = &*self.0;
        *is_open.lock().expect("no panic under it") = true;
        opened.notify_all();
    }
}

/// Answers with the thread that it runs on, and blocks that thread when it is sent one word.
struct Blocking {
    gate: Gate,
    is_blocked: Arc<AtomicBool>,
}

impl Handler for Blocking {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        let Event::Text(text) = event else { return };
        if &*text == "block" {
            self.is_blocked.store(true, Ordering::Release);
            self.gate.wait();
        }
        peer.send_text(&format!("{:?}", thread::current().id())).expect("room");
    }
}

/// One connection to each of two loops; the system spreads connections over them by chance.
fn one_on_each(address: SocketAddr) -> Vec<BlockingSocket> {
    let mut by_thread: HashMap<String, BlockingSocket> = HashMap::new();
    for _ in 0..200 {
        let mut socket = connect_blocking(&format!("ws://{address}/")).expect("it listens");
        socket.send_text("where").expect("open");
        let thread = socket.recv().expect("an answer").to_string();
        by_thread.insert(thread, socket);
        if by_thread.len() == 2 {
            return by_thread.into_values().collect();
        }
    }
    panic!("200 connections, and all of them on one loop");
}

#[test]
fn attack_33_a_handler_that_blocks_its_loop_holds_up_no_other_loop() {
    let (gate, is_blocked) = (Gate::default(), Arc::new(AtomicBool::new(false)));
    let (of_route, note) = (gate.clone(), Arc::clone(&is_blocked));
    let server = Server::builder()
        .route_events("/", move |_| {
            Ok(Blocking { gate: of_route.clone(), is_blocked: Arc::clone(&note) })
        })
        .threads(2)
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let address = server.local_addr().expect("TCP");
    let mut sockets = one_on_each(address);
    let (mut other, mut blocked) = (sockets.remove(1), sockets.remove(0));
    blocked.send_text("block").expect("open");
    while !is_blocked.load(Ordering::Acquire) {
        thread::yield_now();
    }
    for _ in 0..100 {
        other.send_text("where").expect("open");
        other.recv().expect("the other loop answers");
    }
    gate.open();
    blocked.recv().expect("it goes on where it was");
}
