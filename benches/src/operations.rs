//! The operations whose instructions are counted: each does its job `times` times.

use std::hint::black_box;
use std::sync::Arc;

use sockeye_protocol::handshake::{Acceptance, Head, HeadLimits, ServerHandshake};
use sockeye_protocol::{
    Buffers, Config, Connection, Event, FrameHeader, FrameReader, Instant, MaskKeys, Outbox,
    Output, Prepared, Role, Unmasked, frame,
};

use crate::{
    BROWSER_REQUEST, FOX, KEY, MINIMAL_REQUEST, MULTI_BYTE, client_frame, text, text_stream,
};

/// An operation with a name.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What it does, as it stands in the table.
    pub name: &'static str,
    /// Does it as often as it is told to.
    pub run: fn(usize),
}

/// All of them, in the order of the table.
pub const OPERATIONS: &[Operation] = &[
    Operation { name: "frame header and mask, 20 B", run: |times| frames(20, times) },
    Operation { name: "header decoded, 20 B masked", run: |times| decode(20, times) },
    Operation { name: "header decoded, 1 KiB masked", run: |times| decode(1024, times) },
    Operation { name: "(what surrounds these two)", run: decode_nothing },
    Operation { name: "mask, 16 KiB", run: mask },
    Operation { name: "receive text, 20 B", run: |times| receive(20, times) },
    Operation { name: "receive text, 125 B", run: |times| receive(125, times) },
    Operation { name: "receive multi-byte text, 125 B", run: receive_multi_byte },
    Operation { name: "receive text, 1 KiB", run: |times| receive(1024, times) },
    Operation { name: "receive text, 16 KiB", run: |times| receive(16 * 1024, times) },
    Operation { name: "receive text, 64 KiB", run: |times| receive(64 * 1024, times) },
    Operation { name: "receive 64 KiB cut at 4 KiB", run: receive_cut },
    Operation { name: "receive 1 KiB in 16 fragments", run: receive_fragments },
    Operation { name: "echo text, 20 B", run: |times| echo(20, times) },
    Operation { name: "echo text, 1 KiB", run: |times| echo(1024, times) },
    Operation { name: "send text as a client, 125 B", run: send_masked },
    Operation { name: "send prepared", run: send_prepared },
    Operation { name: "upgrade, minimal request", run: |times| upgrade(MINIMAL_REQUEST, times) },
    Operation { name: "upgrade, browser's request", run: |times| upgrade(BROWSER_REQUEST, times) },
];

/// How many messages of a size are received behind each other.
const BATCH: usize = 32;

fn frames(size: usize, times: usize) {
    let stream = text_stream(size, BATCH);
    let mut buffer = stream.clone();
    let mut reader = FrameReader::new(Role::Server, &Config::default());
    for _ in 0..times.div_ceil(BATCH) {
        buffer.copy_from_slice(&stream);
        let mut input = &mut buffer[..];
        let mut seen = 0;
        while let Some(chunk) = reader.next(&mut input).expect("legal") {
            seen += usize::from(chunk.payload.len() == size);
        }
        assert_eq!(seen, BATCH);
    }
}

/// Headers lie eight bytes apart; all that was decoded is used, so that none of it is left out.
fn decode(size: usize, times: usize) {
    each_header(size, times, |bytes| {
        let decoded = FrameHeader::decode(Role::Server, bytes).expect("legal");
        let (header, len) = decoded.expect("whole");
        let key = u32::from_ne_bytes(header.mask.unwrap_or_default());
        header.payload_len ^ u64::from(key) ^ u64::from(header.opcode.bits()) ^ len as u64
    });
}

/// What surrounds the decoding: the loop, and the use of what was read.
fn decode_nothing(times: usize) {
    each_header(20, times, |bytes| match bytes {
        [first, second, a, b, c, d, ..] => {
            let key = u32::from_ne_bytes([*a, *b, *c, *d]);
            u64::from(*second) ^ u64::from(key) ^ u64::from(*first) ^ 6
        }
        _ => 0,
    });
}

fn each_header(size: usize, times: usize, decode: impl Fn(&[u8]) -> u64) {
    let headers = text_stream(size, 1)[..8].repeat(BATCH);
    let mut sum = 0_u64;
    for _ in 0..times.div_ceil(BATCH) {
        for bytes in black_box(&headers[..]).chunks_exact(8) {
            sum = sum.wrapping_add(decode(black_box(bytes)));
        }
    }
    assert!(black_box(sum) > 0);
}

fn mask(times: usize) {
    let mut payload = vec![0x5A; 16 * 1024];
    for _ in 0..times {
        frame::mask(black_box(KEY), black_box(&mut payload));
    }
}

