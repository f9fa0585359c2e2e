//! Zero copy, shown: by the address of the payload, and by an allocator that counts.

// A global allocator cannot be written without `unsafe`; this one only counts for the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{
    Buffers, Config, Connection, Event, Instant, Outbox, Output, Prepared, Role, Unmasked,
};

use crate::support::{Endpoint, frame};

/// What a piece of code did to the heap, on its own thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heap {
    pub(crate) allocations: u64,
    pub(crate) allocated_bytes: u64,
    /// The most bytes held at a time, beyond those held at the beginning.
    pub(crate) peak_bytes: u64,
    /// The bytes held at the end, beyond those held at the beginning.
    pub(crate) held_bytes: i64,
}

thread_local! {
    static HEAP: Cell<Heap> = const {
        Cell::new(Heap { allocations: 0, allocated_bytes: 0, peak_bytes: 0, held_bytes: 0 })
    };
}

struct Counting;

impl Counting {
    fn count(bytes: i64) {
        // The thread's counters may be gone while the thread ends.
        let _ = HEAP.try_with(|cell| {
            let mut heap = cell.get();
            if bytes > 0 {
                heap.allocations += 1;
                heap.allocated_bytes += bytes.unsigned_abs();
            }
            heap.held_bytes += bytes;
            heap.peak_bytes = heap.peak_bytes.max(u64::try_from(heap.held_bytes).unwrap_or(0));
            cell.set(heap);
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

/// Runs `code` and returns what it did to the heap.
pub(crate) fn allocated_by<R>(code: impl FnOnce() -> R) -> (R, Heap) {
    HEAP.set(Heap::default());
    let result = code();
    (result, HEAP.get())
}

/// What a server's connection says goes to `outbox`.
fn output<'o>(outbox: &'o mut Outbox, buffers: &'o mut Buffers) -> Output<'o> {
    // A value without a size takes no memory in a box, so nothing leaks.
    let mask_keys = Box::leak(Box::new(Unmasked));
    Output { outbox, mask_keys, buffers, now: Instant::ZERO }
}

#[test]
fn a_whole_message_lies_in_the_callers_buffer_and_costs_no_allocation() {
    for (first, size) in
        [(0x81, 0), (0x81, 5), (0x82, 125), (0x82, 126), (0x81, 60_000), (0x82, 1 << 20)]
    {
        let config = Arc::new(Config::default());
        let mut connection = Connection::new(Role::Server, config, Instant::ZERO);
        let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
        let mut output = output(&mut outbox, &mut buffers);
        let mut buffer = frame(Role::Server, first, &vec![b'a'; size]);
        buffer.extend(frame(Role::Server, 0x89, b"ping"));
        let range = buffer.as_ptr_range();
        let mut input = &mut buffer[..];
        let (event, heap) = allocated_by(|| connection.receive(&mut input, &mut output));
        let (borrowed, payload) = match event.expect("legal").expect("whole") {
            Event::Text(text) => (text.is_borrowed(), text.as_bytes().as_ptr_range()),
            Event::Binary(payload) => (payload.is_borrowed(), payload.as_ptr_range()),
            other => panic!("{other:?}"),
        };
        assert!(borrowed);
        assert!(range.start <= payload.start && payload.end <= range.end, "inside the buffer");
        assert_eq!(heap.allocations, 0, "{size} bytes: {heap:?}");
    }
}

#[test]
fn several_events_can_be_held_together() {
    let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), Instant::ZERO);
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    let mut output = output(&mut outbox, &mut buffers);
    let mut buffer =
        [frame(Role::Server, 0x81, b"one"), frame(Role::Server, 0x81, b"two")].concat();
    let mut input = &mut buffer[..];
    let one = connection.receive(&mut input, &mut output).expect("legal");
    let two = connection.receive(&mut input, &mut output).expect("legal");
    let (Some(Event::Text(one)), Some(Event::Text(two))) = (one, two) else {
        panic!("two text messages");
    };
    // The connection is free to send while the events are held.
    connection.send_text(&two, &mut output).expect("open");
    assert_eq!((&*one, &*two), ("one", "two"));
}

#[test]
fn an_echo_in_steady_state_allocates_nothing() {
    for size in [16, 1024, 60_000] {
        let mut connection =
            Connection::new(Role::Server, Arc::new(Config::default()), Instant::ZERO);
        let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
        let original = frame(Role::Server, 0x81, &vec![b'a'; size]);
        let mut buffer = original.clone();
        for round in 0..10 {
            buffer.copy_from_slice(&original);
            let (_, heap) = allocated_by(|| {
                let mut input = &mut buffer[..];
                let mut output = output(&mut outbox, &mut buffers);
                while let Some(event) = connection.receive(&mut input, &mut output).expect("legal")
                {
                    if let Event::Text(text) = event {
                        connection.send_text(&text, &mut output).expect("open");
                    }
                }
                let len = outbox.len();
                outbox.advance(len);
            });
            assert!(round == 0 || heap.allocations == 0, "{size} bytes, round {round}: {heap:?}");
        }
    }
}

/// Each case: the message's size, how much a read brings, and how much is in a frame.
#[test]
fn a_message_that_is_put_together_allocates_nothing_in_steady_state() {
    let cases = [
        (20, 13, 20),
        (20, 1, 1),
        (1024, 600, 1024),
        (1024, 4096, 64),
        (1024, 1, 100),
        (16_384, 4096, 16_384),
        (65_536, 4096, 65_536),
        (65_536, 40_000, 65_536),
        (65_536, 65_536, 4096),
        (65_536, 1000, 20_000),
    ];
    for ((size, read, frame_len), opcode) in
        cases.into_iter().flat_map(|case| [(case, 0x01), (case, 0x02)])
    {
        let payload = vec![b'a'; size];
        let pieces = payload.chunks(frame_len).enumerate();
        let mut stream = Vec::new();
        for (index, piece) in pieces {
            let is_last = (index + 1) * frame_len >= size;
            let first = if index == 0 { opcode } else { 0 } | if is_last { 0x80 } else { 0 };
            stream.extend(frame(Role::Server, first, piece));
        }
        let mut config = Config::default();
        config.fragments_max = Some(u32::MAX);
        let mut connection = Connection::new(Role::Server, Arc::new(config), Instant::ZERO);
        let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
        let mut output = output(&mut outbox, &mut buffers);
        let mut buffer = stream.clone();
        for round in 0..10 {
            buffer.copy_from_slice(&stream);
            let (messages, heap) = allocated_by(|| {
                let mut messages = 0;
                for mut input in buffer.chunks_mut(read) {
                    while let Some(event) =
                        connection.receive(&mut input, &mut output).expect("legal")
                    {
                        match &event {
                            Event::Text(text) => assert_eq!(text.len(), size),
                            Event::Binary(payload) => assert_eq!(payload.len(), size),
                            other => panic!("{other:?}"),
                        }
                        messages += 1;
                        output.buffers.recycle(event);
                    }
                }
                messages
            });
            assert_eq!(messages, 1);
            let is_steady = round >= 4;
            assert!(!is_steady || heap.allocations == 0, "{size} {read} {frame_len}: {heap:?}");
        }
    }
}

#[test]
fn a_prepared_message_is_neither_copied_nor_allocated_for_each_receiver() {
    let prepared = Prepared::binary(&[7; 1000]);
    let mut connections: Vec<_> = (0..100)
        .map(|_| {
            (
                Connection::new(Role::Server, Arc::new(Config::default()), Instant::ZERO),
                Outbox::new(),
            )
        })
        .collect();
    let mut buffers = Buffers::default();
    let (_, heap) = allocated_by(|| {
        for (connection, outbox) in &mut connections {
            let mut output = output(outbox, &mut buffers);
            connection.send_prepared(&prepared, &mut output).expect("open");
        }
    });
    assert_eq!(heap.allocations, 0);
    let addresses: Vec<_> =
        connections.iter().flat_map(|(_, outbox)| outbox.chunks().map(<[u8]>::as_ptr)).collect();
    assert!(addresses.iter().all(|address| *address == addresses[0]), "the same bytes for all");
}

#[test]
fn a_long_owned_message_is_sent_from_where_it_lies() {
    let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), Instant::ZERO);
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    let mut output = output(&mut outbox, &mut buffers);
    let payload = vec![1; 20_000];
    let address = payload.as_ptr();
    connection.send_binary_owned(payload, &mut output).expect("open");
    assert_eq!(outbox.chunks().last().map(<[u8]>::as_ptr), Some(address));
}

