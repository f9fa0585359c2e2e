//! What is appended to an outbox is written, whole and in order, whatever the transport takes.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::Choices;
use sockeye_protocol::Outbox;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let (mut outbox, mut expected) = (Outbox::new(), VecDeque::new());
    while !choices.is_empty() {
        match choices.below(6) {
            0 | 1 => {
                let payload = choices.payload();
                outbox.append(&payload);
                expected.extend(payload.iter().copied());
            }
            2 => {
                let payload = choices.payload().into_owned();
                expected.extend(payload.iter().copied());
                outbox.append_shared(payload.into());
            }
            3 => {
                let written = usize::from(choices.number()).min(outbox.len());
                let taken = outbox.chunks().flatten().copied().take(written).collect::<Vec<_>>();
                assert!(expected.drain(..written).eq(taken));
                outbox.advance(written);
            }
            4 => {
                let popped = outbox.pop();
                assert_eq!(popped.is_none(), expected.is_empty());
                let popped = popped.iter().flat_map(|segment| segment.as_slice()).copied();
                let popped = popped.collect::<Vec<_>>();
                assert!(expected.drain(..popped.len()).eq(popped));
            }
            _ => match choices.coin() {
                true => drop(outbox.take_spare()),
                false => outbox.lend(Vec::with_capacity(usize::from(choices.byte()))),
            },
        }
        assert_eq!((outbox.len(), outbox.is_empty()), (expected.len(), expected.is_empty()));
        assert!(outbox.chunks().all(|chunk| !chunk.is_empty()));
        assert!(outbox.first_chunk().is_empty() == outbox.is_empty());
    }
    assert!(outbox.chunks().flatten().eq(&expected));
});