fn receive(size: usize, times: usize) {
    receive_stream(&text_stream(size, BATCH), BATCH, times);
}

fn receive_multi_byte(times: usize) {
    let payload = text(MULTI_BYTE, 125);
    receive_stream(&client_frame(0x81, payload.as_bytes()).repeat(BATCH), BATCH, times);
}

fn receive_fragments(times: usize) {
    let payload = text(FOX, 1024);
    let mut stream = Vec::new();
    for (index, piece) in payload.as_bytes().chunks(64).enumerate() {
        let first = if index == 0 { 0x01 } else { 0 } | if index == 15 { 0x80 } else { 0 };
        stream.extend(client_frame(first, piece));
    }
    receive_stream(&stream, 1, times);
}

fn receive_stream(stream: &[u8], count: usize, times: usize) {
    receive_pieces(stream, stream.len(), count, times);
}

fn receive_cut(times: usize) {
    receive_pieces(&text_stream(64 * 1024, 1), 4096, 1, times);
}

/// Receives `stream`, which has `count` messages, in reads of at most `read` bytes.
fn receive_pieces(stream: &[u8], read: usize, count: usize, times: usize) {
    let mut buffer = vec![0; read];
    let mut connection = Connection::new(Role::Server, Arc::default(), Instant::ZERO);
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    let mut output = Output {
        outbox: &mut outbox,
        mask_keys: &mut Unmasked,
        buffers: &mut buffers,
        now: Instant::ZERO,
    };
    for _ in 0..times.div_ceil(count) {
        let mut seen = 0;
        for piece in stream.chunks(read) {
            let mut input = &mut buffer[..piece.len()];
            input.copy_from_slice(piece);
            while let Some(event) = connection.receive(&mut input, &mut output).expect("legal") {
                seen += usize::from(matches!(event, Event::Text(_)));
                output.buffers.recycle(event);
            }
        }
        assert_eq!(seen, count);
    }
}

fn echo(size: usize, times: usize) {
    let stream = text_stream(size, BATCH);
    let mut buffer = stream.clone();
    let mut connection = Connection::new(Role::Server, Arc::default(), Instant::ZERO);
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    for _ in 0..times.div_ceil(BATCH) {
        let mut output = Output {
            outbox: &mut outbox,
            mask_keys: &mut Unmasked,
            buffers: &mut buffers,
            now: Instant::ZERO,
        };
        buffer.copy_from_slice(&stream);
        let mut input = &mut buffer[..];
        while let Some(event) = connection.receive(&mut input, &mut output).expect("legal") {
            if let Event::Text(text) = event {
                connection.send_text(&text, &mut output).expect("room");
            }
        }
        assert!(outbox.len() > BATCH * size);
        outbox.advance(outbox.len());
    }
}

/// Keys for a bench: what draws them is not what is measured.
#[derive(Debug)]
pub struct SameKey;

impl MaskKeys for SameKey {
    fn next_key(&mut self) -> [u8; 4] {
        KEY
    }
}

fn send_masked(times: usize) {
    let payload = text(FOX, 125);
    let mut connection = Connection::new(Role::Client, Arc::default(), Instant::ZERO);
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    for _ in 0..times {
        let mut output = Output {
            outbox: &mut outbox,
            mask_keys: &mut SameKey,
            buffers: &mut buffers,
            now: Instant::ZERO,
        };
        connection.send_text(black_box(&payload), &mut output).expect("room");
        assert_eq!(outbox.len(), 131);
        outbox.advance(131);
    }
}

fn send_prepared(times: usize) {
    let prepared = Prepared::text(&text(FOX, 1024));
    let mut connection = Connection::new(Role::Server, Arc::default(), Instant::ZERO);
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    for _ in 0..times {
        let mut output = Output {
            outbox: &mut outbox,
            mask_keys: &mut Unmasked,
            buffers: &mut buffers,
            now: Instant::ZERO,
        };
        connection.send_prepared(black_box(&prepared), &mut output).expect("room");
        assert_eq!(outbox.len(), 1028);
        outbox.advance(1028);
    }
}

fn upgrade(request: &[u8], times: usize) {
    let mut outbox = Outbox::new();
    let acceptance = Acceptance::default();
    for _ in 0..times {
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        match handshake.receive(black_box(request)) {
            Ok(Some(Head::Upgrade(upgrade))) => {
                upgrade.accept(&acceptance, &mut outbox).expect("acceptable");
            }
            other => panic!("{other:?}"),
        }
        outbox.advance(outbox.len());
    }
}
