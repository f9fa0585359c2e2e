//! The engine of tests: a simulated network on a virtual clock.

// In reading order; each uses only those declared below it.
mod network;
mod wire;
mod simulation;
mod handing;
mod sleeper;
mod link;
mod random;
mod conditions;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye_protocol::{Instant, Outbox};

use super::{
    Address, Carrier, Completion, Engine, Handed, Input, ListenerId, Received, Remote, Sent, Wake,
};
use crate::buffers::ReceiveBuffer;
use crate::slab::Key;
pub use conditions::{Answer, Conditions};
use handing::Handle;
use link::{Packet, Phase, Side};
pub use network::Network;
pub use wire::Wire;

/// An engine whose sockets lie in a simulated [`Network`], made by [`Network::engine`].
///
/// Sleeping costs no time: [`poll`](Engine::poll) moves the network's clock to the next thing that
/// happens, or by its timeout. So the real loop runs an hour in milliseconds, without ports, and
/// every run with the same seed is the same.
///
/// A sleep without a timeout in a network where nothing will ever happen is an error, so a loop
/// that hangs fails its test. Waking from other threads works, but only a wake-up that came before
/// the sleep is sure to be seen.
#[derive(Debug)]
pub struct Memory {
    network: Network,
    number: usize,
    receive_buffer: ReceiveBuffer,
    waker: Arc<MemoryWaker>,
}

/// As much as the [mio engine](super::Mio) receives at once.
const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;

/// Slices of one vectored write, as in the [mio engine](super::Mio).
const SLICES_MAX: usize = 64;

impl Memory {
    fn new(network: Network) -> Self {
        let woken = Arc::new(AtomicBool::new(false));
        let number = network.state().join(woken.clone());
        let waker = Arc::new(MemoryWaker(woken));
        let receive_buffer = ReceiveBuffer::new(RECEIVE_BUFFER_BYTES);
        Self { network, number, receive_buffer, waker }
    }

    /// The network in which the engine's sockets lie.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Which link and end a carrier is.
    fn find(&self, carrier: Carrier) -> io::Result<(Key, Side)> {
        let key = Key::new(carrier.index(), carrier.generation());
        let found = self.network.state().engines[self.number].carriers.get(key).copied();
        found.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// One read of at most `room` bytes.
    fn read(&self, carrier: Carrier, room: usize) -> io::Result<Read> {
        let (link, side) = self.find(carrier)?;
        let mut state = self.network.state();
        let cut = state.conditions.read_bytes_max;
        let room = room.min(state.cut(cut));
        let Some(end) = state.links.get(link).map(|link| link.end(side)) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match end.phase {
            Phase::Open if end.reset_arrived => return Err(io::ErrorKind::ConnectionReset.into()),
            Phase::Open => {}
            _ => return Err(io::ErrorKind::NotConnected.into()),
        }
        if end.arrived.is_empty() {
            return Ok(if end.end_arrived { Read::End } else { Read::Nothing });
        }
        let drained = end.arrived.len() <= room && !end.end_arrived;
        Ok(Read::Bytes { bytes: state.take(link, side, room), drained })
    }
}

/// A copy of the first `len` bytes of an outbox.
fn first_bytes(outbox: &Outbox, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    for chunk in outbox.chunks() {
        let missing = len - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(missing)]);
    }
    bytes
}

/// What one read found.
enum Read {
    Bytes { bytes: Vec<u8>, drained: bool },
    Nothing,
    End,
}

