//! The same bytes, whole and cut by the fuzzer, give the same events and the same answer.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::{Config, Connection, Instant, MaskKeys, Outbox, Output, Role};

/// Predictable on purpose: both runs must send the same.
struct Keys(u8);

impl MaskKeys for Keys {
    fn next_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(1);
        [self.0; 4]
    }
}

fn run(role: Role, data: &[u8], piece_len: usize) -> (Vec<String>, Vec<u8>) {
    let mut config = Config::default();
    config.message_bytes_max = 4096;
    let mut connection = Connection::new(role, Arc::new(config), Instant::ZERO);
    let (mut outbox, mut mask_keys, mut events) = (Outbox::new(), Keys(0), Vec::new());
    for piece in data.chunks(piece_len) {
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        let mut output =
            Output { outbox: &mut outbox, mask_keys: &mut mask_keys, now: Instant::from_nanos(7) };
        loop {
            match connection.receive(&mut input, &mut output) {
                Ok(Some(event)) => events.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => events.push(format!("{error:?}")),
            }
        }
        assert!(input.is_empty());
    }
    events.push(format!("{:?} {:?}", connection.closed(), connection.transport()));
    events.push(format!("{:?}", connection.poll_timeout()));
    (events, outbox.chunks().flatten().copied().collect())
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let role = if first & 1 == 0 { Role::Server } else { Role::Client };
    assert_eq!(run(role, data, data.len().max(1)), run(role, data, usize::from(first >> 1) + 1));
});
