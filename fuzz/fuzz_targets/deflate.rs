//! The same with compression: any settings on both ends, and any mixture of messages that are
//! compressed for this connection, compressed once for many, and not compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{Choices, Pair, deflate_config};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let settings = [deflate_config(&mut choices), deflate_config(&mut choices)];
    Pair::new(Some(settings)).talk(choices);
});
