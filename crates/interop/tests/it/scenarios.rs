//! The table: what every peer and our end do with each other, whichever of them serves.

use std::thread;
use std::time::Duration;

use sockeye::{BlockingSocket, CloseCode, Error, Initiator, Message, PingPolicy};
use sockeye_interop::{Fault, Heard, Opened};

use crate::stage::{OurRole, SUBPROTOCOL, Stage};

/// Something that not every peer can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ability {
    /// It sends a message in fragments when told to.
    Fragments,
    /// It sends a ping when told to, and shows the pong.
    Ping,
    /// It answers a ping by itself while it waits for a message.
    Pong,
    /// It sends a Close frame without a code when told to.
    CloseWithoutCode,
    /// It tells the status of a refused upgrade.
    Status,
    /// It shows the reason in a Close frame.
    Reason,
    /// It tells the subprotocol.
    Subprotocol,
    /// It answers a Close frame with the code that was in it.
    Echo,
    /// It compresses what it sends, where that was agreed on.
    Compresses,
}

/// A row.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// A peer without one of these cannot play it.
    pub(crate) needs: &'static [Ability],
    pub(crate) run: fn(&mut Stage<'_>, &[Ability]) -> Result<(), Fault>,
}

pub(crate) const SCENARIOS: [Scenario; 13] = [
    Scenario { name: "echo at every form of the length", needs: &[], run: echo },
    Scenario { name: "compressed or not on the wire", needs: &[], run: on_the_wire },
    Scenario { name: "a hundred messages in flight", needs: &[], run: in_flight },
    Scenario { name: "fragments", needs: &[Ability::Fragments], run: fragments },
    Scenario { name: "the peer pings", needs: &[Ability::Ping], run: peer_pings },
    Scenario { name: "we ping", needs: &[Ability::Pong], run: we_ping },
    Scenario { name: "we close", needs: &[], run: we_close },
    Scenario { name: "the peer closes", needs: &[], run: peer_closes },
    Scenario {
        name: "the peer closes without a code",
        needs: &[Ability::CloseWithoutCode],
        run: peer_closes_without_code,
    },
    Scenario { name: "a subprotocol that both speak", needs: &[], run: shared_subprotocol },
    Scenario { name: "no subprotocol that both speak", needs: &[], run: foreign_subprotocol },
    Scenario { name: "a refused upgrade", needs: &[], run: refused },
    Scenario {
        name: "a message that inflates beyond the limit",
        needs: &[Ability::Compresses],
        run: inflated_beyond_the_limit,
    },
];

/// Both sides of every change of the length's encoding (RFC 6455 section 5.2), and our default limit itself.
const LENGTHS: [usize; 7] = [0, 1, 125, 126, 65535, 65536, LIMIT];
/// What our end takes by default.
const LIMIT: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(20);

fn echo(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    let mut ours = stage.meet()?;
    for length in LENGTHS {
        for message in [Message::Text(text(length)), Message::binary(bytes(length))] {
            stage.theirs.send(&message)?;
            expect_equal(&ours.recv_timeout(SOON)?, &message)?;
            ours.send(message.clone())?;
            hear(stage, &message)?;
        }
    }
    stage.part(&ours)
}

/// A megabyte of one sentence takes little room exactly where compression was agreed on.
fn on_the_wire(stage: &mut Stage<'_>, abilities: &[Ability]) -> Result<(), Fault> {
    let mut ours = stage.meet()?;
    let wire = stage.wire()?;
    let message = Message::Text("The sockeye swims upstream. ".repeat(LIMIT / 28));
    let before = wire.bytes();
    stage.theirs.send(&message)?;
    expect_equal(&ours.recv_timeout(SOON)?, &message)?;
    ours.send(message.clone())?;
    hear(stage, &message)?;
    let after = wire.bytes();
    let (up, down) = (after.0 - before.0, after.1 - before.1);
    let (from_us, from_them) =
        if stage.role() == OurRole::Server { (down, up) } else { (up, down) };
    let agreed = stage.variant.agreed.is_some();
    for (who, bytes, compressed) in [
        ("our end", from_us, stage.variant.ours_compresses()),
        ("the peer", from_them, agreed && abilities.contains(&Ability::Compresses)),
    ] {
        let right = if compressed { bytes < message.len() / 8 } else { bytes > message.len() };
        if !right {
            return Err(format!("{bytes} bytes of {} from {who}", message.len()).into());
        }
    }
    stage.part(&ours)
}

