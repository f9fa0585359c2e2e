//! What sessions cost on the heap, counted by an allocator, over real sockets.

// A global allocator cannot be written without `unsafe`; this one only counts for the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use sockeye_protocol::handshake::Head;
use sockeye_protocol::{Event, Prepared};
use sockeye_reactor::engine::{Address, Mio, Remote};
use sockeye_reactor::{
    Accept, Config, Decision, Group, Handler, Peer, Policy, Reactor, Service, Turn,
};

use crate::frames::{TEXT, masked, request};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    pub(crate) static HELD_BYTES: Cell<i64> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn count(bytes: i64) {
        // The thread's counters may be gone while the thread ends.
        let _ = HELD_BYTES.try_with(|held| {
            held.set(held.get() + bytes);
            let _ = PEAK_BYTES.try_with(|peak| peak.set(peak.get().max(held.get())));
        });
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + u64::from(bytes > 0)));
    }
}

// SAFETY: every call goes to the system's allocator with the arguments as they came; counting
// touches thread-local `Cell`s only, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    /// Large blocks are moved by the system without a copy, so this counts no more than the growth.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(size as i64 - layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What something did to the heap of its thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heap {
    /// Bytes that are held now and were not before; negative if more was given back.
    pub(crate) held_bytes: i64,
    /// The most that was held at once, above what was held before.
    pub(crate) peak_bytes: i64,
    pub(crate) allocations: u64,
}

/// Does something and counts what it does to the heap of this thread.
pub(crate) fn heap_of<R>(act: impl FnOnce() -> R) -> (R, Heap) {
    let (held, allocations) = (HELD_BYTES.get(), ALLOCATIONS.get());
    PEAK_BYTES.set(held);
    let result = act();
    let heap = Heap {
        held_bytes: HELD_BYTES.get() - held,
        peak_bytes: PEAK_BYTES.get() - held,
        allocations: ALLOCATIONS.get() - allocations,
    };
    (result, heap)
}

/// Echoes; holds nothing but, for members of a group, nothing either.
pub(crate) struct Plain(Option<Group>);

impl Handler for Plain {
    fn open(&mut self, peer: &mut Peer<'_>) {
        if let Some(group) = &self.0 {
            peer.join(group, Policy::Close);
        }
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        if let Event::Text(text) = event {
            peer.send_text(&text).expect("room");
        }
    }
}

pub(crate) struct Plainly(Option<Group>);

impl Service for Plainly {
    type Handler = Plain;

    fn request(&mut self, _: &Head<'_>, _: &Remote) -> Decision<Plain> {
        Decision::Accept(Accept::new(Plain(self.0.clone())))
    }
}

/// A server and its clients on one thread, so that the thread's counters see the server's part.
pub(crate) struct Pairs {
    pub(crate) reactor: Reactor<Plainly, Mio>,
    address: SocketAddr,
}

impl Pairs {
    pub(crate) fn new(group: Option<Group>) -> Self {
        let engine = Mio::new().expect("an engine");
        let mut reactor = Reactor::new(engine, Plainly(group), Config::default());
        let wanted = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let Ok(Address::Tcp(address)) = reactor.listen(&wanted) else { panic!("no address") };
        Self { reactor, address }
    }

    pub(crate) fn open(&mut self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("a server that listens");
        let open = self.reactor.open_sessions();
        stream.write_all(&request("/")).expect("a server that reads");
        while self.reactor.open_sessions() == open {
            self.turn();
        }
        let mut answer = [0; 1024];
        let count = stream.read(&mut answer).expect("an answer");
        assert!(answer[..count].starts_with(b"HTTP/1.1 101 "));
        stream
    }

    pub(crate) fn turn(&mut self) {
        assert_eq!(self.reactor.turn().expect("an engine that works"), Turn::More);
    }

