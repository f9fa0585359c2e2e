//! The connection: joins reading, closing and keepalive.

mod ending;
mod sending;
mod timing;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::close::{Closed, Initiator};
use crate::closing::Closing;
pub use crate::closing::Transport;
use crate::config::Config;
use crate::control_rate::ControlRate;
#[cfg(feature = "deflate")]
use crate::deflate::{Deflate, Deflater, Inflater};
use crate::error::{ProtocolError, Violation};
use crate::event::Event;
use crate::frame::{CONTROL_BYTES_MAX, MaskKeys, Opcode, Unmasked};
use crate::keepalive::Keepalive;
use crate::message::{Buffers, MessageReader};
use crate::outbox::Outbox;
use crate::role::Role;
use crate::time::Instant;

/// What a connection needs from its driver to say something.
#[expect(missing_debug_implementations, reason = "a source of keys is not for printing")]
pub struct Output<'o> {
    /// Where to append what is to be sent.
    pub outbox: &'o mut Outbox,
    /// Where a client gets its masking keys; a server passes [`Unmasked`].
    pub mask_keys: &'o mut dyn MaskKeys,
    /// Memory for messages that do not lie whole in their read: one for all connections of a
    /// thread.
    pub buffers: &'o mut Buffers,
    /// The time.
    pub now: Instant,
}

impl<'o> Output<'o> {
    /// A server's, which masks nothing.
    #[must_use]
    pub fn server(outbox: &'o mut Outbox, buffers: &'o mut Buffers, now: Instant) -> Self {
        // `Unmasked` has no size, so the box takes no memory and there is nothing to leak.
        Self { outbox, mask_keys: Box::leak(Box::new(Unmasked)), buffers, now }
    }
}

/// One WebSocket connection after its opening handshake, for either role (RFC 6455).
///
/// It owns the protocol's state, never the transport's bytes and never the clock.
///
/// # The contract
///
/// 1. *What happened* is told with [`receive`](Self::receive) (or
///    [`input_buffer`](Self::input_buffer) and [`received`](Self::received)),
///    [`receive_eof`](Self::receive_eof) and [`handle_timeout`](Self::handle_timeout).
/// 2. *What is wanted* is said with the `send_*` methods and [`close`](Self::close).
/// 3. After any of these, write what is in the outbox when it suits you, in as many pieces as you
///    like.
/// 4. After any of these, [`poll_timeout`](Self::poll_timeout) says when `handle_timeout` is due,
///    and [`transport`](Self::transport) what to do with the transport once the outbox is empty.
///
/// `receive` takes all the bytes that it is lent, one event per call, and returns `None` when they
/// are used up. The buffer is free again once the events are dropped, so one buffer can serve a
/// whole event loop, and an idle connection holds none.
///
/// Backpressure acts between two calls of `receive`: a driver whose queue is full, or whose outbox
/// is above [`Config::outbox_high_mark`], keeps the bytes that are left in its input and goes on
/// from there later.
///
/// # Errors
///
/// After a [`ProtocolError`] or [`TimedOut`](crate::TimedOut) the connection has failed: the Close frame that tells
/// the peer why is in the outbox already, [`closed`](Self::closed) tells the caller, and
/// everything that comes is discarded. Go on writing and obeying `transport`. After a
/// [`SendError`](crate::SendError) nothing has changed.
///
/// # Panics
///
/// No input from the peer makes a method panic.
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    reader: MessageReader,
    closing: Closing,
    keepalive: Keepalive,
    control_rate: ControlRate,
    /// When the closing handshake, or the discarding after it, must have ended.
    close_deadline: Option<Instant>,
    /// The payload of the newest ping that was not answered because the outbox was above its mark.
    /// Boxed twice, since it is rare.
    #[expect(clippy::box_collection, reason = "a connection is small while it idles")]
    pending_pong: Option<Box<Vec<u8>>>,
    role: Role,
    /// Messages that lie whole in the input need nothing but to be taken: a server's, without a limit
    /// that 125 bytes could be above.
    takes_plain: bool,
    /// Messages are framed as they are: a server's, without compression.
    sends_plain: bool,
    /// What ends the connection is not answered before the caller says so.
    holds_ends: bool,
    /// What compression was agreed on needs.
    #[cfg(feature = "deflate")]
    deflate: Option<Box<Compression>>,
}

