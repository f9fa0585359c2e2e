//! A transport in memory that a seed makes as awkward as transports can be, and a count of what it
//! is asked.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use sockeye_tokio::Config;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let below = self.next() % end.max(1) as u64;
        usize::try_from(below).expect("it is below one")
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    is_ended: bool,
    waiting: Vec<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// How many times a transport was called and did something.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) writes: AtomicUsize,
    pub(crate) reads: AtomicUsize,
}

impl Calls {
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    incoming: Arc<Mutex<Pipe>>,
    outgoing: Arc<Mutex<Pipe>>,
    /// What one direction holds.
    capacity: usize,
    /// Where awkwardness comes from; without it every call does all that it can.
    random: Option<Random>,
    pub(crate) calls: Arc<Calls>,
}

/// Two ends of one connection, each direction of which holds `capacity` bytes.
pub(crate) fn wire(capacity: usize, seed: Option<u64>) -> (End, End) {
    let (there, back) = (Arc::<Mutex<Pipe>>::default(), Arc::<Mutex<Pipe>>::default());
    let end = |incoming: &Arc<Mutex<Pipe>>, outgoing: &Arc<Mutex<Pipe>>, salt: u64| End {
        incoming: Arc::clone(incoming),
        outgoing: Arc::clone(outgoing),
        capacity,
        random: seed.map(|seed| Random(seed ^ salt)),
        calls: Arc::default(),
    };
    (end(&there, &back, 1), end(&back, &there, 2))
}

impl End {
    /// How many bytes of `possible` this call moves; `None` makes it wait for nothing.
    fn share(&mut self, possible: usize) -> Option<usize> {
        let Some(random) = &mut self.random else { return Some(possible) };
        match random.below(8) {
            0..=2 => None,
            3 | 4 => Some(possible.min(1 + random.below(3))),
            5 | 6 => Some(possible.min(1 + random.below(200))),
            _ => Some(possible),
        }
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.get_mut();
        let incoming = Arc::clone(&end.incoming);
        let mut pipe = incoming.lock().expect("nobody panics with it");
        let possible = pipe.bytes.len().min(buffer.remaining());
        if possible == 0 {
            if pipe.is_ended {
                return Poll::Ready(Ok(()));
            }
            pipe.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        let Some(bytes) = end.share(possible) else {
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        end.calls.reads.fetch_add(1, Ordering::Relaxed);
        pipe.bytes.drain(..bytes).for_each(|byte| buffer.put_slice(&[byte]));
        pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let end = self.get_mut();
        let outgoing = Arc::clone(&end.outgoing);
        let mut pipe = outgoing.lock().expect("nobody panics with it");
        if pipe.is_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let possible = offered.min(end.capacity - pipe.bytes.len());
        if possible == 0 {
            pipe.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        let Some(bytes) = end.share(possible) else {
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        end.calls.writes.fetch_add(1, Ordering::Relaxed);
        pipe.bytes.extend(slices.iter().flat_map(|slice| slice.iter()).take(bytes));
        pipe.wake();
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.outgoing.lock().expect("nobody panics with it");
        pipe.is_ended = true;
        pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = pipe.lock().expect("nobody panics with it");
            pipe.is_ended = true;
            pipe.wake();
        }
    }
}

/// One poll of a future that is dropped after it, without anybody to be woken.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls until it is ready.
pub(crate) fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..1_000_000 {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return output;
        }
    }
    panic!("a million polls and not ready");
}

/// A config without deadlines, which needs no timer and so no runtime.
pub(crate) fn timeless() -> Config {
    let mut config = Config::default();
    config.ping_after = None;
    config.message_within = None;
    config
}
