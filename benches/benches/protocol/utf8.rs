//! The check of UTF-8, where everyone does it: while a text message is received.
//!
//! Pieces are the frames of a fragmented message, so that everyone has to check over their seams.
//! Nearly half of the ends of pieces cut a character of "CJK". std and simdutf8 check the bare text
//! from its beginning to its end, whatever the pieces.

use std::hint::black_box;

use criterion::Criterion;
use sockeye_benches::{FOX, text};

use crate::endpoints::{Wire, fragmented, receivers};
use crate::measure::{CpuTime, Row, in_words};

const MIXED: &str = "Grüße aus Tromsø, prix 12 €, naïve café 🐟, «тест» and plain words between. ";
const CJK: &str = "いろはにほへと散りぬるを、我が世誰ぞ常ならむ。春眠不覺曉,處處聞啼鳥。";
const WHOLE: [usize; 3] = [125, 1024, 16 * 1024];
const PIECES: [usize; 3] = [7, 125, 4096];
const PIECED: usize = 16 * 1024;

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("utf8");
    for (name, sample) in [("ASCII", FOX), ("mixed", MIXED), ("CJK", CJK)] {
        let whole = WHOLE.map(|size| (size, size, in_words(size)));
        let pieced = PIECES.map(|piece| {
            (PIECED, piece, format!("{} in pieces of {}", in_words(PIECED), in_words(piece)))
        });
        for (size, piece, input) in whole.into_iter().chain(pieced) {
            let text = text(sample, size);
            let count = (16 * 1024 / size).max(1);
            let bytes = fragmented(0x01, text.as_bytes(), piece).repeat(count);
            let wire = Wire { is_fragmented: piece < size, ..Wire::new(bytes) };
            let input = format!("{name}, {input}");
            let mut row = Row::new(&mut group, input, count, count * size);
            for (name, mut endpoint) in receivers(&wire) {
                row.bench(name, || assert_eq!(endpoint.receive(count), count * size));
            }
            row.bench("std", || {
                for _ in 0..count {
                    let checked = std::str::from_utf8(black_box(text.as_bytes()));
                    assert_eq!(checked.expect("text").len(), size);
                }
            });
            row.bench("simdutf8", || {
                for _ in 0..count {
                    let checked = simdutf8::basic::from_utf8(black_box(text.as_bytes()));
                    assert_eq!(checked.expect("text").len(), size);
                }
            });
        }
    }
    group.finish();
}
