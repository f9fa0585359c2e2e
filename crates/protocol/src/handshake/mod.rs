//! The opening handshake (RFC 6455 sections 4 and 9.1) for a server and for a client, without I/O.
//!
//! A driver collects the bytes of the head, shows all of them again whenever more have come, and
//! gets a [`Head`] (server) or a [`Reply`] (client) once the head is complete. What is to be sent
//! is appended to the outbox that the driver lends. Bytes after `head_len` belong to the frame
//! stream if the upgrade was agreed on, and to nobody otherwise: nothing behind a refused upgrade
//! may be read as another request.
//!
//! ```text
//!  server   bytes ──► ServerHandshake ──► Head ─┬─ Upgrade ─► accept(Acceptance) ─► 101, then frames
//!                                               ├─ Plain ───► Response ──────────► close
//!                                               └─ Faulty ──► Response ──────────► close
//!  client   ClientRequest ─► ClientHandshake ─► Reply ─┬─ Switched ─► frames
//!                                                      └─ Refused ──► close
//! ```
//!
//! # A server and a client
//!
//! ```
//! use sockeye_protocol::Outbox;
//! use sockeye_protocol::handshake::{
//!     Acceptance, BodyMode, ClientHandshake, ClientRequest, HeadLimits, Reply, Response,
//!     ServerHandshake, Url,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let request = ClientRequest::new(&Url::parse("ws://127.0.0.1:9001/chat")?).subprotocol("chat")?;
//! let nonce = *b"16 random bytes!";
//! let mut to_server = Outbox::new();
//! let mut client = ClientHandshake::start(&request, nonce, HeadLimits::default(), &mut to_server);
//!
//! // What the server has received so far; here it has come whole.
//! let received = to_server.chunks().collect::<Vec<_>>().concat();
//! let mut server = ServerHandshake::new(HeadLimits::default());
//! let mut to_client = Outbox::new();
//! match server.receive(&received) {
//!     Ok(None) => { /* receive more, or give up at a deadline */ }
//!     Ok(Some(head)) => match head.upgrade() {
//!         Ok(upgrade) if head.request().path() == "/chat" => {
//!             let subprotocol = upgrade.subprotocols().find(|offered| *offered == "chat");
//!             let subprotocol = subprotocol.map(|chosen| chosen.to_string().into());
//!             let acceptance = Acceptance { subprotocol, ..Acceptance::default() };
//!             upgrade.accept(&acceptance, &mut to_client)?;
//!             // From here on the bytes behind `head.head_len()` are frames.
//!         }
//!         Ok(_) => Response::new(404).write(BodyMode::Whole, &mut to_client),
//!         Err(error) => Response::from(error).write(BodyMode::Whole, &mut to_client),
//!     },
//!     Err(error) => Response::from(error).write(BodyMode::Whole, &mut to_client),
//! }
//!
//! let received = to_client.chunks().collect::<Vec<_>>().concat();
//! match client.receive(&received)? {
//!     None => { /* receive more, or give up at a deadline */ }
//!     Some(Reply::Switched(switched)) => assert_eq!(switched.subprotocol.as_deref(), Some("chat")),
//!     Some(Reply::Refused(refusal)) => panic!("refused with {}", refusal.status()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Heads are read strictly: a line ends in CR LF and nothing else, no line is folded, no value
//! holds a control byte, and no field that steers the handshake may be repeated. Leniency here is
//! where two parsers on one path begin to disagree about what was asked.
//!
//! Not here: redirects, proxies, authentication schemes, TLS and the lookup of names, all of which
//! need I/O or policy; and internationalised host names, which must arrive in their ASCII form.

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
pub use server::{Acceptance, Answered, Head, ServerHandshake, Upgrade};
pub use url::{Url, UrlError};
