//! Masking, in place and while copying.
//!
//! One run masks at eight places in a page ([`sockeye_benches::pages`]), which begin a cache line
//! ("aligned") or not even a word ("not aligned"). No peer masks while copying: it copies first.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion};
use sockeye_benches::pages::{ALIGNED, Paged, UNALIGNED};
use sockeye_benches::{FOX, KEY, text};
use sockeye_protocol::frame;
use soketto::base::{Codec, Header, OpCode};

use crate::endpoints::by_hand;
use crate::measure::{CpuTime, Row, in_words};

const SIZES: [usize; 7] = [4, 20, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("mask");
    for (alignment, offsets) in [("aligned", &ALIGNED), ("not aligned", &UNALIGNED)] {
        for size in SIZES {
            in_place(&mut group, alignment, offsets, size);
            while_copying(&mut group, alignment, offsets, size);
        }
    }
    group.finish();
}

/// The same key, as soketto wants it.
fn soketto_header() -> Header {
    let mut header = Header::new(OpCode::Binary);
    header.set_masked(true).set_mask(u32::from_be_bytes(KEY));
    header
}

type Mask = Box<dyn Fn(&mut [u8])>;

/// Everyone who masks in place.
fn maskers() -> Vec<(&'static str, Mask)> {
    let header = soketto_header();
    vec![
        ("sockeye", Box::new(|bytes| frame::mask(black_box(KEY), bytes))),
        ("fastwebsockets", Box::new(|bytes| fastwebsockets::unmask(bytes, black_box(KEY)))),
        (
            "websocket-sans-io",
            Box::new(|bytes| websocket_sans_io::apply_mask(black_box(KEY), bytes, 0)),
        ),
        ("soketto", Box::new(move |bytes| Codec::apply_mask(black_box(&header), bytes))),
        ("by hand", Box::new(|bytes| by_hand::mask(black_box(KEY), bytes))),
    ]
}

fn in_place(
    group: &mut BenchmarkGroup<'_, CpuTime>,
    alignment: &str,
    offsets: &'static [usize; 8],
    size: usize,
) {
    let input = format!("in place, {alignment}, {}", in_words(size));
    let mut row = Row::new(group, input, offsets.len(), offsets.len() * size);
    let mut paged = Paged::new(size, offsets);
    let last = size - 1;
    for (name, mask) in maskers() {
        row.bench(name, || {
            for _ in offsets {
                let bytes = paged.next_place();
                let expected = bytes[last] ^ KEY[last % 4];
                mask(black_box(&mut *bytes));
                assert_eq!(bytes[last], expected);
            }
        });
    }
    let source = text(FOX, size).into_bytes();
    row.bench("memcpy", || {
        for _ in offsets {
            let bytes = paged.next_place();
            black_box(&mut *bytes).copy_from_slice(black_box(&source));
            assert_eq!(bytes[last], source[last]);
        }
    });
}

fn while_copying(
    group: &mut BenchmarkGroup<'_, CpuTime>,
    alignment: &str,
    offsets: &'static [usize; 8],
    size: usize,
) {
    let input = format!("copying, {alignment}, {}", in_words(size));
    let mut row = Row::new(group, input, offsets.len(), offsets.len() * size);
    let mut source = Paged::new(size, offsets);
    let mut target = Vec::with_capacity(size);
    let last = size - 1;
    row.bench("sockeye", || {
        for _ in offsets {
            let source = source.next_place();
            target.clear();
            frame::append_masked(black_box(KEY), black_box(source), &mut target);
            assert_eq!(target[last], source[last] ^ KEY[last % 4]);
        }
    });
    for (name, mask) in maskers().into_iter().skip(1) {
        row.bench(name, || {
            for _ in offsets {
                let source = source.next_place();
                target.clear();
                target.extend_from_slice(black_box(source));
                mask(black_box(&mut target[..]));
                assert_eq!(target[last], source[last] ^ KEY[last % 4]);
            }
        });
    }
    row.bench("memcpy", || {
        for _ in offsets {
            let source = source.next_place();
            target.clear();
            target.extend_from_slice(black_box(source));
            assert_eq!(black_box(&target)[last], source[last]);
        }
    });
}
