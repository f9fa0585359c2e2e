//! A place where a foreign end and ours meet: one of them serves, the other connects, and a tap lies between.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use sockeye::{BlockingSocket, Client, CloseCode, Error, Initiator, Server, html};
use sockeye_interop::{Fault, Foreign, Nginx, Opened, Tap, Terms, Wire};

use crate::variants::Variant;

/// What every server here speaks.
pub(crate) const SUBPROTOCOL: &str = "chat.v2";
const SOON: Duration = Duration::from_secs(20);

/// Which end is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OurRole {
    Server,
    Client,
}

/// What lies between the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Nginx,
}

/// The ends, and what lies between.
pub(crate) struct Stage<'s> {
    pub(crate) theirs: &'s mut Foreign,
    pub(crate) variant: &'s Variant,
    host: Option<Host>,
    tap: Tap,
    _nginx: Option<Nginx>,
}

/// What came of a handshake: as the peer tells it, and as our end does. A server of ours has nothing to tell of an upgrade
/// that it did not make.
pub(crate) struct Attempt {
    pub(crate) theirs: Opened,
    pub(crate) ours: Option<Result<BlockingSocket, Error>>,
}

/// Our server: its sockets are handed to the test.
struct Host {
    server: Server,
    arrivals: Receiver<BlockingSocket>,
}

impl<'s> Stage<'s> {
    pub(crate) fn set(
        theirs: &'s mut Foreign,
        variant: &'s Variant,
        role: OurRole,
        way: Way,
    ) -> Result<Self, Fault> {
        let (host, server) = match role {
            OurRole::Server => {
                let host = Host::start(variant)?;
                let address = host.server.local_addr().ok_or("our server has no port")?;
                (Some(host), address)
            }
            OurRole::Client => {
                let terms =
                    Terms { subprotocols: &[SUBPROTOCOL], deflate: variant.theirs, pongs: false };
                (None, SocketAddr::from(([127, 0, 0, 1], theirs.listen(&terms)?)))
            }
        };
        let nginx = if way == Way::Nginx { Some(Nginx::start(server)?) } else { None };
        let tap = Tap::open(nginx.as_ref().map_or(server, Nginx::address))?;
        Ok(Self { theirs, variant, host, tap, _nginx: nginx })
    }

    pub(crate) fn role(&self) -> OurRole {
        if self.host.is_some() { OurRole::Server } else { OurRole::Client }
    }

    /// The client, whichever it is, asks for an upgrade at a path.
    pub(crate) fn attempt(
        &mut self,
        path: &str,
        subprotocols: &[&str],
        pongs: bool,
    ) -> Result<Attempt, Fault> {
        let url = format!("ws://{}{path}", self.tap.address());
        if let Some(host) = &self.host {
            let terms = Terms { subprotocols, deflate: self.variant.theirs, pongs };
            let theirs = self.theirs.connect(&url, &terms)?;
            let ours = match theirs {
                Opened::Open { .. } => Some(Ok(host.arrivals.recv_timeout(SOON)?)),
                Opened::Refused(_) | Opened::Failed => None,
            };
            return Ok(Attempt { theirs, ours });
        }
        let mut client = Client::new(&url);
        for name in subprotocols {
            client = client.subprotocol(name);
        }
        if let Some(deflate) = self.variant.ours {
            client = client.deflate(deflate);
        }
        thread::scope(|scope| {
            let ours = scope.spawn(|| client.connect_blocking());
            let theirs = self.theirs.accept()?;
            let ours = ours.join().map_err(|_| "our client panicked")?;
            Ok(Attempt { theirs, ours: Some(ours) })
        })
    }

    /// Connects where it must be possible, and checks that compression was negotiated as the variant says.
    pub(crate) fn meet(&mut self) -> Result<BlockingSocket, Fault> {
        self.meet_at("/meet", false)
    }

    /// The same with a peer that shows pongs, and therefore may have to answer pings by itself.
    pub(crate) fn meet_with_pongs(&mut self) -> Result<BlockingSocket, Fault> {
        self.meet_at("/meet?pongs", true)
    }

    fn meet_at(&mut self, path: &str, pongs: bool) -> Result<BlockingSocket, Fault> {
        let attempt = self.attempt(path, &[], pongs)?;
        let ours = match attempt.ours {
            Some(ours) if matches!(attempt.theirs, Opened::Open { .. }) => ours?,
            _ => return Err(format!("no connection: {:?}", attempt.theirs).into()),
        };
        self.check_negotiation()?;
        Ok(ours)
    }

    /// What our server has made of a handshake that its client did not accept.
    pub(crate) fn abandoned(&self) -> Result<BlockingSocket, Fault> {
        let host = self.host.as_ref().ok_or("our end is no server")?;
        Ok(host.arrivals.recv_timeout(SOON)?)
    }

    /// The latest connection, as it was on the wire.
    pub(crate) fn wire(&self) -> Result<Wire, Fault> {
        self.tap.latest()
    }

    fn check_negotiation(&self) -> Result<(), Fault> {
        let wire = self.tap.latest()?;
        let (asked, answered) =
            (wire.asked("Sec-WebSocket-Extensions"), wire.answered("Sec-WebSocket-Extensions"));
        let parts: Vec<&str> = answered.split(';').map(str::trim).collect();
        let right = match &self.variant.agreed {
            None => answered.is_empty(),
            Some(agreed) => {
                parts.first() == Some(&"permessage-deflate")
                    && agreed.iter().all(|part| parts.contains(&&**part))
                    && self.variant.absent.is_none_or(|part| !answered.contains(part))
            }
        };
        if right {
            return Ok(());
        }
        Err(format!("asked for `{asked}`, the server answered `{answered}`").into())
    }

    /// The peer closes with 1000, and both ends must have seen a clean end.
    pub(crate) fn part(&mut self, ours: &BlockingSocket) -> Result<(), Fault> {
        self.closed_by_peer(ours, Some(1000), "")
    }

    /// The peer closes, and both ends must have seen its code, and ours the reason.
    pub(crate) fn closed_by_peer(
        &mut self,
        ours: &BlockingSocket,
        code: Option<u16>,
        reason: &str,
    ) -> Result<(), Fault> {
        let answer = self.theirs.close(code, reason)?;
        let closed = ours.closed();
        let code = CloseCode::from_u16(code.unwrap_or(1005));
        if closed.code != code || &*closed.reason != reason {
            return Err(format!("our end saw {closed:?}").into());
        }
        if !closed.clean || closed.by != Initiator::Peer || closed.cause.is_some() {
            return Err(format!("our end saw another end: {closed:?}").into());
        }
        if answer.code != Some(u64::from(code.as_u16())) {
            return Err(format!("our answer to {code:?} was {answer:?}").into());
        }
        Ok(())
    }
}

impl Host {
    fn start(variant: &Variant) -> Result<Self, Fault> {
        let (sender, arrivals) = channel();
        let mut builder = Server::builder()
            .subprotocol(SUBPROTOCOL)
            .get("/", |_| html("<!doctype html><title>A place to meet</title>"))
            .route("/meet", async move |socket| {
                // The test has the only half now; if it has gone, the connection ends.
                let _ = sender.send(socket.into_blocking());
                Ok(())
            });
        if let Some(deflate) = variant.ours {
            builder = builder.deflate(deflate);
        }
        Ok(Self { server: builder.bind("127.0.0.1:0")?, arrivals })
    }
}
