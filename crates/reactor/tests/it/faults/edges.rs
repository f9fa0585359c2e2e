//! Bytes, the end and urgent data that come in one edge: nothing behind them may be lost, since no other
//! edge follows.

use sockeye_reactor::Cause;

use super::{Caller, Shore};
use crate::frames::{BINARY, CLOSE, TEXT, close, masked, request};
use crate::support::{Told, echo};

/// All frames that a peer has been sent when its stream has ended.
fn until_the_end(shore: &mut Shore, caller: &mut Caller) -> Vec<(u8, Vec<u8>)> {
    shore.until("the end", |_| !caller.read());
    let mut frames = Vec::new();
    while let Some(frame) = caller.next() {
        frames.push(frame);
    }
    frames
}

#[test]
fn a_message_and_the_end_in_one_edge_are_both_seen() {
    let mut shore = Shore::new(echo());
    let mut caller = shore.open();
    caller.write(&masked(TEXT, b"last words"));
    caller.finish();
    let frames = until_the_end(&mut shore, &mut caller);
    assert_eq!(frames, [(TEXT, b"last words".to_vec())]);
    shore.until("over", |shore| shore.reactor.sessions() == 0);
    assert_eq!(shore.causes(), [Cause::Eof]);
}

#[test]
fn a_whole_life_in_one_edge_is_lived() {
    let mut shore = Shore::new(echo());
    let mut caller = shore.call();
    let life = [request("/"), masked(TEXT, b"one"), masked(TEXT, b"two"), close(1000)].concat();
    caller.write(&life);
    caller.finish();
    shore.until("the answer", |_| {
        caller.read();
        !caller.bytes.is_empty()
    });
    assert!(caller.head().is_some_and(|head| head.starts_with("HTTP/1.1 101 ")));
    let frames = until_the_end(&mut shore, &mut caller);
    let [one, two, (CLOSE, code)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((&one.1[..], &two.1[..], &code[..]), (&b"one"[..], &b"two"[..], &[3, 232][..]));
    shore.until("over", |shore| shore.reactor.sessions() == 0);
    assert_eq!(shore.causes(), [Cause::Closed]);
}

/// The end comes with the last bytes of a message that is read straight into its own memory.
#[test]
fn the_end_behind_a_large_message_is_seen() {
    const LEN: usize = 700_000;
    let mut shore = Shore::new(echo());
    let mut caller = shore.open();
    let frame = masked(BINARY, &[9; LEN]);
    let (mut written, last) = (0, frame.len() - 1000);
    while written < last {
        written += caller.write_some(&frame[written..last]);
        shore.turn();
    }
    caller.write(&frame[last..]);
    caller.finish();
    let frames = until_the_end(&mut shore, &mut caller);
    assert_eq!(frames.iter().map(|(_, payload)| payload.len()).collect::<Vec<_>>(), [LEN]);
    shore.until("over", |shore| shore.reactor.sessions() == 0);
    assert_eq!(shore.causes(), [Cause::Eof]);
}

/// Urgent data cuts a read short wherever it lies, and is no part of the stream.
#[cfg(target_os = "linux")]
#[test]
fn urgent_data_hides_nothing_that_follows_it() {
    let frame = masked(TEXT, b"before and behind");
    for cut in [0, 1, 4, 10, frame.len()] {
        let mut shore = Shore::new(echo());
        let mut caller = shore.open();
        if cut > 0 {
            caller.write(&frame[..cut]);
        }
        urge(&caller);
        caller.write(&frame[cut..]);
        caller.write(&masked(TEXT, b"the next"));
        assert_eq!(shore.next(&mut caller), (TEXT, b"before and behind".to_vec()), "{cut}");
        assert_eq!(shore.next(&mut caller), (TEXT, b"the next".to_vec()), "{cut}");
        urge(&caller);
        shore.assert_served(&mut caller);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn urgent_data_hides_no_end_and_costs_no_turns() {
    let mut shore = Shore::new(echo());
    let mut caller = shore.open();
    caller.write(&masked(TEXT, b"last words"));
    urge(&caller);
    caller.finish();
    let frames = until_the_end(&mut shore, &mut caller);
    assert_eq!(frames, [(TEXT, b"last words".to_vec())]);
    shore.until("over", |shore| shore.reactor.sessions() == 0);
    assert_eq!(shore.causes(), [Cause::Eof]);

    let caller = shore.open();
    let reads = shore.reactor.stats().reads;
    for _ in 0..100 {
        urge(&caller);
        shore.turn();
    }
    for _ in 0..1000 {
        shore.turn();
    }
    let reads = shore.reactor.stats().reads - reads;
    assert!(reads <= 200, "{reads} reads for 100 urgent bytes");
    assert_eq!(shore.count(|told| matches!(told, Told::Panicked)), 0);
}

#[cfg(target_os = "linux")]
fn urge(caller: &Caller) {
    socket2::SockRef::from(&caller.stream).send_out_of_band(b"!").expect("urgent");
}
