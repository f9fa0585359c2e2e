//! Resets, broken pipes and half-closed streams in every phase of a session that was accepted.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;

use sockeye_protocol::Event;
use sockeye_reactor::{Accept, Cause, Decision, Ticket, deferred};

use super::spy::Call;
use super::{Caller, Shore};
use crate::frames::{BINARY, CLOSE, TEXT, close, masked, request};
use crate::support::{Moment, Script, Scripted, Told};

/// What the peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A reset: the next read fails with ECONNRESET.
    Reset,
    /// The end of what it sends; it reads on.
    HalfClose,
    /// Both, in this order: what is written fails with EPIPE.
    HalfCloseThenReset,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Accepted, and not a byte has come.
    Silent,
    /// Half a request has come.
    Handshake,
    /// The decision about it is made elsewhere.
    Deferred,
    /// Open, and nothing on its way.
    Open,
    /// Open, with an answer that will be written after the fault.
    Answering,
    /// Half a small message has come.
    MessageHalfWay,
    /// Half a message has come that is read straight into its own memory.
    LargeMessageHalfWay,
    /// The first of a message's frames has come.
    Fragment,
    /// The handler has reading paused.
    Paused,
    /// More waits than the peer takes.
    Stalled,
    /// We have sent a Close frame, which is not answered.
    Closing,
    /// Both have sent their Close frames, and the peer has not ended the transport.
    Ending,
    /// A request was refused, and the peer has not ended the transport.
    Refused,
}

const PHASES: [Phase; 13] = [
    Phase::Silent,
    Phase::Handshake,
    Phase::Deferred,
    Phase::Open,
    Phase::Answering,
    Phase::MessageHalfWay,
    Phase::LargeMessageHalfWay,
    Phase::Fragment,
    Phase::Paused,
    Phase::Stalled,
    Phase::Closing,
    Phase::Ending,
    Phase::Refused,
];

/// An answer that no system takes while its peer does not read, and an outbox does.
const FLOOD: usize = 12_000_000;

/// Echoes; pauses when told to.
fn script() -> Script {
    Rc::new(|peer, moment| {
        if let Moment::Event(Event::Text(text)) = moment {
            match &**text {
                "pause" => peer.pause(),
                "flood" => {
                    peer.send_binary(&[7; FLOOD]).expect("an open session");
                }
                _ => peer.send_text(text).expect("an open session"),
            }
        }
    })
}

type Tickets = Rc<RefCell<Vec<Ticket<Scripted>>>>;

/// A loop that defers what asks for `/deferred`.
fn shore() -> (Shore, Tickets) {
    let mut shore = Shore::configured(script(), |config| {
        let mut connection = sockeye_protocol::Config::default();
        connection.outbox_bytes_max = 2 * FLOOD;
        config.connection = Arc::new(connection);
    });
    let tickets = Tickets::default();
    let (log, script, kept) = (shore.log.clone(), script(), tickets.clone());
    shore.reactor.service_mut().decide = Some(Box::new(move |head| {
        if head.request().path() == "/deferred" {
            let (ticket, deferred) = deferred();
            kept.borrow_mut().push(ticket);
            return Decision::Defer(deferred);
        }
        Decision::Accept(Accept::new(Scripted::new(&log, &script)))
    }));
    (shore, tickets)
}

/// Brings a peer into a phase.
fn enter(shore: &mut Shore, tickets: &Tickets, phase: Phase) -> Caller {
    match phase {
        Phase::Silent => shore.accepted(),
        Phase::Handshake => {
            let mut caller = shore.accepted();
            send(shore, &mut caller, &request("/")[..30]);
            caller
        }
        Phase::Deferred => {
            let mut caller = shore.accepted();
            caller.write(&request("/deferred"));
            shore.until("deferred", |_| !tickets.borrow().is_empty());
            caller
        }
        Phase::Refused => {
            let mut caller = shore.accepted();
            caller.write(&request("/missing"));
            shore.until("refused", |_| caller.head().is_some());
            caller
        }
        _ => enter_open(shore, phase),
    }
}

fn enter_open(shore: &mut Shore, phase: Phase) -> Caller {
    let mut caller = shore.open();
    match phase {
        Phase::MessageHalfWay => {
            send(shore, &mut caller, &masked(TEXT, b"half of it")[..9]);
        }
        Phase::LargeMessageHalfWay => {
            let frame = masked(BINARY, &[1; 200_000]);
            send(shore, &mut caller, &frame[..60_000]);
            send(shore, &mut caller, &frame[60_000..100_000]);
        }
        Phase::Fragment => send(shore, &mut caller, &masked(1, b"the first frame")),
        Phase::Paused => {
            caller.write(&masked(TEXT, b"pause"));
            shore.until("paused", |shore| has_heard(shore, "pause"));
        }
        Phase::Stalled => {
            caller.write(&masked(TEXT, b"flood"));
            shore.until("stalled", |shore| has_heard(shore, "flood"));
            (0..5).for_each(|_| shore.turn());
            assert!(shore.reactor.stats().bytes_written < FLOOD as u64, "it takes everything");
        }
        Phase::Closing => {
            let key = shore.last_key();
            shore.reactor.handle().close(key, None).expect("room");
            assert_eq!(shore.next(&mut caller).0, CLOSE);
        }
        Phase::Ending => {
            caller.write(&close(1000));
            assert_eq!(shore.next(&mut caller).0, CLOSE);
        }
        _ => {}
    }
    caller
}

