//! `sockeye bench idle`: connections that say nothing.

use std::time::Instant;

use crate::arguments::{IdleLoad, Kind, Shape};

use super::crowd::Crowd;
use super::echo::OPENING_AT_ONCE;
use super::load::{Goal, Load, nanos_since};
use super::messages::Messages;
use super::progress::{Progress, share};
use super::round::Round;
use super::server::Server;
use super::target::{Bare, Target};

/// Connections that are open and answer pings.
#[derive(Debug)]
pub(crate) struct Idle {
    crowd: Crowd,
    connections: usize,
    goal: Goal,
    server: Server,
}

impl Idle {
    pub(crate) fn open(
        options: &IdleLoad,
        targets: Vec<Target>,
        server: Server,
        progress: &mut Progress,
    ) -> Result<Self, String> {
        let common = &options.common;
        let shape = Shape { size: options.size.unwrap_or(0), kind: Kind::Text, check: true };
        let bare = if options.size.is_some() { Bare::Echoes } else { Bare::Speaks };
        let mut idle = Self {
            crowd: Crowd::new(targets, common, Messages::new(&shape, 1), bare)?,
            connections: common.connections.get(),
            goal: Goal { count: None, duration: options.duration },
            server,
        };
        idle.crowd.open(idle.connections, OPENING_AT_ONCE, None, progress)?;
        if options.size.is_some() {
            idle.echo_once()?;
        }
        Ok(idle)
    }

    /// Sends a message on every connection and waits for its echo.
    fn echo_once(&mut self) -> Result<(), String> {
        let crowd = &mut self.crowd;
        for index in 0..self.connections {
            crowd.send(index, 1, None)?;
        }
        let mut missing = self.connections as u64;
        let patience = crowd.patience();
        let mut last = Instant::now();
        while missing > 0 {
            crowd.turn(Some(patience), |mut ready| {
                let replies = ready.read()?;
                missing -= replies;
                last = Instant::now();
                ready.send(0, None)
            })?;
            if last.elapsed() >= patience {
                return Err(format!(
                    "no reply within {} s: {missing} connections wait for an echo",
                    patience.as_secs_f64()
                ));
            }
        }
        Ok(())
    }
}

impl Load for Idle {
    fn round(&mut self, progress: &mut Progress) -> Result<Round, String> {
        let Self { crowd, goal, .. } = self;
        let mut round = Round::new();
        // What is left to do of the opening belongs to the opening.
        self.server.settle()?;
        let before = self.server.usage()?;
        let pings = crowd.pings();
        let began = Instant::now();
        let done = self.connections as u64;
        while let Some(left) = goal.duration.checked_sub(began.elapsed()) {
            crowd.turn(Some(progress.interval(left)), |mut ready| {
                ready.read_any()?;
                ready.send(0, None)
            })?;
            let share = share(nanos_since(began), goal.deadline_nanos());
            progress.running(share, done, "connections are idle");
        }
        round.done = done;
        round.pings = crowd.pings() - pings;
        round.elapsed = began.elapsed();
        round.usage = self.server.usage()? - before;
        Ok(round)
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }
}
