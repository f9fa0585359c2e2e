//! `sockeye bench echo`: every message comes back.

use std::time::{Duration, Instant};

use crate::arguments::EchoLoad;

use super::crowd::Crowd;
use super::load::{Goal, Load, nanos_since};
use super::messages::Messages;
use super::pace::{Pace, Pacer};
use super::progress::{Progress, share};
use super::round::Round;
use super::server::Server;
use super::target::{Bare, Target};

/// Open connections, and what they send.
#[derive(Debug)]
pub(crate) struct Echo {
    crowd: Crowd,
    connections: usize,
    window: u64,
    goal: Goal,
    pace: Option<Pace>,
    server: Server,
}

impl Echo {
    pub(crate) fn open(
        options: &EchoLoad,
        targets: Vec<Target>,
        server: Server,
        progress: &mut Progress,
    ) -> Result<Self, String> {
        let common = &options.common;
        let (connections, window) = (common.connections.get(), options.window.get());
        let messages = Messages::new(&options.shape, window);
        let mut crowd = Crowd::new(targets, common, messages, Bare::Echoes)?;
        crowd.open(connections, OPENING_AT_ONCE, None, progress)?;
        let pace = options.rate.map(Pace::new);
        if let Some(pace) = pace {
            crowd.set_pacer(Pacer::start(pace).map_err(|error| format!("no timer: {error}"))?)?;
        }
        Ok(Self {
            crowd,
            connections,
            window: window as u64,
            goal: Goal::new(&options.length),
            pace,
            server,
        })
    }

    /// As fast as it goes: a reply makes room for the next message.
    fn run_closed(&mut self, progress: &mut Progress) -> Result<Round, String> {
        let Self { crowd, goal, .. } = self;
        let mut round = Round::new();
        let before = self.server.usage()?;
        let began = Instant::now();
        let (mut left, mut outstanding) = (goal.count.unwrap_or(u64::MAX), 0);
        let each = left.div_ceil(self.connections as u64).min(self.window);
        for index in 0..self.connections {
            let count = each.min(left);
            left -= count;
            outstanding += count;
            crowd.send(index, count, Some(0))?;
        }
        let deadline = goal.deadline_nanos();
        let patience = crowd.patience();
        let mut last = 0;
        while outstanding > 0 {
            crowd.turn(Some(progress.interval(patience)), |mut ready| {
                let replies = ready.read()?;
                if replies == 0 {
                    return ready.send(0, None);
                }
                last = nanos_since(began);
                ready.client.finish(replies, last, &mut round.latency);
                round.done += replies;
                let more = if last < deadline { replies.min(left) } else { 0 };
                left -= more;
                outstanding -= replies;
                outstanding += more;
                ready.send(more, Some(last))
            })?;
            let now = nanos_since(began);
            progress.running(goal.share(round.done, now), round.done, "messages");
            if Duration::from_nanos(now - last) > patience {
                return Err(format!(
                    "no reply within {} s: {outstanding} messages are under way",
                    patience.as_secs_f64()
                ));
            }
        }
        round.elapsed = Duration::from_nanos(last);
        round.usage = self.server.usage()? - before;
        round.bytes = round.done * crowd.messages().size as u64;
        Ok(round)
    }

    /// Each message at its own time: message `number` is due on connection `number % connections`, and is sent when it
    /// is due, or when the window has room again.
    fn run_open(&mut self, pace: Pace, progress: &mut Progress) -> Result<Round, String> {
        let Self { crowd, window, goal, .. } = self;
        let (connections, window) = (self.connections as u64, *window);
        let total = goal.count.unwrap_or_else(|| pace.count_within(goal.duration));
        let mut round = Round::new();
        let mut books = vec![Book::default(); self.connections];
        let before = self.server.usage()?;
        let began = Instant::now();
        let mut due = 0;
        let end = pace.due(total);
        while round.done < total {
            let now = nanos_since(began);
            while due < total && pace.due(due) <= now {
                let index = usize::try_from(due % connections).unwrap_or_default();
                due += 1;
                books[index].due += 1;
                crowd.send(index, books[index].begin(window), None)?;
            }
            crowd.turn(None, |mut ready| {
                let replies = ready.read()?;
                let now = nanos_since(began);
                let book = &mut books[ready.index];
                for _ in 0..replies {
                    let number = book.replied * connections + ready.index as u64;
                    book.replied += 1;
                    round.latency.saturating_record(now.saturating_sub(pace.due(number)));
                }
                round.done += replies;
                ready.send(book.begin(window), None)
            })?;
            progress.running(share(due, total), round.done, "messages");
            if now > end && Duration::from_nanos(now - end) > crowd.patience() {
                break;
            }
        }
        if round.done == 0 && total > 0 {
            return Err(format!("not one reply within {} s", crowd.patience().as_secs_f64()));
        }
        // Who is still waited for has waited so long at least.
        let now = nanos_since(began);
        for (book, index) in books.iter().zip(0..) {
            for turn in book.replied..book.due {
                let waited = now.saturating_sub(pace.due(turn * connections + index));
                round.latency.saturating_record(waited);
                round.unanswered += 1;
            }
        }
        round.elapsed = Duration::from_nanos(now);
        round.usage = self.server.usage()? - before;
        round.bytes = round.done * crowd.messages().size as u64;
        Ok(round)
    }
}

/// As many connections as this are opened at a time: fewer than any server's backlog.
pub(crate) const OPENING_AT_ONCE: usize = 64;

/// What a connection has done of what was due on it.
#[derive(Debug, Clone, Copy, Default)]
struct Book {
    due: u64,
    begun: u64,
    replied: u64,
}

impl Book {
    /// How many messages to begin now.
    fn begin(&mut self, window: u64) -> u64 {
        let room = window - (self.begun - self.replied);
        let count = room.min(self.due - self.begun);
        self.begun += count;
        count
    }
}

impl Load for Echo {
    fn round(&mut self, progress: &mut Progress) -> Result<Round, String> {
        match self.pace {
            None => self.run_closed(progress),
            Some(pace) => self.run_open(pace, progress),
        }
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }
}