#[test]
fn memory_of_an_outbox_does_not_go_with_a_header() {
    let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), Instant::ZERO);
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    // What is sent in one turn is what the next one receives into.
    let mut address = 0;
    let (_, heap) = allocated_by(|| {
        for _ in 0..10 {
            outbox.take_spare().into_iter().for_each(|spare| buffers.give_back(spare));
            let mut message = buffers.take(100_000);
            message.resize(100_000, b'x');
            let before = core::mem::replace(&mut address, message.as_ptr() as usize);
            assert!(before == 0 || before == address, "the memory is used again");
            outbox.lend(Vec::with_capacity(600));
            let mut output = output(&mut outbox, &mut buffers);
            let text = String::from_utf8(message).expect("ASCII");
            connection.send_text_owned(text, &mut output).expect("open");
            assert!(buffers.idle_bytes() >= 600, "what was lent lies idle");
            outbox.advance(outbox.len());
        }
    });
    assert!(heap.allocated_bytes < 200_000, "{} bytes", heap.allocated_bytes);
}

#[test]
fn a_large_message_can_be_read_straight_into_its_buffer() {
    for (first, unit) in [(0x82, "x"), (0x81, "ä")] {
        let payload = unit.repeat(150_000 / unit.len());
        let stream = frame(Role::Server, first, payload.as_bytes());
        let mut connection =
            Connection::new(Role::Server, Arc::new(Config::default()), Instant::ZERO);
        let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
        let mut output = output(&mut outbox, &mut buffers);
        let mut head = stream[..9_001].to_vec();
        assert_eq!(connection.receive(&mut &mut head[..], &mut output), Ok(None));
        let mut rest = &stream[9_001..];
        let mut direct = 0;
        let event = loop {
            let event = if let Some(buffer) = connection.input_buffer() {
                let room = (buffer.capacity() - buffer.len()).min(rest.len());
                buffer.extend_from_slice(&rest[..room]);
                rest = &rest[room..];
                direct += room;
                connection.received(room, &mut output).expect("legal")
            } else {
                let mut piece = rest.to_vec();
                let mut input = &mut piece[..];
                let event = connection.receive(&mut input, &mut output).expect("legal");
                let event = event.expect("the rest is there");
                assert!(matches!(&event, Event::Text(_) | Event::Binary(_)));
                let whole = match event {
                    Event::Text(text) => text.into_bytes(),
                    Event::Binary(payload) => payload.into_bytes(),
                    _ => unreachable!("checked above"),
                };
                assert_eq!(whole, payload.as_bytes());
                break None;
            };
            if event.is_some() {
                break event;
            }
        };
        assert!(direct > 100_000, "most of it went straight: {direct}");
        match event {
            Some(Event::Text(text)) => assert_eq!(&*text, payload),
            Some(Event::Binary(bytes)) => assert_eq!(&*bytes, payload.as_bytes()),
            None => {}
            Some(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn control_frames_lie_in_the_callers_buffer_too() {
    let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), Instant::ZERO);
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    outbox.lend(Vec::with_capacity(1024));
    let mut output = output(&mut outbox, &mut buffers);
    let mut buffer =
        [frame(Role::Server, 0x89, b"ping"), frame(Role::Server, 0x8A, b"pong")].concat();
    // The first makes the state that all others share.
    let mut first = frame(Role::Server, 0x89, b"");
    connection.receive(&mut &mut first[..], &mut output).expect("legal");
    let mut input = &mut buffer[..];
    let (_, heap) = allocated_by(|| {
        for _ in 0..2 {
            match connection.receive(&mut input, &mut output) {
                Ok(Some(Event::Ping(payload) | Event::Pong(payload))) => {
                    assert!(payload.is_borrowed());
                }
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(heap.allocations, 0);
}

/// Straight into the message only where a read of its own pays, and never while the bytes that
/// come next are not the message's.
#[test]
fn the_buffer_of_a_message_is_lent_only_for_its_own_bytes() {
    let lent = |pieces: &[&[u8]]| {
        let mut connection =
            Connection::new(Role::Server, Arc::new(Config::default()), Instant::ZERO);
        let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
        let mut output = output(&mut outbox, &mut buffers);
        for piece in pieces {
            let mut piece = piece.to_vec();
            assert_eq!(connection.receive(&mut &mut piece[..], &mut output), Ok(None));
        }
        connection.input_buffer().map(|buffer| buffer.capacity() - buffer.len())
    };
    let least = 16 * 1024;
    let message = frame(Role::Server, 0x82, &vec![1; 10 + least]);
    let header_len = message.len() - 10 - least;
    assert_eq!(lent(&[&message[..header_len]]), None, "nothing has come yet");
    assert!(lent(&[&message[..header_len + 10]]).is_some_and(|room| (1..=least).contains(&room)));
    assert_eq!(lent(&[&message[..header_len + 11]]), None, "too little is missing");
    let fragment = frame(Role::Server, 0x02, &vec![1; 10 + least]);
    assert_eq!(lent(&[&fragment]), None, "between two frames");
    // Doubled, the buffer has more room than the frame has bytes to come.
    let long = frame(Role::Server, 0x02, &vec![1; 60_000]);
    assert_eq!(lent(&[&long[..long.len() - 20_000]]), None, "room for another frame's bytes");
    assert_eq!(lent(&[&fragment, &frame(Role::Server, 0x89, b"ping")[..8]]), None);
    assert_eq!(lent(&[&fragment, &message[..1]]), None, "in a header");
}

/// The rest of a message that was read straight into it ends it, proves life and is checked.
#[test]
fn a_message_can_end_in_its_own_buffer() {
    for (first, last, verdict) in [
        (0x82, 0xFF, "binary"),
        (0x81, b'x', "text"),
        (0x81, 0xFF, "error"),
        (0x81, 0xC3, "error"),
        (0x02, 0xFF, "nothing"),
    ] {
        let mut payload = vec![b'x'; 64 * 1024];
        payload[64 * 1024 - 1] = last;
        let stream = frame(Role::Server, first, &payload);
        // Doubled for this half, the buffer has room for just the other half.
        let (head, rest) = stream.split_at(stream.len() - 32 * 1024);
        let mut endpoint = Endpoint::new(Role::Server, Config::default());
        endpoint.feed(head).expect("legal");
        endpoint.now = Instant::from_nanos(1 << 34);
        let told = endpoint.with(|connection, output| {
            assert_eq!(connection.received(0, output), Ok(None));
            connection.input_buffer().expect("much is missing").extend_from_slice(rest);
            match connection.received(rest.len(), output) {
                Ok(Some(Event::Binary(bytes))) if *bytes == payload => "binary",
                Ok(Some(Event::Text(text))) if text.as_bytes() == payload => "text",
                Ok(None) => "nothing",
                Err(_) => "error",
                Ok(other) => panic!("{other:?}"),
            }
        });
        assert_eq!(told, verdict, "{first:#x} {last:#x}");
        let mut idle = Connection::new(Role::Server, Arc::new(Config::default()), endpoint.now);
        match verdict {
            "binary" | "text" => {
                assert_eq!(endpoint.connection.poll_timeout(), idle.poll_timeout());
            }
            // The message's own deadline, since a ping is due later.
            "nothing" => assert_eq!(
                endpoint.connection.poll_timeout(),
                Some(Instant::ZERO + Duration::from_secs(30))
            ),
            _ => assert!(!endpoint.connection.is_open()),
        }
        let mut output = Output {
            outbox: &mut endpoint.outbox,
            mask_keys: &mut Unmasked,
            buffers: &mut endpoint.buffers,
            now: endpoint.now,
        };
        assert_eq!(idle.received(0, &mut output), Ok(None));
    }
}
