//! The outbox against the plainest queue of bytes there is.

use std::io::{self, IoSlice};

use bytes::Bytes;
use proptest::prelude::*;
use sockeye_protocol::Outbox;

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    AppendShared(usize),
    /// So many thousandths of what waits have been written.
    Advance(usize),
    Pop,
    TakeSpare,
    Lend(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![3 => 0_usize..40, 2 => 400_usize..2000, 1 => 30_000_usize..70_000];
    prop_oneof![
        4 => len.clone().prop_map(Step::Append),
        3 => len.clone().prop_map(Step::AppendShared),
        3 => (0_usize..=1000).prop_map(Step::Advance),
        1 => Just(Step::Advance(1000)),
        1 => Just(Step::Pop),
        1 => Just(Step::TakeSpare),
        1 => len.prop_map(Step::Lend),
    ]
}

fn assert_same(outbox: &Outbox, model: &[u8]) {
    assert_eq!(outbox.len(), model.len());
    assert_eq!(outbox.is_empty(), model.is_empty());
    assert!(outbox.chunks().all(|chunk| !chunk.is_empty()));
    assert!(outbox.chunks().collect::<Vec<_>>().concat() == model);
    for room in [0, 1, 2, 64] {
        let mut slices = vec![IoSlice::new(&[]); room];
        let filled = outbox.io_slices(&mut slices);
        assert_eq!(filled, outbox.chunks().count().min(room));
        assert!(slices[..filled].iter().map(|slice| &**slice).eq(outbox.chunks().take(room)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dat_05_whatever_is_done_to_it_the_bytes_come_out_in_order(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut outbox = Outbox::new();
        let mut model = Vec::new();
        let mut next = 0_u8;
        for step in steps {
            let mut fresh = |len: usize| -> Vec<u8> {
                next = next.wrapping_add(1);
                (0..len).map(|index| next.wrapping_add(index.to_le_bytes()[0])).collect()
            };
            match step {
                Step::Append(len) => {
                    let bytes = fresh(len);
                    outbox.append(&bytes);
                    model.extend(bytes);
                }
                Step::AppendShared(len) => {
                    let bytes = fresh(len);
                    outbox.append_shared(Bytes::from(bytes.clone()));
                    model.extend(bytes);
                }
                Step::Advance(thousandths) => {
                    let written = model.len() * thousandths / 1000;
                    outbox.advance(written);
                    model.drain(..written);
                }
                Step::Pop => {
                    let segment = outbox.pop();
                    prop_assert_eq!(segment.is_none(), model.is_empty());
                    if let Some(segment) = segment {
                        let rest = model.split_off(segment.as_slice().len());
                        prop_assert!(model == segment.as_slice());
                        model = rest;
                        prop_assert!(!segment.as_slice().is_empty());
                    }
                }
                Step::TakeSpare => {
                    let spare = outbox.take_spare();
                    prop_assert!(spare.is_none() || (model.is_empty() && outbox.needs_spare()));
                }
                Step::Lend(capacity) => {
                    let needed = outbox.needs_spare();
                    outbox.lend(vec![9; capacity]);
                    prop_assert!(!needed || capacity == 0 || !outbox.needs_spare());
                }
            }
            assert_same(&outbox, &model);
        }
    }
}

/// Takes at most so many bytes at once, then would block, is interrupted, and goes on.
struct Trickle {
    written: Vec<u8>,
    step: usize,
    calls: usize,
}

impl io::Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls % 4 {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            2 => Err(io::ErrorKind::Interrupted.into()),
            _ => {
                let taken = bytes.len().min(self.step);
                self.written.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_writer_did_not_take_waits_for_the_next_call() {
    let mut outbox = Outbox::new();
    for piece in 0..40 {
        outbox.append_shared(Bytes::from(vec![piece; 600]));
    }
    let expected = content(&outbox);
    let mut trickle = Trickle { written: Vec::new(), step: 1000, calls: 0 };
    while let Err(error) = outbox.write_to(&mut trickle) {
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(content(&outbox), expected[trickle.written.len()..]);
    }
    assert_eq!(trickle.written, expected);
    assert!(outbox.is_empty());

    let mut full = [0; 4];
    outbox.append(b"abcdef");
    let error = outbox.write_to(&mut &mut full[..]).expect_err("there is no room");
    assert_eq!((error.kind(), &full), (io::ErrorKind::WriteZero, b"abcd"));
    assert_eq!(content(&outbox), b"ef");
}

fn content(outbox: &Outbox) -> Vec<u8> {
    outbox.chunks().collect::<Vec<_>>().concat()
}