/// Both directions of permessage-deflate.
#[cfg(feature = "deflate")]
#[derive(Debug)]
struct Compression {
    inflater: Inflater,
    /// `None` if what was agreed on cannot be compressed for, or nothing more will be sent.
    deflater: Option<Deflater>,
}

/// Receiving: what the peer sent.
impl Connection {
    /// A connection whose opening handshake is complete.
    #[must_use]
    pub fn new(role: Role, config: Arc<Config>, now: Instant) -> Self {
        let is_unlimited =
            config.message_bytes_max >= CONTROL_BYTES_MAX && config.fragments_max != Some(0);
        Self {
            reader: MessageReader::new(),
            closing: Closing::new(),
            keepalive: Keepalive::new(now),
            control_rate: ControlRate::new(),
            close_deadline: None,
            pending_pong: None,
            role,
            takes_plain: role == Role::Server && is_unlimited,
            sends_plain: role == Role::Server,
            holds_ends: false,
            config,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// Compresses messages from now on, and takes compressed ones (RFC 7692). Call it at once after
    /// [`new`](Self::new), with what the opening handshake agreed on.
    ///
    /// The limit on a message's size counts what it inflates to, and inflating stops there. A
    /// compressed message is never borrowed from the input.
    #[cfg(feature = "deflate")]
    pub fn set_deflate(&mut self, agreed: &Deflate) {
        self.sends_plain = false;
        self.deflate = Some(Box::new(Compression {
            inflater: Inflater::new(agreed, self.config.message_bytes_max),
            deflater: Deflater::new(agreed),
        }));
    }

    /// As [`set_deflate`](Self::set_deflate), if something was agreed on.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflating(mut self, agreed: Option<&Deflate>) -> Self {
        if let Some(agreed) = agreed {
            self.set_deflate(agreed);
        }
        self
    }

    /// Takes bytes from the beginning of `input`, up to the end of the next message or control
    /// frame, and returns that; returns `None` when all of `input` was taken.
    ///
    /// Pongs and the answer to a Close frame are put into the outbox. The event borrows `input`'s
    /// bytes where it lay whole in them (they are unmasked in place) and owns them otherwise.
    ///
    /// # Errors
    ///
    /// When the peer broke a rule or a limit, at the first byte that does so; see
    /// [the type's documentation](Self#errors).
    #[inline(always)]
    pub fn receive<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        output: &mut Output<'_>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if let Some(event) = self.receive_short(input, output.now) {
            return Ok(Some(event));
        }
        self.receive_any(input, output)
    }

    /// Takes the next message if it is as most are: a client's, in one frame (section 5.2) of at most 125
    /// bytes of payload that lies whole at the beginning of `input`, and with nothing to be said about it.
    /// `None`: nothing was taken, and what is there is for [`receive_medium`](Self::receive_medium), or for
    /// [`receive`](Self::receive), which begins with both. A driver that calls this first hands most
    /// messages to its user without a [`Result`] around them.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sockeye_protocol::{Config, Connection, Event, Instant, Role};
    ///
    /// let now = Instant::ZERO;
    /// let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), now);
    /// let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x89\x80key!";
    /// let mut input = &mut bytes[..];
    /// let Some(Event::Text(text)) = connection.receive_short(&mut input, now) else { panic!() };
    /// assert_eq!(&*text, "Hello");
    /// // A ping is to be answered.
    /// assert!(connection.receive_short(&mut input, now).is_none() && input.len() == 6);
    /// ```
    #[inline(always)]
    pub fn receive_short<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        now: Instant,
    ) -> Option<Event<'b>> {
        if !self.takes_plain_now() {
            return None;
        }
        let event = self.reader.next_short(input)?;
        self.keepalive.hear(now);
        Some(event)
    }

    /// As [`receive_short`](Self::receive_short), for the next length: 126 to 65,535 bytes of payload, which
    /// stands in 16 bits (section 5.2). Where one such message comes, more of them mostly follow, so that a
    /// driver asks for them in a loop of its own.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sockeye_protocol::{Config, Connection, Event, Instant, Role};
    ///
    /// let now = Instant::ZERO;
    /// let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), now);
    /// // 126 bytes, with a key of zeros.
    /// let mut bytes = [&b"\x82\xFE\x00\x7E\0\0\0\0"[..], &[7; 126]].concat();
    /// let mut input = &mut bytes[..];
    /// let Some(Event::Binary(payload)) = connection.receive_medium(&mut input, now) else { panic!() };
    /// assert_eq!(*payload, [7; 126]);
    /// assert!(input.is_empty());
    /// ```
    #[inline(always)]
    pub fn receive_medium<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        now: Instant,
    ) -> Option<Event<'b>> {
        if !self.takes_plain_now() {
            return None;
        }
        let event = self.reader.next_medium(self.config.message_bytes_max, input)?;
        self.keepalive.hear(now);
        Some(event)
    }

    /// Whether nothing is owed: a message that lies whole in the input cannot begin or end one in
    /// progress, so it is a sign of life then and nothing else.
    #[inline(always)]
    fn takes_plain_now(&self) -> bool {
        self.takes_plain && self.closing.is_receiving() && self.pending_pong.is_none()
    }

    /// As [`receive`](Self::receive), for a driver that has just heard from
    /// [`receive_short`](Self::receive_short) that no short message is next: what it takes is one of
    /// [medium](Self::receive_medium) length, or whatever else section 5 allows.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_any<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        output: &mut Output<'_>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if let Some(event) = self.receive_medium(input, output.now) {
            return Ok(Some(event));
        }
        self.receive_rare(input, output)
    }

    /// What neither of the short ways takes.
    #[inline(never)]
    fn receive_rare<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        output: &mut Output<'_>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if input.is_empty() {
            return Ok(None);
        }
        if !self.closing.is_receiving() {
            self.closing.discard(core::mem::take(input).len());
            return Ok(None);
        }
        if self.pending_pong.is_none()
            && let Some(event) = self.reader.next_whole(self.role, &self.config, input)
        {
            if event.is_ok() {
                self.keepalive.hear(output.now);
                return event.map(Some);
            }
            return self.handle(event.map(Some), output);
        }
        let event = self.reader.next(
            self.role,
            &self.config,
            #[cfg(feature = "deflate")]
            self.deflate.as_mut().map(|deflate| &mut deflate.inflater),
            output.buffers,
            input,
        );
        self.handle(event, output)
    }

    /// The buffer of a large message in progress, if it pays to read straight into it.
    ///
    /// Append what the transport brings to its spare room, without making it grow and without
    /// touching what is in it, then call [`received`](Self::received). Call it only when all
    /// earlier input was taken by [`receive`](Self::receive).
    pub fn input_buffer(&mut self) -> Option<&mut Vec<u8>> {
        if self.closing.is_receiving() { self.reader.input_buffer() } else { None }
    }

    /// Takes the `bytes` bytes that were appended to [`input_buffer`](Self::input_buffer).
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    ///
    /// # Panics
    ///
    /// If more bytes are reported than the buffer had room for, or if there was no buffer.
    pub fn received(
        &mut self,
        bytes: usize,
        output: &mut Output<'_>,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        if !self.closing.is_receiving() {
            self.closing.discard(bytes);
            return Ok(None);
        }
        let event = self.reader.received(bytes, output.buffers);
        self.handle(event, output)
    }

    /// What inflating has cost since the last call, in bytes inflated; always 0 without compression.
    ///
    /// A few bytes of input can come to a thousand times as many, so a driver that shares its time
    /// among connections counts these and not those: after each [`receive`](Self::receive), whether
    /// an event came or not. Copies of what the peer may refer to are counted with their share of
    /// the time.
    #[must_use]
    #[inline]
    pub fn take_inflating_cost(&mut self) -> usize {
        #[cfg(feature = "deflate")]
        return self.deflate.as_mut().map_or(0, |deflate| deflate.inflater.take_cost());
        #[cfg(not(feature = "deflate"))]
        0
    }

    /// Tells that the transport has ended: the peer sends nothing more, or it broke.
    ///
    /// Afterwards [`transport`](Self::transport) is `Close`. Without a Close frame before it, this
    /// is an abnormal end, 1006 (section 7.1.5).
    pub fn receive_eof(&mut self) {
        self.closing.end(Initiator::Peer);
        self.forget();
    }

    /// What follows from the reader's verdict.
    fn handle<'b>(
        &mut self,
        event: Result<Option<Event<'b>>, ProtocolError>,
        output: &mut Output<'_>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let now = output.now;
        let is_allowed = match &event {
            Ok(Some(Event::Ping(_))) => self.control_rate.ping(&self.config, now),
            Ok(Some(Event::Pong(_))) => self.control_rate.pong(&self.config, now),
            _ => true,
        };
        if !is_allowed {
            let error = self.reader.error(Violation::TooManyControlFrames);
            self.break_off(error, output);
            return Err(error);
        }
        // Parts of control frames are no sign of life yet: a pong may turn out to be an old one.
        let is_alive = match &event {
            Ok(Some(Event::Pong(payload))) => self.keepalive.pong(payload, now),
            Ok(event) => event.is_some(),
            Err(_) => false,
        };
        if self.reader.take_data_came() || is_alive {
            self.keepalive.hear(now);
        }
        if self.pending_pong.is_some() {
            self.outbox_drained(output);
        }
        self.watch_message(now);
        match &event {
            Ok(Some(Event::Ping(payload))) => self.answer_ping(payload, output),
            Ok(Some(Event::Close(reason))) => self.receive_close(reason.as_ref(), output),
            Ok(_) => {}
            Err(error) => self.break_off(*error, output),
        }
        event
    }

    /// Sets the deadline of what has begun; it ends with it.
    #[inline]
    fn watch_message(&mut self, now: Instant) {
        if let Some(deadline @ None) = self.reader.deadline_mut() {
            *deadline = self.config.message_within.map(|within| now + within);
        }
    }

    /// Section 5.5.2: a ping is answered unless a Close was received. Section 5.5.3: of several
    /// unanswered pings only the newest needs an answer, which bounds what a flood can cost.
    fn answer_ping(&mut self, payload: &[u8], output: &mut Output<'_>) {
        if output.outbox.len() <= self.config.outbox_high_mark {
            self.write(Opcode::Pong, payload, output);
        } else {
            self.pending_pong = Some(Box::new(payload.to_vec()));
        }
    }
}

