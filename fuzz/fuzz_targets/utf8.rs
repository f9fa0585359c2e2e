//! A text is refused at the byte at which std says that it cannot become UTF-8 any more, and at its
//! end if it is not, however it is fragmented.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{Choices, Endpoint, Report, frame};
use sockeye_protocol::Role;

/// How many bytes come before the first that makes UTF-8 impossible, if one does.
fn possible(text: &[u8]) -> Option<usize> {
    let error = std::str::from_utf8(text).err()?;
    let (_, rest) = text.split_at(error.valid_up_to());
    let is_impossible = |len: &usize| {
        std::str::from_utf8(&rest[..*len]).is_err_and(|error| error.error_len().is_some())
    };
    (1..=rest.len()).find(is_impossible).map(|len| error.valid_up_to() + len - 1)
}

/// A receiver of that role gets the text in two frames, byte by byte; and behind `padding`, which
/// moves it over the borders of blocks, in one frame and in two.
fn check(role: Role, key: Option<[u8; 4]>, padding: &[u8], fragments: [&[u8]; 2]) {
    let text = fragments.concat();
    let expected = std::str::from_utf8(&text).ok();
    let padded = [padding, &text].concat();
    let mut whole = Endpoint::patient(role, None);
    whole.receive(&frame(0x81, key, &padded));
    let mut halves = Endpoint::patient(role, None);
    let (first, second) = padded.split_at(padded.len() / 2);
    halves.receive(&[frame(0x01, key, first), frame(0x80, key, second)].concat());
    let mut pieces = Endpoint::patient(role, None);
    let mut taken = 0;
    for (fragment, first) in fragments.into_iter().zip([0x01, 0x80]) {
        let frame = frame(first, key, fragment);
        let (header, payload) = frame.split_at(frame.len() - fragment.len());
        pieces.receive(header);
        for byte in payload {
            if pieces.reports.is_empty() {
                pieces.receive(&[*byte]);
                taken += 1;
            }
        }
    }
    for (endpoint, padding) in [(whole, padding), (halves, padding), (pieces, b"")] {
        match (&endpoint.reports[..], expected) {
            ([Report::Text(text)], Some(expected)) => {
                assert_eq!(text.as_bytes().strip_prefix(padding), Some(expected.as_bytes()));
            }
            ([Report::Failed(_)], None) => {}
            other => panic!("{other:?}"),
        }
    }
    // Either there, or at the end if that lies inside a character.
    let possible = possible(&text).unwrap_or(text.len().saturating_sub(1));
    assert!(expected.is_some() || taken == possible + 1, "refused after {taken} bytes");
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let fragments = [choices.slice(), choices.rest()];
    // Not every time, for the sake of speed.
    let padding = match fragments[0] {
        [0..64, low, ..] => 8 * 1024 - usize::from(*low) % 64,
        [low, ..] => usize::from(*low),
        [] => 0,
    };
    let padding = vec![b'a'; padding];
    check(Role::Client, None, &padding, fragments);
    check(Role::Server, Some([0x37, 0xFA, 0x21, 0x3D]), &padding, fragments);
});
