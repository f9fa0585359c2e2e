//! The server's opening handshake: from the first byte of a request to an open session or an answer.

use sockeye_protocol::handshake::{BodyMode, Head, Header, Response, ServerHandshake};
use sockeye_protocol::{Connection, Instant, Role};

use super::Reactor;
use super::feeding::feed;
use crate::decision::{Accept, Decision};
use crate::engine::{Engine, Input};
use crate::guard::{Panicked, guard, guarded_drop};
use crate::handler::{Handler, Notice, Service};
use crate::link::{Flag, Link};
use crate::outcome::Cause;
use crate::peer::Peer;
use crate::session::{Ending, Open, Phase, Session, Waiting, limits};
use crate::shared::Shared;
use crate::slab::Key;

/// How many seconds a client is asked to wait when the server is full.
const RETRY_AFTER_SECONDS: &str = "5";

/// What an outbox is lent for the head of an answer.
const HEAD_BYTES: usize = 512;

/// What became of a request's bytes.
enum Step<H> {
    /// The head is not complete.
    More,
    /// The handshake is over: the bytes from this one on belong to the connection.
    Accepted(Box<Accept<H>>, usize),
    /// The outbox holds an answer with this status.
    Answered(u16),
    /// Somebody else decides.
    Deferred(Box<Waiting<H>>),
}

/// What all steps of a decision need.
struct Desk<'d, S> {
    service: &'d mut S,
    shared: &'d mut Shared,
    link: &'d mut Link,
    /// Full, or about to go away: whatever the service says, nobody is let in.
    closed: bool,
    /// The handshake's, which a deferred decision does not extend.
    deadline: Instant,
    panicked: bool,
}

impl<S: Service> Desk<'_, S> {
    /// Looks at all bytes received so far.
    fn step(&mut self, handshake: &mut ServerHandshake, received: &[u8]) -> Step<S::Handler> {
        let head = match handshake.receive(received) {
            Ok(None) => return Step::More,
            Ok(Some(head)) => head,
            Err(error) => return self.respond(&Response::from(error), BodyMode::Whole),
        };
        let decision = guard(|| self.service.request(&head, &self.link.remote()));
        let Ok(decision) = decision else {
            self.panicked = true;
            return self
                .respond(&Response::new(500), BodyMode::for_method(head.request().method()));
        };
        match decision {
            Decision::Defer(deferred) => {
                deferred.bind(&self.shared.mailbox, self.link.key);
                Step::Deferred(Box::new(Waiting {
                    deferred,
                    received: received.to_vec(),
                    deadline: self.deadline,
                }))
            }
            decision => self.carry_out(&head, decision),
        }
    }

    /// Carries a decision out: the outbox holds its answer afterwards.
    fn carry_out(&mut self, head: &Head<'_>, decision: Decision<S::Handler>) -> Step<S::Handler> {
        let mode = BodyMode::for_method(head.request().method());
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut))]
        let mut accept = match decision {
            Decision::Accept(accept) => accept,
            Decision::Respond(response) => return self.respond(&response, mode),
            Decision::Defer(_) => return self.respond(&unavailable(), mode),
        };
        let refusal = match head.upgrade() {
            Err(error) => Some(Response::from(error)),
            Ok(_) if self.closed => Some(unavailable()),
            Ok(upgrade) => {
                #[cfg(feature = "deflate")]
                if accept.acceptance.deflate.is_none() {
                    let limits = accept.config.as_ref().unwrap_or(&self.shared.config.connection);
                    accept.acceptance.deflate =
                        limits.deflate.and_then(|config| upgrade.deflate(&config));
                }
                self.shared.lend(self.link, HEAD_BYTES);
                upgrade.accept(&accept.acceptance, &mut self.link.outbox).err().map(Response::from)
            }
        };
        match refusal {
            None => Step::Accepted(Box::new(accept), head.head_len()),
            Some(response) => {
                self.panicked |= guarded_drop(accept.handler) == Err(Panicked);
                self.respond(&response, mode)
            }
        }
    }

    fn respond(&mut self, response: &Response, mode: BodyMode) -> Step<S::Handler> {
        self.shared.lend(self.link, HEAD_BYTES);
        response.write(mode, &mut self.link.outbox);
        Step::Answered(response.status())
    }
}

