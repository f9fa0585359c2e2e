//! The connections of one process, and the loop that serves them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::arguments::Common;

use super::client::Client;
use super::messages::{Messages, Random};
use super::opening::Opening;
use super::pace::Pacer;
use super::progress::Progress;
use super::target::{Bare, Target};

const BUFFER_BYTES: usize = 256 * 1024;
const EVENTS: usize = 1024;
/// Behind the tokens of connections.
const WAKER: Token = Token(usize::MAX);
const PACER: Token = Token(usize::MAX - 1);

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an open connection is what a slot is for")]
enum Slot {
    Opening(Box<Opening>),
    Open(Client),
    Vacant,
}

/// What is ready for a connection.
#[derive(Debug)]
pub(crate) struct Ready<'c> {
    pub(crate) index: usize,
    pub(crate) client: &'c mut Client,
    messages: &'c Messages,
    buffer: &'c mut [u8],
    has_closed: bool,
}

impl Ready<'_> {
    /// Reads what is there, and returns how many replies ended in it, which must be what was sent.
    pub(crate) fn read(&mut self) -> Result<u64, String> {
        self.client.read(self.buffer, self.has_closed, Some(self.messages))
    }

    /// Reads what is there, whatever it is, and returns how many messages ended in it.
    pub(crate) fn read_any(&mut self) -> Result<u64, String> {
        self.client.read(self.buffer, self.has_closed, None)
    }

    /// Begins `count` more messages, and writes what there is to send; see [`Client::begin`].
    pub(crate) fn send(&mut self, count: u64, now: Option<u64>) -> Result<(), String> {
        send(self.client, self.messages, self.buffer, count, now)
    }
}

/// Connections, their loop, and how to open more.
#[derive(Debug)]
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    pacer: Option<Pacer>,
    targets: Vec<Target>,
    slots: Vec<Slot>,
    messages: Messages,
    buffer: Vec<u8>,
    random: Random,
    /// How many connections other processes have opened.
    first: usize,
    /// How many connections have been opened.
    opened: usize,
    /// What servers without a handshake do.
    bare: Bare,
    patience: Duration,
}

impl Crowd {
    /// No connections yet, to `targets` in turn, which will send `messages`.
    pub(crate) fn new(
        targets: Vec<Target>,
        common: &Common,
        messages: Messages,
        bare: Bare,
    ) -> Result<Self, String> {
        Ok(Self {
            poll: Poll::new().map_err(no_loop)?,
            events: Events::with_capacity(EVENTS),
            pacer: None,
            targets,
            slots: Vec::new(),
            messages,
            buffer: vec![0; BUFFER_BYTES],
            random: Random::new(),
            first: common.first,
            opened: 0,
            bare,
            patience: common.patience,
        })
    }

    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// What another thread wakes the loop with.
    pub(crate) fn waker(&self) -> Result<Arc<Waker>, String> {
        Waker::new(self.poll.registry(), WAKER).map(Arc::new).map_err(no_loop)
    }

    /// Lets `pacer` wake the loop.
    pub(crate) fn set_pacer(&mut self, pacer: Pacer) -> Result<(), String> {
        pacer.register(self.poll.registry(), PACER).map_err(no_loop)?;
        self.pacer = Some(pacer);
        Ok(())
    }

    pub(crate) const fn messages(&self) -> &Messages {
        &self.messages
    }

    /// How many pings all connections have answered.
    pub(crate) fn pings(&mut self) -> u64 {
        self.clients().map(|client| client.pings()).sum()
    }

