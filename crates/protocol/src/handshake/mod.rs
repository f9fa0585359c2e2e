//! The opening handshake (RFC 6455 sections 4 and 9.1) for a server and for a client, without I/O.
//!
//! A driver collects the bytes of the head, shows all of them again whenever more have come, and gets a
//! [`Head`] (server) or a [`Reply`] (client) once the head is complete. What is to be sent is appended to the
//! outbox that the driver lends. Bytes after `head_len` belong to the frame stream if the upgrade was agreed on,
//! and to nobody otherwise: nothing behind a refused upgrade may be read as another request.
//!
//! ```text
//!  server   bytes ──► ServerHandshake ──► Head ─┬─ Upgrade ─► accept(Acceptance) ─► 101, then frames
//!                                               ├─ Plain ───► Response ──────────► close
//!                                               └─ Faulty ──► Response ──────────► close
//!  client   ClientRequest ─► ClientHandshake ─► Reply ─┬─ Switched ─► frames
//!                                                      └─ Refused ──► close
//! ```
//!
//! Heads are read strictly: a line ends in CR LF and nothing else, no line is folded, no value holds a control
//! byte, and no field that steers the handshake may be repeated. Leniency here is where two parsers on one
//! path begin to disagree about what was asked.
//!
//! Not here: redirects, proxies, authentication schemes, TLS and the lookup of names, all of which need I/O or
//! policy; and internationalised host names, which must arrive in their ASCII form.

// In reading order; a module uses only modules declared below it.
mod server;
mod client;
mod reply;
mod request;
mod negotiate;
mod response;
mod url;
mod head;
mod header;
mod key;
mod error;

pub use client::{ClientHandshake, ClientRequest};
pub use error::HandshakeError;
pub use head::{HeadLimits, Headers};
pub use header::{Header, InvalidHeader};
pub use negotiate::{Extension, ExtensionOffers, ParameterValue, Parameters, Subprotocols};
pub use reply::{Refusal, Reply, Switched};
pub use request::Request;
pub use response::{BodyMode, Response};
pub use server::{Acceptance, Head, ServerHandshake, Upgrade};
pub use url::{Url, UrlError};
