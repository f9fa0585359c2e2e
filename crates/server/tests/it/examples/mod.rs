//! The examples, each run over a real socket.

mod dialogue;
mod greeter;
mod notifications;
mod ping_policy;
mod ticker;
