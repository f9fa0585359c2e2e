//! Giving what was published to a group to its members.

use sockeye_protocol::{Connection, Segment};

use super::Reactor;
use super::flush::write_open;
use crate::engine::Engine;
use crate::groups::Piece;
use crate::handler::Service;
use crate::link::Link;
use crate::session::{Open, Phase, Session};
use crate::shared::Shared;

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Gives everything that was published in this turn to every member, each looked at once: no copy
    /// of a payload for it, and nothing that one does can delay another.
    pub(super) fn deliver(&mut self) {
        while let Some((slot, is_alone)) = self.shared.memberships.next_due() {
            self.deliver_to_members(slot, is_alone);
            self.shared.memberships.end_due();
        }
    }

    fn deliver_to_members(&mut self, slot: u32, is_alone: bool) {
        let Self { engine, sessions, shared, .. } = self;
        let Some(of_group) = shared.memberships.slot(slot) else { return };
        let positions = of_group.positions();
        // A gap is for each member to find what it means to it.
        let from = of_group.waits_from();
        let excepted = of_group.excepted();
        let bytes_max = shared.config.connection.outbox_bytes_max;
        let pieces: Vec<Piece> =
            from.map(|_| of_group.pieces(bytes_max).collect()).unwrap_or_default();
        for position in 0..positions {
            let slots = shared.memberships.slot(slot);
            let Some(member) = slots.and_then(|slot| slot.member(position)) else { continue };
            let Some(Session { link, phase }) = sessions.get_mut(member.key) else { continue };
            let Phase::Open(Open { connection, .. }) = phase else { continue };
            if from.is_some_and(|from| member.wants_from() <= from)
                && is_plain(link, connection, is_alone)
                && excepted.binary_search(&member.key).is_err()
            {
                let Some(given) = write_pieces(engine, shared, link, connection, &pieces) else {
                    continue;
                };
                shared.memberships.note_delivered(slot, position, given);
            }
            shared.deliver(link, connection);
        }
    }
}

/// Whether what is published can be written to a member at once and as it is: nothing waits that
/// comes before it, nothing about the session is to be looked at, and what comes from other groups
/// in the same turn is not for it. Messages that a policy holds back wait behind an outbox that is
/// not empty.
fn is_plain(link: &Link, connection: &Connection, is_alone: bool) -> bool {
    let has_one_group = || link.rarer().is_none_or(|rarer| rarer.memberships.len() == 1);
    link.outbox.is_empty()
        && !link.is_remarkable()
        && connection.sends_frames_as_they_are()
        && (is_alone || has_one_group())
}

/// Writes the pieces, one by one. If not all of them have left, the rest of the last one is in the
/// outbox then, and the offset up to which the member was given something is returned.
fn write_pieces<E: Engine>(
    engine: &mut E,
    shared: &mut Shared,
    link: &mut Link,
    connection: &mut Connection,
    pieces: &[Piece],
) -> Option<u64> {
    let mut given = 0;
    for piece in pieces {
        if piece.messages > 1 && piece.bytes.len() > connection.config().outbox_bytes_max {
            return Some(given);
        }
        shared.output(link).outbox.append_shared(piece.bytes.clone());
        shared.stats.deliveries += piece.messages;
        shared.stats.messages_sent += piece.messages;
        given = piece.offset_next;
        link.note_others(0, connection.config());
        write_open(engine, shared, link, connection);
        if !link.outbox.is_empty() || link.is_remarkable() {
            keep_rest(link, piece);
            shared.list_flush(link);
            return Some(given);
        }
    }
    shared.reclaim(link);
    None
}

/// What is left of a piece of several messages is copied if it is little, so that a member that does
/// not read does not keep all of the piece.
fn keep_rest(link: &mut Link, piece: &Piece) {
    let rest = link.outbox.len();
    if piece.messages > 1
        && rest < piece.bytes.len() / 2
        && let Some(outbox) = link.outbox.waiting()
        && let Some(Segment::Shared(rest)) = outbox.pop()
    {
        outbox.append(&rest);
    }
}
