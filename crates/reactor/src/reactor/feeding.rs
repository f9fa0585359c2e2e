//! From bytes that were read to the handler, event by event, until they are used up or something holds
//! the session back.

use sockeye_protocol::{Connection, Event, ProtocolError};

use crate::handler::Handler;
use crate::link::{Flag, Link, Spill};
use crate::outcome::Cause;
use crate::peer::Peer;
use crate::shared::Shared;

/// From this many bytes on, which do not fit a read, a message is a long one.
const LONG_BYTES_MIN: usize = 264 * 1024;

/// Gives `input` to the connection, event by event, until it is used up or something holds the
/// session back; what is left then is spilled. Returns how many bytes were inflated.
///
/// It calls the user's code: to be guarded by who calls it.
#[inline(always)]
pub(super) fn feed<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    input: &mut &mut [u8],
) -> usize {
    shared.lend(link, input.len());
    let inflated = feed_read(shared, link, connection, handler, input);
    if !input.is_empty() && connection.closed().is_none() {
        let bytes = shared.pool.copy_of(input);
        link.rarer_mut().spill = Spill { bytes, start: 0 };
    }
    inflated
}

/// Tells the events of one read, and then that it is over.
#[inline(never)]
fn feed_read<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    input: &mut &mut [u8],
) -> usize {
    let mut inflated = 0;
    let fed = feed_events(shared, link, connection, handler, input, &mut inflated);
    handler.after_read(&mut Peer::new(link, connection, shared));
    if let Err(error) = fed {
        broken(shared, link, connection, error);
    }
    inflated
}

/// The peer broke a rule.
#[cold]
fn broken(shared: &mut Shared, link: &mut Link, connection: &mut Connection, error: ProtocolError) {
    shared.let_end(link, connection);
    link.note_cause(Cause::Protocol(error));
}

#[inline(always)]
fn feed_events<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    input: &mut &mut [u8],
    inflated: &mut usize,
) -> Result<(), ProtocolError> {
    // A few bytes can inflate to a thousand times as many, and the others wait for that as well.
    while !link.holds_back() && *inflated < shared.config.turn_bytes_max {
        // The common case.
        while let Some(event) = connection.receive_short(input, shared.now) {
            shared.stats.messages_received += 1;
            handler.event(&mut Peer::new(link, connection, shared), event);
            if link.holds_back() {
                return Ok(());
            }
        }
        if input.is_empty() {
            break;
        }
        if !feed_medium(shared, link, connection, handler, input)
            && !feed_event(shared, link, connection, handler, input, inflated)?
        {
            break;
        }
    }
    Ok(())
}

/// As [`feed_events`], for messages of medium length, as long as they follow each other. False: there was none.
#[inline(never)]
fn feed_medium<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    input: &mut &mut [u8],
) -> bool {
    let before = input.len();
    while let Some(event) = connection.receive_medium(input, shared.now) {
        shared.stats.messages_received += 1;
        handler.event(&mut Peer::new(link, connection, shared), event);
        if link.holds_back() {
            break;
        }
    }
    input.len() != before
}

/// As [`feed_events`], for one event of any kind. False: `input` was used up, and there was none.
#[inline(never)]
fn feed_event<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    input: &mut &mut [u8],
    inflated: &mut usize,
) -> Result<bool, ProtocolError> {
    let received = connection.receive_any(input, &mut shared.output(link));
    *inflated = inflated.saturating_add(connection.take_inflating_cost());
    let Some(event) = received? else { return Ok(false) };
    if let Event::Text(_) | Event::Binary(_) = event {
        shared.stats.messages_received += 1;
        handler.event(&mut Peer::new(link, connection, shared), event);
    } else {
        tell_control(shared, link, connection, handler, event);
    }
    Ok(true)
}

/// A control frame may have been answered, and may have brought a deadline forward. Before a Close
/// frame what came before it is acted on, and what is said to that leaves before the answer.
#[cold]
#[inline(never)]
fn tell_control<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    event: Event<'_>,
) {
    link.note_level(connection);
    link.set(Flag::Hastened);
    let is_held = connection.is_held();
    let mut peer = Peer::new(link, connection, shared);
    if is_held {
        handler.after_read(&mut peer);
    }
    handler.event(&mut peer, event);
    if is_held {
        shared.let_end(link, connection);
    }
}

/// What was spilled. Returns how many bytes were taken, or inflated.
#[cold]
pub(super) fn feed_spill<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    mut spill: Spill,
) -> usize {
    let mut input = spill.bytes.get_mut(spill.start..).unwrap_or_default();
    let before = input.len();
    shared.lend(link, before);
    let inflated = feed_read(shared, link, connection, handler, &mut input);
    let left = input.len();
    if left == 0 || connection.closed().is_some() {
        shared.pool.give_back(spill.bytes);
    } else {
        spill.start += before - left;
        link.rarer_mut().spill = spill;
    }
    inflated.max(before - left)
}

fn payload_len(event: &Event<'_>) -> usize {
    match event {
        Event::Text(text) => text.len(),
        Event::Binary(payload) => payload.len(),
        _ => 0,
    }
}

/// `count` bytes were read straight into the message in progress.
#[inline(never)]
pub(super) fn feed_received<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    handler: &mut H,
    count: usize,
) {
    match connection.received(count, &mut shared.output(link)) {
        Ok(Some(event)) => {
            link.note_level(connection);
            link.put(Flag::Long, payload_len(&event) >= LONG_BYTES_MIN);
            shared.stats.messages_received += 1;
            let mut peer = Peer::new(link, connection, shared);
            handler.event(&mut peer, event);
            handler.after_read(&mut peer);
        }
        Ok(None) => {}
        Err(error) => broken(shared, link, connection, error),
    }
}
