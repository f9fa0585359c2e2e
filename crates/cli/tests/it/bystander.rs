//! Somebody who only wants an echo while others misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::wire::Wire;

/// Far above what an echo takes on a busy test machine, far below what a stalled loop would show.
const ECHO_WITHIN: Duration = Duration::from_secs(2);

/// A thread that echoes over two connections, one for each loop as chance has it, until it is asked what it saw.
pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Duration)>,
}

impl Bystander {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut wires = [Wire::open(address, "/echo"), Wire::open(address, "/echo/async")];
        let thread = thread::spawn(move || {
            let mut echoes = 0;
            let mut slowest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                for wire in &mut wires {
                    let start = Instant::now();
                    let text = format!("still there? {echoes}");
                    wire.send_text(&text);
                    assert_eq!(wire.text(), text);
                    slowest = slowest.max(start.elapsed());
                    echoes += 1;
                }
                // Other tests share the machine; a bystander need not fill a core.
                thread::sleep(Duration::from_millis(2));
            }
            (echoes, slowest)
        });
        Self { stop, thread }
    }

    /// Ends it and checks that it was never kept waiting.
    pub(crate) fn was_unharmed(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (echoes, slowest) = self.thread.join().expect("every echo came back");
        assert!(echoes >= 2, "it had no turn");
        assert!(slowest < ECHO_WITHIN, "an echo took {slowest:?}");
    }
}
