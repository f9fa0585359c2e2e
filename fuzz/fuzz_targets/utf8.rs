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

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let fragments = [choices.slice(), choices.rest()];
    let text = fragments.concat();
    let mut endpoint = Endpoint::patient(Role::Client, None);
    let mut taken = 0;
    for (fragment, first) in fragments.into_iter().zip([0x01, 0x80]) {
        let frame = frame(first, None, fragment);
        let (header, payload) = frame.split_at(frame.len() - fragment.len());
        endpoint.receive(header);
        for byte in payload {
            endpoint.receive(&[*byte]);
            taken += 1;
            if matches!(endpoint.reports.last(), Some(Report::Failed(_))) {
                // Either here, or at the end if that lies inside a character.
                let expected = possible(&text).unwrap_or(text.len() - 1);
                assert_eq!(taken - 1, expected);
                return;
            }
        }
    }
    let mut whole = Endpoint::patient(Role::Client, None);
    whole.receive(&frame(0x81, None, &text));
    for endpoint in [endpoint, whole] {
        match std::str::from_utf8(&text) {
            Ok(text) => assert_eq!(endpoint.reports, [Report::Text(text.to_owned())]),
            Err(_) => assert!(matches!(endpoint.reports[..], [Report::Failed(_)])),
        }
    }
});
