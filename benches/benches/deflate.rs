//! Compression: ours beside the bare libraries, in one run.
//!
//! Every implementation compresses and inflates the same messages, lists of changes in JSON, one
//! after the other. "kept" means that a message may refer to those before it, "alone" that it may
//! not. The bare libraries work from buffer to buffer, without frames, checks or limits. What is
//! measured is the thread's time on a processor, which holds on a machine that others use as well.
#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::inflate::stream::InflateState;
use miniz_oxide::{DataFormat, MZFlush};
use sockeye_benches::{json_messages, thread_cpu_time};
use sockeye_protocol::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, Reply, ServerHandshake, Url,
};
use sockeye_protocol::{
    Config, Connection, Deflate, DeflateConfig, Event, Instant, Outbox, Output, Role, Unmasked,
    WindowBits,
};

const SIZES: [usize; 3] = [125, 1024, 64 * 1024];
const LEVEL: u8 = 4;
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Measures with the thread's processor time instead of the clock.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_cpu_time()
    }

    fn end(&self, start: Duration) -> Duration {
        thread_cpu_time() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// What both sides have after a handshake in which both wanted `config`.
fn negotiate(config: DeflateConfig) -> (Deflate, Deflate) {
    let request = ClientRequest::new(&Url::parse("ws://a/").expect("a URL")).deflate(config);
    let mut to_server = Outbox::new();
    let mut handshake =
        ClientHandshake::start(&request, [7; 16], HeadLimits::default(), &mut to_server);
    let received = to_server.chunks().collect::<Vec<_>>().concat();
    let head = ServerHandshake::new(HeadLimits::default()).receive(&received);
    let head = head.expect("a request").expect("whole");
    let upgrade = head.upgrade().expect("an upgrade");
    let deflate = upgrade.deflate(&config);
    let acceptance = Acceptance { deflate, ..Acceptance::default() };
    let mut to_client = Outbox::new();
    upgrade.accept(&acceptance, &mut to_client).expect("acceptable");
    let received = to_client.chunks().collect::<Vec<_>>().concat();
    match handshake.receive(&received) {
        Ok(Some(Reply::Switched(switched))) => {
            (switched.deflate.expect("agreed"), deflate.expect("agreed"))
        }
        other => panic!("{other:?}"),
    }
}

fn config(keeps: bool, window: u8) -> DeflateConfig {
    let mut config = DeflateConfig::default();
    config.keeps_own_context = keeps;
    config.keeps_peer_context = keeps;
    config.own_window_max = WindowBits::new(window).expect("8 to 15");
    config.peer_window_max = config.own_window_max;
    config.payload_bytes_min = 0;
    config.level = LEVEL;
    config
}

/// A server's connection that sends, and a client's that receives.
struct Pair {
    server: Connection,
    client: Connection,
    outbox: Outbox,
    bytes: Vec<u8>,
}

impl Pair {
    fn new(config: DeflateConfig) -> Self {
        let (of_client, of_server) = negotiate(config);
        let limits = Arc::new(Config::default());
        let mut server = Connection::new(Role::Server, limits.clone(), Instant::ZERO);
        let mut client = Connection::new(Role::Client, limits, Instant::ZERO);
        server.set_deflate(&of_server);
        client.set_deflate(&of_client);
        Self { server, client, outbox: Outbox::new(), bytes: Vec::new() }
    }

    /// Sends a message; `bytes` has its frame then.
    fn send(&mut self, text: &str) {
        let Self { server, outbox, bytes, .. } = self;
        let mut output = Output { outbox, mask_keys: &mut Unmasked, now: Instant::ZERO };
        server.send_text(text, &mut output).expect("open");
        bytes.clear();
        outbox.chunks().for_each(|chunk| bytes.extend_from_slice(chunk));
        outbox.advance(bytes.len());
        if let Some(spare) = outbox.take_spare() {
            outbox.lend(spare);
        }
    }

    /// Receives `bytes` and returns how long the message is.
    fn receive(&mut self) -> usize {
        let Self { client, outbox, bytes, .. } = self;
        let mut output = Output { outbox, mask_keys: &mut Unmasked, now: Instant::ZERO };
        let mut input = &mut bytes[..];
        match client.receive(&mut input, &mut output).expect("legal") {
            Some(Event::Text(text)) => text.len(),
            other => panic!("{other:?}"),
        }
    }
}

fn zlib_deflater() -> zlib_rs::Deflate {
    zlib_rs::Deflate::new_with_config(zlib_rs::DeflateConfig {
        level: i32::from(LEVEL),
        window_bits: -15,
        mem_level: 6,
        ..zlib_rs::DeflateConfig::default()
    })
}

/// Compresses with the bare zlib-rs and returns the length without the tail.
fn zlib_compress(stream: &mut zlib_rs::Deflate, text: &str, target: &mut [u8]) -> usize {
    let before = stream.total_out();
    let flush = zlib_rs::DeflateFlush::SyncFlush;
    stream.compress(text.as_bytes(), target, flush).expect("it compresses");
    usize::try_from(stream.total_out() - before).expect("short") - TAIL.len()
}

fn miniz_deflater() -> CompressorOxide {
    CompressorOxide::new(create_comp_flags_from_zip_params(i32::from(LEVEL), -15, 0))
}

fn miniz_compress(stream: &mut CompressorOxide, text: &str, target: &mut [u8]) -> usize {
    let made =
        miniz_oxide::deflate::stream::deflate(stream, text.as_bytes(), target, MZFlush::Sync);
    assert_eq!(made.bytes_consumed, text.len());
    made.bytes_written - TAIL.len()
}

fn compress(criterion: &mut Criterion<CpuTime>) {
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("compress {size}"));
        group.throughput(Throughput::Elements(1));
        let texts = json_messages(size, 64);
        let mut target = vec![0; 2 * size + 100];
        for (kept, name) in [(true, "kept"), (false, "alone")] {
            let mut pair = Pair::new(config(kept, 15));
            let mut turn = texts.iter().cycle();
            group.bench_function(BenchmarkId::new("sockeye", name), |bencher| {
                bencher.iter(|| pair.send(turn.next().expect("endless")));
            });
            let mut stream = zlib_deflater();
            group.bench_function(BenchmarkId::new("zlib-rs", name), |bencher| {
                bencher.iter(|| {
                    if !kept {
                        stream.reset();
                    }
                    black_box(zlib_compress(
                        &mut stream,
                        turn.next().expect("endless"),
                        &mut target,
                    ))
                });
            });
            let mut stream = Compress::new(Compression::new(u32::from(LEVEL)), false);
            group.bench_function(BenchmarkId::new("flate2 (zlib-rs)", name), |bencher| {
                bencher.iter(|| {
                    if !kept {
                        stream.reset();
                    }
                    let text = turn.next().expect("endless").as_bytes();
                    stream.compress(text, &mut target, FlushCompress::Sync).expect("it compresses")
                });
            });
            let mut stream = miniz_deflater();
            group.bench_function(BenchmarkId::new("miniz_oxide", name), |bencher| {
                bencher.iter(|| {
                    if !kept {
                        stream.reset();
                    }
                    black_box(miniz_compress(
                        &mut stream,
                        turn.next().expect("endless"),
                        &mut target,
                    ))
                });
            });
        }
        group.finish();
    }
}

