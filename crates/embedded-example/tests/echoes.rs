//! Both echoes on the host, on a wire in memory, with an allocator that counts.
// A global allocator cannot be written without `unsafe`; this one only counts for the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use sockeye_embedded_example::{FrameEcho, Lost, MessageEcho, Wire};
use sockeye_protocol::{Config, FrameHeader, Instant, Opcode, Transport};

/// What the firmware does.
#[path = "../src/script.rs"]
mod script;

thread_local! {
    /// Allocations, bytes held, and the most that were held.
    static HEAP: Cell<(u64, i64, i64)> = const { Cell::new((0, 0, 0)) };
}

struct Counting;

impl Counting {
    fn count(bytes: i64) {
        // The thread's counter may be gone while the thread ends.
        let _ = HEAP.try_with(|cell| {
            let (allocations, held, most) = cell.get();
            let held = held + bytes;
            cell.set((allocations + u64::from(bytes > 0), held, most.max(held)));
        });
    }
}

// SAFETY: every call goes to the system's allocator with the arguments as they came; counting
// touches a thread-local `Cell` only, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A wire that brings `said` in pieces of at most so many bytes, and takes as many at a time.
struct Script<'s> {
    said: &'s [u8],
    piece: usize,
    /// Fixed memory, so that the test itself does not allocate while it counts.
    heard: [u8; 16 * 1024],
    len: usize,
    /// How much it takes before it takes no more.
    room: usize,
}

impl<'s> Script<'s> {
    fn new(said: &'s [u8], piece: usize) -> Self {
        Self { said, piece, heard: [0; 16 * 1024], len: 0, room: usize::MAX }
    }

    fn heard(&self) -> &[u8] {
        &self.heard[..self.len]
    }
}

