use super::error::HandshakeError;
use super::head::{HeadLimits, HeadSearch, Once};
use super::header::Header;
use super::key::{self, ACCEPT_LEN, KEY_LEN};
use super::negotiate::{ExtensionOffers, Subprotocols, check_subprotocols};
use super::request::{self, HttpVersion, Request, Signals};
use super::response::{BodyMode, Response};
use crate::config::Config;
use crate::connection::{Connection, Output};
#[cfg(feature = "deflate")]
use crate::deflate::{self, Deflate, DeflateConfig};
use crate::outbox::Outbox;
use crate::role::Role;
use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Reads the head of one request on a server. It holds no bytes, only how far it has looked.
#[derive(Clone, Debug)]
pub struct ServerHandshake {
    search: HeadSearch,
    target_bytes_max: usize,
}

impl ServerHandshake {
    /// A handshake of which no byte has come.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { search: HeadSearch::request(limits), target_bytes_max: limits.target_bytes_max }
    }

    /// Call when bytes have come, with all bytes since the connection began, whole and in one
    /// piece: each call shows what the last one showed, and more. `None` asks for more. A head or
    /// an error is final: the same bytes give it again, so that a driver whose answer comes later
    /// keeps the bytes only.
    ///
    /// However the bytes are cut, the result is the same, and the time is linear in their number.
    ///
    /// # Errors
    /// The head is malformed (400), too large (431), has too long a target (414) or an unknown
    /// version (505). Answer with [`Response::from`](super::Response) and close. A well-formed
    /// request that asks for the upgrade badly is no error here but [`Head::Faulty`], since an
    /// unknown path (404) goes before its fault.
    pub fn receive<'b>(&mut self, received: &'b [u8]) -> Result<Option<Head<'b>>, HandshakeError> {
        if let Some(limits) = self.search.untouched() {
            let mut signals = Signals::default();
            if let Some(request) = request::read_whole(received, limits, &mut signals) {
                return Ok(Some(judge(request, &signals)));
            }
        }
        self.search(received)
    }

    /// As [`receive`](Self::receive), for a server that takes upgrades and nothing else: answers a
    /// complete head, or one that can never be, in the outbox. `accept` decides about an upgrade
    /// that follows the rules; what it refuses with is sent instead of the 101. `None` asks for
    /// more.
    ///
    /// Compression is agreed on if `config` and the client want it and `accept` says nothing of it.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sockeye_protocol::{Buffers, Config, Instant, Outbox, Output};
    /// use sockeye_protocol::handshake::{
    ///     Acceptance, Answered, HeadLimits, Response, ServerHandshake,
    /// };
    ///
    /// # let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    /// # let config = Arc::new(Config::default());
    /// # let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
    /// let mut handshake = ServerHandshake::new(HeadLimits::default());
    /// let received = b"GET /elsewhere HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    ///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    ///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// let answered = handshake.answer(received, &config, &mut output, |upgrade| {
    ///     let is_known = upgrade.request().path() == "/chat";
    ///     if is_known { Ok(Acceptance::default()) } else { Err(Response::new(404)) }
    /// });
    /// assert!(matches!(answered, Some(Answered::Refused { status: 404 })));
    /// ```
    pub fn answer(
        &mut self,
        received: &[u8],
        config: &Arc<Config>,
        output: &mut Output<'_>,
        accept: impl FnOnce(&Upgrade<'_>) -> Result<Acceptance, Response>,
    ) -> Option<Answered> {
        let (response, mode) = match self.receive(received) {
            Ok(None) => return None,
            Err(error) => (Response::from(error), BodyMode::Whole),
            Ok(Some(head)) => {
                let upgrade = head.upgrade().map_err(Response::from);
                match upgrade.and_then(|upgrade| upgrade.open(config, output, accept(upgrade)?)) {
                    Ok(connection) => {
                        return Some(Answered::Open { connection, head_len: head.head_len() });
                    }
                    Err(response) => (response, BodyMode::for_method(head.request().method())),
                }
            }
        };
        response.write(mode, output.outbox);
        Some(Answered::Refused { status: response.status() })
    }

    /// Reads a head that came in pieces, and tells what is wrong with one.
    #[inline(never)]
    fn search<'b>(&mut self, received: &'b [u8]) -> Result<Option<Head<'b>>, HandshakeError> {
        let Some(raw) = self.search.find(received)? else {
            return Ok(None);
        };
        let mut signals = Signals::default();
        let request = request::read(raw, self.target_bytes_max, &mut signals)?;
        Ok(Some(judge(request, &signals)))
    }
}

