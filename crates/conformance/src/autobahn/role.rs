//! Who Sockeye is in a run.

/// Which of Sockeye's roles is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Against the suite's fuzzing client.
    Server,
    /// Against the suite's fuzzing server.
    Client,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}
