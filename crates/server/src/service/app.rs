//! What all loops of a server share: its routes and its rules.

use std::fmt;
use std::sync::Arc;

use sockeye_reactor::{Cause, ConnectError, Handler};

use crate::error::Error;
use crate::executor::Pool;
use crate::group::Groups;
use crate::origin::OriginPolicy;
use crate::request::{Request, Response};
use crate::router::Router;
use crate::socket::{InboxLimits, Registry, Shared, Socket};

/// Asked before every upgrade.
type Guard = Box<dyn Fn(&Request<'_>) -> Result<(), Response> + Send + Sync>;
/// Told of every error that a route returned.
type Report = Box<dyn Fn(&Error) + Send + Sync>;
/// Makes the body of a plain GET.
type Page = Box<dyn Fn(&Request<'_>) -> Response + Send + Sync>;
/// Makes the handler of a connection.
type Make = Box<dyn Fn(&Request<'_>) -> Result<Box<dyn Handler>, Response> + Send + Sync>;

/// The program's part of a server, which does not change while it runs.
pub(crate) struct App {
    pub(crate) routes: Router<Endpoints>,
    pub(crate) origins: OriginPolicy,
    pub(crate) guard: Option<Guard>,
    pub(crate) report: Option<Report>,
    pub(crate) subprotocols: Vec<Box<str>>,
    pub(crate) groups: Groups,
    pub(crate) registry: Arc<Registry<Shared>>,
    pub(crate) threads: Arc<Pool>,
    pub(crate) inbox_limits: InboxLimits,
}

/// Starts the route of a connection once it is open.
pub(crate) type Launch = Box<dyn FnOnce(Result<Socket, ConnectError>)>;
/// Agrees to an upgrade, or refuses it.
type Agree = Box<dyn Fn(&Arc<App>) -> Result<Launch, Response> + Send + Sync>;

/// What one path offers.
#[derive(Default)]
pub(crate) struct Endpoints {
    pub(crate) socket: Option<SocketRoute>,
    pub(crate) page: Option<Page>,
}

/// The two kinds of connection: those with a socket, and those with a handler of the program's.
pub(crate) enum SocketRoute {
    Socket(Agree),
    Events(Make),
}

impl App {
    pub(crate) fn new(threads_max: usize) -> Self {
        Self {
            routes: Router::new(),
            origins: OriginPolicy::default(),
            guard: None,
            report: None,
            subprotocols: Vec::new(),
            groups: Groups::new(),
            registry: Arc::default(),
            threads: Self::threads(threads_max),
            inbox_limits: InboxLimits::default(),
        }
    }

    /// The threads of blocking routes. A place is free a moment before its thread is: who gets it waits for that.
    pub(crate) fn threads(threads_max: usize) -> Arc<Pool> {
        Pool::new("sockeye-route", threads_max, threads_max)
    }

    /// Our spelling of a subprotocol that the peer offers, if we speak it; names are compared exactly.
    pub(crate) fn subprotocol(&self, offered: &str) -> Option<&str> {
        self.subprotocols.iter().map(AsRef::as_ref).find(|own| *own == offered)
    }

    /// A goodbye that a route passed on is nothing to be told of.
    pub(crate) fn report(&self, error: &Error) {
        if let Some(report) = &self.report
            && !is_goodbye(error)
        {
            report(error);
        }
    }
}

/// Whether both sides agreed to close, and nothing but that ended the connection.
fn is_goodbye(error: &Error) -> bool {
    let Error::Closed { clean: true, cause, .. } = error else { return false };
    cause.as_deref().is_none_or(|cause| *cause == Cause::Drained)
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").finish_non_exhaustive()
    }
}