#[inline(always)]
fn judge<'b>(request: Request<'b>, signals: &Signals<'b>) -> Head<'b> {
    if !signals.upgrade {
        return Head::Plain(request);
    }
    match check_upgrade(&request, signals) {
        Ok(key) => Head::Upgrade(Upgrade { request, key }),
        Err(error) => Head::Faulty(request, error),
    }
}

/// The rules of an upgrade (RFC 6455 section 4.2.1), in the order in which their faults are told:
/// the method, the version, then everything that is answered with 400. Returns the key.
#[inline]
fn check_upgrade<'b>(
    request: &Request<'b>,
    signals: &Signals<'b>,
) -> Result<&'b [u8; KEY_LEN], HandshakeError> {
    // 1. "GET", and HTTP/1.1 or later.
    if request.method() != "GET" {
        return Err(HandshakeError::Method);
    }
    if signals.version == HttpVersion::Http10 {
        return Err(HandshakeError::HttpVersion);
    }
    // 6. A version, and it is 13.
    match signals.websocket_version {
        Once::One(b"13") => {}
        Once::One(_) => return Err(HandshakeError::Version),
        Once::Absent => return Err(HandshakeError::VersionMissing),
        Once::Repeated => return Err(HandshakeError::VersionRepeated),
    }
    // 4. "Upgrade" as one of the connection's options.
    if !signals.connection {
        return Err(HandshakeError::Connection);
    }
    // Behind an upgrade come frames. Whoever sees a body there instead reads another request out of
    // it.
    if signals.has_body {
        return Err(HandshakeError::Body);
    }
    // 5. A key of 16 bytes.
    let key = match signals.key {
        Once::One(key) => key::canonical(key).ok_or(HandshakeError::KeyInvalid)?,
        Once::Absent => return Err(HandshakeError::KeyMissing),
        Once::Repeated => return Err(HandshakeError::KeyRepeated),
    };
    // 8. and 9. What is offered.
    if signals.has_subprotocols {
        check_subprotocols(request.headers())?;
    }
    signals.extensions.check()?;
    Ok(key)
}

/// A complete, well-formed head of a request. The connection is HTTP until an upgrade is accepted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Head<'b> {
    /// The request asks for an upgrade to WebSocket as RFC 6455 has it.
    Upgrade(Upgrade<'b>),
    /// The request, of any method, asks for no upgrade to WebSocket. A body may follow it, which is
    /// not read.
    Plain(Request<'b>),
    /// The request asks for an upgrade, and this is wrong with it (400, 405, 426 or 505).
    Faulty(Request<'b>, HandshakeError),
}

impl<'b> Head<'b> {
    /// The request, whatever it asks for.
    #[must_use]
    pub const fn request(&self) -> &Request<'b> {
        match self {
            Self::Upgrade(upgrade) => &upgrade.request,
            Self::Plain(request) | Self::Faulty(request, _) => request,
        }
    }

    /// The upgrade, if it can be accepted.
    ///
    /// # Errors
    /// [`HandshakeError::UpgradeRequired`] (426) if none was asked for; else what is wrong with it.
    pub const fn upgrade(&self) -> Result<&Upgrade<'b>, HandshakeError> {
        match self {
            Self::Upgrade(upgrade) => Ok(upgrade),
            Self::Plain(_) => Err(HandshakeError::UpgradeRequired),
            Self::Faulty(_, error) => Err(*error),
        }
    }

    /// How many of the received bytes are the head. What follows it belongs to the frame stream if
    /// the upgrade is accepted, and must be dropped if not.
    #[must_use]
    pub const fn head_len(&self) -> usize {
        self.request().head_len()
    }
}

/// What [`ServerHandshake::answer`] put into the outbox.
#[derive(Debug)]
pub enum Answered {
    /// The 101.
    Open {
        /// What has begun. What was received behind the head belongs to it.
        connection: Connection,
        /// How many of the received bytes are the head.
        head_len: usize,
    },
    /// A response that refuses. When it has been written, end the transport as
    /// [`Transport::Linger`](crate::Transport) says, within a deadline: shut down writing, and
    /// discard what still comes until the peer ends it too.
    Refused {
        /// Its status.
        status: u16,
    },
}

/// A request for an upgrade that follows every rule of RFC 6455 section 4.2.1.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'b> {
    request: Request<'b>,
    key: &'b [u8; KEY_LEN],
}

