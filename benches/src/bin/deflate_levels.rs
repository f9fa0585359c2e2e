//! What compression levels, windows and sizes of messages come to: the share of the bytes that is
//! left, and the processor's time, the least of many rounds. For choosing defaults.

use std::hint::black_box;

use sockeye_benches::{json_messages, thread_cpu_time};

const ROUNDS: usize = 60;

struct Figures {
    share: f64,
    nanoseconds: f64,
}

fn deflater(level: i32, window_bits: i32) -> zlib_rs::Deflate {
    zlib_rs::Deflate::new_with_config(zlib_rs::DeflateConfig {
        level,
        window_bits: -window_bits,
        mem_level: 6,
        ..zlib_rs::DeflateConfig::default()
    })
}

/// Compresses `texts`, each with a flush, and returns the bytes of it without tails.
fn compress(stream: &mut zlib_rs::Deflate, texts: &[String], kept: bool, target: &mut [u8]) -> u64 {
    let mut len = 0;
    for text in texts {
        if !kept {
            stream.reset();
        }
        let before = stream.total_out();
        let flush = zlib_rs::DeflateFlush::SyncFlush;
        black_box(stream.compress(text.as_bytes(), target, flush)).expect("it compresses");
        len += stream.total_out() - before - 4;
    }
    len
}

fn measure(level: i32, window_bits: i32, size: usize, kept: bool) -> Figures {
    let texts = json_messages(size, (128 * 1024 / size).clamp(4, 512));
    let mut target = vec![0; 2 * size + 100];
    let mut stream = deflater(level, window_bits);
    let mut least = f64::INFINITY;
    let mut len = 0;
    for _ in 0..ROUNDS {
        stream.reset();
        let start = thread_cpu_time();
        len = compress(&mut stream, &texts, kept, &mut target);
        least = least.min((thread_cpu_time() - start).as_nanos() as f64);
    }
    let count = texts.len() as f64;
    Figures { share: len as f64 / (count * size as f64), nanoseconds: least / count }
}

fn main() {
    println!("share of the bytes left, and microseconds a message\n");
    for kept in [false, true] {
        println!("{}", if kept { "with context, window 15" } else { "each message alone" });
        let sizes = [64, 125, 256, 512, 1024, 4096, 65536];
        print!("level");
        sizes.iter().for_each(|size| print!("{size:>16}"));
        println!();
        for level in 1..=9 {
            print!("{level:>5}");
            for size in sizes {
                let Figures { share, nanoseconds } = measure(level, 15, size, kept);
                print!("{:>7.1} %{:>7.1}", 100.0 * share, nanoseconds / 1000.0);
            }
            println!();
        }
        println!();
    }
    println!("with context, level 4, by window");
    for window in 9..=15 {
        print!("{window:>5}");
        for size in [125, 1024, 65536] {
            let Figures { share, nanoseconds } = measure(4, window, size, true);
            print!("{:>7.1} %{:>7.1}", 100.0 * share, nanoseconds / 1000.0);
        }
        println!();
    }
}
