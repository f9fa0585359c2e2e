//! What messages of an async route cost on the heap of their loop, counted by an allocator.

// A global allocator cannot be written without `unsafe`; this one only counts for the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use sockeye::{Message, Server};

use crate::support::{frame, request};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // The thread's counter may be gone while the thread ends.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator with the arguments as they came; counting
// touches a thread-local `Cell` only, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Echoes, and answers `count` with what its thread, the loop's, has allocated.
fn start() -> (Server, TcpStream) {
    let builder = Server::builder().threads(1).route("/", async |mut socket| {
        loop {
            let message = socket.recv().await?;
            let answer = match message.as_text() {
                Some("count") => Message::text(ALLOCATIONS.get().to_string()),
                _ => message,
            };
            socket.send(answer).await?;
        }
    });
    let server = builder.bind("127.0.0.1:0").expect("a port is free");
    let mut stream = TcpStream::connect(server.local_addr().expect("TCP")).expect("it listens");
    stream.write_all(&request("/")).expect("sent");
    let mut head = [0; 129];
    stream.read_exact(&mut head).expect("an answer");
    assert!(head.ends_with(b"\r\n\r\n"));
    (server, stream)
}

fn allocations(stream: &mut TcpStream) -> u64 {
    stream.write_all(&frame(0x81, b"count")).expect("sent");
    let mut header = [0; 2];
    stream.read_exact(&mut header).expect("an answer");
    let mut digits = vec![0; header[1].into()];
    stream.read_exact(&mut digits).expect("an answer");
    String::from_utf8(digits).expect("digits").parse().expect("a number")
}

#[test]
fn an_echo_of_an_async_route_allocates_nothing() {
    let (_server, mut stream) = start();
    for (opcode, len) in [0x81, 0x82]
        .into_iter()
        .flat_map(|opcode| [20, 125, 1024].into_iter().map(move |len| (opcode, len)))
    {
        for at_once in [1, 32] {
            let one = frame(opcode, &vec![b'x'; len]);
            let frames = one.repeat(at_once);
            let echo = |stream: &mut TcpStream| {
                stream.write_all(&frames).expect("sent");
                let mut answer = vec![0; frames.len() - 4 * at_once];
                stream.read_exact(&mut answer).expect("an echo");
                assert_eq!(answer[answer.len() - len..], one[one.len() - len..]);
            };
            (0..20).for_each(|_| echo(&mut stream));
            let (before, began) = (allocations(&mut stream), Instant::now());
            (0..100).for_each(|_| echo(&mut stream));
            let allocated = allocations(&mut stream) - before;
            // Two for the digits; and the loop's pool is trimmed once a second, and refills then.
            let allowed = 2 + 4 * (1 + began.elapsed().as_secs());
            assert!(
                allocated <= allowed,
                "{allocated} allocations for {} messages of {len} bytes",
                100 * at_once
            );
        }
    }
}
