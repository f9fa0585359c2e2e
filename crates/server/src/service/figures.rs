//! What a server has counted.

use sockeye_reactor::Peers;

use crate::executor::Executor;
use sockeye_reactor::mutex::Mutex;

/// The figures of a server, all loops together. Sums only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open.
    pub connections: u64,
    /// Connections that had not opened yet, or were ending, and gave way to newcomers.
    pub gave_way: u64,
    /// Connections that have been opened.
    pub opened: u64,
    /// Open connections that have ended.
    pub closed: u64,
    /// Requests answered with another status than 101.
    pub responded: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Messages sent, those of groups included.
    pub messages_sent: u64,
    /// Messages of groups delivered to members.
    pub deliveries: u64,
    /// Deliveries that a group's policy left out.
    pub dropped: u64,
    /// Bytes read, handshakes and headers included.
    pub bytes_received: u64,
    /// Bytes written, handshakes and headers included.
    pub bytes_sent: u64,
    /// Reads that asked the kernel for bytes.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Times that the loops woke.
    pub turns: u64,
    /// Attempts to accept that failed.
    pub accepts_failed: u64,
    /// Panics caught in the program's code, each of which ended one connection or task.
    pub panics: u64,
    /// Tasks on the executors, of routes and spawned.
    pub tasks: u64,
}

impl Stats {
    pub(crate) fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.gave_way += other.gave_way;
        self.opened += other.opened;
        self.closed += other.closed;
        self.responded += other.responded;
        self.messages_received += other.messages_received;
        self.messages_sent += other.messages_sent;
        self.deliveries += other.deliveries;
        self.dropped += other.dropped;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.reads += other.reads;
        self.writes += other.writes;
        self.turns += other.turns;
        self.accepts_failed += other.accepts_failed;
        self.panics += other.panics;
        self.tasks += other.tasks;
    }
}

/// One loop's figures as of its latest turn, for other threads to read.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<Stats>);

impl Figures {
    pub(crate) fn read(&self) -> Stats {
        *self.0.lock()
    }

    pub(crate) fn record(&self, peers: &Peers<'_>, executor: &Executor, panics: u64) {
        let counted = peers.stats();
        *self.0.lock() = Stats {
            connections: peers.open_sessions() as u64,
            gave_way: counted.gave_way,
            opened: counted.opened,
            closed: counted.closed,
            responded: counted.responded,
            messages_received: counted.messages_received,
            messages_sent: counted.messages_sent,
            deliveries: counted.deliveries,
            dropped: counted.dropped,
            bytes_received: counted.bytes_read,
            bytes_sent: counted.bytes_written,
            reads: counted.reads,
            writes: counted.writes,
            turns: counted.turns,
            accepts_failed: counted.accepts_failed,
            panics: counted.panics + executor.panics() + panics,
            tasks: executor.len() as u64,
        };
    }
}
