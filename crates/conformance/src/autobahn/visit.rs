//! One visit of the client under test: connect, echo until the connection has ended.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use sockeye::Client;
use sockeye_interop::Fault;
use sockeye_protocol::handshake::{ClientRequest, Head, Response, Url};
use sockeye_protocol::{Event, Instant};
use sockeye_reactor::engine::{Address, Engine as _, Mio, Remote};
use sockeye_reactor::{Config, ConnectError, Decision, Handler, Outcome, Peer, Reactor, Service};

use super::echo::{echo, make_room};
use super::run::CASE_WITHIN;

/// Something that visits the suite's server.
pub(crate) trait Visitor {
    /// Connects, answers until the connection has ended, and returns the last text that was kept.
    fn visit(&mut self, resource: &str, answer: Answer) -> Result<String, Fault>;
}

/// What a visit does with the messages that it receives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// Each comes back.
    Echo,
    /// The last text is kept.
    Nothing,
}

/// What is known of a visit.
#[derive(Debug, Default)]
struct Visited {
    /// None while it lasts.
    end: Option<Result<(), ConnectError>>,
    text: String,
}

#[derive(Debug)]
struct Visit {
    answer: Answer,
    visited: Rc<RefCell<Visited>>,
}

impl Handler for Visit {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        match self.answer {
            Answer::Echo => echo(peer, event),
            Answer::Nothing => {
                if let Event::Text(text) = event {
                    self.visited.borrow_mut().text = text.into_string();
                }
            }
        }
    }

    fn close(&mut self, _outcome: Outcome) {
        self.visited.borrow_mut().end = Some(Ok(()));
    }

    fn failed_to_connect(&mut self, error: ConnectError) {
        self.visited.borrow_mut().end = Some(Err(error));
    }
}

/// Serves nobody: the reactor has no listener. It only wakes the loop when a visit takes too long.
#[derive(Debug)]
struct Outbound {
    deadline: Instant,
}

impl Service for Outbound {
    type Handler = Visit;

    fn request(&mut self, _head: &Head<'_>, _remote: &Remote) -> Decision<Visit> {
        Decision::Respond(Response::new(404))
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}

/// Answers within the event itself: one reactor for all visits, which are made one after the other.
pub(crate) struct Events {
    address: SocketAddr,
    reactor: Reactor<Outbound, Mio>,
}

impl Events {
    pub(crate) fn new(address: SocketAddr) -> Result<Self, Fault> {
        let mut connection = sockeye_protocol::Config::default();
        make_room(&mut connection);
        let mut config = Config::default();
        config.connection = Arc::new(connection);
        let service = Outbound { deadline: Instant::ZERO };
        Ok(Self { address, reactor: Reactor::new(Mio::new()?, service, config) })
    }

    fn now(&mut self) -> Instant {
        self.reactor.engine_mut().now()
    }
}

impl Visitor for Events {
    fn visit(&mut self, resource: &str, answer: Answer) -> Result<String, Fault> {
        let url = Url::parse(&format!("ws://{}{resource}", self.address))?;
        let visited = Rc::new(RefCell::new(Visited::default()));
        let visit = Visit { answer, visited: Rc::clone(&visited) };
        let deadline = self.now() + CASE_WITHIN;
        self.reactor.service_mut().deadline = deadline;
        self.reactor.connect(&Address::Tcp(self.address), &ClientRequest::new(&url), visit)?;
        loop {
            self.reactor.turn()?;
            let mut visited = visited.borrow_mut();
            match visited.end.take() {
                Some(Ok(())) => return Ok(std::mem::take(&mut visited.text)),
                Some(Err(error)) => return Err(Box::new(error)),
                None if self.now() >= deadline => {
                    return Err(format!("{resource} takes longer than {CASE_WITHIN:?}").into());
                }
                None => {}
            }
        }
    }
}

/// Answers from another thread than the one that receives, with the sockets of `sockeye::Client`.
#[derive(Debug)]
pub(crate) struct Conversations {
    address: SocketAddr,
}

impl Conversations {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }
}

impl Visitor for Conversations {
    fn visit(&mut self, resource: &str, answer: Answer) -> Result<String, Fault> {
        let url = format!("ws://{}{resource}", self.address);
        let mut socket = Client::new(&url).connection(make_room).connect_blocking()?;
        let mut text = String::new();
        loop {
            match socket.recv_timeout(CASE_WITHIN) {
                Ok(message) => match answer {
                    // What cannot be sent any more is a matter for the verdict.
                    Answer::Echo => drop(socket.send(message)),
                    Answer::Nothing => text = message.into_text(),
                },
                Err(error) if error.is_closed() => return Ok(text),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
