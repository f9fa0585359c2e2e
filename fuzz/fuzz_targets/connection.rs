//! Whatever happens to a connection, in any order: no panic, no event behind the end, memory within
//! the limits, only legal frames sent, every message that was taken sent whole, and an end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{Choices, operate};

fuzz_target!(|data: &[u8]| operate(Choices::new(data)));
