//! What happens in a simulated network, and when.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye_protocol::Instant;

use super::super::{Address, Carrier, Completion, ListenerId};
use super::conditions::{Answer, Conditions};
use super::handing::{Handing, Handle};
use super::link::{Edges, End, Link, Owner, Packet, Phase, Side};
use super::random::Random;
use super::sleeper::{Ready, Sleeper};
use crate::slab::{Key, Slab};

/// The state that the engines of a network and its tests share.
#[derive(Debug)]
pub(super) struct Simulation {
    pub(super) now: Instant,
    pub(super) horizon: Option<Instant>,
    pub(super) conditions: Conditions,
    random: Random,
    pub(super) links: Slab<Link>,
    links_made: u64,
    /// By [`ListenerId`]; `None` after it was closed.
    listeners: Vec<Option<Listener>>,
    pub(super) hosts: BTreeMap<u64, Host>,
    pub(super) accept_errors: VecDeque<i32>,
    /// Ordered by time, then by when it was decided.
    schedule: BTreeMap<(Instant, u64), Happening>,
    decided: u64,
    pub(super) engines: Vec<Sleeper>,
    handing: Handing,
}

/// A listener of an engine.
#[derive(Debug)]
struct Listener {
    engine: usize,
    number: u64,
    backlog: VecDeque<Key>,
}

/// An address at which the test answers.
#[derive(Debug)]
pub(super) struct Host {
    answer: Answer,
    pub(super) accepted: VecDeque<Key>,
}

impl Host {
    pub(super) const fn new(answer: Answer) -> Self {
        Self { answer, accepted: VecDeque::new() }
    }
}

#[derive(Debug)]
enum Happening {
    /// The first packet in flight arrives at an end.
    Arrival(Key, Side),
    /// A caller's wish to connect arrives at an address.
    Call(Key, u64),
    /// The answer arrives at the caller.
    Answer(Key, Result<(), io::ErrorKind>),
    /// The end learns that the other one has read.
    WindowOpened(Key, Side),
}

impl Simulation {
    pub(super) fn new(conditions: Conditions) -> Self {
        Self {
            now: Instant::ZERO,
            horizon: None,
            random: Random::new(conditions.seed),
            conditions,
            links: Slab::new(),
            links_made: 0,
            listeners: Vec::new(),
            hosts: BTreeMap::new(),
            accept_errors: VecDeque::new(),
            schedule: BTreeMap::new(),
            decided: 0,
            engines: Vec::new(),
            handing: Handing::default(),
        }
    }

    pub(super) fn set_conditions(&mut self, conditions: Conditions) {
        self.random = Random::new(conditions.seed);
        self.conditions = conditions;
    }