impl Engine for Memory {
    fn now(&self) -> Instant {
        self.network.now()
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        let mut state = self.network.state();
        let now = state.now;
        state.run_until(now);
        let wanted = timeout.map_or(Instant::MAX, |timeout| now + timeout);
        state.engines[self.number].asleep_until = None;
        if state.collect(self.number, completions) {
            return Ok(());
        }
        state.engines[self.number].asleep_until = Some(wanted);
        if wanted == now || state.others_are_busy(self.number) {
            return Ok(());
        }
        let target = state.next_turning_point();
        if target == Instant::MAX {
            return Err(io::Error::other("nothing will ever happen"));
        }
        state.run_until(target.max(now));
        if state.collect(self.number, completions) || state.now >= wanted {
            state.engines[self.number].asleep_until = None;
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.waker.clone()
    }

    fn listen(&mut self, address: &Address) -> io::Result<(ListenerId, Address)> {
        let Address::Memory(wanted) = address else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let (id, number) = self.network.state().listen(self.number, *wanted)?;
        Ok((id, Address::Memory(number)))
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.network.state().unlisten(listener);
    }

    fn accept(&mut self, listener: ListenerId) -> io::Result<Option<(Carrier, Remote)>> {
        let mut state = self.network.state();
        if let Some(error) = state.accept_errors.pop_front() {
            return Err(io::Error::from_raw_os_error(error));
        }
        let Some(link) = state.next_waiting(listener)? else { return Ok(None) };
        let number = state.links.get(link).map_or(0, |link| link.number);
        Ok(Some((state.adopt(self.number, link), Remote::Memory(number))))
    }

    fn accept_for_another(&mut self, listener: ListenerId) -> io::Result<Option<Handed>> {
        let mut state = self.network.state();
        if let Some(error) = state.accept_errors.pop_front() {
            return Err(io::Error::from_raw_os_error(error));
        }
        let Some(link) = state.next_waiting(listener)? else { return Ok(None) };
        let number = state.links.get(link).map_or(0, |link| link.number);
        Ok(Some(Handed::new(state.hand(link), Remote::Memory(number))))
    }

    fn adopt(&mut self, handed: Handed) -> io::Result<(Carrier, Remote)> {
        let Some((handle, remote)) = handed.into_parts::<Arc<Handle>>() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut state = self.network.state();
        let Some(link) = state.take_handed(&handle) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        Ok((state.adopt(self.number, link), remote))
    }

    fn refuse(&mut self, listener: ListenerId) -> io::Result<bool> {
        let mut state = self.network.state();
        let Some(link) = state.next_waiting(listener)? else { return Ok(false) };
        state.close(link, Side::Callee);
        Ok(true)
    }

    fn connect(&mut self, address: &Address) -> io::Result<Carrier> {
        match address {
            Address::Memory(number) => Ok(self.network.state().connect(self.number, *number)),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn connect_result(&mut self, carrier: Carrier) -> io::Result<()> {
        let (link, side) = self.find(carrier)?;
        match self.network.state().links.get(link).map(|link| &link.end(side).phase) {
            Some(Phase::Open) => Ok(()),
            Some(Phase::Connecting) => Err(io::ErrorKind::WouldBlock.into()),
            Some(Phase::Failed(kind)) => Err((*kind).into()),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn receive(&mut self, carrier: Carrier) -> io::Result<Input<'_>> {
        Ok(match self.read(carrier, self.receive_buffer.len())? {
            Read::Bytes { bytes, drained } => {
                let target = &mut self.receive_buffer[..bytes.len()];
                target.copy_from_slice(&bytes);
                Input::Bytes { bytes: target, drained }
            }
            Read::Nothing => Input::Nothing,
            Read::End => Input::End,
        })
    }

    fn receive_into(&mut self, carrier: Carrier, target: &mut Vec<u8>) -> io::Result<Received> {
        let room = target.capacity() - target.len();
        if room == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(match self.read(carrier, room)? {
            Read::Bytes { bytes, drained } => {
                target.extend_from_slice(&bytes);
                Received::Bytes { count: bytes.len(), drained }
            }
            Read::Nothing => Received::Nothing,
            Read::End => Received::End,
        })
    }

    fn send(&mut self, carrier: Carrier, outbox: &mut Outbox) -> io::Result<Sent> {
        let (link, side) = self.find(carrier)?;
        let mut state = self.network.state();
        let most = state.conditions.send_bytes_max;
        let cut = state.cut(most);
        let Some(ends) = state.links.get_mut(link) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match ends.end(side) {
            end if !matches!(end.phase, Phase::Open) => {
                return Err(io::ErrorKind::NotConnected.into());
            }
            end if end.reset_arrived => return Err(io::ErrorKind::ConnectionReset.into()),
            end if end.shut => return Err(io::ErrorKind::BrokenPipe.into()),
            _ => {}
        }
        let offered: usize = outbox.chunks().take(SLICES_MAX).map(<[u8]>::len).sum();
        let room = ends.end(side.other()).room();
        let bytes = offered.min(room).min(cut);
        let blocked = bytes < offered;
        ends.end_mut(side).blocked = blocked;
        if bytes > 0 {
            state.transmit(link, side.other(), Packet::Bytes(first_bytes(outbox, bytes)));
            outbox.advance(bytes);
        }
        if blocked && bytes < room {
            // Only the write was cut: there is room, so the edge comes at once.
            state.tell(link, side, |end| {
                end.blocked = false;
                end.edges.writable = true;
            });
        }
        Ok(Sent { bytes, blocked })
    }

    fn shutdown_write(&mut self, carrier: Carrier) {
        if let Ok((link, side)) = self.find(carrier) {
            self.network.state().shutdown_write(link, side);
        }
    }

    fn close(&mut self, carrier: Carrier) {
        let key = Key::new(carrier.index(), carrier.generation());
        let mut state = self.network.state();
        if let Some((link, side)) = state.engines[self.number].carriers.remove(key) {
            state.close(link, side);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.network.state().part(self.number);
    }
}

#[derive(Debug)]
struct MemoryWaker(Arc<AtomicBool>);

impl Wake for MemoryWaker {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}
