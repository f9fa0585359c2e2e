//! The commands phase: what other threads asked for, in the order in which they asked.

use sockeye_protocol::{CloseCode, Config, SendError};

use super::Reactor;
use crate::engine::Engine;
use crate::groups::{Member, Policy};
use crate::guard::guard;
use crate::handler::Service;
use crate::link::{Flag, Held, Link};
use crate::mailbox::{Command, Publication};
use crate::outcome::Cause;
use crate::peer::{Directory, Peer};
use crate::session::{Open, Phase, Session};
use crate::shared::Shared;

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Swaps the mailbox and carries out what was in it. A command for a session that is gone, or
    /// not open any more, finds nothing.
    pub(super) fn commands(&mut self) {
        let mut commands = std::mem::take(&mut self.commands);
        self.shared.mailbox.swap(&mut commands);
        for command in commands.drain(..) {
            match command {
                Command::Collect(key) => {
                    if let Some((link, connection)) = self.sessions.find(key)
                        // A payload that comes too late is dropped, and its owner is the user's.
                        && guard(|| self.shared.collect(link, connection)).is_err()
                    {
                        link.set(Flag::Panicked);
                        self.shared.list_flush(link);
                    }
                }
                Command::Answered(key) => self.decide(key),
                Command::Close(key, reason) => {
                    if let Some((link, connection)) = self.sessions.find(key) {
                        // It may be closing already, and a reason that cannot be sent is replaced
                        // rather than leave a session open that was to be closed.
                        let mut peer = Peer::new(link, connection, &mut self.shared);
                        if peer.close(reason).is_err() {
                            let _ = peer.close(Some(CloseCode::NORMAL.into()));
                        }
                    }
                }
                Command::Send(key, prepared) => {
                    if let Some((link, connection)) = self.sessions.find(key) {
                        let sent =
                            Peer::new(link, connection, &mut self.shared).send_prepared(&prepared);
                        if sent.is_err() {
                            self.shared.stats.dropped += 1;
                        }
                    }
                }
                Command::Publish(publication) => self.deliver(&publication),
                Command::Adopt(handed) => self.adopt_from_another(handed),
                Command::Drain(plan, report) => self.begin_drain(plan, Some(report)),
            }
        }
        self.commands = commands;
    }

    /// Gives one message to every member of its group: no copy of the payload, and nothing that one
    /// member does can delay another.
    fn deliver(&mut self, publication: &Publication) {
        let Self { sessions, shared, .. } = self;
        let Some(lost) = shared.memberships.receive(publication) else { return };
        let positions =
            shared.memberships.slot(publication.slot).map_or(0, |slot| slot.positions());
        for position in 0..positions {
            let slot = shared.memberships.slot(publication.slot);
            let Some(member) = slot.and_then(|slot| slot.member(position)) else { continue };
            if member.live_from > publication.offset {
                continue;
            }
            let Some(Session { link, phase }) = sessions.get_mut(member.key) else { continue };
            let Phase::Open(Open { connection, .. }) = phase else { continue };
            let missed = lost.min(publication.offset - member.live_from);
            if missed > 0 {
                fall_behind(shared, link, publication.slot, member.policy, missed);
            }
            if link.cause() == Some(Cause::FellBehind) {
                continue;
            }
            if keeps(member, link, connection.config()) {
                hold(shared, link, publication, member.policy);
                continue;
            }
            let mut output = shared.output(link);
            match connection.send_prepared(&publication.prepared, &mut output) {
                Ok(()) => {
                    shared.stats.deliveries += 1;
                    shared.stats.messages_sent += 1;
                    link.note_level(connection.config());
                    shared.list_flush(link);
                }
                Err(SendError::Full) => {
                    fall_behind(shared, link, publication.slot, member.policy, 1);
                }
                // It is closing: nobody is left to be told.
                Err(_) => shared.reclaim(link),
            }
        }
    }
}

/// Whether a message must wait outside of the outbox, by the member's policy.
fn keeps(member: Member, link: &Link, limits: &Config) -> bool {
    matches!(member.policy, Policy::DropOldest { .. } | Policy::KeepLatest)
        && (link.outbox.len() > limits.outbox_high_mark
            || link.rarer().is_some_and(|rarer| !rarer.held.is_empty()))
}

/// Keeps a message until the outbox has room, within the policy's limit.
fn hold(shared: &mut Shared, link: &mut Link, publication: &Publication, policy: Policy) {
    let slot = publication.slot;
    let bytes_max = match policy {
        Policy::DropOldest { bytes_max } => bytes_max,
        _ => 0,
    };
    link.set(Flag::Congested);
    let rarer = link.rarer_mut();
    let Some(own) = rarer.memberships.iter_mut().find(|own| own.slot == slot) else { return };
    let newest = publication.prepared.frame_len();
    own.held_bytes += newest;
    rarer.held.push_back(Held { slot, prepared: publication.prepared.clone() });
    let mut dropped = 0;
    // The newest always stays, whatever its size: it is what the peer is behind by.
    while own.held_bytes > bytes_max.max(newest) {
        let Some(oldest) = rarer.held.iter().position(|held| held.slot == slot) else { break };
        let Some(oldest) = rarer.held.remove(oldest) else { break };
        own.held_bytes -= oldest.prepared.frame_len();
        dropped += 1;
    }
    if dropped > 0 {
        count_dropped(shared, slot, dropped);
    }
    shared.list_flush(link);
}

/// A member did not get `messages` messages.
fn fall_behind(shared: &mut Shared, link: &mut Link, slot: u32, policy: Policy, messages: u64) {
    link.set(Flag::Congested);
    if policy == Policy::Close {
        if let Some(slot) = shared.memberships.slot(slot) {
            slot.group.count_closed();
        }
        link.note_cause(Cause::FellBehind);
    } else {
        count_dropped(shared, slot, messages);
    }
    shared.list_flush(link);
}

fn count_dropped(shared: &mut Shared, slot: u32, messages: u64) {
    shared.stats.dropped += messages;
    if let Some(slot) = shared.memberships.slot(slot) {
        slot.group.count_dropped(messages);
    }
}
