//! Who is compared.

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What `sockeye-peers` knows it by.
    pub name: &'static str,
    /// The crate that it shows, whose version stands behind its name; none for the raw server.
    pub crate_name: Option<&'static str>,
    /// What tables call it.
    pub label: &'static str,
}

/// The ceiling, to which the others are put in proportion.
pub const RAW: Peer = Peer { name: "raw", crate_name: None, label: "raw TCP" };

/// Our own, event routes first.
pub const OURS: [Peer; 2] = [
    Peer { name: "events", crate_name: Some("sockeye"), label: "Sockeye, events" },
    Peer { name: "async", crate_name: Some("sockeye"), label: "Sockeye, async" },
];

/// Our protocol on the runtime that the others are on.
pub const ON_TOKIO: Peer =
    Peer { name: "tokio", crate_name: Some("sockeye-tokio"), label: "Sockeye on tokio" };

/// Those of others.
pub const OTHERS: [Peer; 4] = [
    Peer { name: "fastwebsockets", crate_name: Some("fastwebsockets"), label: "fastwebsockets" },
    Peer { name: "sockudo-ws", crate_name: Some("sockudo-ws"), label: "sockudo-ws" },
    Peer {
        name: "tokio-tungstenite",
        crate_name: Some("tokio-tungstenite"),
        label: "tokio-tungstenite",
    },
    Peer {
        name: "tokio-websockets",
        crate_name: Some("tokio-websockets"),
        label: "tokio-websockets",
    },
];

/// As the raw one, but a broadcast is sent message by message.
pub(super) const RAW_SINGLY: Peer =
    Peer { name: "raw-singly", crate_name: None, label: "raw TCP, a send for each message" };

/// What is measured only when it is asked for by name, and stands in no table.
pub const ASKED_FOR: [Peer; 2] =
    [RAW_SINGLY, Peer { name: "uring", crate_name: None, label: "the example on io_uring" }];

/// All of them, in the order of tables and plots.
pub fn all() -> impl Iterator<Item = Peer> {
    [RAW].into_iter().chain(beside_raw())
}

/// All but the raw one.
pub(super) fn beside_raw() -> impl Iterator<Item = Peer> {
    OURS.into_iter().chain([ON_TOKIO]).chain(OTHERS)
}
