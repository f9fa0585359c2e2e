//! Frames alone: headers written and read, and a stream of masked frames read.
//!
//! tungstenite's `FrameSocket` leaves the payload masked; everyone else unmasks it. fastwebsockets
//! and tokio-websockets have no layer of frames in public: they receive binary messages.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion};
use sockeye_benches::{FOX, KEY, text};
use sockeye_protocol::{FrameHeader, Opcode, Role};
use soketto::Parsing;
use soketto::base::{Codec, Header, OpCode};
use tungstenite::protocol::frame::FrameHeader as TungsteniteHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode as TungsteniteOpcode};
use websocket_sans_io::WebsocketFrameEncoder;

use crate::endpoints::sans_io::frame_info;
use crate::endpoints::{Wire, fragmented, frame_readers};
use crate::measure::{CpuTime, Row, in_words};

/// Headers written in one run.
const HEADERS: usize = 64;

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("frame");
    for (form, mask, header_len) in [("unmasked", None, 2), ("masked", Some(KEY), 6)] {
        for (len, more) in [(20, 0), (1024, 2), (1024 * 1024, 8)] {
            let input = format!("header of {} {form}", in_words(len));
            encode(&mut group, input, mask, len, header_len + more);
        }
    }
    for len in [20, 1024, 1024 * 1024] {
        decode(&mut group, format!("header of {} read, masked", in_words(len)), len);
    }
    for size in [1, 20, 125, 1024, 16 * 1024] {
        let count = (64 * 1024 / (size + 8)).max(1);
        let payload = text(FOX, size);
        let wire = Wire::new(fragmented(0x02, payload.as_bytes(), size).repeat(count));
        let input = format!("stream, {}", in_words(size));
        let mut row = Row::new(&mut group, input, count, count * size);
        for (name, mut endpoint) in frame_readers(&wire) {
            row.bench(name, || assert_eq!(endpoint.receive(count), count * size));
        }
    }
    group.finish();
}

/// Writes the header of a binary message of `len` bytes.
fn encode(
    group: &mut BenchmarkGroup<'_, CpuTime>,
    input: String,
    mask: Option<[u8; 4]>,
    len: usize,
    header_len: usize,
) {
    let mut row = Row::new(group, input, HEADERS, HEADERS * header_len);
    let mut bytes = [0; FrameHeader::BYTES_MAX];
    let header = FrameHeader { fin: true, opcode: Opcode::Binary, mask, payload_len: len as u64 };
    row.bench("sockeye", || {
        for _ in 0..HEADERS {
            assert_eq!(black_box(&header).encode(black_box(&mut bytes)), header_len);
        }
    });
    let header = TungsteniteHeader {
        opcode: TungsteniteOpcode::Data(Data::Binary),
        mask,
        ..TungsteniteHeader::default()
    };
    row.bench("tungstenite", || {
        for _ in 0..HEADERS {
            let mut target = &mut black_box(&mut bytes)[..];
            black_box(&header).format(black_box(len as u64), &mut target).expect("room");
            assert_eq!(target.len(), FrameHeader::BYTES_MAX - header_len);
        }
    });
    let payload = vec![0; len];
    row.bench("fastwebsockets", || {
        use fastwebsockets::{Frame, OpCode, Payload};
        for _ in 0..HEADERS {
            let payload = Payload::Borrowed(black_box(&payload));
            let mut frame = Frame::new(true, OpCode::Binary, mask, payload);
            assert_eq!(frame.fmt_head(black_box(&mut bytes)), header_len);
        }
    });
    let mut codec = Codec::new();
    let mut header = Header::new(OpCode::Binary);
    header.set_payload_len(len);
    if let Some(mask) = mask {
        header.set_masked(true).set_mask(u32::from_be_bytes(mask));
    }
    row.bench("soketto", || {
        for _ in 0..HEADERS {
            assert_eq!(black_box(codec.encode_header(black_box(&header))).len(), header_len);
        }
    });
    let frame = frame_info(websocket_sans_io::Opcode::Binary, mask, len);
    row.bench("websocket-sans-io", || {
        for _ in 0..HEADERS {
            let mut encoder = WebsocketFrameEncoder::new();
            let written = encoder.start_frame(black_box(&frame));
            assert_eq!(black_box(&written).len(), header_len);
        }
    });
}

/// Reads the header of a masked binary message of `len` bytes, out of a buffer that begins with it.
fn decode(group: &mut BenchmarkGroup<'_, CpuTime>, input: String, len: usize) {
    let mut bytes = [0; FrameHeader::BYTES_MAX];
    let header =
        FrameHeader { fin: true, opcode: Opcode::Binary, mask: Some(KEY), payload_len: len as u64 };
    let header_len = header.encode(&mut bytes);
    let mut row = Row::new(group, input, HEADERS, HEADERS * header_len);
    row.bench("sockeye", || {
        for _ in 0..HEADERS {
            let decoded = FrameHeader::decode(Role::Server, black_box(&bytes)).expect("legal");
            assert_eq!(black_box(decoded), Some((header, header_len)));
        }
    });
    row.bench("tungstenite", || {
        for _ in 0..HEADERS {
            let mut cursor = std::io::Cursor::new(black_box(&bytes[..]));
            let parsed = TungsteniteHeader::parse(&mut cursor).expect("legal");
            let (header, payload_len) = black_box(parsed).expect("whole");
            assert_eq!((header.mask, payload_len), (Some(KEY), len as u64));
        }
    });
    let mut codec = Codec::new();
    codec.set_max_data_size(len);
    row.bench("soketto", || {
        for _ in 0..HEADERS {
            let Ok(Parsing::Done { value, offset }) = codec.decode_header(black_box(&bytes)) else {
                panic!("a header");
            };
            assert_eq!((black_box(value).payload_len(), offset), (len, header_len));
        }
    });
}
