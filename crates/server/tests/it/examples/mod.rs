//! The examples, each run over a real socket.

pub(crate) mod dialogue;
mod greeter;
mod notifications;
mod ping_policy;
mod ticker;
