//! The receiving half of a connection, which owns the protocol's state and its time.

mod ending;
mod timing;

use std::io;
use std::task::{Context, Poll, ready};

use sockeye_protocol::{
    CloseCode, Connection, Event, Instant, Outbox, Output, ProtocolError, Transport,
};

use tokio::io::ReadBuf;

use crate::clock::{Clock, Timer};
use crate::error::Error;
use crate::memory::{Lent, Memory};
use crate::outgoing::Outgoing;
use crate::port::Port;
use crate::unread::Unread;
use crate::writing::Side;

/// While one read is being answered the outbox may go this far above its mark: to stop in the
/// middle costs more than to write a little later.
const ANSWERS_BYTES_MAX: usize = 264 * 1024;

/// After so many inflated bytes the task gives way to others once.
const INFLATED_BYTES_MAX: usize = 256 * 1024;

/// Whether the visitor takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    More,
    Enough,
}

/// Whether receiving waits while the outbox is above its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// It does: the visitor may answer, and what is not read must not make answers pile up.
    Heeded,
    /// It does not: who answers waits for room by other means, and two peers that send much before
    /// they receive must not wait for each other.
    Ignored,
}

/// What a visitor of events must be.
pub(crate) trait Visit: FnMut(Event<'_>, &mut Outgoing<'_>) -> Flow {}

impl<V: FnMut(Event<'_>, &mut Outgoing<'_>) -> Flow> Visit for V {}

/// Reading, the protocol's state, what it has to say, and its deadlines.
///
/// Between two polls it holds no buffer unless something is unread, unsent, or not whole.
pub(crate) struct Receiving<P: Port> {
    /// `None` as soon as the transport is no longer needed.
    pub(crate) port: Option<P>,
    pub(crate) connection: Connection,
    pub(crate) outbox: Outbox,
    unread: Unread,
    clock: Clock,
    /// As of the last read.
    now: Instant,
    timer: Timer,
    /// Since when nobody reads, if so: silence proves nothing then.
    resting_since: Option<Instant>,
    /// When the peer must have taken some of what holds up reading.
    stalls_at: Option<Instant>,
    /// What is told when all that arrived was delivered.
    failure: Option<Box<Error>>,
    /// Why nothing can be written any more.
    broken: Option<io::ErrorKind>,
    inflated: usize,
    /// Bytes of the outbox had to wait for the transport.
    is_blocked: bool,
    is_shut: bool,
    /// The visitor is being called; still so afterwards if it has panicked.
    is_visiting: bool,
}

impl<P: Port> Receiving<P> {
    /// A connection whose opening handshake is complete; `connection` was made at `clock`'s origin.
    pub(crate) fn new(port: P, connection: Connection, clock: Clock) -> Self {
        Self {
            port: Some(port),
            connection,
            outbox: Outbox::new(),
            unread: Unread::default(),
            clock,
            now: Instant::ZERO,
            timer: Timer::new(),
            // Nobody has begun to read.
            resting_since: Some(Instant::ZERO),
            stalls_at: None,
            failure: None,
            broken: None,
            inflated: 0,
            is_blocked: false,
            is_shut: false,
            is_visiting: false,
        }
    }

    /// Begins with bytes that came behind the opening handshake.
    pub(crate) fn put_unread(&mut self, early: &[u8]) {
        self.unread.put(early);
    }

    /// The same connection over another port, which takes what waits to be written.
    pub(crate) fn over<Q: Port>(
        mut self,
        make: impl FnOnce(P, Outbox) -> Option<Q>,
    ) -> Receiving<Q> {
        let role = self.connection.role();
        let config = self.connection.config().clone();
        let unused = Connection::new(role, config, self.now);
        let outbox = std::mem::take(&mut self.outbox);
        Receiving {
            port: self.port.take().and_then(|port| make(port, outbox)),
            connection: std::mem::replace(&mut self.connection, unused),
            outbox: Outbox::new(),
            unread: std::mem::take(&mut self.unread),
            clock: self.clock,
            now: self.now,
            timer: std::mem::replace(&mut self.timer, Timer::new()),
            resting_since: self.resting_since,
            stalls_at: self.stalls_at,
            failure: self.failure.take(),
            broken: self.broken,
            inflated: self.inflated,
            is_blocked: self.is_blocked,
            is_shut: self.is_shut,
            is_visiting: self.is_visiting,
        }
    }

    /// Why nothing can be written any more, if the other half has found that.
    pub(crate) fn note_broken(&mut self, kind: Option<io::ErrorKind>) {
        self.broken = self.broken.or(kind);
    }

    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether there is nothing more to receive or to tell.
    pub(crate) const fn is_over(&self) -> bool {
        self.port.is_none() && self.failure.is_none()
    }

