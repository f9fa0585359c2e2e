//! The order of what tasks send, in whatever ways and to whomever.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sockeye::testing::{Received, TestClient};
use sockeye::{Error, Message, Policy, Socket, SocketHandle};

use crate::support::server;

const SOCKETS: usize = 3;
const STEPS: usize = 150;
const MOMENT: Duration = Duration::from_millis(1);

/// All sockets, and how many messages each task has sent to each of them.
#[derive(Default)]
struct Table {
    handles: Vec<SocketHandle>,
    sent: [[usize; SOCKETS]; SOCKETS],
}

/// Numbers that come in one order for each seed.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % sides
    }
}

fn letter(from: usize, number: usize, size: usize) -> String {
    format!("{from} {number} {}", "x".repeat(size))
}

/// Sends and waits in all ways; what it sends to a socket is numbered.
async fn talk(mut socket: Socket, table: Arc<Mutex<Table>>, seed: u32) -> Result<(), Error> {
    let room = socket.group("room");
    let own = {
        let mut table = table.lock().expect("no panic");
        table.handles.push(socket.handle());
        table.handles.len() - 1
    };
    socket.join(&room, Policy::Close).await?;
    let mut dice = Dice(seed + 1000 * u32::try_from(own).expect("few"));
    let (mut sent, mut others) = ([0; SOCKETS], Vec::new());
    for _ in 0..STEPS {
        if others.len() < SOCKETS {
            others = table.lock().expect("no panic").handles.clone();
        }
        let to = dice.roll(u32::try_from(others.len()).expect("few")) as usize;
        let size = [0, 100, 3000, 20_000][dice.roll(4) as usize];
        let other = others[to].clone();
        let (for_other, for_own) = (letter(own, sent[to], size), letter(own, sent[own], size));
        let to = match dice.roll(10) {
            0 | 1 => other.try_send(for_other).is_ok().then_some(to),
            2 => other.try_send(Message::binary(for_other)).is_ok().then_some(to),
            3 => {
                let told = thread::spawn(move || other.try_send(for_other));
                told.join().expect("no panic").is_ok().then_some(to)
            }
            4 => socket.send_text(&for_own).await.map(|()| Some(own))?,
            5 => socket.send(Message::text(for_own)).await.map(|()| Some(own))?,
            6 => socket.send_uncompressed(Message::binary(for_own)).await.map(|()| Some(own))?,
            7 => {
                let so_far = sent.map(|count| count.to_string()).join(" ");
                room.broadcast(&format!("all {own} {so_far}"));
                None
            }
            8 => {
                sockeye::sleep(MOMENT * dice.roll(2)).await;
                None
            }
            _ => {
                // Whether a message came or not: what counts is who wakes the task.
                let _ = socket.recv_timeout(MOMENT).await;
                None
            }
        };
        if let Some(to) = to {
            sent[to] += 1;
        }
    }
    table.lock().expect("no panic").sent[own] = sent;
    socket.closed().await;
    Ok(())
}

/// Reads all that has come; `got` is how many messages have come of each task.
fn check(client: &mut TestClient, own: usize, got: &mut [usize; SOCKETS]) -> usize {
    let mut broadcasts = 0;
    loop {
        let letter = match client.receive() {
            Some(Received::Text(text)) => text,
            Some(Received::Binary(bytes)) => String::from_utf8(bytes).expect("a letter"),
            None => return broadcasts,
            other => panic!("{other:?}"),
        };
        let all = letter.strip_prefix("all ");
        let words: Vec<usize> =
            all.unwrap_or(&letter).split(' ').filter_map(|word| word.parse().ok()).collect();
        if all.is_some() {
            broadcasts += 1;
            assert!(got[words[0]] >= words[1 + own], "a broadcast came before {words:?}: {got:?}");
        } else {
            assert_eq!(words[1], got[words[0]], "of {} to {own}", words[0]);
            got[words[0]] += 1;
        }
    }
}

#[test]
fn every_socket_gets_what_a_task_sends_in_the_order_in_which_it_was_sent() {
    let mut broadcasts = 0;
    for seed in 0..20 {
        let table = Arc::new(Mutex::new(Table::default()));
        let of_routes = Arc::clone(&table);
        let mut server =
            server(async move |socket| talk(socket, Arc::clone(&of_routes), seed).await);
        let mut clients = [(); SOCKETS].map(|()| server.connect("/"));
        let mut got = [[0; SOCKETS]; SOCKETS];
        for round in 0..2000 {
            if round % 3 == 0 && round < 300 {
                clients[round % SOCKETS].send_text("go on");
                clients[(round + 1) % SOCKETS].send_text("and on");
            }
            server.advance(MOMENT);
            for (own, client) in clients.iter_mut().enumerate() {
                broadcasts += check(client, own, &mut got[own]);
            }
        }
        let sent = table.lock().expect("no panic").sent;
        for (from, sent) in sent.iter().enumerate() {
            assert!(sent.iter().sum::<usize>() > STEPS / 3, "{sent:?}");
            assert!((0..SOCKETS).all(|to| got[to][from] == sent[to]), "{seed}: {sent:?} {got:?}");
        }
    }
    assert!(broadcasts > 100);
}