/// Data that a stream of messages was compressed to, each with its tail.
fn compressed(texts: &[String], kept: bool) -> Vec<Vec<u8>> {
    let mut stream = zlib_deflater();
    let mut target = vec![0; 2 * texts[0].len() + 100];
    let mut one = |text: &String| {
        if !kept {
            stream.reset();
        }
        let len = zlib_compress(&mut stream, text, &mut target);
        target[..len + TAIL.len()].to_vec()
    };
    texts.iter().map(&mut one).collect()
}

fn inflate(criterion: &mut Criterion<CpuTime>) {
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("inflate {size}"));
        group.throughput(Throughput::Elements(1));
        let texts = json_messages(size, 64);
        let mut target = vec![0; size + 100];
        for (kept, name) in [(true, "kept"), (false, "alone")] {
            let mut pair = Pair::new(config(kept, 15));
            // A round refers to nothing before it, so that it can be repeated.
            let frames: Vec<Vec<u8>> = texts
                .iter()
                .map(|text| {
                    pair.send(text);
                    pair.bytes.clone()
                })
                .collect();
            let mut turn = frames.iter().cycle();
            group.bench_function(BenchmarkId::new("sockeye", name), |bencher| {
                bencher.iter(|| {
                    pair.bytes.clear();
                    pair.bytes.extend_from_slice(turn.next().expect("endless"));
                    assert_eq!(pair.receive(), size);
                });
            });
            let data = compressed(&texts, kept);
            let mut turn = data.iter().cycle();
            let mut stream = zlib_rs::Inflate::new(false, 15);
            group.bench_function(BenchmarkId::new("zlib-rs", name), |bencher| {
                bencher.iter(|| {
                    if !kept {
                        stream.reset(false);
                    }
                    let before = stream.total_out();
                    let data = turn.next().expect("endless");
                    let flush = zlib_rs::InflateFlush::SyncFlush;
                    stream.decompress(data, &mut target, flush).expect("legal");
                    assert_eq!(stream.total_out() - before, size as u64);
                });
            });
            let mut turn = data.iter().cycle();
            let mut stream = Decompress::new(false);
            group.bench_function(BenchmarkId::new("flate2 (zlib-rs)", name), |bencher| {
                bencher.iter(|| {
                    if !kept {
                        stream.reset(false);
                    }
                    let before = stream.total_out();
                    let data = turn.next().expect("endless");
                    stream.decompress(data, &mut target, FlushDecompress::Sync).expect("legal");
                    assert_eq!(stream.total_out() - before, size as u64);
                });
            });
            let mut turn = data.iter().cycle();
            let mut stream = InflateState::new_boxed(DataFormat::Raw);
            group.bench_function(BenchmarkId::new("miniz_oxide", name), |bencher| {
                bencher.iter(|| {
                    if !kept {
                        stream.reset(DataFormat::Raw);
                    }
                    let data = turn.next().expect("endless");
                    let made = miniz_oxide::inflate::stream::inflate(
                        &mut stream,
                        data,
                        &mut target,
                        MZFlush::Sync,
                    );
                    assert_eq!(made.bytes_written, size);
                });
            });
        }
        group.finish();
    }
}

/// What a smaller window costs or saves, with messages that may refer to those before them.
fn windows(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("window, compress and inflate 1024");
    group.throughput(Throughput::Elements(1));
    let texts = json_messages(1024, 64);
    for window in 9..=15 {
        let mut pair = Pair::new(config(true, window));
        let mut turn = texts.iter().cycle();
        group.bench_function(BenchmarkId::new("sockeye", window), |bencher| {
            bencher.iter(|| {
                pair.send(turn.next().expect("endless"));
                assert_eq!(pair.receive(), 1024);
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = compress, inflate, windows
}
criterion_main!(benches);
