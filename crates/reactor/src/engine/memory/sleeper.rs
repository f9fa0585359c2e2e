//! What a simulated network knows of one engine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye_protocol::Instant;

use super::super::ListenerId;
use super::link::Side;
use crate::slab::{Key, Slab};

/// One engine, seen from the network.
#[derive(Debug, Default)]
pub(super) struct Sleeper {
    pub(super) carriers: Slab<(Key, Side)>,
    pub(super) woken: Arc<AtomicBool>,
    pub(super) ready: VecDeque<Ready>,
    /// When it wants to go on, if its last poll found nothing. `None`: it is at work.
    pub(super) asleep_until: Option<Instant>,
    pub(super) gone: bool,
}

impl Sleeper {
    /// What is left of an engine that was dropped.
    pub(super) fn gone() -> Self {
        Self { gone: true, ..Self::default() }
    }

    /// Whether it knows everything that happened.
    pub(super) fn is_told(&self) -> bool {
        self.ready.is_empty() && !self.woken.load(Ordering::Acquire)
    }
}

/// What an engine is to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Listener(ListenerId),
    End(Key, Side),
}