/// What the connection is.
impl Connection {
    /// Which side this endpoint is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The limits and deadlines.
    #[must_use]
    pub const fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closing.is_sending()
    }

    /// Whether nothing has begun that must end: no message, and no closing. Then whole messages that
    /// come only move [`poll_timeout`](Self::poll_timeout) on, so that a driver which has armed a
    /// timer need not ask after each of them.
    #[must_use]
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.is_open() && self.reader.is_idle()
    }

    /// Whether nothing is expected of the peer within a time: the connection [is idle](Self::is_idle),
    /// and no ping waits for its pong. What follows silence then is a ping. So a driver that comes
    /// back to reading after a while and finds nothing to read need not say so with
    /// [`suspend_keepalive`](Self::suspend_keepalive) and [`resume_keepalive`](Self::resume_keepalive).
    #[must_use]
    #[inline]
    pub fn expects_nothing(&self) -> bool {
        self.is_idle() && self.keepalive.is_listening()
    }

    /// What to do with the transport once the outbox is empty.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.closing.transport(self.role)
    }

    /// How the connection ended, as soon as that is known: after the peer's Close frame, a
    /// failure, a deadline, or the end of the transport. It never changes afterwards.
    #[must_use]
    pub fn closed(&self) -> Option<&Closed> {
        self.closing.closed()
    }

    /// The round-trip time of the last ping of the keepalive that was answered.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.keepalive.round_trip()
    }
}
