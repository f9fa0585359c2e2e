//! A drain while everybody talks, some do not listen, and some do not answer.

use std::time::Duration;

use sockeye_reactor::{Cause, DrainPlan};

use super::{Caller, Shore};
use crate::frames::{BINARY, CLOSE, close, masked, request};
use crate::support::{Told, echo};

const WITHIN: Duration = Duration::from_secs(1);

/// Somebody who talks as fast as it goes, reads, and answers a Close frame.
struct Talker {
    caller: Caller,
    frame: Vec<u8>,
    /// Bytes of a frame that are not written.
    rest: usize,
    closed: bool,
}

impl Talker {
    fn new(caller: Caller) -> Self {
        Self { caller, frame: masked(BINARY, &[5; 3000]), rest: 0, closed: false }
    }

    fn go_on(&mut self) {
        while let Some((first, _)) = self.caller.next() {
            if first == CLOSE && !self.closed {
                self.closed = true;
                self.finish_frame();
                self.caller.write(&close(1001));
                self.caller.finish();
            }
        }
        if !self.closed {
            self.finish_frame();
            self.rest = self.frame.len();
            self.finish_frame();
        }
    }

    /// Writes what is left of a frame, as far as there is room.
    fn finish_frame(&mut self) {
        let from = self.frame.len() - self.rest;
        self.rest -= self.caller.write_some(&self.frame[from..]);
    }
}

#[test]
fn a_drain_under_load_is_over_at_its_deadline_and_reports_everybody() {
    let mut shore = Shore::new(echo());
    let mut talkers: Vec<Talker> = (0..20).map(|_| Talker::new(shore.open())).collect();
    // They talk and never read: what they are owed fills their outboxes.
    let mut deaf: Vec<Talker> = (0..10).map(|_| Talker::new(shore.open())).collect();
    // They read their Close frames and do not answer.
    let mut mute: Vec<Caller> = (0..5).map(|_| shore.open()).collect();
    for _ in 0..300 {
        talkers.iter_mut().for_each(Talker::go_on);
        for talker in &mut deaf {
            talker.finish_frame();
            if talker.rest == 0 {
                talker.rest = talker.frame.len();
            }
        }
        shore.turn();
    }
    assert!(deaf.iter().all(|talker| talker.rest > 0), "nobody takes what they say any more");
    let mut late = shore.accepted();
    let heard = shore.reactor.stats().bytes_read;
    late.write(&request("/")[..20]);
    shore.until("half a request", |shore| shore.reactor.stats().bytes_read > heard);
    let draining = shore.reactor.handle().drain(DrainPlan::within(WITHIN));
    shore.turn();
    late.write(&request("/")[20..]);
    let mut report = None;
    shore.until("drained", |_| {
        talkers.iter_mut().for_each(Talker::go_on);
        mute.iter_mut().for_each(|caller| drop(caller.next()));
        report = report.or_else(|| draining.try_report());
        report.is_some()
    });
    let report = report.expect("it was waited for");
    assert_eq!((report.open, report.closed_cleanly, report.ended), (35, 20, 0));
    assert_eq!((report.cut, report.refused, report.unfinished), (15, 1, 0));
    assert!(report.took >= WITHIN, "those who do not answer are waited for");
    assert!(talkers.iter().all(|talker| talker.closed));
    let cut = |told: &Told| matches!(told, Told::Closed(outcome) if outcome.cause == Cause::Drained && !outcome.clean);
    assert_eq!(shore.count(cut), 15);
    assert_eq!(shore.causes().len(), 35, "each handler was told once");
    assert_eq!(shore.reactor.sessions(), 0);
    assert!(late.head().is_some_and(|head| head.starts_with("HTTP/1.1 503 ")));
    assert!(std::net::TcpStream::connect(shore.address).is_err(), "nobody listens any more");
}