impl<'b> Upgrade<'b> {
    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request<'b> {
        &self.request
    }

    /// The subprotocols on offer, the client's favourite first: at most 64 tokens, none twice.
    #[must_use]
    pub const fn subprotocols(&self) -> Subprotocols<'b> {
        Subprotocols::new(self.request.headers())
    }

    /// The extensions on offer, the client's favourite first: at most 32, with at most 16
    /// parameters each. What [`accept`](Self::accept) does not name is declined.
    #[must_use]
    pub const fn extension_offers(&self) -> ExtensionOffers<'b> {
        ExtensionOffers::new(self.request.headers())
    }

    /// What to agree on about compression: the first of the offers of permessage-deflate that
    /// `config` can accept (RFC 7692, section 5.1), or `None`. Put it into
    /// [`Acceptance::deflate`], and give it to
    /// [`Connection::set_deflate`](crate::Connection::set_deflate).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(&self, config: &DeflateConfig) -> Option<Deflate> {
        self.extension_offers()
            .filter(|offer| offer.name() == deflate::NAME)
            .find_map(|offer| config.accept(offer.parameter_chars()))
    }

    /// Accepts it, and begins what it asks for.
    fn open(
        &self,
        config: &Arc<Config>,
        output: &mut Output<'_>,
        acceptance: Acceptance,
    ) -> Result<Connection, Response> {
        #[cfg(feature = "deflate")]
        let acceptance = {
            let wanted = config.deflate.as_ref();
            let agreed = || wanted.and_then(|wanted| self.deflate(wanted));
            Acceptance { deflate: acceptance.deflate.or_else(agreed), ..acceptance }
        };
        self.accept(&acceptance, output.outbox)?;
        let connection = Connection::new(Role::Server, Arc::clone(config), output.now);
        #[cfg(feature = "deflate")]
        let connection = connection.deflating(acceptance.deflate.as_ref());
        Ok(connection)
    }

    /// Appends the 101 to the outbox; afterwards the connection is open and may send at once. It
    /// allocates nothing while the outbox has room.
    ///
    /// # Errors
    /// [`HandshakeError::SubprotocolNotOffered`] (500): the fault is ours, nothing was appended.
    pub fn accept(
        &self,
        acceptance: &Acceptance,
        outbox: &mut Outbox,
    ) -> Result<(), HandshakeError> {
        let subprotocol = acceptance.subprotocol.as_deref();
        if let Some(chosen) = subprotocol
            && !self.subprotocols().any(|offered| offered == chosen)
        {
            return Err(HandshakeError::SubprotocolNotOffered);
        }
        let mut len = SWITCHING.len() + ACCEPT_LEN + 2 * END_OF_LINE.len();
        len += subprotocol.map_or(0, |chosen| SUBPROTOCOL.len() + chosen.len());
        #[cfg(feature = "deflate")]
        {
            len += acceptance.deflate.map_or(0, |_| EXTENSIONS.len() + deflate::RESPONSE_LEN_MAX);
        }
        len += acceptance.headers.iter().map(Header::line_len).sum::<usize>();
        outbox.append_with(len, |head| {
            head.extend_from_slice(SWITCHING);
            head.extend_from_slice(&[0; ACCEPT_LEN]);
            if let Some(place) = head.last_chunk_mut() {
                key::accept(self.key, place);
            }
            if let Some(chosen) = subprotocol {
                head.extend_from_slice(SUBPROTOCOL);
                head.extend_from_slice(chosen.as_bytes());
            }
            #[cfg(feature = "deflate")]
            if let Some(agreed) = &acceptance.deflate {
                head.extend_from_slice(EXTENSIONS);
                agreed.write_response(head);
            }
            head.extend_from_slice(END_OF_LINE);
            for header in &acceptance.headers {
                header.write(head);
            }
            head.extend_from_slice(END_OF_LINE);
        });
        Ok(())
    }
}

/// What the 101 always says, up to the value of Sec-WebSocket-Accept (RFC 6455 section 4.2.2, 5.).
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: ";
const SUBPROTOCOL: &[u8] = b"\r\nSec-WebSocket-Protocol: ";
#[cfg(feature = "deflate")]
const EXTENSIONS: &[u8] = b"\r\nSec-WebSocket-Extensions: ";
const END_OF_LINE: &[u8] = b"\r\n";

/// What a server adds to its 101.
#[derive(Clone, Debug, Default)]
pub struct Acceptance {
    /// One of the subprotocols on offer, or none.
    pub subprotocol: Option<Cow<'static, str>>,
    /// Further header lines, such as cookies.
    pub headers: Vec<Header>,
    /// What [`Upgrade::deflate`] agreed on, or no compression.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
}