impl Wire for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Lost> {
        let (now, later) = self.said.split_at(self.said.len().min(buffer.len()).min(self.piece));
        buffer[..now.len()].copy_from_slice(now);
        self.said = later;
        Ok(now.len())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        let len = bytes.len().min(self.piece).min(self.room);
        self.heard[self.len..][..len].copy_from_slice(&bytes[..len]);
        self.len += len;
        self.room -= len;
        Ok(len)
    }
}

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn frame(fin: bool, opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let payload_len = payload.len() as u64;
    let mut frame = [0; FrameHeader::BYTES_MAX];
    let len = FrameHeader { fin, opcode, mask, payload_len }.encode(&mut frame);
    let mut frame = frame[..len].to_vec();
    let key = mask.unwrap_or_default();
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// What a peer says, and what the echo must say.
fn conversation(end: (&[u8], &[u8])) -> (Vec<u8>, Vec<u8>) {
    let key = Some([1, 2, 3, 4]);
    let (mut said, mut expected) = (Vec::new(), Vec::new());
    let long = [b'x'; 1000];
    for (fin, opcode, payload) in [
        (true, Opcode::Text, &b"Hello"[..]),
        (false, Opcode::Binary, &long),
        (true, Opcode::Ping, b"?"),
        (true, Opcode::Continuation, b"!"),
    ] {
        let reply = if opcode == Opcode::Ping { Opcode::Pong } else { opcode };
        said.extend(frame(fin, opcode, key, payload));
        expected.extend(frame(fin, reply, None, payload));
    }
    said.extend(end.0);
    expected.extend(end.1);
    (said, expected)
}

#[test]
fn frames_come_back_through_any_buffer_and_allocate_nothing() {
    let close = frame(true, Opcode::Close, Some([9, 8, 7, 6]), &1000_u16.to_be_bytes());
    let closed = frame(true, Opcode::Close, None, &1000_u16.to_be_bytes());
    let failed = frame(true, Opcode::Close, None, &1002_u16.to_be_bytes());
    // Unmasked, which a client's frames must not be.
    let bad = frame(true, Opcode::Text, None, b"Hello");
    for (end, reply) in [(&close, &closed), (&bad, &failed)] {
        let (said, expected) = conversation((end, reply));
        for size in [1, 3, 64, 4096] {
            let mut buffer = [0; 4096];
            let mut wire = Script::new(&said, usize::MAX);
            let mut echo = FrameEcho::new(&Config::default(), &mut buffer[..size]);
            let (before, ..) = HEAP.get();
            while echo.poll(&mut wire) == Ok(false) {}
            assert_eq!(HEAP.get().0, before, "it allocates");
            // A frame that came in pieces goes out in pieces, all of them behind one header.
            assert_eq!(wire.heard(), expected, "through {size} bytes");
        }
    }
}

#[test]
fn a_close_that_breaks_a_rule_is_answered_with_what_is_wrong() {
    let bodies: [(&[u8], &[u8]); 6] = [
        (b"", b""),
        (b"\x03\xe9bye", &1001_u16.to_be_bytes()),
        (b"\x03", &1002_u16.to_be_bytes()),
        (b"\x03\xed", &1002_u16.to_be_bytes()),
        (b"\x03\xe8\xff", &1007_u16.to_be_bytes()),
        (b"\x03\xe8half \xe6\x96", &1007_u16.to_be_bytes()),
    ];
    for (body, reply) in bodies {
        let said = frame(true, Opcode::Close, Some([9, 8, 7, 6]), body);
        for size in [1, 3, 64] {
            let mut buffer = [0; 64];
            let mut wire = Script::new(&said, usize::MAX);
            let mut echo = FrameEcho::new(&Config::default(), &mut buffer[..size]);
            while echo.poll(&mut wire) == Ok(false) {}
            assert_eq!(wire.heard(), frame(true, Opcode::Close, None, reply), "{body:?}");
        }
    }
}

#[test]
fn frames_wait_for_a_wire_without_room() {
    let hello = frame(true, Opcode::Text, Some([1, 2, 3, 4]), b"Hello");
    let said = [hello.repeat(2), frame(true, Opcode::Close, Some([9, 8, 7, 6]), b"")].concat();
    let mut buffer = [0; 16];
    let mut wire = Script::new(&said, usize::MAX);
    let mut echo = FrameEcho::new(&Config::default(), &mut buffer);
    for room in 0..=16 {
        // A byte more for each call: it comes back though nothing more is taken.
        wire.room = usize::from(room > 0);
        let is_closed = room == 16;
        assert_eq!(echo.poll(&mut wire), Ok(is_closed), "{room}");
        assert_eq!(wire.len, room, "{room}");
        let buffered = if room < 7 { 16 } else { said.len() };
        assert!(said.len() - wire.said.len() <= buffered, "{room}");
    }
    assert_eq!(wire.heard(), b"\x81\x05Hello\x81\x05Hello\x88\x00");
    // Behind the end everything is discarded.
    wire.said = &hello;
    assert_eq!((echo.poll(&mut wire), wire.said.len(), wire.len), (Ok(true), 0, 16));
}

#[test]
fn the_firmware_s_script_is_answered() {
    let mut buffer = [0; 256];
    let answers = b"\x81\x05Hello\x88\x00";
    assert_eq!(script::frames(&mut buffer).heard(), answers);
    let messages = script::messages(&mut buffer);
    assert!(messages.heard().starts_with(b"HTTP/1.1 101 "));
    assert!(messages.heard().ends_with(&[&b"\r\n\r\n"[..], answers].concat()));
}

/// The answer to `REQUEST`, and what the messages of `conversation` come to.
fn run(said: &[u8], piece: usize) -> (Vec<u8>, i64) {
    let (mut wire, mut buffer) = (Script::new(said, piece), [0; 256]);
    HEAP.set((0, 0, 0));
    let mut now = Instant::ZERO;
    let mut echo = MessageEcho::new(2048, now);
    while echo.poll(&mut wire, &mut buffer, now) == Transport::Keep {
        assert!(echo.due().is_some_and(|due| due > now));
        now += Duration::from_micros(10);
    }
    // The peer ends the stream, or does not: it is over in time.
    let due = echo.due().expect("it does not linger for ever");
    assert_eq!(echo.poll(&mut wire, &mut buffer, due), Transport::Close);
    (wire.heard().to_vec(), HEAP.get().2)
}

#[test]
fn messages_come_back_on_a_small_heap() {
    let key = Some([9, 8, 7, 6]);
    let close = frame(true, Opcode::Close, key, &1000_u16.to_be_bytes());
    let closed = frame(true, Opcode::Close, None, &1000_u16.to_be_bytes());
    let bad = frame(true, Opcode::Text, key, b"\xff");
    let failed = frame(true, Opcode::Close, None, &1007_u16.to_be_bytes());
    for (end, reply) in [(&close, &closed), (&bad, &failed)] {
        let (said, _) = conversation((end, reply));
        for piece in [1, 7, 256] {
            let (heard, most) = run(&[REQUEST, &said].concat(), piece);
            let head = heard.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
            assert!(heard.starts_with(b"HTTP/1.1 101 "));
            let mut expected = frame(true, Opcode::Text, None, b"Hello");
            expected.extend(frame(true, Opcode::Pong, None, b"?"));
            let message = [&[b'x'; 1000][..], b"!"].concat();
            expected.extend(frame(true, Opcode::Binary, None, &message));
            expected.extend(reply.iter());
            assert_eq!(heard[head..], expected);
            // What the firmware has, half of which must be left for the allocator's own losses.
            assert!(most <= 8 * 1024, "{most} bytes of heap");
        }
    }
}

#[test]
fn the_longest_messages_take_no_more_of_the_heap_than_was_said() {
    const MOST: i64 = 4 * 2048 + 2 * 1024;
    let key = Some([9, 8, 7, 6]);
    let longest = [b'x'; 2048];
    // In one frame, in two, and in many; each once more behind it, and a ping with all that it may have.
    for pieces in [1, 2, 32] {
        let mut said = REQUEST.to_vec();
        for _ in 0..3 {
            for (index, piece) in longest.chunks(2048 / pieces).enumerate() {
                let opcode = if index == 0 { Opcode::Binary } else { Opcode::Continuation };
                said.extend(frame(index + 1 == pieces, opcode, key, piece));
            }
            said.extend(frame(true, Opcode::Ping, key, &[b'?'; 125]));
        }
        said.extend(frame(true, Opcode::Close, key, b""));
        for piece in [7, 256] {
            let (heard, most) = run(&said, piece);
            assert!(heard.ends_with(b"\x88\x00"));
            assert!(most <= MOST, "{most} bytes of heap, {pieces} pieces, {piece} at a time");
        }
    }
}

#[test]
fn what_came_behind_a_request_is_answered_however_short_messages_are() {
    // One read has the end of the request and as many messages as fit.
    let hello = frame(true, Opcode::Text, Some([1, 2, 3, 4]), &[b'a'; 57]);
    let (first, last) = REQUEST.split_at(REQUEST.len() - 1);
    let said = [last, &hello].concat();
    let mut buffer = [0; 4096];
    let mut wire = Script::new(first, usize::MAX);
    let mut echo = MessageEcho::new(64, Instant::ZERO);
    for _ in 0..first.len() {
        let _ = echo.poll(&mut wire, &mut buffer, Instant::ZERO);
    }
    wire.said = &said;
    assert_eq!(echo.poll(&mut wire, &mut buffer, Instant::ZERO), Transport::Keep);
    assert!(wire.heard().ends_with(&frame(true, Opcode::Text, None, &[b'a'; 57])));
    // A longer buffer is no leave to take in more than can be answered.
    let many = hello.repeat(9);
    wire.said = &many;
    for _ in 0..many.len() {
        assert_eq!(echo.poll(&mut wire, &mut buffer, Instant::ZERO), Transport::Keep);
    }
    assert!(wire.heard().ends_with(&frame(true, Opcode::Text, None, &[b'a'; 57]).repeat(10)));
}

#[test]
fn a_peer_that_takes_little_is_no_silent_one() {
    let mut buffer = [0; 256];
    let mut wire = Script::new(REQUEST, 256);
    let mut echo = MessageEcho::new(2048, Instant::ZERO);
    let mut now = Instant::ZERO;
    assert_eq!(echo.poll(&mut wire, &mut buffer, now), Transport::Keep);
    let long = frame(true, Opcode::Binary, Some([1, 2, 3, 4]), &[b'x'; 200]);
    wire.said = &long;
    wire.room = 0;
    // Some bytes now and then: the ping lies behind them, and cannot be answered.
    for _ in 0..20 {
        assert_eq!(echo.poll(&mut wire, &mut buffer, now), Transport::Keep);
        now += Duration::from_secs(5);
        wire.room = 8;
    }
    wire.room = usize::MAX;
    assert_eq!(echo.poll(&mut wire, &mut buffer, now), Transport::Keep);
    let ping = wire.heard().iter().rposition(|byte| *byte == 0x89).expect("a ping");
    let pong = frame(true, Opcode::Pong, Some([1, 2, 3, 4]), &wire.heard()[ping + 2..]);
    wire.said = &pong;
    assert_eq!(echo.poll(&mut wire, &mut buffer, now), Transport::Keep);
    assert!(echo.due().is_some_and(|due| due > now + Duration::from_secs(10)), "it was heard");
    // One that takes nothing at all is.
    wire.room = 0;
    wire.said = &long;
    while echo.poll(&mut wire, &mut buffer, now) == Transport::Keep {
        now = echo.due().expect("a deadline");
    }
}

#[test]
fn a_request_and_a_silent_peer_have_their_time() {
    let mut buffer = [0; 256];
    let mut wire = Script::new(b"GET / HT", 256);
    let mut echo = MessageEcho::new(2048, Instant::ZERO);
    assert_eq!(echo.poll(&mut wire, &mut buffer, Instant::ZERO), Transport::Keep);
    let due = echo.due().expect("a deadline");
    assert_eq!(echo.poll(&mut wire, &mut buffer, due), Transport::Close);

    let mut wire = Script::new(REQUEST, 256);
    let mut echo = MessageEcho::new(2048, Instant::ZERO);
    assert_eq!(echo.poll(&mut wire, &mut buffer, Instant::ZERO), Transport::Keep);
    let ping = echo.due().expect("the keepalive");
    let before = wire.len;
    assert_eq!(echo.poll(&mut wire, &mut buffer, ping), Transport::Keep);
    assert_eq!(wire.heard()[before], 0x89);
    let pong = echo.due().expect("the pong's deadline");
    assert!(pong > ping);
    assert_eq!(echo.poll(&mut wire, &mut buffer, pong), Transport::Close);
}

#[test]
fn a_wire_without_room_is_not_read() {
    let hello = frame(true, Opcode::Text, Some([1, 2, 3, 4]), b"Hello");
    let mut buffer = [0; 256];
    let mut wire = Script::new(REQUEST, 256);
    let mut echo = MessageEcho::new(2048, Instant::ZERO);
    let _ = echo.poll(&mut wire, &mut buffer, Instant::ZERO);
    wire.room = 0;
    let said = hello.repeat(2);
    wire.said = &said;
    wire.piece = hello.len();
    for _ in 0..3 {
        assert_eq!(echo.poll(&mut wire, &mut buffer, Instant::ZERO), Transport::Keep);
    }
    assert_eq!(wire.said, hello, "the second waits on its own side");
    wire.room = usize::MAX;
    let _ = echo.poll(&mut wire, &mut buffer, Instant::ZERO);
    assert!(wire.heard().ends_with(&[&b"\x81\x05Hello"[..]; 2].concat()));
}

#[test]
fn other_requests_are_refused() {
    let mut buffer = [0; 256];
    let mut wire = Script::new(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 256);
    let mut echo = MessageEcho::new(2048, Instant::ZERO);
    assert_eq!(echo.poll(&mut wire, &mut buffer, Instant::ZERO), Transport::Linger);
    assert!(wire.heard().starts_with(b"HTTP/1.1 426 "));
}
