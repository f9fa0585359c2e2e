//! What a loop serves: requests to routes, routes to sockets, and the executor's turn.

mod thread;
mod launch;
mod figures;
mod app;

use std::sync::Arc;

use sockeye_protocol::handshake::{Acceptance, Head, Header};
use sockeye_protocol::{Event, Instant, Role};
use sockeye_reactor::engine::Remote;
use sockeye_reactor::{
    Accept, ConnectError, Decision, Handler, Outcome, Outward, Peer, Peers, Service,
};

use crate::executor::{Clock, Executor};
use crate::request::{Kept, Request, Response};
use crate::router::Params;
use crate::socket::{Context, Dial, Hearing, Home, Opening, SocketHandler};

pub(crate) use self::app::{App, Endpoints, SocketRoute};
pub(crate) use self::figures::Figures;
pub use self::figures::Stats;
pub(crate) use self::launch::{async_route, blocking_route};
use self::thread::Alive;
pub(crate) use self::thread::Loops;

/// How many seconds a client is asked to wait when all threads are taken.
const RETRY_AFTER_SECONDS: &str = "5";

/// The service of one loop, on its thread.
pub(crate) struct LoopService {
    app: Arc<App>,
    executor: Executor,
    context: Arc<Context>,
    figures: Arc<Figures>,
    alive: Option<Alive>,
}

impl LoopService {
    pub(crate) fn new(app: Arc<App>, clock: Clock) -> Self {
        let executor = Executor::new(clock);
        let context = Context::new(Home::new(
            Arc::clone(executor.remote()),
            app.groups.clone(),
            Arc::clone(&app.registry),
            app.inbox_limits,
        ));
        Self { app, executor, context, figures: Arc::new(Figures::default()), alive: None }
    }

    /// Makes this the loop of the thread until the guard is dropped. A hand-driven loop enters for each turn.
    pub(crate) fn enter(&self) -> impl Sized + use<> {
        (self.executor.local().enter(), self.context.enter())
    }

    pub(crate) const fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) const fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(crate) const fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// The order of the answers is the one that the design names: 404, 405, 426, 400, 403, the guard's own, 503.
    fn decide(&self, head: &Head<'_>, remote: &Remote) -> Result<Accept<Session>, Response> {
        let request = head.request();
        let found = self
            .app
            .routes
            .find(request.path())
            .map_err(|_| refusal(400, "the path is not valid\n"))?;
        let Some((endpoints, params)) = found else { return Err(refusal(404, "no such path\n")) };
        if let Some(response) = self.page(endpoints, head, &params, remote)? {
            return Err(response);
        }
        let upgrade = head.upgrade().map_err(Response::from)?;
        let Some(route) = &endpoints.socket else {
            // An upgrade of a page: the path is known, and no way to upgrade it is.
            return Err(refusal(400, "this path has no WebSocket\n"));
        };
        if !self.app.origins.permits(request.origin(), request.host()) {
            return Err(refusal(403, "pages of this origin are not let in\n"));
        }
        let subprotocol = upgrade.subprotocols().find_map(|offered| self.app.subprotocol(offered));
        let view = Request::new(request, &params, &self.app.groups, remote, subprotocol);
        if let Some(guard) = &self.app.guard {
            guard(&view)?;
        }
        let handler = match route {
            SocketRoute::Events(make) => Session::Events(make(&view)?),
            SocketRoute::Socket(make) => {
                let attachments = view.into_attachments();
                Session::Socket(SocketHandler::new(Opening {
                    home: Arc::clone(&self.context.home),
                    role: Role::Server,
                    kept: Kept::new(params, request.query(), attachments),
                    subprotocol: subprotocol.map(Into::into),
                    launch: make(&self.app)?,
                }))
            }
        };
        let mut accept = Accept::new(handler);
        let subprotocol = subprotocol.map(|name| name.to_owned().into());
        accept.acceptance = Acceptance { subprotocol, ..Acceptance::default() };
        Ok(accept)
    }

    /// The answer of a path that has a body for a plain GET, or 405; `None`: it is for the socket.
    fn page(
        &self,
        endpoints: &Endpoints,
        head: &Head<'_>,
        params: &Params,
        remote: &Remote,
    ) -> Result<Option<Response>, Response> {
        let request = head.request();
        let is_read = matches!(request.method(), "GET" | "HEAD");
        match (&endpoints.page, head) {
            (Some(page), Head::Plain(_)) if is_read => {
                let view = Request::new(request, params, &self.app.groups, remote, None);
                Ok(Some(page(&view)))
            }
            _ if request.method() == "GET" => Ok(None),
            (Some(_), _) => Err(not_allowed("GET, HEAD")),
            (None, _) => Err(not_allowed("GET")),
        }
    }
}