    /// Echoes a frame and reads the answer into a buffer that is large enough.
    fn echo(&mut self, stream: &mut TcpStream, frame: &[u8], answer: &mut [u8]) {
        stream.write_all(frame).expect("a server that reads");
        let written = self.reactor.stats().bytes_written + answer.len() as u64;
        while self.reactor.stats().bytes_written < written {
            self.turn();
        }
        stream.read_exact(answer).expect("an echo");
    }
}

#[test]
fn an_echo_allocates_nothing() {
    let mut pairs = Pairs::new(None);
    let mut stream = pairs.open();
    for len in [16, 1024, 32 * 1024] {
        let frame = masked(TEXT, &vec![b'x'; len]);
        let mut answer = vec![0; frame.len() - 4];
        for _ in 0..10 {
            pairs.echo(&mut stream, &frame, &mut answer);
        }
        let (before, began) = (ALLOCATIONS.get(), Instant::now());
        for _ in 0..100 {
            pairs.echo(&mut stream, &frame, &mut answer);
        }
        let allocations = ALLOCATIONS.get() - before;
        // The pool is trimmed once a second, and refills then: on a busy machine that counts.
        assert!(
            allocations <= 2 * (1 + began.elapsed().as_secs()),
            "{allocations} allocations in 100 echoes of {len} bytes"
        );
    }
}

#[test]
fn a_broadcast_allocates_nothing_for_each_receiver() {
    const MEMBERS: usize = 50;
    let group = Group::new();
    let mut pairs = Pairs::new(Some(group.clone()));
    let mut members: Vec<TcpStream> = (0..MEMBERS).map(|_| pairs.open()).collect();
    let prepared = Prepared::text(&"x".repeat(1000));
    let mut answer = vec![0; prepared.frame_len()];
    let mut publish = |pairs: &mut Pairs| {
        let written = pairs.reactor.stats().bytes_written + (MEMBERS * prepared.frame_len()) as u64;
        group.publish(prepared.clone());
        while pairs.reactor.stats().bytes_written < written {
            pairs.turn();
        }
        for member in &mut members {
            member.read_exact(&mut answer).expect("a broadcast");
        }
    };
    for _ in 0..10 {
        publish(&mut pairs);
    }
    let before = ALLOCATIONS.get();
    for _ in 0..20 {
        publish(&mut pairs);
    }
    let allocations = ALLOCATIONS.get() - before;
    assert!(allocations <= 20, "{allocations} allocations in 20 broadcasts to {MEMBERS}");
}

#[test]
fn an_idle_session_holds_its_slots_and_nothing_else() {
    const SESSIONS: usize = 256;
    let mut pairs = Pairs::new(None);
    // The slab, the timers and the pool have their first chunks after this.
    let mut streams: Vec<TcpStream> = (0..SESSIONS).map(|_| pairs.open()).collect();
    let before = HELD_BYTES.get();
    let more: Vec<TcpStream> = (0..SESSIONS).map(|_| pairs.open()).collect();
    let held = HELD_BYTES.get() - before - (SESSIONS * size_of::<TcpStream>()) as i64;
    let each = held / SESSIONS as i64 + TIMER_BYTES;
    println!("an idle session holds {each} bytes");
    assert!(each <= IDLE_BYTES_MAX, "an idle session holds {each} bytes");
    let frame = masked(TEXT, &[b'x'; 10_000]);
    let mut answer = vec![0; frame.len() - 4];
    for stream in &mut streams {
        pairs.echo(stream, &frame, &mut answer);
    }
    drop(answer);
    let after = HELD_BYTES.get() - before;
    assert!(after - held < 64 * 1024, "traffic leaves {} bytes behind", after - held);
    drop(more);
}

/// With debug assertions the engine's stream is 20 larger than without, and with compression a session by a pointer.
const IDLE_BYTES_MAX: i64 = if cfg!(feature = "deflate") { 232 } else { 224 };

/// A node of the timing wheel; they come in chunks so large that the first one serves this test.
const TIMER_BYTES: i64 = 16;
