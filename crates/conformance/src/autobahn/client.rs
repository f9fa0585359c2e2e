//! The client under test, and the suite's fuzzing server that it visits once for each case.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;
use sockeye_interop::Fault;
use sockeye_protocol::handshake::{ClientRequest, Head, Response, Url};
use sockeye_protocol::{Event, Instant};
use sockeye_reactor::engine::{Address, Engine as _, Mio, Remote};
use sockeye_reactor::{Config, ConnectError, Decision, Handler, Outcome, Peer, Reactor, Service};

use super::echo::{echo, make_room};
use super::report::Report;
use super::run::{
    AGENT, CASE_WITHIN, END_WITHIN, Progress, Role, Run, START_WITHIN, Selection, planned,
};
use super::suite::Suite;

/// Runs the selected cases with outward connections of a reactor of this thread. The socket of
/// `sockeye::Client` hands messages to another thread, where an echo may come after the suite's
/// Close frame: then it is rightly not sent, and the verdict would be a matter of luck.
pub(crate) fn test(suite: &Suite, selection: &Selection) -> Result<Run, Fault> {
    let address = free_address()?;
    let folder = suite.reports(Role::Client.name())?;
    let mut spec = selection.spec(&folder);
    spec["url"] = json!(format!("ws://{address}"));

    let mut program = suite.start("fuzzingserver", &spec, &folder)?;
    let planned = planned(&mut program)?;
    program.line_with("Listening on ", START_WITHIN)?;
    let mut visitor = Visitor::new(address)?;
    let count = visitor.visit("/getCaseCount", Answer::Nothing)?;
    if count.parse() != Ok(planned.len()) {
        return Err(format!("the suite plans {} cases and counts {count}", planned.len()).into());
    }
    let mut progress = Progress::new(Role::Client, &planned);
    for (number, case) in (1..).zip(&planned) {
        progress.at(case)?;
        visitor
            .visit(&format!("/runCase?case={number}&agent={AGENT}"), Answer::Echo)
            .map_err(|error| format!("case {case}: {error}"))?;
    }
    let took = progress.done();
    // It writes its reports and ends, before it has answered this handshake.
    let _ = visitor
        .visit(&format!("/updateReports?agent={AGENT}&shutdownOnComplete=true"), Answer::Nothing);
    program.succeed(END_WITHIN)?;
    let report = Report::read(&folder.join("index.json"), AGENT)?;
    Ok(Run { planned, report, folder, took })
}

/// The suite must be told a port, and has no way to say which one the system chose.
fn free_address() -> Result<SocketAddr, Fault> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// What a visit does with the messages that it receives, beside keeping the last text.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Echo,
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

/// One reactor for all visits, which are made one after the other.
struct Visitor {
    address: SocketAddr,
    reactor: Reactor<Outbound, Mio>,
}

impl Visitor {
    fn new(address: SocketAddr) -> Result<Self, Fault> {
        let mut connection = sockeye_protocol::Config::default();
        make_room(&mut connection);
        let mut config = Config::default();
        config.connection = Arc::new(connection);
        let service = Outbound { deadline: Instant::ZERO };
        Ok(Self { address, reactor: Reactor::new(Mio::new()?, service, config) })
    }

    /// Connects, answers until the connection has ended, and returns the last text that was kept.
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

    fn now(&mut self) -> Instant {
        self.reactor.engine_mut().now()
    }
}