impl Service for LoopService {
    type Handler = Session;

    fn request(&mut self, head: &Head<'_>, remote: &Remote) -> Decision<Session> {
        match self.decide(head, remote) {
            Ok(accept) => Decision::Accept(accept),
            Err(response) => Decision::Respond(response),
        }
    }

    fn tasks(&mut self, peers: &mut Peers<'_>) {
        self.executor.remote().clock().follow(peers.now());
        let hearing = Hearing::begin(self.executor.remote());
        self.executor.run(peers.now());
        drop(hearing);
        self.context.home.carry_out(peers);
        self.figures.record(peers, &self.executor, self.context.home.panics());
    }

    fn connect(&mut self) -> Option<Outward<Session>> {
        let Dial { address, request, config, within, filler } = self.context.next_dial()?;
        let handler = Session::Socket(SocketHandler::new(Opening {
            home: Arc::clone(&self.context.home),
            role: Role::Client,
            kept: Kept::default(),
            subprotocol: None,
            // Nobody waits any more: the socket is dropped, and the connection closed with 1000.
            launch: Box::new(|opened| drop(filler.fill(opened))),
        }));
        let mut outward = Outward::new(address, request, handler);
        outward.config = Some(config);
        outward.within = Some(within);
        Some(outward)
    }

    /// Tasks that were spawned beside the routes may run for ever, so nobody waits for them.
    fn unfinished(&self) -> usize {
        self.context.home.routes()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.context.home.has_work() { Some(Instant::ZERO) } else { self.executor.deadline() }
    }
}

/// What takes the events of one connection: ours, or the program's.
pub(crate) enum Session {
    Socket(SocketHandler),
    Events(Box<dyn Handler>),
}

impl Handler for Session {
    fn open(&mut self, peer: &mut Peer<'_>) {
        match self {
            Self::Socket(handler) => handler.open(peer),
            Self::Events(handler) => handler.open(peer),
        }
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        match self {
            Self::Socket(handler) => handler.event(peer, event),
            Self::Events(handler) => handler.event(peer, event),
        }
    }

    fn after_read(&mut self, peer: &mut Peer<'_>) {
        match self {
            Self::Socket(handler) => handler.after_read(peer),
            Self::Events(handler) => handler.after_read(peer),
        }
    }

    fn writable(&mut self, peer: &mut Peer<'_>) {
        match self {
            Self::Socket(handler) => handler.writable(peer),
            Self::Events(handler) => handler.writable(peer),
        }
    }

    fn close(&mut self, outcome: Outcome) {
        match self {
            Self::Socket(handler) => handler.close(outcome),
            Self::Events(handler) => handler.close(outcome),
        }
    }

    fn failed_to_connect(&mut self, error: ConnectError) {
        match self {
            Self::Socket(handler) => handler.failed_to_connect(error),
            Self::Events(handler) => handler.failed_to_connect(error),
        }
    }
}

fn not_allowed(methods: &'static str) -> Response {
    with_header(refusal(405, "this path does not take the method\n"), "Allow", methods)
}

/// Says what is wrong in constant words, so that nothing of the request comes back.
fn refusal(status: u16, text: &'static str) -> Response {
    Response::new(status).body(text, "text/plain")
}

fn with_header(response: Response, name: &'static str, value: &'static str) -> Response {
    response.header(Header::new(name, value).expect("a constant header is valid"))
}
