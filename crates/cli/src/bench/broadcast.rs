//! `sockeye bench broadcast`: what one connection sends, all others receive.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::arguments::BroadcastLoad;

use super::crowd::Crowd;
use super::echo::OPENING_AT_ONCE;
use super::load::{Goal, Load, nanos_since};
use super::messages::Messages;
use super::progress::Progress;
use super::round::Round;
use super::server::Server;
use super::target::{Bare, Target};

/// How long nobody must have got anything before the first message is sent again: who is open need not have joined.
/// Were it sent while it is still on its way to many, some would get more than they are to.
const JOIN_WITHIN: Duration = Duration::from_millis(300);

/// Connections that receive, and one more that sends.
#[derive(Debug)]
pub(crate) struct Broadcast {
    crowd: Crowd,
    /// How many receive; the one that sends comes behind them, and then those that never read.
    receivers: usize,
    window: u64,
    goal: Goal,
    server: Server,
    /// Messages that have been sent.
    sent: u64,
}

/// A message that has not reached everyone.
#[derive(Debug)]
struct UnderWay {
    sent_at: u64,
    missing: usize,
}

impl Broadcast {
    pub(crate) fn open(
        options: &BroadcastLoad,
        targets: Vec<Target>,
        server: Server,
        progress: &mut Progress,
    ) -> Result<Self, String> {
        let common = &options.common;
        let (receivers, window) = (common.connections.get(), options.window.get());
        let mut broadcast = Self {
            crowd: Crowd::new(
                targets,
                common,
                Messages::new(&options.shape, window),
                Bare::PassesOn,
            )?,
            receivers,
            window: window as u64,
            goal: Goal::new(&options.length),
            server,
            sent: 0,
        };
        broadcast.crowd.open(receivers + 1 + options.stalled, OPENING_AT_ONCE, None, progress)?;
        for stalled in broadcast.crowd.clients().skip(receivers + 1) {
            stalled.narrow().map_err(|error| format!("one that never reads: {error}"))?;
        }
        broadcast.join()?;
        Ok(broadcast)
    }

    /// Sends messages until one has reached everyone: from then on everyone gets the same.
    fn join(&mut self) -> Result<(), String> {
        let Self { crowd, receivers, sent, .. } = self;
        let began = Instant::now();
        loop {
            *sent += 1;
            let mut heard = Instant::now();
            crowd.send(*receivers, 1, None)?;
            let mut received = vec![0_u64; *receivers];
            let mut missing = *receivers;
            while let Some(left) = JOIN_WITHIN.checked_sub(heard.elapsed()) {
                if missing == 0 {
                    break;
                }
                crowd.turn(Some(left), |mut ready| {
                    if ready.index > *receivers {
                        return Ok(());
                    }
                    let got = ready.read_any()?;
                    ready.send(0, None)?;
                    heard = Instant::now();
                    if let Some(count) = received.get_mut(ready.index) {
                        missing -= usize::from(*count == 0 && got > 0);
                        *count += got;
                    }
                    Ok(())
                })?;
            }
            if missing == 0 {
                break;
            }
            if began.elapsed() > crowd.patience() {
                return Err(format!(
                    "{missing} of {receivers} connections did not get the message within {} s: \
                     does the server send what comes to everyone?",
                    crowd.patience().as_secs_f64()
                ));
            }
        }
        let next = usize::try_from(*sent).unwrap_or_default() % crowd.messages().count();
        crowd.clients().for_each(|client| client.expect(next));
        Ok(())
    }
}

impl Load for Broadcast {
    fn round(&mut self, progress: &mut Progress) -> Result<Round, String> {
        let Self { crowd, receivers, window, goal, server, sent } = self;
        let mut round = Round::new();
        // How many messages of this round each has received.
        let mut received = vec![0_usize; *receivers];
        let mut under_way: VecDeque<UnderWay> = VecDeque::new();
        // How many messages of this round have reached everyone.
        let mut complete = 0;
        let before = server.usage()?;
        let began = Instant::now();
        let (mut left, mut last) = (goal.count.unwrap_or(u64::MAX), 0);
        let (deadline, patience) = (goal.deadline_nanos(), crowd.patience());
        loop {
            let now = nanos_since(began);
            let room = *window - under_way.len() as u64;
            let count = if now < deadline { room.min(left) } else { 0 };
            if count > 0 {
                left -= count;
                *sent += count;
                let one = || UnderWay { sent_at: now, missing: *receivers };
                under_way.extend((0..count).map(|_| one()));
                crowd.send(*receivers, count, None)?;
            } else if under_way.is_empty() {
                break;
            }
            crowd.turn(Some(progress.interval(patience)), |mut ready| {
                if ready.index > *receivers {
                    return Ok(());
                }
                let Some(count) = received.get_mut(ready.index) else {
                    // Whether the sender hears itself is the server's affair.
                    ready.read_any()?;
                    return ready.send(0, None);
                };
                let got = ready.read()?;
                last = nanos_since(began);
                for _ in 0..got {
                    let Some(message) = under_way.get_mut(*count - complete) else {
                        return Err("it received a message more often than it was sent".to_owned());
                    };
                    message.missing -= 1;
                    round.latency.saturating_record(last - message.sent_at);
                    *count += 1;
                }
                round.done += got;
                ready.send(0, None)
            })?;
            while under_way.front().is_some_and(|message| message.missing == 0) {
                under_way.pop_front();
                complete += 1;
            }
            let now = nanos_since(began);
            let share = goal.share(complete as u64, now);
            progress.running(share, round.done, "deliveries");
            if Duration::from_nanos(now - last) > patience {
                return Err(format!(
                    "nothing was received within {} s: {} messages have not reached everyone",
                    patience.as_secs_f64(),
                    under_way.len()
                ));
            }
        }
        round.elapsed = Duration::from_nanos(last);
        round.usage = server.usage()? - before;
        round.bytes = round.done * crowd.messages().size as u64;
        Ok(round)
    }

    fn crowd(&mut self) -> &mut Crowd {
        &mut self.crowd
    }
}
