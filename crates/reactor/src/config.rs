//! The limits of one reactor, each with its unit, its default and its reason.

use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::HeadLimits;

/// The limits of one reactor. Nothing here can be switched off: a limit may only be moved.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long a handshake may take from accept (or connect) to open, deferred decisions included.
    /// 5 s: bytes do not extend it, so a peer that trickles a head is gone by then.
    pub handshake_within: Duration,
    /// The limits of a request's head.
    pub head_limits: HeadLimits,
    /// The limits of a connection, unless `Accept::config` names others.
    pub connection: Arc<sockeye_protocol::Config>,
    /// Bytes read from one session in one turn while others are ready. 256 KiB: one greedy peer
    /// delays the others by the time that this takes.
    pub turn_bytes_max: usize,
    /// Connections accepted in one turn. 64: a thundering herd does not starve those who are open.
    pub accepts_per_turn: usize,
    /// Open sessions; upgrades above it are answered 503 with Retry-After. 100,000.
    pub connections_max: usize,
    /// Sessions that are not open yet, or no longer. 16,384: a flood of silent connections costs a
    /// bounded amount of memory. With so many of them the one that came first gives way to a newcomer,
    /// if it has had `opening_grace`; otherwise accepting waits until one has.
    pub openings_max: usize,
    /// How long a session that is not open is sure of its place, however many others want it. 1 s:
    /// far more than a handshake takes, so that who came to fill the places loses them and who came to
    /// be served is. It also decides whose descriptor is freed when they run out.
    pub opening_grace: Duration,
    /// How long the kernel may refuse to take a single byte before the session is cut. 30 s.
    pub write_stall: Duration,
    /// How long a handler may keep reading paused before the session is closed with 1008. 5 min.
    pub pause_within: Duration,
    /// Bytes of commands that wait for this reactor's next turn. 64 MiB: a loop that is stuck in a
    /// handler does not grow without bound behind its back.
    pub mailbox_bytes_max: usize,
    /// Bytes read and thrown away while lingering after an HTTP answer. 256 KiB.
    pub linger_bytes_max: usize,
    /// How long a session may linger after its last byte was handed over. 5 s.
    pub linger_within: Duration,
    /// How long accepting rests after the process ran out of descriptors. 100 ms.
    pub accept_rest: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshake_within: Duration::from_secs(5),
            head_limits: HeadLimits::default(),
            connection: Arc::new(sockeye_protocol::Config::default()),
            turn_bytes_max: 256 * 1024,
            accepts_per_turn: 64,
            connections_max: 100_000,
            openings_max: 16_384,
            opening_grace: Duration::from_secs(1),
            write_stall: Duration::from_secs(30),
            pause_within: Duration::from_secs(5 * 60),
            mailbox_bytes_max: 64 * 1024 * 1024,
            linger_bytes_max: 256 * 1024,
            linger_within: Duration::from_secs(5),
            accept_rest: Duration::from_millis(100),
        }
    }
}
