//! Masking does what the loop over bytes does, wherever the payload lies and is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::Choices;
use sockeye_protocol::frame::{append_masked, mask, rotate_key};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let key: [u8; 4] = choices.array();
    let (before, behind) = (usize::from(choices.below(32)), usize::from(choices.below(32)));
    let mut buffer = choices.payload().into_owned();
    let payload =
        before.min(buffer.len())..buffer.len().saturating_sub(behind).max(before.min(buffer.len()));
    let mut expected = buffer.clone();
    for (index, byte) in expected[payload.clone()].iter_mut().enumerate() {
        *byte ^= key[index % 4];
    }
    let (mut copied, mut position) = (vec![0; before], 0);
    for piece in choices.cut(&buffer[payload.clone()]) {
        append_masked(rotate_key(key, position), piece, &mut copied);
        position += piece.len() as u64;
    }
    assert_eq!(copied[before..], expected[payload.clone()]);
    mask(key, &mut buffer[payload]);
    assert_eq!(buffer, expected);
});
