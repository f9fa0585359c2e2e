//! Compression: ours beside the bare libraries.
//!
//! Every implementation compresses and inflates the same messages, lists of changes in JSON, one
//! after the other. "kept" means that a message may refer to those before it, "alone" that it may
//! not. The bare libraries work from buffer to buffer, without frames, checks or limits. No peer
//! that the other groups have compresses.

use std::sync::Arc;

use criterion::{BenchmarkGroup, Criterion};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::inflate::stream::InflateState;
use miniz_oxide::{DataFormat, MZFlush};
use sockeye_benches::json_messages;
use sockeye_protocol::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, Reply, ServerHandshake, Url,
};
use sockeye_protocol::{
    Buffers, Config, Connection, Deflate, DeflateConfig, Event, Instant, Outbox, Output, Role,
    Unmasked, WindowBits,
};

use crate::measure::{CpuTime, Row, in_words};

const SIZES: [usize; 3] = [125, 1024, 64 * 1024];
const LEVEL: u8 = 4;
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("deflate");
    for size in SIZES {
        for keeps in [true, false] {
            compress(&mut group, size, keeps);
            inflate(&mut group, size, keeps);
        }
    }
    for window in 9..=15 {
        let input = format!("compress and inflate, kept, 1 KiB, window of {window} bits");
        let mut row = Row::new(&mut group, input, 1, 1024);
        let texts = json_messages(1024, 64);
        let mut pair = Pair::new(config(true, window));
        let mut turn = texts.iter().cycle();
        row.bench("sockeye", || {
            pair.send(turn.next().expect("endless"));
            assert_eq!(pair.receive(), 1024);
        });
    }
    group.finish();
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
        let mut output = Output {
            outbox,
            mask_keys: &mut Unmasked,
            buffers: &mut Buffers::default(),
            now: Instant::ZERO,
        };
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
        let mut output = Output {
            outbox,
            mask_keys: &mut Unmasked,
            buffers: &mut Buffers::default(),
            now: Instant::ZERO,
        };
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

/// The name of an input.
fn input(job: &str, size: usize, keeps: bool) -> String {
    format!("{job}, {}, {}", if keeps { "kept" } else { "alone" }, in_words(size))
}

fn compress(group: &mut BenchmarkGroup<'_, CpuTime>, size: usize, keeps: bool) {
    let mut row = Row::new(group, input("compress", size, keeps), 1, size);
    let texts = json_messages(size, 64);
    let mut target = vec![0; 2 * size + 100];
    let mut pair = Pair::new(config(keeps, 15));
    let mut turn = texts.iter().cycle();
    row.bench("sockeye", || {
        pair.send(turn.next().expect("endless"));
        assert!(pair.bytes.len() > 4);
    });
    let mut stream = zlib_deflater();
    row.bench("zlib-rs", || {
        if !keeps {
            stream.reset();
        }
        let text = turn.next().expect("endless");
        assert!(zlib_compress(&mut stream, text, &mut target) > 0);
    });
    let mut stream = Compress::new(Compression::new(u32::from(LEVEL)), false);
    row.bench("flate2", || {
        if !keeps {
            stream.reset();
        }
        let (text, before) = (turn.next().expect("endless").as_bytes(), stream.total_out());
        stream.compress(text, &mut target, FlushCompress::Sync).expect("it compresses");
        assert!(stream.total_out() > before);
    });
    let mut stream = miniz_deflater();
    row.bench("miniz_oxide", || {
        if !keeps {
            stream.reset();
        }
        let text = turn.next().expect("endless");
        assert!(miniz_compress(&mut stream, text, &mut target) > 0);
    });
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

fn inflate(group: &mut BenchmarkGroup<'_, CpuTime>, size: usize, keeps: bool) {
    let mut row = Row::new(group, input("inflate", size, keeps), 1, size);
    let texts = json_messages(size, 64);
    let mut target = vec![0; size + 100];
    let mut pair = Pair::new(config(keeps, 15));
    // A round refers to nothing before it, so that it can be repeated.
    let sent = texts.iter().map(|text| {
        pair.send(text);
        pair.bytes.clone()
    });
    let frames: Vec<Vec<u8>> = sent.collect();
    let mut turn = frames.iter().cycle();
    row.bench("sockeye", || {
        pair.bytes.clear();
        pair.bytes.extend_from_slice(turn.next().expect("endless"));
        assert_eq!(pair.receive(), size);
    });
    let data = compressed(&texts, keeps);
    let mut turn = data.iter().cycle();
    let mut stream = zlib_rs::Inflate::new(false, 15);
    row.bench("zlib-rs", || {
        if !keeps {
            stream.reset(false);
        }
        let (data, before) = (turn.next().expect("endless"), stream.total_out());
        let flush = zlib_rs::InflateFlush::SyncFlush;
        stream.decompress(data, &mut target, flush).expect("legal");
        assert_eq!(stream.total_out() - before, size as u64);
    });
    let mut turn = data.iter().cycle();
    let mut stream = Decompress::new(false);
    row.bench("flate2", || {
        if !keeps {
            stream.reset(false);
        }
        let (data, before) = (turn.next().expect("endless"), stream.total_out());
        stream.decompress(data, &mut target, FlushDecompress::Sync).expect("legal");
        assert_eq!(stream.total_out() - before, size as u64);
    });
    let mut turn = data.iter().cycle();
    let mut stream = InflateState::new_boxed(DataFormat::Raw);
    row.bench("miniz_oxide", || {
        if !keeps {
            stream.reset(DataFormat::Raw);
        }
        let data = turn.next().expect("endless");
        let flush = MZFlush::Sync;
        let made = miniz_oxide::inflate::stream::inflate(&mut stream, data, &mut target, flush);
        assert_eq!(made.bytes_written, size);
    });
}