impl<S: Service, E: Engine> Reactor<S, E> {
    /// Reads on in a handshake. A head that comes in one piece, as nearly all do, is read where it
    /// lies; only one that does not gets memory of its own.
    pub(super) fn read_head(&mut self, key: Key) {
        let closed = self.is_closed_to_newcomers();
        loop {
            let Self { engine, service, sessions, shared, .. } = self;
            let Some(Session { link, phase }) = sessions.get_mut(key) else { return };
            let Phase::Handshake(opening) = phase else { return };
            if !link.is(Flag::Readable) {
                return;
            }
            shared.stats.reads += 1;
            let bytes = match engine.receive(link.carrier()) {
                Ok(Input::Bytes { bytes, drained }) => {
                    link.put(Flag::Readable, !drained);
                    bytes
                }
                Ok(Input::Nothing) => {
                    link.unset(Flag::Readable);
                    return;
                }
                Ok(Input::End) => return self.abandon(key, Cause::Eof),
                Err(error) => return self.abandon(key, Cause::Transport(error.kind())),
            };
            shared.stats.bytes_read += bytes.len() as u64;
            let deadline = opening.deadline;
            let mut desk = Desk { service, shared, link, closed, deadline, panicked: false };
            let mut kept = std::mem::take(&mut opening.received);
            let step = if kept.is_empty() {
                desk.step(&mut opening.handshake, bytes)
            } else {
                kept.extend_from_slice(bytes);
                desk.step(&mut opening.handshake, &kept)
            };
            let panicked = desk.panicked;
            if let Step::More = step {
                if kept.is_empty() {
                    kept = shared.pool.take(2 * bytes.len());
                    kept.extend_from_slice(bytes);
                }
                opening.received = kept;
                continue;
            }
            // From here on the session is in another phase, and `kept` or `bytes` hold what came
            // behind the head.
            let input = if kept.is_empty() { bytes } else { &mut kept[..] };
            let answered = enter(shared, link, phase, step, input);
            if kept.capacity() > 0 {
                shared.pool.give_back(kept);
            }
            return self.entered(key, answered, panicked);
        }
    }

    /// A deferred decision was made.
    pub(super) fn decide(&mut self, key: Key) {
        let closed = self.is_closed_to_newcomers();
        let Self { service, sessions, shared, .. } = self;
        let Some(Session { link, phase }) = sessions.get_mut(key) else { return };
        let Phase::Deferred(waiting) = phase else { return };
        let Some(decision) = waiting.deferred.take() else { return };
        let decision = decision.unwrap_or_else(|| Decision::Respond(unavailable()));
        let mut received = std::mem::take(&mut waiting.received);
        let deadline = waiting.deadline;
        let mut desk = Desk { service, shared, link, closed, deadline, panicked: false };
        // The same bytes gave a head before, so they do so again.
        let mut handshake = ServerHandshake::new(desk.shared.config.head_limits);
        let step = match handshake.receive(&received) {
            Ok(Some(head)) => desk.carry_out(&head, decision),
            Ok(None) => desk.respond(&Response::new(500), BodyMode::Whole),
            Err(error) => desk.respond(&Response::from(error), BodyMode::Whole),
        };
        let panicked = desk.panicked;
        let answered = enter(shared, link, phase, step, &mut received);
        self.entered(key, answered, panicked);
    }

    /// The handshake's deadline has passed.
    pub(super) fn handshake_timed_out(&mut self, key: Key) {
        let Self { sessions, shared, .. } = self;
        let Some(Session { link, phase }) = sessions.get_mut(key) else { return };
        let status = match phase {
            // Who has said nothing is told nothing: it is a scanner, or a spare connection.
            Phase::Handshake(opening) if opening.received.is_empty() => {
                return self.abandon(key, Cause::Eof);
            }
            Phase::Handshake(_) => 408,
            _ => 503,
        };
        let response = if status == 503 { unavailable() } else { Response::new(status) };
        shared.lend(link, HEAD_BYTES);
        response.write(BodyMode::Whole, &mut link.outbox);
        // A decision may have been made too late for this turn's commands; then a handler is in it.
        let panicked = guarded_drop(std::mem::replace(phase, Phase::Over)).is_err();
        let answered = enter(shared, link, phase, Step::Answered(status), &mut []);
        if let (408, Phase::Ending(ending)) = (status, phase) {
            // Who had time enough to speak gets none to listen.
            ending.deadline = shared.now;
        }
        self.entered(key, answered, panicked);
    }

