//! Section 7 as a model: every short sequence of what can happen to a connection, in both roles.

use std::time::Duration;

use sockeye_protocol::{
    CloseCode, Closed, Config, Initiator, Prepared, Role, SendError, Transport,
};

use crate::support::{Endpoint, describe_frames, frame};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Close,
    Fail,
    PeerCloses,
    PeerPings,
    PeerBreaksARule,
    PeerEnds,
    TimePasses,
}

use Step::{Close, Fail, PeerBreaksARule, PeerCloses, PeerEnds, PeerPings, TimePasses};

const STEPS: [Step; 7] =
    [Close, Fail, PeerCloses, PeerPings, PeerBreaksARule, PeerEnds, TimePasses];

fn perform(endpoint: &mut Endpoint, step: Step) {
    let role = endpoint.connection.role();
    match step {
        Close => {
            let _ = endpoint.with(|connection, output| {
                connection.close(Some(CloseCode::NORMAL.into()), output)
            });
        }
        Fail => endpoint.with(|connection, output| connection.fail(CloseCode::INTERNAL, output)),
        PeerCloses => endpoint.feed(&frame(role, 0x88, b"\x0B\xB8")).expect("legal"),
        PeerPings => endpoint.feed(&frame(role, 0x89, b"p")).expect("legal"),
        PeerBreaksARule => {
            let _ = endpoint.feed(&frame(role, 0x83, b""));
        }
        PeerEnds => endpoint.connection.receive_eof(),
        TimePasses => {
            endpoint.now += Duration::from_secs(6);
            let _ = endpoint.with(|connection, output| connection.handle_timeout(output));
        }
    }
}

/// What the RFC says about the verdict, written down apart from the state machine.
fn expected(steps: &[Step]) -> Option<(u16, Initiator, bool)> {
    let mut closed_at = None;
    for (index, step) in steps.iter().enumerate() {
        let began = closed_at.is_some();
        let by = if began { Initiator::Local } else { Initiator::Peer };
        match step {
            Close => closed_at = closed_at.or(Some(index)),
            Fail => return Some((1011, Initiator::Local, false)),
            PeerCloses => return Some((3000, by, true)),
            PeerBreaksARule => return Some((1002, Initiator::Local, false)),
            PeerEnds => return Some((1006, by, false)),
            // Six seconds are more than the closing handshake may take.
            TimePasses if began => return Some((1006, Initiator::Local, false)),
            TimePasses | PeerPings => {}
        }
    }
    None
}

fn rank(transport: Transport) -> u8 {
    match transport {
        Transport::Keep => 0,
        Transport::Linger => 1,
        Transport::Close => 2,
    }
}

/// DAT-01: nothing is sent any more, and the refusal leaves no trace.
fn assert_sends_nothing(endpoint: &mut Endpoint, name: &str) {
    endpoint.with(|connection, output| {
        let before = output.outbox.len();
        for verdict in [
            connection.send_text("late", output),
            connection.send_binary(b"late", output),
            connection.send_text_owned("late".to_owned(), output),
            connection.send_binary_owned(vec![0; 20_000], output),
            connection.send_prepared(&Prepared::text("late"), output),
            connection.send_ping(b"", output),
            connection.send_pong(b"", output),
            connection.close(None, output),
        ] {
            assert_eq!(verdict, Err(SendError::NotOpen), "{name}");
        }
        assert_eq!(output.outbox.len(), before, "{name}");
    });
}

fn check(role: Role, steps: &[Step]) {
    let name = format!("{steps:?} as {role:?}");
    let mut endpoint = Endpoint::new(role, Config::default());
    let mut verdict: Option<Closed> = None;
    let (mut was_open, mut rank_before) = (true, 0);
    for (index, step) in steps.iter().enumerate() {
        perform(&mut endpoint, *step);
        let connection = &endpoint.connection;
        // CLS-39: the verdict comes once and stays.
        if verdict.is_some() {
            assert_eq!(connection.closed(), verdict.as_ref(), "{name}");
        }
        verdict = connection.closed().cloned();
        let told = verdict.as_ref().map(|closed| (closed.code.as_u16(), closed.by, closed.clean));
        assert_eq!(told, expected(&steps[..=index]), "{name}");
        // CLS-16: no way leads back.
        assert!(was_open || !connection.is_open(), "{name}");
        was_open = connection.is_open();
        assert_eq!(
            was_open,
            verdict.is_none() && !steps[..=index].contains(&Close),
            "{name} at {index}"
        );
        assert!(rank(connection.transport()) >= rank_before, "{name}");
        rank_before = rank(connection.transport());
        // CLS-38: whoever is not open and not ended has a deadline; who has ended has none.
        match connection.transport() {
            Transport::Close => assert_eq!(connection.poll_timeout(), None, "{name}"),
            _ => assert!(connection.poll_timeout().is_some(), "{name}"),
        }
        if !was_open {
            assert_sends_nothing(&mut endpoint, &name);
        }
    }
    let sent = describe_frames(&endpoint.take_sent(), role);
    let closes = sent.iter().filter(|frame| frame.starts_with("close")).count();
    let first = steps.iter().find(|step| !matches!(step, PeerPings | TimePasses));
    // CLS-05, CLS-21: one Close frame unless the transport had gone before; behind it pongs only.
    assert_eq!(
        closes,
        usize::from(first.is_some_and(|step| *step != PeerEnds)),
        "{name}: {sent:?}"
    );
}

#[test]
fn cls_05_16_17_20_38_39_dat_01_every_short_sequence_ends_once() {
    for role in [Role::Server, Role::Client] {
        for code in 0..STEPS.len().pow(4) {
            let steps: Vec<Step> =
                (0..4).map(|place| STEPS[code / STEPS.len().pow(place) % STEPS.len()]).collect();
            check(role, &steps);
        }
    }
}
