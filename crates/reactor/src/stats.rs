//! What one reactor has counted since it was made.

/// Counters of one reactor; plain numbers, copied out at any time. Sums only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Turns of the loop.
    pub turns: u64,
    /// Transports accepted.
    pub accepted: u64,
    /// Transports accepted and handed over to another reactor, which counts them as accepted.
    pub handed_over: u64,
    /// Attempts to accept that failed, descriptors running out among them.
    pub accepts_failed: u64,
    /// Sessions that had not opened yet, or were ending, and gave way to newcomers.
    pub gave_way: u64,
    /// Sessions opened: handshakes completed, either role.
    pub opened: u64,
    /// Open sessions that ended.
    pub closed: u64,
    /// Requests answered with something other than 101.
    pub responded: u64,
    /// Reads that asked the kernel for bytes.
    pub reads: u64,
    /// Vectored writes.
    pub writes: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Text and binary messages given to handlers.
    pub messages_received: u64,
    /// Text and binary messages put into outboxes, those of groups included.
    pub messages_sent: u64,
    /// Deliveries to members of groups.
    pub deliveries: u64,
    /// Deliveries that a group's policy left out.
    pub dropped: u64,
    /// Panics of user code.
    pub panics: u64,
}
