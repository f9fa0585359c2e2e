//! Whole messages: parse, unmask, put together, check; and the echo, which sends each back.
//!
//! Streams have about 64 KiB of messages, or one. Where a stream is cut, a read brings at most that
//! many bytes; else as many as the reader's buffer takes, ours being as long as the stream.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion};
use sockeye_benches::pages::{Paged, UNALIGNED};
use sockeye_benches::{FOX, MULTI_BYTE, bring, text};

use crate::endpoints::{Wire, fragmented, receivers};
use crate::measure::{CpuTime, Row, in_words};

const SIZES: [usize; 6] = [20, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];
const FRAGMENTS: usize = 16;

/// How many messages of a size make one stream: about 64 KiB, and one at least.
fn count(size: usize) -> usize {
    (64 * 1024 / (size + 8)).max(1)
}

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("message");
    for size in SIZES {
        let ascii = text(FOX, size);
        for (kind, first) in [("text", 0x01), ("binary", 0x02)] {
            let whole = fragmented(first, ascii.as_bytes(), size).repeat(count(size));
            let input = format!("{kind}, {}", in_words(size));
            receive(&mut group, input, &Wire::new(whole), size);
        }
        if size <= 1024 {
            let multi_byte = text(MULTI_BYTE, size);
            let whole = fragmented(0x01, multi_byte.as_bytes(), size).repeat(count(size));
            let input = format!("text, multi-byte, {}", in_words(size));
            receive(&mut group, input, &Wire::new(whole), size);
        }
        let whole = fragmented(0x01, ascii.as_bytes(), size).repeat(count(size));
        for cut in [4 * 1024, 64 * 1024] {
            if size >= 1024 && whole.len() > cut {
                let wire = Wire { read_bytes_max: cut, ..Wire::new(whole.clone()) };
                let input = format!("text cut at {}, {}", in_words(cut), in_words(size));
                receive(&mut group, input, &wire, size);
            }
        }
        if size >= 1024 {
            let pieces = fragmented(0x01, ascii.as_bytes(), size / FRAGMENTS).repeat(count(size));
            let wire = Wire { is_fragmented: true, ..Wire::new(pieces) };
            let input = format!("text in {FRAGMENTS} fragments, {}", in_words(size));
            receive(&mut group, input, &wire, size);
        }
        echo(&mut group, &Wire::new(whole), size);
    }
    group.finish();
}

fn receive(group: &mut BenchmarkGroup<'_, CpuTime>, input: String, wire: &Wire, size: usize) {
    let count = count(size);
    let is_text = input.starts_with("text");
    let mut row = Row::new(group, input, count, count * size);
    for (name, mut endpoint) in receivers(wire) {
        row.bench(name, || assert_eq!(endpoint.receive(count), count * size));
    }
    // The least that must happen: the bytes arrive and, if they are text, are looked at.
    let arriving: Vec<u8> = text(FOX, wire.bytes.len()).into_bytes();
    let mut buffer = Paged::new(arriving.len(), &UNALIGNED);
    row.bench(if is_text { "memcpy and simdutf8" } else { "memcpy" }, || {
        let buffer = buffer.next_place();
        bring(buffer, black_box(&arriving));
        if is_text {
            let text = simdutf8::basic::from_utf8(black_box(buffer)).expect("text");
            assert_eq!(text.len(), arriving.len());
        } else {
            assert_eq!(black_box(buffer).last(), arriving.last());
        }
    });
}

fn echo(group: &mut BenchmarkGroup<'_, CpuTime>, wire: &Wire, size: usize) {
    let count = count(size);
    let header = match size {
        ..126 => 2,
        126..65536 => 4,
        _ => 10,
    };
    let input = format!("echo of text, {}", in_words(size));
    let mut row = Row::new(group, input, count, count * size);
    for (name, mut endpoint) in receivers(wire) {
        row.bench(name, || assert_eq!(endpoint.echo(count), count * (header + size)));
    }
}