    /// All connections that are open.
    pub(crate) fn clients(&mut self) -> impl Iterator<Item = &mut Client> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Open(client) => Some(client),
            Slot::Opening(_) | Slot::Vacant => None,
        })
    }

    /// Begins `count` more messages on connection `index`, and writes them; see [`Client::begin`].
    pub(crate) fn send(
        &mut self,
        index: usize,
        count: u64,
        now: Option<u64>,
    ) -> Result<(), String> {
        let Some(Slot::Open(client)) = self.slots.get_mut(index) else { return Ok(()) };
        send(client, &self.messages, &mut self.buffer, count, now)
            .map_err(|complaint| at(index, &complaint))
    }

    /// Opens `count` connections, `at_once` at a time, and records how long each took.
    pub(crate) fn open(
        &mut self,
        count: usize,
        at_once: usize,
        mut latency: Option<&mut Histogram<u64>>,
        progress: &mut Progress,
    ) -> Result<(), String> {
        self.slots.clear();
        let (mut open, mut begun) = (0, 0);
        let mut last = Instant::now();
        let mut opening = VecDeque::new();
        while open < count {
            while begun < count && begun - open < at_once {
                self.begin(begun)?;
                opening.push_back(begun);
                begun += 1;
            }
            self.wait(Some(progress.interval(self.patience)))?;
            let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
            for event in &events {
                if let Some(began) = self.advance(event.token().0)? {
                    open += 1;
                    last = Instant::now();
                    if let Some(latency) = &mut latency {
                        let nanos = last.saturating_duration_since(began).as_nanos();
                        latency.saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX));
                    }
                }
            }
            self.events = events;
            progress.opening(open, count);
            if last.elapsed() > self.patience {
                return Err(format!(
                    "no answer within {} s: {open} of {count} connections are open",
                    self.patience.as_secs_f64()
                ));
            }
        }
        Ok(())
    }

    fn begin(&mut self, index: usize) -> Result<(), String> {
        let number = self.first + self.opened;
        let target = &self.targets[number % self.targets.len()];
        let mut opening = Opening::begin(target, number, &mut self.random, self.bare)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(&mut opening.stream, Token(index), interest).map_err(no_loop)?;
        self.opened += 1;
        debug_assert_eq!(index, self.slots.len());
        self.slots.push(Slot::Opening(Box::new(opening)));
        Ok(())
    }

    /// Goes on with opening connection `index`; if it is open now, returns when it began.
    fn advance(&mut self, index: usize) -> Result<Option<Instant>, String> {
        let begun = self.slots.len();
        let Some(slot) = self.slots.get_mut(index) else { return Ok(None) };
        let number = self.first + self.opened - begun + index;
        let target = &self.targets[number % self.targets.len()];
        let opening = match slot {
            Slot::Opening(opening) => opening,
            Slot::Open(client) => {
                // A server may greet or ping while others are still being opened.
                client.read(&mut self.buffer, false, None)?;
                client.write(&self.messages)?;
                return Ok(None);
            }
            Slot::Vacant => return Ok(None),
        };
        let Some(mut rest) = opening.advance(target)? else { return Ok(None) };
        let Slot::Opening(opening) = std::mem::replace(slot, Slot::Vacant) else {
            return Ok(None);
        };
        let mut client = Client::new(opening.stream, target.role(self.bare));
        client.take(&mut rest, None)?;
        *slot = Slot::Open(client);
        Ok(Some(opening.began))
    }

    /// Waits at most for `timeout`, and calls `serve` for every connection that is ready.
    pub(crate) fn turn(
        &mut self,
        timeout: Option<Duration>,
        mut serve: impl FnMut(Ready<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let timeout = self.pacer.as_ref().map(Pacer::timeout).or(timeout);
        self.wait(timeout)?;
        let Self { events, pacer, slots, messages, buffer, .. } = self;
        for event in events.iter() {
            if let (PACER, Some(pacer)) = (event.token(), &pacer) {
                pacer.rearm();
            }
            let index = event.token().0;
            if let Some(Slot::Open(client)) = slots.get_mut(index) {
                let has_closed = event.is_read_closed();
                serve(Ready { index, client, messages, buffer, has_closed })
                    .map_err(|complaint| at(index, &complaint))?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), String> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result.map_err(no_loop),
        }
    }

    /// Closes all connections with code 1000 and waits for the server to end them, but not longer than it may take.
    pub(crate) fn close(&mut self) -> Result<(), String> {
        let is_echo = self.targets.iter().any(|target| target.request.is_none());
        let mut open = 0;
        for slot in self.slots.iter_mut().filter(|_| !is_echo) {
            let Slot::Open(client) = slot else { continue };
            client.close(self.random.key());
            // Who has gone already needs no close.
            open += usize::from(client.write(&self.messages).is_ok());
        }
        let deadline = Instant::now() + self.patience;
        while open > 0 && Instant::now() < deadline {
            let mut ended = 0;
            self.turn(Some(Duration::from_millis(100)), |mut ready| {
                if !ready.client.has_ended() {
                    // What is told of the end is what was asked for.
                    let _ = ready.read_any();
                    ended += usize::from(ready.client.has_ended());
                }
                Ok(())
            })?;
            open -= ended;
        }
        self.slots.clear();
        Ok(())
    }
}

fn send(
    client: &mut Client,
    messages: &Messages,
    buffer: &mut [u8],
    count: u64,
    now: Option<u64>,
) -> Result<(), String> {
    client.begin(count, now, messages);
    client.write(messages).map_err(|complaint| {
        // Why nothing can be sent any more may have come before.
        client.read(buffer, true, None).err().unwrap_or(complaint)
    })
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` passes")]
fn no_loop(error: io::Error) -> String {
    format!("the load's own loop failed: {error}")
}

/// Where a failure happened, for who reads of it.
fn at(index: usize, complaint: &str) -> String {
    format!("connection {}: {complaint}", index + 1)
}