fn in_flight(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    let mut ours = stage.meet()?;
    // Alike, so that a context has something to refer to, and beyond the size from which on we compress.
    let messages: Vec<Message> =
        (0..100).map(|number| Message::Text(format!("message {number}: {}", text(400)))).collect();
    for message in &messages {
        stage.theirs.send(message)?;
    }
    for message in &messages {
        expect_equal(&ours.recv_timeout(SOON)?, message)?;
    }
    for message in &messages {
        ours.send(message.clone())?;
    }
    for message in &messages {
        hear(stage, message)?;
    }
    stage.part(&ours)
}

fn fragments(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    let mut ours = stage.meet()?;
    let text = "fråg·ments 鮭 ".repeat(50);
    let bytes = text.as_bytes();
    // Cut within characters, with an empty one in between.
    let pieces = [&bytes[..3], &bytes[3..12], &[], &bytes[12..300], &bytes[300..]];
    stage.theirs.send_fragments("text", &pieces)?;
    expect_equal(&ours.recv_timeout(SOON)?, &Message::text(&*text))?;
    stage.theirs.send_fragments("binary", &pieces)?;
    expect_equal(&ours.recv_timeout(SOON)?, &Message::binary(bytes.to_vec()))?;
    stage.part(&ours)
}

fn peer_pings(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    let ours = stage.meet_with_pongs()?;
    for payload in ["1", "¿estás?", &"x".repeat(124)] {
        stage.theirs.ping(payload)?;
    }
    stage.part(&ours)
}

fn we_ping(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    let ours = stage.meet()?;
    thread::scope(|scope| {
        // Some peers answer only while somebody waits for a message.
        let pinging = scope.spawn(|| ping_and_tell(&ours));
        hear(stage, &Message::text("answered"))?;
        pinging.join().map_err(|_| "the pinging panicked")?
    })?;
    stage.part(&ours)
}

fn ping_and_tell(ours: &BlockingSocket) -> Result<(), Fault> {
    ours.start_ping(PingPolicy::frames(Duration::from_millis(5)).within(SOON));
    while ours.round_trip().is_none() {
        ours.sleep(Duration::from_millis(1))?;
    }
    ours.stop_ping();
    ours.send_text("answered")?;
    Ok(())
}

fn we_close(stage: &mut Stage<'_>, abilities: &[Ability]) -> Result<(), Fault> {
    let ours = stage.meet()?;
    let (code, reason) = (CloseCode::from_u16(4001), "¡adiós!");
    let heard = thread::scope(|scope| {
        let closing = scope.spawn(|| ours.close(code, reason));
        let heard = stage.theirs.recv()?;
        closing.join().map_err(|_| "the closing panicked")??;
        Ok::<_, Fault>(heard)
    })?;
    let Heard::Closed(farewell) = heard else {
        return Err("the peer received a message instead of the end".into());
    };
    let right_reason = farewell.reason.as_deref() == Some(reason);
    if farewell.code != Some(4001) || (abilities.contains(&Ability::Reason) && !right_reason) {
        return Err(format!("the peer saw {farewell:?}").into());
    }
    let closed = ours.closed();
    // The code that is reported is the one that was received (RFC 6455 section 7.1.5).
    let answered = if abilities.contains(&Ability::Echo) { code } else { CloseCode::NORMAL };
    if closed.code != answered || !closed.clean || closed.by != Initiator::Local {
        return Err(format!("our end saw {closed:?}").into());
    }
    Ok(())
}

fn peer_closes(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    let ours = stage.meet()?;
    stage.closed_by_peer(&ours, Some(4321), "hasta luego, 鮭")
}

fn peer_closes_without_code(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    let ours = stage.meet()?;
    stage.closed_by_peer(&ours, None, "")
}