    fn is_closed_to_newcomers(&self) -> bool {
        self.shared.open >= self.shared.config.connections_max || self.drain.is_draining()
    }

    /// What is to be told once a handshake is over.
    fn entered(&mut self, key: Key, answered: Option<u16>, panicked: bool) {
        if panicked {
            self.observe_panic(Some(key));
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        self.shared.list_flush(&mut session.link);
        let remote = session.link.remote();
        match answered {
            Some(status) => {
                self.shared.stats.responded += 1;
                self.drain.note_refused(status);
                self.observe(Notice::Responded { status, remote: &remote });
            }
            None if session.is_open() => self.observe(Notice::Opened { key, remote: &remote }),
            None => {}
        }
    }

    /// Ends a session that never opened, without a word.
    pub(super) fn abandon(&mut self, key: Key, cause: Cause) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.link.cut(cause);
        self.shared.list_flush(&mut session.link);
    }
}

/// Enters the phase that a step leads to. Returns the status if it was an answer.
fn enter<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    phase: &mut Phase<H>,
    step: Step<H>,
    input: &mut [u8],
) -> Option<u16> {
    match step {
        Step::More => None,
        Step::Answered(status) => {
            *phase = Phase::Ending(Ending::new(None, &shared.config, shared.now));
            Some(status)
        }
        Step::Deferred(waiting) => {
            *phase = Phase::Deferred(waiting);
            None
        }
        Step::Accepted(accept, head_len) => {
            let Accept { handler, config, acceptance: _acceptance } = *accept;
            let limits = limits(config, &shared.config);
            #[cfg_attr(not(feature = "deflate"), expect(unused_mut))]
            let mut connection = Connection::new(Role::Server, limits, shared.now);
            #[cfg(feature = "deflate")]
            if let Some(agreed) = &_acceptance.deflate {
                connection.set_deflate(agreed);
            }
            let input = input.get_mut(head_len..).unwrap_or_default();
            open(shared, link, phase, Open { connection, handler }, input);
            None
        }
    }
}

/// Opens a session and gives it what has come behind the handshake already.
pub(super) fn open<H: Handler>(
    shared: &mut Shared,
    link: &mut Link,
    phase: &mut Phase<H>,
    open: Open<H>,
    mut input: &mut [u8],
) {
    shared.open += 1;
    shared.stats.opened += 1;
    *phase = Phase::Open(open);
    let Phase::Open(Open { connection, handler }) = phase else { return };
    connection.spread_pings(ping_seed(link.key));
    connection.hold_ends();
    let opened = guard(|| {
        handler.open(&mut Peer::new(link, connection, shared));
        if !input.is_empty() {
            link.set(Flag::Answers);
            feed(shared, link, connection, handler, &mut input);
        }
    });
    link.unset(Flag::Answers);
    if opened.is_err() {
        link.set(Flag::Panicked);
    }
    shared.list_ready(link);
}

/// Differs between sessions that begin together, since their slots lie side by side, and spreads
/// neighbours as evenly as can be: steps of the golden ratio. Never zero.
const fn ping_seed(key: Key) -> u16 {
    let [high, low, ..] = key.index().wrapping_mul(0x9E37_79B9).to_be_bytes();
    u16::from_be_bytes([high, low | 1])
}

/// 503, with the request to come back later.
fn unavailable() -> Response {
    let retry = Header::new("Retry-After", RETRY_AFTER_SECONDS);
    match retry {
        Ok(header) => Response::new(503).header(header),
        Err(_) => Response::new(503),
    }
}
