//! Any bytes as compressed messages: no panic on a small stack, no more memory than the limit and
//! what the codec itself needs, and what is inflated is what another inflater makes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use sockeye_fuzz::{Choices, Counted, Endpoint, Report, agree, deflate_config, frame, peak};
use sockeye_protocol::{Config, Role};

/// The stack of the smallest threads that a server may run on, with room for what the fuzzer adds.
const STACK_BYTES: usize = 128 * 1024;

/// What inflating needs beyond the message: an inflater and two windows.
const CODEC_BYTES_MAX: usize = 128 * 1024;

#[global_allocator]
static HEAP: Counted = Counted;

/// All messages of a connection so far, as the other inflater makes them.
#[derive(Default)]
struct Other {
    output: Vec<u8>,
    len: usize,
}

impl Other {
    /// Inflates a message of at most `limit` bytes. Behind a final block begins another stream, in
    /// the next byte, which may refer to all before it.
    fn message(&mut self, payload: &[u8], limit: usize) -> &[u8] {
        let start = self.len;
        self.output.resize(start + limit + 1024, 0);
        let mut input = &[payload, &[0x00, 0x00, 0xFF, 0xFF]].concat()[..];
        while !input.is_empty() {
            let mut stream = Box::<DecompressorOxide>::default();
            let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
            let (status, taken, made) =
                decompress(&mut stream, input, &mut self.output, self.len, flags);
            assert!(
                status == TINFLStatus::Done || taken == input.len(),
                "{status:?} of what was inflated"
            );
            input = &input[taken..];
            self.len += made;
        }
        &self.output[start..self.len]
    }
}

fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let Some([_, server]) = agree(&deflate_config(&mut choices), &deflate_config(&mut choices))
    else {
        return;
    };
    let mut config = Config::default();
    config.message_bytes_max = choices.one_of(&[0, 100, 4096, 70_000]);
    let limit = config.message_bytes_max;
    let mut endpoint = Endpoint::new(Role::Server, config, Some(&server));
    let mut other = Other::default();
    while !choices.is_empty() && endpoint.connection.is_open() {
        let payload = choices.slice();
        let frame = frame(0xC2, Some([0; 4]), payload);
        let pieces = choices.cut(&frame);
        let peak = peak(|| pieces.into_iter().for_each(|piece| endpoint.receive(piece)));
        // A message that grows is there twice while it moves, and at its end.
        assert!(peak <= 3 * limit + CODEC_BYTES_MAX, "{peak} bytes for a limit of {limit}");
        if let Some(Report::Binary(message)) = endpoint.reports.last() {
            assert_eq!(message, other.message(payload, limit));
        }
        endpoint.reports.clear();
    }
}

fuzz_target!(|data: &[u8]| {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, || run(data)).expect("a thread").join().expect("no panic");
    });
});