    /// Says something; it leaves with the next flush.
    pub(crate) fn say<T>(&mut self, say: impl FnOnce(&mut Outgoing<'_>) -> T) -> T {
        let mut memory = Lent::take();
        say(&mut self.outgoing(&mut memory))
    }

    pub(crate) fn outgoing<'a>(&'a mut self, memory: &'a mut Memory) -> Outgoing<'a> {
        let room = self.unread.len();
        let Self { connection, outbox, now, clock, .. } = self;
        let any_below = connection.config().outbox_high_mark;
        Outgoing { connection, outbox, memory, now: *now, clock: *clock, room, any_below }
    }

    /// Hands over what is here, or what comes next; `None` when all is over.
    ///
    /// What was said leaves before this waits. After an error everything has been delivered that
    /// will be, and the transport is still to be ended: call it until `None`.
    #[inline]
    pub(crate) fn poll_events(
        &mut self,
        context: &mut Context<'_>,
        pressure: Pressure,
        visit: &mut impl Visit,
    ) -> Poll<Option<Result<(), Error>>> {
        if self.port.is_none() {
            return Poll::Ready(self.failure.take().map(|failure| Err(*failure)));
        }
        let memory = &mut *Lent::take();
        let polled = self.poll_with(context, memory, pressure, visit);
        self.tidy(memory);
        if polled.is_ready() && self.resting_since.is_none() {
            self.resting_since = Some(self.now);
        }
        polled
    }

    fn poll_with(
        &mut self,
        context: &mut Context<'_>,
        memory: &mut Memory,
        pressure: Pressure,
        visit: &mut impl Visit,
    ) -> Poll<Option<Result<(), Error>>> {
        if self.inflated >= INFLATED_BYTES_MAX {
            self.inflated = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if std::mem::take(&mut self.is_visiting) {
            // What it was called with is lost, and with it where the next frame begins.
            self.outgoing(memory).fail(CloseCode::INTERNAL);
        }
        self.heed_other_half(memory);
        loop {
            if self.connection.transport() == Transport::Close {
                return Poll::Ready(self.end(context, memory));
            }
            if !self.unread.is_empty() {
                if pressure == Pressure::Heeded && !self.has_room(context, memory) {
                    let Err(error) = ready!(self.poll_time(context, memory)) else { continue };
                    return self.tell(context, memory, error.into());
                }
                match self.hand_over(memory, visit) {
                    Ok(true) => {
                        self.leave_if_closed(context, memory);
                        return Poll::Ready(Some(Ok(())));
                    }
                    Ok(false) => continue,
                    Err(error) => return self.tell(context, memory, error.into()),
                }
            }
            if self.is_overdue() {
                let Err(error) = self.expire(memory) else { continue };
                return self.tell(context, memory, error.into());
            }
            // A peer that always has more to say must not keep the answers to what it has said.
            let answers = self.port.as_ref().is_some_and(|port| !port.is_done(&self.outbox));
            if answers {
                self.poll_leave(context, memory);
            }
            match self.poll_read(context, memory) {
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(event))) => {
                    let mut outgoing = self.outgoing(memory);
                    outgoing.any_below = outgoing.any_below.saturating_add(ANSWERS_BYTES_MAX);
                    visit(event, &mut outgoing);
                    return Poll::Ready(Some(Ok(())));
                }
                Poll::Ready(Err(error)) => return self.tell(context, memory, error.into()),
                Poll::Pending => {
                    if let Some(kind) = self.broken {
                        self.lose(Error::Io(kind.into()));
                        continue;
                    }
                    if !answers {
                        self.poll_leave(context, memory);
                        if self.broken.is_some() {
                            continue;
                        }
                    }
                    // The usual end of a poll: messages only move the next deadline on.
                    if self.connection.expects_nothing() && self.timer.is_trusted(context) {
                        return Poll::Pending;
                    }
                    let Err(error) = ready!(self.poll_time(context, memory)) else { continue };
                    return self.tell(context, memory, error.into());
                }
            }
        }
    }

    /// Whether the outbox has room for answers. If not it is written first; while that waits nothing
    /// is read, so that a peer that does not read what it is sent is held back.
    #[inline]
    fn has_room(&mut self, context: &mut Context<'_>, memory: &mut Memory) -> bool {
        let mark = self.connection.config().outbox_high_mark;
        // Behind a Close frame nothing is answered any more, and the peer's may be behind much that
        // it says, which it can only while it is read.
        if self.outbox.len() <= mark || !self.connection.is_open() {
            return true;
        }
        let _ = self.poll_flush(context, memory, Side::Receiving);
        let has_room = self.outbox.len() <= mark;
        if !has_room {
            self.rest_until_taken();
        }
        has_room
    }

