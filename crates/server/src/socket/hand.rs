//! What a loop has at hand for one socket: the messages of the read that it is in, and what the socket's task says while
//! it is polled for them.
//!
//! ```text
//!   read ─▶ put, put .. ─▶ begin ─▶ the task is polled: take, say .. ─▶ end ─▶ one write
//!                                                         └─ what it leaves: to the inbox
//! ```
//!
//! What tasks say that are polled for anything else is put together as well, until another socket's speaks or all have
//! been polled, and is queued under one lock.
//!
//! All of it is the thread's own, so no message on this way takes a lock, and none needs memory that another did not
//! have before.

use std::cell::RefCell;
use std::num::NonZero;
use std::sync::Arc;

use sockeye_protocol::{Payload, Text};
use sockeye_reactor::{Batch, Peer, Sender};

use super::counts::Room;
use super::id::SocketId;
use super::queue::Messages;
use super::shelf::Shelf;
use super::tray::Tray;
use crate::executor::{self, Remote};
use crate::message::Message;

thread_local! {
    static HAND: RefCell<Hand> = const { RefCell::new(Hand::new()) };
}

/// What tells one loop from another while both live: where the part of it lies that others reach.
type LoopName = NonZero<usize>;

fn name_of(of: &Arc<Remote>) -> LoopName {
    std::ptr::NonNull::from(&**of).addr()
}

struct Hand {
    /// Whose messages lie here; 0: nobody's.
    holder: u64,
    /// Whether what the holder says may be put into the batch. Whatever lies in its queue is younger than the batch.
    listens: bool,
    /// The holder's task is being polled. While it is not, a holder is one that is being read from.
    is_polled: bool,
    /// The holder has come for more than there was, since it is polled.
    wants_more: bool,
    /// The loop that runs its tasks, if one does: whoever says something for a socket of its may hold the hand for that.
    /// Another loop might send what comes later meanwhile.
    runs_tasks: Option<LoopName>,
    /// By whom what the holder says is sent, if it holds the hand for nothing else.
    speaker: Option<Sender>,
    incoming: Tray,
    room: Room,
    outgoing: Batch,
    shelf: Shelf,
}

impl Hand {
    const fn new() -> Self {
        Self {
            holder: 0,
            listens: false,
            is_polled: false,
            wants_more: false,
            runs_tasks: None,
            speaker: None,
            incoming: Tray::new(),
            room: Room::NONE,
            outgoing: Batch::new(),
            shelf: Shelf::new(),
        }
    }

    /// The first message of a read comes. `false`: what lies here is another's, which is being polled.
    fn take_up(&mut self, id: SocketId, room: impl FnOnce() -> Room) -> bool {
        let is_taken_up = self.hold(id);
        if is_taken_up {
            self.room = room();
        }
        is_taken_up
    }

    fn hold(&mut self, id: SocketId) -> bool {
        if self.is_polled || self.speaker.is_some() {
            return false;
        }
        if self.holder != 0 {
            self.abandon();
        }
        self.holder = id.as_u64();
        true
    }

    /// Whether what the socket says may be put into the batch.
    #[inline]
    fn hears(&mut self, id: SocketId, of: &Arc<Remote>, outward: &Sender) -> bool {
        (self.listens && self.holder == id.as_u64())
            || (self.runs_tasks == Some(name_of(of)) && self.begin_to_hear(id, outward))
    }

    /// A task that is polled for something else than a message begins to speak.
    #[inline(never)]
    fn begin_to_hear(&mut self, id: SocketId, outward: &Sender) -> bool {
        self.send_said();
        if self.holder != 0 || outward.is_queued() || !outward.begin_batch(&mut self.outgoing) {
            return false;
        }
        self.holder = id.as_u64();
        self.listens = true;
        self.speaker = Some(outward.clone());
        executor::set_unsaid(send_said);
        true
    }

    /// Queues what was said while tasks are run.
    fn send_said(&mut self) {
        if let Some(speaker) = self.speaker.take() {
            executor::take_unsaid();
            self.holder = 0;
            self.listens = false;
            speaker.send_batch(&mut self.outgoing);
        }
    }

    /// Empties the hand: a panic has ended whoever held it.
    #[cold]
    fn abandon(&mut self) {
        self.holder = 0;
        self.listens = false;
        self.is_polled = false;
        self.incoming.clear();
        self.outgoing = Batch::new();
    }

    /// From now on all that is said goes through the queue, and what was said before is put before that.
    #[cold]
    fn stop_listening(&mut self, outward: &Sender) {
        self.listens = false;
        outward.send_batch(&mut self.outgoing);
    }
}

