//! The commands phase: what other threads asked for, in the order in which they asked.

use sockeye_protocol::CloseCode;

use super::Reactor;
use crate::engine::Engine;
use crate::guard::guard;
use crate::handler::Service;
use crate::link::Flag;
use crate::mailbox::Command;
use crate::peer::Peer;
use crate::peers::Directory;

/// Room for so many stays from one turn to another; what a burst needed is given back.
const COMMANDS_KEPT: usize = 8192;

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
                Command::Publish(publication) => self.shared.memberships.publish(publication),
                Command::Adopt(handed) => self.adopt_from_another(handed),
                Command::Drain(plan, report) => self.begin_drain(plan, Some(report)),
            }
        }
        commands.shrink_to(COMMANDS_KEPT);
        self.commands = commands;
    }
}
