use super::error::HandshakeError;
use super::head::{HeadLimits, HeadSearch};
use super::header::{Header, InvalidHeader, is_token};
use super::key::{self, ACCEPT_LEN};
use super::negotiate::SUBPROTOCOLS_MAX;
use super::reply::{self, Expected, Reply};
use super::url::Url;
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::DeflateConfig;
use crate::outbox::Outbox;
use alloc::string::String;
use alloc::vec::Vec;

/// More interim responses (100, 103) than this before the answer are refused.
const INTERIM_MAX: u8 = 8;

/// What a client asks for. It can be used for many connections, each with a nonce of its own.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    resource: String,
    authority: String,
    origin: Option<Header>,
    subprotocols: Vec<String>,
    headers: Vec<Header>,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateConfig>,
}

impl ClientRequest {
    /// A request for what `url` names, without origin, subprotocols or further headers.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        Self {
            resource: url.resource().into(),
            authority: url.authority(),
            origin: None,
            subprotocols: Vec::new(),
            headers: Vec::new(),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// Offers compression (RFC 7692). What the server makes of it is in
    /// [`Switched::deflate`](super::Switched::deflate).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(mut self, config: DeflateConfig) -> Self {
        self.deflate = Some(config);
        self
    }

    /// Offers what `config` asks for: compression, where it does.
    #[must_use]
    #[cfg_attr(not(feature = "deflate"), expect(unused_variables, reason = "nothing to ask for"))]
    pub fn offering(self, config: &Config) -> Self {
        #[cfg(feature = "deflate")]
        if let Some(deflate) = config.deflate {
            return self.deflate(deflate);
        }
        self
    }

    /// Offers a subprotocol, after those offered before, which are liked better.
    ///
    /// # Errors
    /// It is no token, is offered already, or 64 are.
    pub fn subprotocol(mut self, subprotocol: &str) -> Result<Self, InvalidHeader> {
        if !is_token(subprotocol.as_bytes()) {
            return Err(InvalidHeader::Subprotocol);
        }
        if self.subprotocols.iter().any(|offered| offered == subprotocol) {
            return Err(InvalidHeader::SubprotocolRepeated);
        }
        if self.subprotocols.len() == SUBPROTOCOLS_MAX {
            return Err(InvalidHeader::TooManySubprotocols);
        }
        self.subprotocols.push(subprotocol.into());
        Ok(self)
    }

    /// Sets the Origin, which browsers send and other clients usually do not (RFC 6455 section 4.1,
    /// 8.).
    ///
    /// # Errors
    /// [`InvalidHeader::Value`] if it cannot stand in a header line.
    pub fn origin(mut self, origin: &str) -> Result<Self, InvalidHeader> {
        self.origin = Some(Header::new("Origin", String::from(origin))?);
        Ok(self)
    }

    /// Adds a header line, such as a cookie or an authorization.
    ///
    /// # Errors
    /// [`InvalidHeader::Reserved`] for `Host` and `Origin`, which have their own places.
    pub fn header(mut self, header: Header) -> Result<Self, InvalidHeader> {
        if ["host", "origin"].iter().any(|reserved| header.name().eq_ignore_ascii_case(reserved)) {
            return Err(InvalidHeader::Reserved);
        }
        self.headers.push(header);
        Ok(self)
    }

    /// Appends the request of RFC 6455 section 4.1.
    fn write(&self, key: &[u8], head: &mut Vec<u8>) {
        for part in [
            b"GET ",
            self.resource.as_bytes(),
            b" HTTP/1.1\r\nHost: ",
            self.authority.as_bytes(),
            b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
            key,
            b"\r\nSec-WebSocket-Version: 13\r\n",
        ] {
            head.extend_from_slice(part);
        }
        let mut before = "Sec-WebSocket-Protocol: ";
        for subprotocol in &self.subprotocols {
            head.extend_from_slice(before.as_bytes());
            head.extend_from_slice(subprotocol.as_bytes());
            before = ", ";
        }
        if !self.subprotocols.is_empty() {
            head.extend_from_slice(b"\r\n");
        }
        #[cfg(feature = "deflate")]
        if let Some(config) = &self.deflate {
            head.extend_from_slice(b"Sec-WebSocket-Extensions: ");
            config.write_offer(head);
            head.extend_from_slice(b"\r\n");
        }
        for header in self.origin.iter().chain(&self.headers) {
            header.write(head);
        }
        head.extend_from_slice(b"\r\n");
    }
}

/// Room for what every request says, beside its resource and its host.
const FIXED_LEN_MAX: usize = 192;

/// Asks for an upgrade and reads the answer. It holds no received bytes, only how far it has
/// looked.
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    search: HeadSearch,
    accept: [u8; ACCEPT_LEN],
    subprotocols: Vec<String>,
    interim: u8,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateConfig>,
}

impl ClientHandshake {
    /// Appends the request to the outbox. Nothing else may be sent until the answer has come.
    ///
    /// `nonce` must be fresh from a good source of random numbers for every connection (RFC 6455
    /// section 4.1, 7.).
    #[must_use]
    pub fn start(
        request: &ClientRequest,
        nonce: [u8; 16],
        limits: HeadLimits,
        outbox: &mut Outbox,
    ) -> Self {
        let key = key::from_nonce(nonce);
        let len = FIXED_LEN_MAX + request.resource.len() + request.authority.len();
        outbox.append_with(len, |head| request.write(&key, head));
        let mut accept = [0; ACCEPT_LEN];
        key::accept(&key, &mut accept);
        Self {
            search: HeadSearch::response(limits),
            accept,
            subprotocols: request.subprotocols.clone(),
            interim: 0,
            #[cfg(feature = "deflate")]
            deflate: request.deflate,
        }
    }

    /// Call when bytes have come, with all bytes since the connection began, whole and in one
    /// piece: each call shows what the last one showed, and more. `None` asks for more. A reply or
    /// an error is final: the same bytes give it again.
    ///
    /// Interim responses other than 101 are skipped, at most 8, and count towards the limits of the
    /// head.
    ///
    /// # Errors
    /// The answer is malformed or too large, or it switches protocols without meaning us: the
    /// connection must be closed. A status other than 101 is no error but [`Reply::Refused`].
    pub fn receive<'b>(&mut self, received: &'b [u8]) -> Result<Option<Reply<'b>>, HandshakeError> {
        while let Some(raw) = self.search.find(received)? {
            let expected = Expected {
                accept: &self.accept,
                subprotocols: &self.subprotocols,
                #[cfg(feature = "deflate")]
                deflate: self.deflate.as_ref(),
            };
            if let Some(reply) = reply::read(raw, expected)? {
                return Ok(Some(reply));
            }
            if self.interim == INTERIM_MAX {
                return Err(HandshakeError::TooManyInterim);
            }
            self.interim += 1;
            self.search.skip();
        }
        Ok(None)
    }
}
