//! `sockeye bench connect`: opens connections and closes them again.

use std::time::Instant;

use crate::arguments::{ConnectLoad, Kind, Shape};

use super::crowd::Crowd;
use super::load::{Goal, Load, nanos_since};
use super::messages::Messages;
use super::progress::Progress;
use super::round::Round;
use super::server::{Server, Usage};
use super::target::{Bare, Target};

/// Waves of connections: each is opened, counted and closed before the next.
#[derive(Debug)]
pub(crate) struct Connect {
    crowd: Crowd,
    connections: usize,
    window: usize,
    goal: Goal,
    server: Server,
}

impl Connect {
    pub(crate) fn new(
        options: &ConnectLoad,
        targets: Vec<Target>,
        server: Server,
    ) -> Result<Self, String> {
        let common = &options.common;
        let shape = Shape { size: 0, kind: Kind::Text, check: false };
        Ok(Self {
            crowd: Crowd::new(targets, common, Messages::new(&shape, 1), Bare::Echoes)?,
            connections: common.connections.get(),
            window: options.window.get(),
            goal: Goal::new(&options.length),
            server,
        })
    }
}

impl Load for Connect {
    /// What is counted, as time and as the server's, is the opening; the closing lies between two waves.
    fn round(&mut self, progress: &mut Progress) -> Result<Round, String> {
        let mut round = Round::new();
        let mut usage = Usage::default();
        let began = Instant::now();
        let mut left = self.goal.count.unwrap_or(u64::MAX);
        let deadline = self.goal.deadline_nanos();
        while left > 0 && (round.done == 0 || nanos_since(began) < deadline) {
            let wave = self.connections.min(usize::try_from(left).unwrap_or(usize::MAX));
            let before = self.server.usage()?;
            let wave_began = Instant::now();
            let mut hidden = Progress::hidden();
            self.crowd.open(wave, self.window, Some(&mut round.latency), &mut hidden)?;
            round.elapsed += wave_began.elapsed();
            self.server.settle()?;
            usage += self.server.usage()? - before;
            round.done += wave as u64;
            left -= wave as u64;
            let share = self.goal.share(round.done, nanos_since(began));
            progress.running(share, round.done, "connections");
            self.crowd.close()?;
            self.server.settle()?;
        }
        round.usage = usage;
        Ok(round)
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }
}
