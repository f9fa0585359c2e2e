//! One connection of a simulated network: two ends, and what is on its way to each.

use std::collections::VecDeque;
use std::io;

use super::super::Carrier;

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that connected.
    Caller,
    /// The one that was connected to.
    Callee,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Counts all connections of the network.
    pub(super) number: u64,
    caller: End,
    callee: End,
    /// Nothing arrives any more, in either direction, and nobody is told.
    pub(super) vanished: bool,
}

impl Link {
    pub(super) fn new(number: u64, caller: End, callee: End) -> Self {
        Self { number, caller, callee, vanished: false }
    }

    pub(super) const fn end(&self, side: Side) -> &End {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }

    pub(super) const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }
}

/// Who holds an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// An engine, by number, and what it calls the end.
    Engine(usize, Carrier),
    /// A test, or nobody yet.
    Test,
}

/// What travels.
#[derive(Debug)]
pub(super) enum Packet {
    Bytes(Vec<u8>),
    /// No bytes will follow.
    End,
    /// The sender is gone; what is unread is lost.
    Reset,
}

/// How far the making of a connection has come, seen from the end that began it.
#[derive(Debug)]
pub(super) enum Phase {
    Connecting,
    Failed(io::ErrorKind),
    Open,
}

/// One side of a link: what it received, and the state of its sending.
#[derive(Debug)]
pub(super) struct End {
    pub(super) owner: Owner,
    pub(super) phase: Phase,
    /// What is on its way here, in order.
    pub(super) in_flight: VecDeque<Packet>,
    in_flight_bytes: usize,
    pub(super) arrived: VecDeque<u8>,
    pub(super) end_arrived: bool,
    pub(super) reset_arrived: bool,
    /// How many bytes may be on their way or unread before the other side is blocked.
    pub(super) window: usize,
    /// The sending direction was ended.
    pub(super) shut: bool,
    /// Both directions were closed.
    pub(super) closed: bool,
    /// The last send was short: an edge follows when there is room.
    pub(super) blocked: bool,
    pub(super) edges: Edges,
}

/// What an end's engine has not been told yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edges {
    pub(super) connected: bool,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

impl End {
    pub(super) fn new(owner: Owner, phase: Phase, window: usize) -> Self {
        Self {
            owner,
            phase,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            arrived: VecDeque::new(),
            end_arrived: false,
            reset_arrived: false,
            window,
            shut: false,
            closed: false,
            blocked: false,
            edges: Edges::default(),
        }
    }

    /// Bytes sent to this end that its owner has not taken.
    pub(super) fn unread(&self) -> usize {
        self.arrived.len() + self.in_flight_bytes
    }

    /// How many bytes the other side may send now.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.unread())
    }

    /// Whether a receive finds something.
    pub(super) fn is_readable(&self) -> bool {
        !self.arrived.is_empty() || self.end_arrived || self.reset_arrived
    }

    pub(super) fn depart(&mut self, packet: Packet) {
        if let Packet::Bytes(bytes) = &packet {
            self.in_flight_bytes += bytes.len();
        }
        self.in_flight.push_back(packet);
    }

    /// Takes the first packet out of flight.
    pub(super) fn land(&mut self) -> Option<Packet> {
        let packet = self.in_flight.pop_front()?;
        if let Packet::Bytes(bytes) = &packet {
            self.in_flight_bytes -= bytes.len();
        }
        Some(packet)
    }
}