/// `None` when the hand is busy: something of a user's runs from within it, such as the drop of a payload's owner.
#[inline]
fn with<R>(act: impl FnOnce(&mut Hand) -> R) -> Option<R> {
    let act = |hand: &RefCell<Hand>| match hand.try_borrow_mut() {
        Ok(mut hand) => Some(act(&mut hand)),
        Err(_) => None,
    };
    HAND.try_with(act).unwrap_or(None)
}

/// The payload of a message, which lies in the loop's buffer or was put together in one of its own.
pub(super) trait Arrived {
    /// As a message, in memory from the shelf if it is small.
    fn keep(self, shelf: &mut Shelf) -> Message;

    fn into_message(self) -> Message;
}

impl Arrived for Text<'_> {
    #[inline]
    fn keep(self, shelf: &mut Shelf) -> Message {
        Message::Text(shelf.keep_text(self))
    }

    fn into_message(self) -> Message {
        Message::Text(self.into_string())
    }
}

impl Arrived for Payload<'_> {
    #[inline]
    fn keep(self, shelf: &mut Shelf) -> Message {
        Message::Binary(shelf.keep_bytes(self))
    }

    fn into_message(self) -> Message {
        Message::Binary(self.into_bytes())
    }
}

/// What became of a message.
pub(super) enum Put {
    /// It lies at hand, and there is room for more.
    Taken,
    /// It lies at hand, and the inbox is full with it.
    Full,
    /// What lies at hand is another's.
    Busy(Message),
}

/// Takes a text, if there is memory for it where it comes, and room for more than it. Most of all messages are such, so
/// nothing else is asked here.
#[inline]
pub(super) fn put_text(id: SocketId, room: impl FnOnce() -> Room, text: &str) -> bool {
    with(|hand| {
        if hand.holder != id.as_u64() && !hand.take_up(id, room) {
            return false;
        }
        hand.incoming.put_text(text, &mut hand.room)
    })
    .unwrap_or(false)
}

/// Takes a message of this read; `room` is what the inbox has.
#[inline]
pub(super) fn put(id: SocketId, room: impl FnOnce() -> Room, arrived: impl Arrived) -> Put {
    HAND.with(|hand| {
        let Ok(mut hand) = hand.try_borrow_mut() else { return Put::Busy(arrived.into_message()) };
        let hand = &mut *hand;
        if hand.holder != id.as_u64() && !hand.take_up(id, room) {
            return Put::Busy(arrived.into_message());
        }
        let message = arrived.keep(&mut hand.shelf);
        let is_full = hand.room.take(message.len());
        hand.incoming.put(message, &mut hand.shelf);
        if is_full { Put::Full } else { Put::Taken }
    })
}

/// Makes an empty hand the socket's. `false`: what lies here is another's.
pub(super) fn hold(id: SocketId) -> bool {
    with(|hand| hand.hold(id)).unwrap_or(false)
}

/// Messages of the socket that lie here.
pub(super) fn len(id: SocketId) -> usize {
    with(|hand| if hand.holder == id.as_u64() { hand.incoming.len() } else { 0 }).unwrap_or(0)
}

/// What the poll of a task came to.
#[derive(Default)]
pub(super) struct Polled {
    /// It has taken all that lay here, and not come for more.
    pub(super) lent: bool,
    /// What it has not taken.
    pub(super) left: Option<Box<Messages>>,
}

/// Polls the task of the socket that holds the hand, sends what it says, and empties the hand.
pub(super) fn poll(peer: &mut Peer<'_>, poll: impl FnOnce()) -> Polled {
    let unfinished = Unfinished;
    with(|hand| {
        hand.is_polled = true;
        hand.wants_more = false;
        hand.listens = peer.begin_batch(&mut hand.outgoing);
    });
    poll();
    let polled = with(|hand| {
        hand.is_polled = false;
        hand.listens = false;
        peer.end_batch(&mut hand.outgoing);
        hand.holder = 0;
        let left = hand.incoming.clear();
        Polled { lent: left.is_none() && !hand.wants_more, left }
    });
    std::mem::forget(unfinished);
    polled.unwrap_or_default()
}

/// Queues what was said while tasks are run, if the hand holds any.
fn send_said() {
    with(Hand::send_said);
}

/// Held while a loop runs its tasks. What each says for a socket until another speaks is queued together.
pub(crate) struct Hearing {
    before: Option<LoopName>,
}

impl Hearing {
    pub(crate) fn begin(of: &Arc<Remote>) -> Self {
        let before = with(|hand| hand.runs_tasks.replace(name_of(of)));
        Self { before: before.flatten() }
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        with(|hand| {
            hand.send_said();
            hand.runs_tasks = self.before;
        });
    }
}

