//! What one end sends arrives at the other, whole and in order, over any delays and cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{Choices, Pair};

fuzz_target!(|data: &[u8]| Pair::new(None).talk(Choices::new(data)));
