//! What a socket holds, counted by an allocator.

// A global allocator cannot be written without `unsafe`; this one only counts for the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use sockeye_tokio::handshake::Acceptance;
use sockeye_tokio::{Client, Config, Event, Message, Prepared, Role, WebSocket};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{finish, poll_once, timeless, wire};

thread_local! {
    static HELD_BYTES: Cell<i64> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn count(bytes: i64) {
        // The thread's counters may be gone while the thread ends.
        let _ = HELD_BYTES.try_with(|held| held.set(held.get() + bytes));
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

/// An echo that waits costs its task, its registration with the runtime and its timer; no buffer.
#[tokio::test]
async fn an_idle_connection_with_its_task_holds_little() {
    const CONNECTIONS: i64 = 200;
    const BYTES_MAX: i64 = 1536;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let config = Arc::<Config>::default();
    let mut clients = Vec::new();
    let mut held = 0;
    for _ in 0..=CONNECTIONS {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let mut client = WebSocket::new(stream, Role::Client, timeless());
        let before = HELD_BYTES.get();
        let (stream, _) = listener.accept().await.expect("a connection");
        let socket = WebSocket::new(stream, Role::Server, Arc::clone(&config));
        tokio::spawn(crate::talking::echo(socket));
        held += HELD_BYTES.get() - before;
        let before = HELD_BYTES.get();
        client.send(Message::text("x".repeat(3000))).await.expect("open");
        assert_eq!(client.recv().await.expect("open").expect("well").len(), 3000);
        // The first has filled the thread's pool.
        held = if clients.is_empty() { 0 } else { held + HELD_BYTES.get() - before };
        clients.push(client);
    }
    // In the second half of it, the clients' own timers would show as well: they have none.
    let each = held / CONNECTIONS;
    println!("{each} bytes for each idle connection");
    assert!(each <= BYTES_MAX, "{each} bytes");
    assert!(each > 400, "{each} bytes: something was not counted");
}

/// A task stays as large as the largest future that it ever waits for, so those of the opening handshake
/// are small.
#[test]
fn a_task_that_opens_its_connection_itself_is_hardly_larger() {
    const BYTES_MAX: usize = 600;
    let (client, server) = wire(1 << 20, None);
    let answering = async {
        let socket = sockeye_tokio::accept_with(server, |_| Ok(Acceptance::default())).await?;
        crate::talking::echo(socket).await
    };
    let asking = async {
        let socket = Client::new("ws://localhost/").connect_over(client).await?;
        crate::talking::echo(socket).await
    };
    let sizes = [("answering", size_of_val(&answering)), ("asking", size_of_val(&asking))];
    for (name, bytes) in sizes {
        println!("{name}: {bytes} bytes");
        assert!(bytes <= BYTES_MAX, "{name}: {bytes} bytes");
    }
}

#[test]
fn nothing_is_allocated_for_messages_that_lie_whole_in_their_read() {
    let (client, server) = wire(1 << 20, None);
    let mut client = WebSocket::new(client, Role::Client, timeless());
    let mut server = WebSocket::new(server, Role::Server, timeless());
    let mut round = |count: bool| {
        for _ in 0..200 {
            finish(client.feed("a message of usual length".into())).expect("open");
        }
        finish(client.flush()).expect("it leaves");
        let before = ALLOCATIONS.get();
        let mut visited = 0;
        while visited < 200 {
            let received = finish(server.recv_each(|event, outgoing| match event {
                Event::Text(text) => {
                    visited += 1;
                    outgoing.text(&text)
                }
                _ => Ok(()),
            }));
            received.expect("open").expect("well");
        }
        finish(server.flush()).expect("it leaves");
        let allocations = ALLOCATIONS.get() - before;
        for _ in 0..200 {
            finish(client.recv()).expect("open").expect("well");
        }
        // The wire itself grows in the first rounds.
        assert!(!count || allocations == 0, "{allocations} allocations");
    };
    round(false);
    round(false);
    round(true);
}

#[test]
fn nothing_is_allocated_for_a_batch_of_short_shared_messages() {
    const MESSAGES: usize = 16;
    let (client, server) = wire(1 << 20, None);
    let calls = Arc::clone(&server.calls);
    let mut client = WebSocket::new(client, Role::Client, timeless());
    let mut server = WebSocket::new(server, Role::Server, timeless());
    let text = "x".repeat(125);
    let prepared = Prepared::text(&text);
    let mut allocations = 0;
    for _ in 0..3 {
        let before = (ALLOCATIONS.get(), calls.writes());
        let said =
            server.say(|outgoing| (0..MESSAGES).try_for_each(|_| outgoing.prepared(&prepared)));
        said.expect("open");
        finish(server.flush()).expect("it leaves");
        // The wire itself grows in the first rounds.
        allocations = ALLOCATIONS.get() - before.0;
        assert_eq!(calls.writes() - before.1, 1);
        for _ in 0..MESSAGES {
            assert_eq!(
                finish(client.recv()).expect("open").expect("well"),
                Message::text(text.clone())
            );
        }
    }
    assert_eq!(allocations, 0);
}

/// Between two polls a socket that waits holds what it held when it was made.
#[test]
fn whoever_waits_holds_no_buffer() {
    let (client, server) = wire(1 << 20, None);
    let mut client = WebSocket::new(client, Role::Client, timeless());
    let mut server = WebSocket::new(server, Role::Server, timeless());
    for len in [10, 1000, 100_000] {
        finish(client.send(Message::binary(vec![1; len]))).expect("open");
        let received = finish(server.recv()).expect("open").expect("well");
        finish(server.feed(received)).expect("open");
        assert!(poll_once(server.recv()).is_pending());
        finish(client.recv()).expect("open").expect("well");
    }
    // The pool has all the memory now: a second socket that waits takes none of it away.
    let before = HELD_BYTES.get();
    assert!(poll_once(server.recv()).is_pending());
    assert!(poll_once(client.recv()).is_pending());
    assert!(HELD_BYTES.get() <= before + 512, "wakers of the wire at most");
}