/// Dropped only by a panic: that of a payload's owner, when what it owns can be sent no more.
struct Unfinished;

impl Drop for Unfinished {
    fn drop(&mut self) {
        let unsent = with(|hand| {
            hand.is_polled = false;
            hand.listens = false;
            std::mem::take(&mut hand.outgoing)
        });
        // Outside of the hand, as payloads of users go with it.
        drop(unsent);
    }
}

/// Empties the hand, and returns what lay in it.
pub(super) fn release() -> Option<Box<Messages>> {
    with(|hand| {
        hand.holder = 0;
        hand.incoming.clear()
    })?
}

/// Nobody will receive what lies here for the socket.
pub(super) fn forget(id: SocketId) {
    let forgotten =
        with(|hand| if hand.holder == id.as_u64() { hand.incoming.clear() } else { None });
    drop(forgotten);
}

/// The next message for the socket, if some lie here.
#[inline]
pub(super) fn take(id: SocketId) -> Option<Message> {
    with(|hand| {
        if hand.holder != id.as_u64() {
            return None;
        }
        let message = hand.incoming.take();
        if message.is_none() {
            hand.wants_more = true;
        }
        message
    })?
}

/// Bytes that the socket has said, and that are counted nowhere else.
pub(super) fn said_bytes(id: SocketId) -> usize {
    with(|hand| if hand.holder == id.as_u64() { hand.outgoing.cost() } else { 0 }).unwrap_or(0)
}

/// Puts a short text that the socket says into the batch, and keeps its memory. If it comes back, it must be said in
/// another way.
#[inline]
pub(super) fn say_short(
    id: SocketId,
    of: &Arc<Remote>,
    outward: &Sender,
    mut text: String,
) -> Result<(), String> {
    let said = with(|hand| {
        let said = hand.hears(id, of, outward)
            && !outward.is_queued()
            && outward.copies(text.len())
            && outward.put_text_copy(&text, &mut hand.outgoing).is_ok();
        if said {
            hand.incoming.reuse(std::mem::take(&mut text), &mut hand.shelf);
        }
        said
    });
    if said == Some(true) { Ok(()) } else { Err(text) }
}

/// Puts what the socket says into the batch, and keeps its memory. If it comes back, it must go through the queue, since
/// the socket is not the one at hand, since something is queued already, or since there is no room.
pub(super) fn say(
    id: SocketId,
    of: &Arc<Remote>,
    outward: &Sender,
    mut message: Message,
) -> Result<(), Message> {
    let said = with(|hand| {
        if !hand.hears(id, of, outward) {
            return false;
        }
        let said = !outward.is_queued()
            && match &mut message {
                Message::Text(text) if outward.copies(text.len()) => {
                    let said = outward.put_text_copy(text, &mut hand.outgoing).is_ok();
                    if said {
                        hand.incoming.reuse(std::mem::take(text), &mut hand.shelf);
                    }
                    said
                }
                Message::Binary(bytes) if outward.copies(bytes.len()) => {
                    let said = outward.put_binary_copy(bytes, &mut hand.outgoing).is_ok();
                    if said {
                        hand.shelf.reuse_bytes(std::mem::take(bytes));
                    }
                    said
                }
                message => say_owned(outward, message, &mut hand.outgoing),
            };
        if !said {
            hand.stop_listening(outward);
        }
        said
    });
    if said == Some(true) { Ok(()) } else { Err(message) }
}

/// Moves a long message into the batch.
fn say_owned(outward: &Sender, message: &mut Message, batch: &mut Batch) -> bool {
    match message {
        Message::Text(text) => match outward.put_text(std::mem::take(text), batch) {
            Ok(()) => true,
            Err((_, refused)) => {
                *text = refused;
                false
            }
        },
        Message::Binary(bytes) => match outward.put_binary(std::mem::take(bytes), batch) {
            Ok(()) => true,
            Err((_, refused)) => {
                *bytes = refused;
                false
            }
        },
    }
}

/// As [`say`], for a text that is not owned.
pub(super) fn say_text(id: SocketId, of: &Arc<Remote>, outward: &Sender, text: &str) -> bool {
    with(|hand| {
        if !hand.hears(id, of, outward) {
            return false;
        }
        let said = !outward.is_queued()
            && if outward.copies(text.len()) {
                outward.put_text_copy(text, &mut hand.outgoing).is_ok()
            } else {
                outward.put_text(text.to_owned(), &mut hand.outgoing).is_ok()
            };
        if !said {
            hand.stop_listening(outward);
        }
        said
    })
    .unwrap_or(false)
}
