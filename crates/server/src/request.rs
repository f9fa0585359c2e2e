//! A request as routes, guards and small responses see it, and what stays of it with its connection.

use std::sync::Arc;

use sockeye_protocol::handshake;
use sockeye_reactor::engine::Remote;
use sockeye_reactor::mutex::Mutex;

use crate::attachments::Attachments;
use crate::group::{Group, Groups};
use crate::router::Params;

pub use sockeye_protocol::handshake::{Header, Response};

/// The head of a request that fits a route.
#[derive(Debug)]
pub struct Request<'r> {
    head: &'r handshake::Request<'r>,
    params: &'r Params,
    groups: &'r Groups,
    remote: &'r Remote,
    subprotocol: Option<&'r str>,
    /// Behind a lock, since guards are given a request that is not theirs alone.
    attachments: Mutex<Attachments>,
}

impl<'r> Request<'r> {
    pub(crate) fn new(
        head: &'r handshake::Request<'r>,
        params: &'r Params,
        groups: &'r Groups,
        remote: &'r Remote,
        subprotocol: Option<&'r str>,
    ) -> Self {
        Self { head, params, groups, remote, subprotocol, attachments: Mutex::default() }
    }

    pub(crate) fn into_attachments(self) -> Attachments {
        std::mem::take(&mut *self.attachments.lock())
    }

    /// A parameter of the route's path, decoded: of `/ws/{version}/productos` the one named `version`.
    ///
    /// # Panics
    /// If the route has no parameter of that name, which is a mistake in the program; the request is answered with 500.
    #[track_caller]
    pub fn param(&self, name: &str) -> &str {
        self.params.expect(name)
    }

    /// The method, as it was sent.
    pub const fn method(&self) -> &str {
        self.head.method()
    }

    /// The path as it was sent, not decoded, without the query.
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// What follows the question mark, not decoded.
    pub fn query(&self) -> Option<&str> {
        self.head.query()
    }

    /// The first header of this name, which is compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.header(name)
    }

    /// All header lines in their order; a value need not be UTF-8.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers()
    }

    /// The host, with its port if any, that the request is for.
    pub const fn host(&self) -> &str {
        self.head.host()
    }

    /// The page that asks, if a browser does.
    pub const fn origin(&self) -> Option<&str> {
        self.head.origin()
    }

    /// Where the request comes from.
    pub const fn remote(&self) -> &Remote {
        self.remote
    }

    /// The subprotocol that the handshake will agree on.
    pub const fn subprotocol(&self) -> Option<&str> {
        self.subprotocol
    }

    /// Attaches what the request was found to be about, such as its user: the route finds it by its type with
    /// [`Sender::attached`](crate::Sender::attached), or with [`attached`](Self::attached) where it makes a handler. There
    /// is one value of each type, so a later one takes the place of an earlier one. It is dropped with a request that is
    /// refused, and else with the last that refers to the connection.
    ///
    /// For a [guard](crate::ServerBuilder::guard): what a page attaches reaches nobody.
    pub fn attach<T: Send + Sync + 'static>(&self, value: T) {
        let earlier = self.attachments.lock().put(value);
        // Not under the lock.
        drop(earlier);
    }

    /// What a guard has attached, of exactly this type.
    pub fn attached<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.attachments.lock().find()
    }

    /// The group of this name; one group for the whole server.
    pub fn group(&self, name: &str) -> Group {
        self.groups.named(name)
    }
}

/// What stays of a request with its connection. A pointer wide, and nothing behind it where nothing stays.
#[derive(Debug, Default)]
pub(crate) struct Kept(Option<Box<Rest>>);

#[derive(Debug)]
struct Rest {
    params: Params,
    query: Option<Box<str>>,
    attachments: Attachments,
}

impl Kept {
    pub(crate) fn new(params: Params, query: Option<&str>, attachments: Attachments) -> Self {
        if params.is_empty() && query.is_none() && attachments.is_empty() {
            return Self(None);
        }
        Self(Some(Box::new(Rest { params, query: query.map(Box::from), attachments })))
    }

    #[track_caller]
    pub(crate) fn param(&self, name: &str) -> &str {
        match &self.0 {
            Some(rest) => rest.params.expect(name),
            None => panic!("the route's path has no parameter {name:?}, and no other"),
        }
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.0.as_ref()?.query.as_deref()
    }

    pub(crate) fn attached<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.as_ref()?.attachments.find()
    }
}

/// A response with status 200 and a page.
pub fn html(page: impl Into<bytes::Bytes>) -> Response {
    body(page.into(), "text/html; charset=utf-8")
}

/// A response with status 200 and a text.
pub fn plain(text: impl Into<bytes::Bytes>) -> Response {
    body(text.into(), "text/plain; charset=utf-8")
}

fn body(bytes: bytes::Bytes, content_type: &'static str) -> Response {
    Response::new(200).body(bytes, content_type)
}
