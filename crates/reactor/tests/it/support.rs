//! Services and handlers that the tests share.

use std::cell::RefCell;
use std::rc::Rc;

use sockeye_protocol::handshake::{Head, Response};
use sockeye_protocol::{CloseCode, Event};
use sockeye_reactor::engine::Remote;
use sockeye_reactor::{
    Accept, ConnectError, Decision, Handler, Key, Notice, Outcome, Peer, Service,
};

/// What a scripted handler was told, and what it was told it by.
#[derive(Debug)]
pub(crate) enum Told {
    Open(Key),
    Text(Key, String),
    Binary(Key, usize),
    Ping(Key),
    Pong(Key),
    CloseFrame(Key, Option<CloseCode>),
    Writable(Key),
    Closed(Key, Outcome),
    Failed(ConnectError),
    Dropped(Key),
    Responded(u16),
    Panicked,
    AcceptFailed,
}

/// Everything that the handlers of a test were told, in order.
pub(crate) type Log = Rc<RefCell<Vec<Told>>>;

/// What a handler does, besides keeping the log.
pub(crate) type Script = Rc<dyn Fn(&mut Peer<'_>, Moment<'_, '_>)>;

/// When a script is called.
pub(crate) enum Moment<'m, 'b> {
    Open,
    Event(&'m Event<'b>),
    Writable,
}

/// Answers every message with itself.
pub(crate) fn echo() -> Script {
    Rc::new(|peer, moment| match moment {
        Moment::Event(Event::Text(text)) => peer.send_text(text).expect("an open session"),
        Moment::Event(Event::Binary(payload)) => {
            peer.send_binary(payload).expect("an open session");
        }
        _ => {}
    })
}

/// Does nothing.
pub(crate) fn silent() -> Script {
    Rc::new(|_, _| {})
}

pub(crate) struct Scripted {
    key: Option<Key>,
    log: Log,
    script: Script,
}

impl Scripted {
    pub(crate) fn new(log: &Log, script: &Script) -> Self {
        Self { key: None, log: log.clone(), script: script.clone() }
    }

    fn tell(&self, told: Told) {
        self.log.borrow_mut().push(told);
    }
}

impl Handler for Scripted {
    fn open(&mut self, peer: &mut Peer<'_>) {
        self.key = Some(peer.key());
        self.tell(Told::Open(peer.key()));
        (self.script)(peer, Moment::Open);
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        let key = peer.key();
        self.tell(match &event {
            Event::Text(text) => Told::Text(key, text.to_string()),
            Event::Binary(payload) => Told::Binary(key, payload.len()),
            Event::Ping(_) => Told::Ping(key),
            Event::Pong(_) => Told::Pong(key),
            Event::Close(reason) => {
                Told::CloseFrame(key, reason.as_ref().map(|reason| reason.code()))
            }
            _ => return,
        });
        (self.script)(peer, Moment::Event(&event));
    }

    fn writable(&mut self, peer: &mut Peer<'_>) {
        self.tell(Told::Writable(peer.key()));
        (self.script)(peer, Moment::Writable);
    }

    fn close(&mut self, outcome: Outcome) {
        let key = self.key.expect("close comes after open");
        self.tell(Told::Closed(key, outcome));
    }

    fn failed_to_connect(&mut self, error: ConnectError) {
        self.tell(Told::Failed(error));
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.tell(Told::Dropped(key));
        }
    }
}

/// A decision by path, besides those that every [`Scripts`] knows.
pub(crate) type Decide = Box<dyn FnMut(&Head<'_>) -> Decision<Scripted>>;

/// Accepts every upgrade with one script; `/missing` is not found.
pub(crate) struct Scripts {
    pub(crate) log: Log,
    pub(crate) script: Script,
    pub(crate) decide: Option<Decide>,
}

impl Scripts {
    pub(crate) fn new(script: Script) -> Self {
        Self { log: Log::default(), script, decide: None }
    }
}

impl Service for Scripts {
    type Handler = Scripted;

    fn request(&mut self, head: &Head<'_>, _remote: &Remote) -> Decision<Scripted> {
        if head.request().path() == "/missing" {
            return Decision::Respond(Response::new(404));
        }
        match &mut self.decide {
            Some(decide) => decide(head),
            None => Decision::Accept(Accept::new(Scripted::new(&self.log, &self.script))),
        }
    }

    fn observe(&mut self, notice: Notice<'_>) {
        let told = match notice {
            Notice::Responded { status, .. } => Told::Responded(status),
            Notice::Panicked { .. } => Told::Panicked,
            Notice::AcceptFailed(_) => Told::AcceptFailed,
            _ => return,
        };
        self.log.borrow_mut().push(told);
    }
}
