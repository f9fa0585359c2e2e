//! A test's end of a simulated connection.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use super::link::{End, Packet, Side};
use super::simulation::Simulation;
use crate::slab::Key;

/// One end of a connection whose other end is, as a rule, a loop's.
///
/// Whatever a peer may do on a real connection can be done here byte by byte: write, not read, end
/// one direction, reset, vanish. Dropping it closes it as the end of a process would.
#[derive(Debug)]
pub struct Wire {
    simulation: Rc<RefCell<Simulation>>,
    link: Key,
    side: Side,
}

impl Wire {
    pub(super) const fn new(simulation: Rc<RefCell<Simulation>>, link: Key, side: Side) -> Self {
        Self { simulation, link, side }
    }

    /// The number that the other end sees as [`Remote::Memory`](super::super::Remote::Memory).
    #[must_use]
    pub fn number(&self) -> u64 {
        self.state().links.get(self.link).map_or(0, |link| link.number)
    }

    /// Sends `bytes`. There is no limit: what the other end does not take waits for it.
    pub fn write(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let packet = Packet::Bytes(bytes.to_vec());
            self.state().transmit(self.link, self.side.other(), packet);
        }
    }

    /// Takes everything that has arrived.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        self.read_at_most(usize::MAX)
    }

    /// Takes what has arrived, at most `bytes_max`.
    #[must_use]
    pub fn read_at_most(&self, bytes_max: usize) -> Vec<u8> {
        self.state().take(self.link, self.side, bytes_max)
    }

    /// How many bytes arrived and were not read.
    #[must_use]
    pub fn readable_len(&self) -> usize {
        self.with_end(self.side, |end| end.arrived.len())
    }

    /// How many of the bytes written here the other end has not taken.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.with_end(self.side.other(), End::unread)
    }

    /// Whether the other end ended its sending, and everything before that was read.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.with_end(self.side, |end| end.end_arrived && end.arrived.is_empty())
    }

    /// Whether the other end closed while bytes were unread, or broke the connection: what it had
    /// sent before may be lost.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.with_end(self.side, |end| end.reset_arrived)
    }

    /// How many bytes the other end may send that are not read yet. Zero: it is blocked at once.
    pub fn set_window(&self, bytes: usize) {
        self.state().set_window(self.link, self.side, bytes);
    }

    /// Ends the sending direction.
    pub fn shutdown_write(&self) {
        self.state().shutdown_write(self.link, self.side);
    }

    /// Breaks the connection: the other end's next receive fails.
    pub fn reset(self) {
        self.state().reset(self.link, self.side);
    }

    /// Cuts the line without a word, as the loss of a network does: nothing arrives any more at
    /// either end.
    pub fn vanish(self) {
        if let Some(link) = self.state().links.get_mut(self.link) {
            link.vanished = true;
        }
    }

    fn state(&self) -> RefMut<'_, Simulation> {
        self.simulation.borrow_mut()
    }

    fn with_end<R: Default>(&self, side: Side, read: impl FnOnce(&End) -> R) -> R {
        self.state().links.get(self.link).map(|link| read(link.end(side))).unwrap_or_default()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state().close(self.link, self.side);
    }
}