    /// Moves the clock, and lets happen what is due on the way.
    pub(super) fn run_until(&mut self, until: Instant) {
        while let Some(link) = self.handing.lost() {
            self.close(link, Side::Callee);
        }
        while let Some(entry) = self.schedule.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((at, _), happening) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(happening);
        }
        self.now = self.now.max(until);
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.next_happening() > self.now && self.engines.iter().all(Sleeper::is_told)
    }

    /// Adds an engine, and returns its number.
    pub(super) fn join(&mut self, woken: Arc<AtomicBool>) -> usize {
        self.engines.push(Sleeper { woken, ..Sleeper::default() });
        self.engines.len() - 1
    }

    /// Closes everything that an engine has.
    pub(super) fn part(&mut self, engine: usize) {
        for index in 0..self.listeners.len() {
            let listener = self.listeners[index].take_if(|listener| listener.engine == engine);
            self.refuse_all(listener);
        }
        let sleeper = std::mem::replace(&mut self.engines[engine], Sleeper::gone());
        for (_, (link, side)) in sleeper.carriers.iter() {
            self.close(*link, *side);
        }
    }

    /// Whether an engine other than `number` has something to do before the clock may move.
    pub(super) fn others_are_busy(&self, number: usize) -> bool {
        self.engines.iter().enumerate().any(|(other, engine)| {
            let sleeps = engine.asleep_until.is_some_and(|until| until > self.now);
            other != number && !(engine.gone || sleeps && engine.is_told())
        })
    }

    /// How far the clock may move at once: to the next thing that happens by itself, the end of an
    /// engine's sleep, or the horizon. [`Instant::MAX`]: nothing will ever happen.
    pub(super) fn next_turning_point(&self) -> Instant {
        let sleeps = self.engines.iter().filter_map(|engine| engine.asleep_until);
        let horizon = self.horizon.unwrap_or(Instant::MAX);
        sleeps.fold(self.next_happening().min(horizon), Instant::min)
    }

    fn next_happening(&self) -> Instant {
        self.schedule.first_key_value().map_or(Instant::MAX, |((at, _), _)| *at)
    }

    /// Hands an engine what it has not been told yet; returns whether there was anything.
    pub(super) fn collect(&mut self, engine: usize, completions: &mut Vec<Completion>) -> bool {
        let before = completions.len();
        let ready = std::mem::take(&mut self.engines[engine].ready);
        for ready in ready {
            match ready {
                Ready::Listener(listener) => completions.push(Completion::Acceptable(listener)),
                Ready::End(link, side) => {
                    let Some(link) = self.links.get_mut(link) else { continue };
                    let end = link.end_mut(side);
                    let edges = std::mem::take(&mut end.edges);
                    let Owner::Engine(_, carrier) = end.owner else { continue };
                    if edges.connected {
                        completions.push(Completion::Connected(carrier));
                    }
                    if edges.readable {
                        completions.push(Completion::Readable(carrier));
                    }
                    if edges.writable {
                        completions.push(Completion::Writable(carrier));
                    }
                }
            }
        }
        if self.engines[engine].woken.swap(false, Ordering::AcqRel) {
            completions.push(Completion::Woken);
        }
        completions.len() > before
    }

    pub(super) fn listen(&mut self, engine: usize, wanted: u64) -> io::Result<(ListenerId, u64)> {
        let is_taken = |simulation: &Self, number: u64| {
            simulation.listeners.iter().flatten().any(|listener| listener.number == number)
        };
        let number = match wanted {
            0 => (1..).find(|number| !is_taken(self, *number)).ok_or(io::ErrorKind::AddrInUse)?,
            wanted if is_taken(self, wanted) => return Err(io::ErrorKind::AddrInUse.into()),
            wanted => wanted,
        };
        let id = u32::try_from(self.listeners.len()).map_err(io::Error::other)?;
        self.listeners.push(Some(Listener { engine, number, backlog: VecDeque::new() }));
        Ok((ListenerId::new(id), number))
    }

    pub(super) fn unlisten(&mut self, listener: ListenerId) {
        let slot = self.listeners.get_mut(listener.index() as usize);
        let listener = slot.and_then(Option::take);
        self.refuse_all(listener);
    }

    /// The next connection that a listener's engine may accept.
    pub(super) fn next_waiting(&mut self, listener: ListenerId) -> io::Result<Option<Key>> {
        match self.listeners.get_mut(listener.index() as usize) {
            Some(Some(listener)) => Ok(listener.backlog.pop_front()),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Lets another engine have a connection that waited.
    pub(super) fn hand(&mut self, link: Key) -> Arc<Handle> {
        self.handing.begin(link)
    }

    /// The connection that was let go with this handle.
    pub(super) fn take_handed(&mut self, handle: &Arc<Handle>) -> Option<Key> {
        self.handing.end(handle)
    }

    /// Gives a connection that waited to an engine, and tells it of what has arrived.
    pub(super) fn adopt(&mut self, engine: usize, link: Key) -> Carrier {
        let carrier = self.own(engine, link, Side::Callee);
        self.tell(link, Side::Callee, |end| {
            end.edges = Edges { readable: end.is_readable(), ..Edges::default() };
        });
        carrier
    }

    fn refuse_all(&mut self, listener: Option<Listener>) {
        for link in listener.into_iter().flat_map(|listener| listener.backlog) {
            self.reset(link, Side::Callee);
        }
    }

    /// A test connects to a listener.
    pub(super) fn call(&mut self, address: &Address) -> io::Result<Key> {
        let number = match address {
            Address::Memory(number) if self.listener_at(*number).is_some() => *number,
            _ => return Err(io::ErrorKind::ConnectionRefused.into()),
        };
        let link = self.make_link(Owner::Test, Phase::Open);
        self.start_call(link, number);
        Ok(link)
    }

    /// An engine connects.
    pub(super) fn connect(&mut self, engine: usize, number: u64) -> Carrier {
        let link = self.make_link(Owner::Test, Phase::Connecting);
        let carrier = self.own(engine, link, Side::Caller);
        self.start_call(link, number);
        carrier
    }

    /// Gives an end to an engine.
    pub(super) fn own(&mut self, engine: usize, link: Key, side: Side) -> Carrier {
        let key = self.engines[engine].carriers.insert((link, side));
        let carrier = Carrier::new(key.index(), key.generation());
        if let Some(link) = self.links.get_mut(link) {
            let end = link.end_mut(side);
            end.owner = Owner::Engine(engine, carrier);
            // What came while nobody owned it was told to nobody.
            end.edges = Edges::default();
        }
        carrier
    }

    /// Sends a packet to an end.
    pub(super) fn transmit(&mut self, link: Key, to: Side, packet: Packet) {
        let latency = self.latency_to(to);
        let Some(state) = self.links.get_mut(link) else { return };
        if state.vanished {
            return;
        }
        let end = state.end_mut(to);
        let is_first = end.in_flight.is_empty();
        end.depart(packet);
        if is_first && latency.is_zero() {
            self.happen(Happening::Arrival(link, to));
        } else {
            self.schedule(self.now + latency, Happening::Arrival(link, to));
        }
    }

    /// Takes bytes that arrived at an end, and lets the other one know.
    pub(super) fn take(&mut self, link: Key, side: Side, bytes_max: usize) -> Vec<u8> {
        let latency = self.latency_to(side.other());
        let Some(state) = self.links.get_mut(link) else { return Vec::new() };
        let end = state.end_mut(side);
        let count = end.arrived.len().min(bytes_max);
        // Slices, and not byte by byte: tests move gigabytes through here.
        let (front, back) = end.arrived.as_slices();
        let of_front = &front[..count.min(front.len())];
        let taken = [of_front, &back[..count - of_front.len()]].concat();
        end.arrived.drain(..count);
        if count > 0 && state.end(side.other()).blocked && !state.vanished {
            self.schedule(self.now + latency, Happening::WindowOpened(link, side.other()));
        }
        taken
    }

    pub(super) fn set_window(&mut self, link: Key, side: Side, bytes: usize) {
        if let Some(state) = self.links.get_mut(link) {
            state.end_mut(side).window = bytes;
            self.schedule(self.now, Happening::WindowOpened(link, side.other()));
        }
    }

    pub(super) fn shutdown_write(&mut self, link: Key, side: Side) {
        let Some(state) = self.links.get_mut(link) else { return };
        if !std::mem::replace(&mut state.end_mut(side).shut, true) {
            self.transmit(link, side.other(), Packet::End);
        }
    }

    /// Closes an end as a system does: with a reset if bytes are unread.
    pub(super) fn close(&mut self, link: Key, side: Side) {
        let Some(state) = self.links.get_mut(link) else { return };
        if state.end(side).arrived.is_empty() {
            self.shutdown_write(link, side);
            self.leave(link, side);
        } else {
            self.reset(link, side);
        }
    }

    /// Breaks a link from one end.
    pub(super) fn reset(&mut self, link: Key, side: Side) {
        if self.links.get(link).is_some_and(|link| !link.end(side).closed) {
            self.transmit(link, side.other(), Packet::Reset);
            self.leave(link, side);
        }
    }

    /// A random size from one to `max`.
    pub(super) fn cut(&mut self, max: Option<usize>) -> usize {
        match max {
            Some(max) => 1 + self.random.below(max.max(1)),
            None => usize::MAX,
        }
    }

    /// Notes an edge for the engine that owns an end.
    pub(super) fn tell(&mut self, link: Key, side: Side, edge: impl FnOnce(&mut End)) {
        let Some(state) = self.links.get_mut(link) else { return };
        let end = state.end_mut(side);
        let was_quiet = end.edges == Edges::default();
        edge(end);
        let is_quiet = end.edges == Edges::default();
        if let (Owner::Engine(engine, _), true, false) = (end.owner, was_quiet, is_quiet) {
            self.engines[engine].ready.push_back(Ready::End(link, side));
        }
    }

    fn leave(&mut self, link: Key, side: Side) {
        let Some(state) = self.links.get_mut(link) else { return };
        let end = state.end_mut(side);
        end.closed = true;
        end.owner = Owner::Test;
        end.arrived.clear();
        if state.end(side.other()).closed {
            self.links.remove(link);
        }
    }

    fn make_link(&mut self, caller: Owner, phase: Phase) -> Key {
        self.links_made += 1;
        let window = self.conditions.window_bytes;
        let caller = End::new(caller, phase, window);
        let callee = End::new(Owner::Test, Phase::Open, window);
        self.links.insert(Link::new(self.links_made, caller, callee))
    }

    fn start_call(&mut self, link: Key, number: u64) {
        let latency = self.latency_to(Side::Callee);
        if latency.is_zero() {
            self.happen(Happening::Call(link, number));
        } else {
            self.schedule(self.now + latency, Happening::Call(link, number));
        }
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.decided += 1;
        self.schedule.insert((at, self.decided), happening);
    }

    fn latency_to(&self, side: Side) -> std::time::Duration {
        match side {
            Side::Caller => self.conditions.latency_to_caller,
            Side::Callee => self.conditions.latency_to_callee,
        }
    }

    fn listener_at(&self, number: u64) -> Option<usize> {
        let is_it = |listener: &Option<Listener>| {
            listener.as_ref().is_some_and(|listener| listener.number == number)
        };
        self.listeners.iter().position(is_it)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival(link, side) => self.arrive(link, side),
            Happening::Call(link, number) => self.called(link, number),
            Happening::Answer(link, result) => self.tell(link, Side::Caller, |end| {
                end.phase = result.map_or_else(Phase::Failed, |()| Phase::Open);
                end.edges.connected = true;
                end.edges.readable |= end.is_readable();
            }),
            Happening::WindowOpened(link, side) => {
                let Some(state) = self.links.get(link) else { return };
                if state.end(side).blocked && state.end(side.other()).room() > 0 {
                    self.tell(link, side, |end| {
                        end.blocked = false;
                        end.edges.writable = true;
                    });
                }
            }
        }
    }

    fn arrive(&mut self, link: Key, side: Side) {
        let Some(state) = self.links.get_mut(link) else { return };
        let vanished = state.vanished;
        let end = state.end_mut(side);
        let Some(packet) = end.land() else { return };
        match packet {
            _ if vanished || end.reset_arrived => return,
            Packet::Bytes(_) if end.closed => {
                return self.transmit(link, side.other(), Packet::Reset);
            }
            Packet::Bytes(bytes) => end.arrived.extend(bytes),
            Packet::End => end.end_arrived = true,
            Packet::Reset => {
                end.reset_arrived = true;
                end.arrived.clear();
            }
        }
        self.tell(link, side, |end| {
            end.edges.readable = true;
            end.edges.writable |= end.reset_arrived && std::mem::take(&mut end.blocked);
        });
    }

    fn called(&mut self, link: Key, number: u64) {
        let latency = self.latency_to(Side::Caller);
        let answer = if let Some(index) = self.listener_at(number) {
            if let Some(listener) = &mut self.listeners[index] {
                let engine = listener.engine;
                listener.backlog.push_back(link);
                let id = ListenerId::new(u32::try_from(index).unwrap_or(u32::MAX));
                let ready = &mut self.engines[engine].ready;
                if !ready.contains(&Ready::Listener(id)) {
                    ready.push_back(Ready::Listener(id));
                }
            }
            Ok(())
        } else {
            let host = self.hosts.get_mut(&number);
            match host.as_ref().map_or(Answer::Refuse, |host| host.answer) {
                Answer::Silence => return,
                Answer::Refuse => Err(io::ErrorKind::ConnectionRefused),
                Answer::Accept => {
                    host.into_iter().for_each(|host| host.accepted.push_back(link));
                    Ok(())
                }
            }
        };
        let is_connecting = |link: &Link| matches!(link.end(Side::Caller).phase, Phase::Connecting);
        if self.links.get(link).is_some_and(is_connecting) {
            self.schedule(self.now + latency, Happening::Answer(link, answer));
        }
    }
}