    /// Gives what is unread to the connection, event by event, and those to the visitor; returns
    /// whether there was one.
    ///
    /// This is the path of every message: nothing stands between the buffer and the visitor.
    #[inline]
    fn hand_over(
        &mut self,
        memory: &mut Memory,
        visit: &mut impl Visit,
    ) -> Result<bool, ProtocolError> {
        self.is_visiting = true;
        let Self { connection, outbox, unread, now, clock, timer, inflated, .. } = self;
        let (now, clock) = (*now, *clock);
        let any_below = connection.config().outbox_high_mark.saturating_add(ANSWERS_BYTES_MAX);
        let room = unread.len();
        let mut input = unread.as_mut_slice();
        let mut handed = false;
        let result = loop {
            let Memory { buffers, keys, .. } = &mut *memory;
            let mut output = Output { outbox, mask_keys: keys, buffers, now };
            let received = connection.receive(&mut input, &mut output);
            *inflated += connection.take_inflating_cost();
            match received {
                Ok(Some(event)) => {
                    handed = true;
                    if !matches!(event, Event::Text(_) | Event::Binary(_)) {
                        timer.distrust();
                    }
                    let mut outgoing =
                        Outgoing { connection, outbox, memory, now, clock, room, any_below };
                    let flow = visit(event, &mut outgoing);
                    if flow == Flow::Enough
                        || outbox.len() > any_below
                        || *inflated >= INFLATED_BYTES_MAX
                    {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let left = input.len();
        unread.leave(left);
        self.is_visiting = false;
        result.map(|()| handed)
    }

    /// One read. `Some` is an event that was read straight into its own memory.
    #[inline]
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        memory: &mut Memory,
    ) -> Poll<Result<Option<Event<'static>>, ProtocolError>> {
        let Some(port) = &mut self.port else { return Poll::Pending };
        if !self.connection.is_idle()
            && let Some(buffer) = self.connection.input_buffer()
        {
            let read = port.poll_append(context, buffer);
            let bytes = ready!(self.note_read(read));
            return Poll::Ready(if bytes == 0 { Ok(None) } else { self.received(bytes, memory) });
        }
        let mut buffer = ReadBuf::new(self.unread.begin_read(memory));
        let read = port.poll_read(context, &mut buffer);
        let bytes = buffer.filled().len();
        let bytes = ready!(self.note_read(read.map_ok(|()| bytes)));
        self.unread.end_read(bytes);
        Poll::Ready(Ok(None))
    }

    /// What a read means for the time, and for the connection if it has brought nothing.
    #[inline]
    fn note_read(&mut self, read: Poll<io::Result<usize>>) -> Poll<usize> {
        let Poll::Ready(read) = read else {
            self.rest_is_over();
            return Poll::Pending;
        };
        let before = std::mem::replace(&mut self.now, self.clock.now());
        self.wake_up(before);
        Poll::Ready(match read {
            Ok(bytes @ 1..) => bytes,
            Ok(0) => {
                self.lose(Error::Interrupted);
                0
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.lose(Error::Io(error));
                }
                0
            }
        })
    }

    /// Bytes were read straight into their message.
    fn received(
        &mut self,
        bytes: usize,
        memory: &mut Memory,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        let Memory { buffers, keys, .. } = memory;
        let outbox = &mut self.outbox;
        let mut output = Output { outbox, mask_keys: keys, buffers, now: self.now };
        self.connection.received(bytes, &mut output)
    }

    /// Writes all that waits.
    pub(crate) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        memory: &mut Memory,
        side: Side,
    ) -> Poll<io::Result<()>> {
        if let Some(kind) = self.broken {
            self.outbox.advance(self.outbox.len());
            return Poll::Ready(Err(kind.into()));
        }
        let Some(port) = &mut self.port else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            if !self.connection.is_open() {
                port.note_close();
            }
            match port.poll_flush(context, &mut self.outbox, side) {
                Poll::Pending => {
                    self.is_blocked = true;
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    self.broken = Some(error.kind());
                    self.outbox.advance(self.outbox.len());
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(())) => {}
            }
            if std::mem::take(&mut self.is_blocked) {
                self.connection.postpone_pong(self.clock.now());
            }
            let Memory { buffers, keys, .. } = &mut *memory;
            let outbox = &mut self.outbox;
            let mut output = Output { outbox, mask_keys: keys, buffers, now: self.now };
            self.connection.outbox_drained(&mut output);
            if self.outbox.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// A Close frame that the other half has sent.
    fn heed_other_half(&mut self, memory: &mut Memory) {
        let Some(port) = &self.port else { return };
        if port.has_closed_elsewhere() && self.connection.is_open() {
            self.outgoing(memory).close_elsewhere();
        }
    }

    /// Gives back the memory that is not needed until the next poll.
    #[inline]
    fn tidy(&mut self, memory: &mut Memory) {
        self.unread.tidy(memory);
        self.tidy_outbox(memory);
    }

    /// Gives back the memory of an outbox that is empty.
    #[inline]
    pub(crate) fn tidy_outbox(&mut self, memory: &mut Memory) {
        if let Some(spare) = self.outbox.take_spare() {
            memory.keep_saying(spare);
        }
    }
}

impl<P: Port> Drop for Receiving<P> {
    fn drop(&mut self) {
        if self.port.as_mut().is_some_and(Port::leave) {
            self.farewell();
        }
    }
}