fn has_heard(shore: &Shore, wanted: &str) -> bool {
    shore.count(|told| matches!(told, Told::Text(text) if text == wanted)) > 0
}

/// Writes bytes, and waits until the loop has read them.
fn send(shore: &mut Shore, caller: &mut Caller, bytes: &[u8]) {
    let wanted = shore.reactor.stats().bytes_read + bytes.len() as u64;
    caller.write(bytes);
    shore.until("read", |shore| shore.reactor.stats().bytes_read >= wanted);
}

/// What the peer does, while the loop is elsewhere.
fn commit(mut caller: Caller, phase: Phase, fault: Fault) -> Option<Caller> {
    if phase == Phase::Answering {
        caller.write(&masked(TEXT, b"an answer, please"));
    }
    if fault != Fault::Reset {
        caller.finish();
    }
    if fault == Fault::HalfClose {
        return Some(caller);
    }
    caller.reset();
    None
}

/// What makes the loop look at a session from which it does not read.
fn stir(shore: &mut Shore, tickets: &Tickets, phase: Phase) {
    match phase {
        Phase::Deferred => {
            for ticket in tickets.borrow_mut().drain(..) {
                let handler = Scripted::new(&shore.log, &script());
                ticket.answer(Decision::Accept(Accept::new(handler)));
            }
        }
        Phase::Paused => {
            let key = shore.last_key();
            shore.with_peer(key, |peer| peer.send_text("are you there?").expect("room"));
            shore.turn();
            shore.reactor.service_mut().task = Some(Box::new(move |peers| {
                if let Some(mut peer) = peers.get(key) {
                    peer.resume();
                }
            }));
        }
        _ => {}
    }
}

/// Whether a session that ended so ended as it should, by the causes that its handler was told.
fn is_right(phase: Phase, fault: Fault, causes: &[Cause]) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset};
    match (phase, fault, causes) {
        (Phase::Silent | Phase::Handshake | Phase::Refused, _, []) => true,
        (Phase::Ending, _, [Cause::Closed]) => true,
        (Phase::Silent | Phase::Handshake | Phase::Refused | Phase::Ending, ..) => false,
        (_, Fault::HalfClose, [Cause::Eof]) => true,
        (_, Fault::Reset, [Cause::Transport(ConnectionReset | BrokenPipe)]) => true,
        (_, Fault::HalfCloseThenReset, [Cause::Eof | Cause::Transport(BrokenPipe)]) => true,
        _ => false,
    }
}

#[test]
fn threat_q7_every_fault_in_every_phase_ends_its_own_session_at_once_and_no_other() {
    for phase in PHASES {
        for fault in [Fault::Reset, Fault::HalfClose, Fault::HalfCloseThenReset] {
            let (mut shore, tickets) = shore();
            let mut bystander = shore.open();
            let caller = enter(&mut shore, &tickets, phase);
            let mut left = commit(caller, phase, fault);
            stir(&mut shore, &tickets, phase);
            shore.until(&format!("over after {fault:?} in {phase:?}"), |shore| {
                // Who only ended its own direction reads on.
                left.as_mut().map(Caller::read);
                shore.reactor.sessions() == 1
            });
            let causes = shore.causes();
            assert!(is_right(phase, fault, &causes), "{causes:?} for {fault:?} in {phase:?}");
            assert_eq!(shore.count(|told| matches!(told, Told::Panicked)), 0);
            if let Some(caller) = &mut left {
                assert_heard(caller, phase);
            }
            let errors = shore.errors.borrow().clone();
            shore.assert_served(&mut bystander);
            let writes = [Phase::Deferred, Phase::Answering, Phase::Paused, Phase::Stalled];
            let kind = match fault {
                Fault::Reset => Some(ErrorKind::ConnectionReset),
                Fault::HalfCloseThenReset if writes.contains(&phase) => Some(ErrorKind::BrokenPipe),
                _ => None,
            };
            let is_met = kind.is_none_or(|kind| errors.iter().any(|(_, met)| *met == kind));
            assert!(is_met, "{fault:?} in {phase:?} gave {errors:?}");
            let is_known = |(call, _): &(Call, _)| matches!(call, Call::Receive | Call::Send);
            assert!(errors.iter().all(is_known), "{errors:?}");
        }
    }
}

/// What was on its way to a peer that ended only its own direction has come, and the end behind it.
fn assert_heard(caller: &mut Caller, phase: Phase) {
    let mut frames: Vec<(u8, Vec<u8>)> = Vec::new();
    if phase == Phase::Deferred {
        assert!(caller.head().is_some_and(|head| head.starts_with("HTTP/1.1 101 ")));
    }
    while let Some(frame) = caller.next() {
        frames.push(frame);
    }
    assert!(!caller.read(), "the transport was ended after {phase:?}");
    match phase {
        Phase::Answering => assert_eq!(frames, [(TEXT, b"an answer, please".to_vec())]),
        Phase::Paused => assert_eq!(frames, [(TEXT, b"are you there?".to_vec())]),
        Phase::Stalled => assert_eq!(frames[0].1.len(), FLOOD),
        _ => {}
    }
}