fn shared_subprotocol(stage: &mut Stage<'_>, abilities: &[Ability]) -> Result<(), Fault> {
    let attempt = stage.attempt("/meet", &["chat.v3", SUBPROTOCOL], false)?;
    let ours = attempt.ours.ok_or("there is no connection")??;
    let told = abilities.contains(&Ability::Subprotocol).then(|| SUBPROTOCOL.to_owned());
    let right = attempt.theirs == Opened::Open { subprotocol: told }
        && stage.wire()?.answered("Sec-WebSocket-Protocol") == SUBPROTOCOL
        && ours.subprotocol() == Some(SUBPROTOCOL);
    if !right {
        return Err(format!("{:?}, and {:?} at our end", attempt.theirs, ours.subprotocol()).into());
    }
    stage.part(&ours)
}

/// A server that speaks none of them chooses none, and a client may take that or leave (RFC 6455 section 4.2.2).
fn foreign_subprotocol(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    let attempt = stage.attempt("/meet", &["chat.v7"], false)?;
    let answered = stage.wire()?.answered("Sec-WebSocket-Protocol");
    if !answered.is_empty() {
        return Err(format!("the server chose {answered}").into());
    }
    match (attempt.theirs, attempt.ours) {
        (Opened::Failed, None) if stage.role() == OurRole::Server => {
            let closed = stage.abandoned()?.closed();
            if closed.by == Initiator::Peer {
                return Ok(());
            }
            Err(format!("our end saw {closed:?}").into())
        }
        (Opened::Open { subprotocol: None }, Some(Ok(ours))) if ours.subprotocol().is_none() => {
            stage.part(&ours)
        }
        (theirs, ours) => Err(format!("{theirs:?}, and {ours:?} at our end").into()),
    }
}

fn refused(stage: &mut Stage<'_>, abilities: &[Ability]) -> Result<(), Fault> {
    let attempt = stage.attempt("/nowhere", &[], false)?;
    let told = match stage.role() {
        OurRole::Server if !abilities.contains(&Ability::Status) => Opened::Failed,
        _ => Opened::Refused(404),
    };
    if attempt.theirs != told {
        return Err(format!("the peer says {:?}", attempt.theirs).into());
    }
    match attempt.ours {
        None if stage.role() == OurRole::Server => Ok(()),
        Some(Err(Error::Refused(refusal))) if refusal.status == 404 => Ok(()),
        ours => Err(format!("our end says {ours:?}").into()),
    }
}

fn inflated_beyond_the_limit(stage: &mut Stage<'_>, _: &[Ability]) -> Result<(), Fault> {
    if stage.variant.agreed.is_none() {
        return Ok(());
    }
    let ours = stage.meet()?;
    let before = stage.wire()?.bytes();
    stage.theirs.send(&Message::Text("x".repeat(LIMIT + 1)))?;
    let heard = stage.theirs.recv()?;
    let closed = ours.closed();
    let after = stage.wire()?.bytes();
    let told = matches!(&heard, Heard::Closed(farewell) if farewell.code == Some(1009));
    if !told || closed.code != CloseCode::TOO_BIG || closed.by != Initiator::Local {
        return Err(format!("the peer heard {heard:?}, our end {closed:?}").into());
    }
    if after.0 - before.0 > LIMIT / 8 || after.1 - before.1 > LIMIT / 8 {
        return Err("it was not compressed".into());
    }
    Ok(())
}

/// The peer receives this next.
fn hear(stage: &mut Stage<'_>, expected: &Message) -> Result<(), Fault> {
    match stage.theirs.recv()? {
        Heard::Message(message) => expect_equal(&message, expected),
        Heard::Closed(farewell) => Err(format!("the peer saw the end: {farewell:?}").into()),
    }
}

/// Says where two messages differ without showing a megabyte.
fn expect_equal(message: &Message, expected: &Message) -> Result<(), Fault> {
    if message == expected {
        return Ok(());
    }
    let pairs = message.as_bytes().iter().zip(expected.as_bytes());
    let same = pairs.take_while(|(left, right)| left == right).count();
    Err(format!(
        "{:?} of {} bytes for {:?} of {} bytes, alike up to {same}",
        message.kind(),
        message.len(),
        expected.kind(),
        expected.len()
    )
    .into())
}

/// Exactly so many bytes of characters of one to four bytes.
fn text(bytes: usize) -> String {
    let mut text: String = "aé鮭🐟".chars().cycle().take(bytes / 10 * 4).collect();
    text.extend(std::iter::repeat_n('z', bytes - text.len()));
    text
}

/// Every byte there is, in no simple order.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index * 167 + index / 256).to_le_bytes()[0]).collect()
}
