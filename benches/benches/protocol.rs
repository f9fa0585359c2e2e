//! The protocol crate beside its peers, in one run.
//!
//! Each implementation gets its bytes by a copy, as from a socket: ours into the buffer that it
//! unmasks in place, the peers into the buffers that they own.
#![allow(missing_docs)]

mod peers;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye_benches::{BROWSER_REQUEST, KEY, MINIMAL_REQUEST, text_stream};
use sockeye_protocol::handshake::{Acceptance, Head, HeadLimits, ServerHandshake};
use sockeye_protocol::{
    Config, Connection, Event, FrameReader, Instant, Outbox, Output, Role, Unmasked, frame,
};

fn mask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for size in [4, 20, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024] {
        group.throughput(Throughput::Bytes(size as u64));
        let mut payload = vec![0x5A; size];
        group.bench_function(BenchmarkId::new("sockeye", size), |bencher| {
            bencher.iter(|| frame::mask(black_box(KEY), black_box(&mut payload)));
        });
        group.bench_function(BenchmarkId::new("fastwebsockets", size), |bencher| {
            bencher.iter(|| fastwebsockets::unmask(black_box(&mut payload), black_box(KEY)));
        });
        let source = payload.clone();
        group.bench_function(BenchmarkId::new("memcpy", size), |bencher| {
            bencher.iter(|| black_box(&mut payload).copy_from_slice(black_box(&source)));
        });
    }
    group.finish();
}

/// How many messages of a size make one stream: about 64 KiB, and one at least.
fn count(size: usize) -> usize {
    (64 * 1024 / (size + 8)).max(1)
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for size in [20, 125, 1024] {
        let (stream, count) = (text_stream(size, count(size)), count(size));
        group.throughput(Throughput::Elements(count as u64));
        let mut buffer = stream.clone();
        let config = Config::default();
        group.bench_function(BenchmarkId::new("sockeye", size), |bencher| {
            bencher.iter(|| {
                buffer.copy_from_slice(&stream);
                let mut reader = FrameReader::new(Role::Server, &config);
                let mut input = &mut buffer[..];
                let mut seen = 0;
                while let Some(chunk) = reader.next(&mut input).expect("legal") {
                    seen += usize::from(chunk.ends_frame);
                }
                assert_eq!(seen, count);
            });
        });
        group.bench_function(BenchmarkId::new("tungstenite", size), |bencher| {
            bencher.iter(|| assert_eq!(peers::tungstenite_frames(&stream), count));
        });
        group.bench_function(BenchmarkId::new("fastwebsockets", size), |bencher| {
            bencher.iter(|| assert_eq!(peers::fastwebsockets_messages(&stream), count));
        });
    }
    group.finish();
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    for size in [20, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024 - 16] {
        let (stream, count) = (text_stream(size, count(size)), count(size));
        group.throughput(Throughput::Elements(count as u64));
        let mut buffer = stream.clone();
        let config = Arc::new(Config::default());
        group.bench_function(BenchmarkId::new("sockeye", size), |bencher| {
            let mut connection = Connection::new(Role::Server, config.clone(), Instant::ZERO);
            let mut outbox = Outbox::new();
            bencher.iter(|| {
                buffer.copy_from_slice(&stream);
                let mut output =
                    Output { outbox: &mut outbox, mask_keys: &mut Unmasked, now: Instant::ZERO };
                let mut input = &mut buffer[..];
                let mut seen = 0;
                while let Some(event) = connection.receive(&mut input, &mut output).expect("legal")
                {
                    seen += usize::from(matches!(event, Event::Text(text) if text.len() == size));
                }
                assert_eq!(seen, count);
            });
        });
        group.bench_function(BenchmarkId::new("tungstenite", size), |bencher| {
            bencher.iter(|| assert_eq!(peers::tungstenite_messages(&stream), count));
        });
        group.bench_function(BenchmarkId::new("fastwebsockets", size), |bencher| {
            bencher.iter(|| assert_eq!(peers::fastwebsockets_messages(&stream), count));
        });
    }
    group.finish();
}

fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    for (name, request) in [("minimal", MINIMAL_REQUEST), ("browser", BROWSER_REQUEST)] {
        group.bench_function(BenchmarkId::new("sockeye", name), |bencher| {
            let mut outbox = Outbox::new();
            let acceptance = Acceptance::default();
            bencher.iter(|| {
                let mut handshake = ServerHandshake::new(HeadLimits::default());
                match handshake.receive(black_box(request)) {
                    Ok(Some(Head::Upgrade(upgrade))) => {
                        upgrade.accept(&acceptance, &mut outbox).expect("acceptable");
                    }
                    other => panic!("{other:?}"),
                }
                let len = outbox.len();
                assert!(len > 100);
                outbox.advance(len);
            });
        });
        group.bench_function(BenchmarkId::new("tungstenite", name), |bencher| {
            bencher.iter(|| assert!(peers::tungstenite_accept(black_box(request)) > 100));
        });
        group.bench_function(BenchmarkId::new("parts", name), |bencher| {
            bencher.iter(|| assert!(peers::sum_of_parts(black_box(request)) > 100));
        });
    }
    group.finish();
}

criterion_group!(benches, mask, frames, messages, handshake);
criterion_main!(benches);
