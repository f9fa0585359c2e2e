//! Services and handlers that the tests share.

use std::cell::RefCell;
use std::rc::Rc;

use sockeye_protocol::handshake::{Head, Response};
use sockeye_protocol::{Event, Instant};
use sockeye_reactor::engine::Remote;
use sockeye_reactor::{
    Accept, ConnectError, Decision, Handler, Key, Notice, Outcome, Outward, Peer, Peers, Service,
};

/// What a scripted handler was told, and what it was told it by.
#[derive(Debug)]
pub(crate) enum Told {
    Open(Key),
    Text(String),
    Binary(usize),
    Ping,
    Pong,
    CloseFrame,
    Writable,
    Closed(Outcome),
    Failed(ConnectError),
    Dropped,
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
    opened: bool,
    log: Log,
    script: Script,
}

impl Scripted {
    pub(crate) fn new(log: &Log, script: &Script) -> Self {
        Self { opened: false, log: log.clone(), script: script.clone() }
    }

    fn tell(&self, told: Told) {
        self.log.borrow_mut().push(told);
    }
}

impl Handler for Scripted {
    fn open(&mut self, peer: &mut Peer<'_>) {
        self.opened = true;
        self.tell(Told::Open(peer.key()));
        (self.script)(peer, Moment::Open);
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        self.tell(match &event {
            Event::Text(text) => Told::Text(text.to_string()),
            Event::Binary(payload) => Told::Binary(payload.len()),
            Event::Ping(_) => Told::Ping,
            Event::Pong(_) => Told::Pong,
            Event::Close(_) => Told::CloseFrame,
            _ => return,
        });
        (self.script)(peer, Moment::Event(&event));
    }

    fn writable(&mut self, peer: &mut Peer<'_>) {
        self.tell(Told::Writable);
        (self.script)(peer, Moment::Writable);
    }

    fn close(&mut self, outcome: Outcome) {
        assert!(self.opened, "close comes after open");
        self.tell(Told::Closed(outcome));
    }

    fn failed_to_connect(&mut self, error: ConnectError) {
        self.tell(Told::Failed(error));
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if self.opened {
            self.tell(Told::Dropped);
        }
    }
}

/// A decision by path, besides those that every [`Scripts`] knows.
pub(crate) type Decide = Box<dyn FnMut(&Head<'_>) -> Decision<Scripted>>;

/// Something to be done in the tasks phase.
pub(crate) type Task = Box<dyn FnOnce(&mut Peers<'_>)>;

/// Accepts every upgrade with one script; `/missing` is not found.
pub(crate) struct Scripts {
    pub(crate) log: Log,
    pub(crate) script: Script,
    pub(crate) decide: Option<Decide>,
    /// Run in the next tasks phase, once.
    pub(crate) task: Option<Task>,
    pub(crate) outward: Option<Outward<Scripted>>,
    /// The ends that it was told of as an observer.
    pub(crate) observed: Vec<Outcome>,
    /// What it says is unfinished.
    pub(crate) unfinished: usize,
    /// When it wants a turn of its own.
    pub(crate) wake_at: Option<Instant>,
}

impl Scripts {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            log: Log::default(),
            script,
            decide: None,
            task: None,
            outward: None,
            observed: Vec::new(),
            unfinished: 0,
            wake_at: None,
        }
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

    fn tasks(&mut self, peers: &mut Peers<'_>) {
        if let Some(task) = self.task.take() {
            task(peers);
        }
    }

    fn connect(&mut self) -> Option<Outward<Scripted>> {
        self.outward.take()
    }

    fn deadline(&self) -> Option<Instant> {
        self.task.as_ref().map(|_| Instant::ZERO).or(self.wake_at)
    }

    fn unfinished(&self) -> usize {
        self.unfinished
    }

    fn observe(&mut self, notice: Notice<'_>) {
        let told = match notice {
            Notice::Responded { status, .. } => Told::Responded(status),
            Notice::Panicked { .. } => Told::Panicked,
            Notice::AcceptFailed(_) => Told::AcceptFailed,
            Notice::Closed { outcome, .. } => return self.observed.push(outcome.clone()),
            _ => return,
        };
        self.log.borrow_mut().push(told);
    }
}

/// A payload whose owner panics when it is dropped.
pub(crate) struct Brittle;

impl AsRef<[u8]> for Brittle {
    fn as_ref(&self) -> &[u8] {
        &[7; 20_000]
    }
}

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("as the test wants it");
    }
}
