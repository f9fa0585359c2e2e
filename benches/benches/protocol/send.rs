//! Sending text: framed (and masked, by a client) into what a transport takes from; and one text
//! for many clients.
//!
//! Sockeye and websocket-sans-io gather in a buffer of the caller. What the peers write through goes
//! into a sink that takes everything at once, in one piece or in several. All draw a masking key for
//! each message from what they draw them from, except websocket-sans-io, which is given one.

use criterion::Criterion;
use sockeye_benches::{FOX, text};

use crate::endpoints::{End, broadcasters, senders};
use crate::measure::{CpuTime, Row, in_words};

const SIZES: [usize; 6] = [20, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];
const CLIENTS: [usize; 3] = [1, 100, 10_000];
const BROADCAST_BYTES: usize = 1024;

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("send");
    for (name, end, mask) in [("server", End::Server, 0), ("client", End::Client, 4)] {
        for size in SIZES {
            let text = text(FOX, size);
            let count = (64 * 1024 / (size + 8)).max(1);
            let header = mask
                + match size {
                    ..126 => 2,
                    126..65536 => 4,
                    _ => 10,
                };
            let input = format!("{name}, {}", in_words(size));
            let mut row = Row::new(&mut group, input, count, count * size);
            for (name, mut sender) in senders(end, &text) {
                row.bench(name, || assert_eq!(sender.send(count), count * (header + size)));
            }
        }
    }
    let text = text(FOX, BROADCAST_BYTES);
    for count in CLIENTS {
        let input = format!("prepared, {} to {count}", in_words(BROADCAST_BYTES));
        let mut row = Row::new(&mut group, input, count, count * BROADCAST_BYTES);
        for (name, mut broadcast) in broadcasters(count, &text) {
            row.bench(name, || assert_eq!(broadcast(), count * (4 + BROADCAST_BYTES)));
        }
    }
    group.finish();
}
