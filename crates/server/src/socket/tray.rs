//! The messages that lie at hand, and memory for those to come.
//!
//! ```text
//!   memory of messages that were sent │ nothing │ messages that wait │ memory, as far as there is some
//!                             returned ┘   first ┘                end ┘
//! ```
//!
//! A message is written into a place where memory lies, is taken from there, and when it was sent its memory is laid
//! into a place before it. So what comes and goes in equal sizes is moved once each way and asked for nowhere.

use super::counts::Room;
use super::queue::Messages;
use super::shelf::{COPIED_AT_ONCE_MAX, Shelf};
use crate::message::Message;

/// Places that stay when they are empty: as many as a full inbox has, unless it was made larger.
const PLACES_MAX: usize = 64;
/// How much more memory than it needs a message may be given, if it has less than so many bytes; if not, as much again.
const SPARE_BYTES_MIN: usize = 32;

pub(super) struct Tray {
    /// Where no message waits there is a text of no bytes.
    places: Vec<Message>,
    returned: usize,
    first: usize,
    end: usize,
}

const fn nothing() -> Message {
    Message::Text(String::new())
}

impl Tray {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), returned: 0, first: 0, end: 0 }
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.first == self.end
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.end - self.first
    }

    /// Takes a text, if memory for it lies where the next message comes, and if there is room for more than it.
    #[inline]
    pub(super) fn put_text(&mut self, text: &str, room: &mut Room) -> bool {
        let Some(Message::Text(place)) = self.places.get_mut(self.end) else { return false };
        let (len, capacity) = (text.len(), place.capacity());
        if capacity < len || capacity - len > len.max(SPARE_BYTES_MIN) || !room.take_but_last(len) {
            return false;
        }
        place.clear();
        place.push_str(text);
        self.end += 1;
        true
    }

    /// Takes a message in memory of its own.
    pub(super) fn put(&mut self, message: Message, shelf: &mut Shelf) {
        match self.places.get_mut(self.end) {
            Some(place) => {
                if let Message::Text(spare) = std::mem::replace(place, message) {
                    shelf.reuse_text(spare);
                }
            }
            None => self.places.push(message),
        }
        self.end += 1;
    }

    /// The message that has waited for longest.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Message> {
        if self.is_empty() {
            return None;
        }
        let place = self.places.get_mut(self.first)?;
        self.first += 1;
        Some(std::mem::replace(place, nothing()))
    }

    /// Takes the memory of a text that was sent for another.
    #[inline]
    pub(super) fn reuse(&mut self, mut text: String, shelf: &mut Shelf) {
        if self.returned < self.first
            && text.capacity() <= COPIED_AT_ONCE_MAX
            && let Some(Message::Text(place)) = self.places.get_mut(self.returned)
        {
            text.clear();
            *place = text;
            self.returned += 1;
        } else {
            shelf.reuse_text(text);
        }
    }

    /// Empties it for another socket, and returns what waited.
    #[inline]
    pub(super) fn clear(&mut self) -> Option<Box<Messages>> {
        let left = if self.is_empty() { None } else { Some(self.take_all()) };
        (self.returned, self.first, self.end) = (0, 0, 0);
        if self.places.len() > PLACES_MAX {
            self.shrink();
        }
        left
    }

    #[cold]
    #[inline(never)]
    fn take_all(&mut self) -> Box<Messages> {
        let waiting = self.places.get_mut(self.first..self.end).unwrap_or_default();
        Box::new(waiting.iter_mut().map(|place| std::mem::replace(place, nothing())).collect())
    }

    #[cold]
    #[inline(never)]
    fn shrink(&mut self) {
        self.places.truncate(PLACES_MAX);
        self.places.shrink_to(PLACES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::InboxLimits;
    use crate::socket::counts::Counts;

    fn wide() -> Room {
        Counts::default().room(InboxLimits { messages_max: 1000, bytes_max: 1 << 20 })
    }

    fn held(tray: &Tray) -> usize {
        let capacity = |place: &Message| match place {
            Message::Text(text) => text.capacity(),
            Message::Binary(bytes) => bytes.len(),
        };
        tray.places.iter().map(capacity).sum()
    }

    /// Puts a text as the hand does. Returns whether its memory lay here.
    fn put(tray: &mut Tray, shelf: &mut Shelf, text: &str) -> bool {
        let lay_here = tray.put_text(text, &mut wide());
        if !lay_here {
            tray.put(Message::text(text), shelf);
        }
        lay_here
    }

    #[test]
    fn what_was_sent_is_the_memory_of_what_comes_next() {
        let (mut tray, mut shelf) = (Tray::new(), Shelf::new());
        for round in 0..5 {
            for text in ["one", "two", "three"] {
                assert_eq!(put(&mut tray, &mut shelf, text), round > 0, "{text} {round}");
            }
            for text in ["one", "two", "three"] {
                let Some(Message::Text(taken)) = tray.take() else { panic!("{text} waits") };
                assert_eq!(taken, text);
                tray.reuse(taken, &mut shelf);
            }
            assert!(tray.take().is_none() && tray.clear().is_none());
        }
        // What is kept by who received it is not here.
        put(&mut tray, &mut shelf, "one");
        let kept = tray.take();
        assert_eq!(kept, Some(Message::text("one")));
        assert!(tray.clear().is_none() && !put(&mut tray, &mut shelf, "one"));
    }

    #[test]
    fn what_is_left_comes_out_in_order() {
        let (mut tray, mut shelf) = (Tray::new(), Shelf::new());
        tray.put(Message::binary("a"), &mut shelf);
        for text in ["b", "", "d"] {
            put(&mut tray, &mut shelf, text);
        }
        assert_eq!((tray.take(), tray.len()), (Some(Message::binary("a")), 3));
        let left = tray.clear().expect("three are left");
        assert!(left.iter().map(|message| message.as_text()).eq([Some("b"), Some(""), Some("d")]));
        assert!(tray.is_empty() && tray.clear().is_none() && tray.take().is_none());
        assert_eq!(held(&tray), 0);
    }

    #[test]
    fn a_message_is_given_little_more_memory_than_it_needs() {
        for len in [0, 1, 31, 32, 33, 100, 2048] {
            for capacity in [1, 32, 64, 65, 100, 200, 201, 2048] {
                let (mut tray, mut shelf) = (Tray::new(), Shelf::new());
                put(&mut tray, &mut shelf, "x");
                let Some(Message::Text(_)) = tray.take() else { panic!("it waits") };
                tray.reuse(String::with_capacity(capacity), &mut shelf);
                tray.clear();
                let fits = capacity >= len && (capacity <= 2 * len || capacity <= len + 32);
                assert_eq!(
                    put(&mut tray, &mut shelf, &"x".repeat(len)),
                    fits,
                    "{len} in {capacity}"
                );
            }
        }
    }

    #[test]
    fn the_last_message_that_there_is_room_for_goes_another_way() {
        let (mut tray, mut shelf) = (Tray::new(), Shelf::new());
        put(&mut tray, &mut shelf, "x");
        let Some(Message::Text(text)) = tray.take() else { panic!("it waits") };
        tray.reuse(text, &mut shelf);
        tray.clear();
        let mut none = Room::NONE;
        assert!(!tray.put_text("x", &mut none) && tray.is_empty());
        assert!(tray.put_text("x", &mut wide()));
    }

    #[test]
    fn what_lies_idle_is_bounded() {
        let (mut tray, mut shelf) = (Tray::new(), Shelf::new());
        for _ in 0..3 {
            (0..500).for_each(|_| tray.put(Message::text("x".repeat(5000)), &mut shelf));
            (0..500).for_each(|_| tray.put(Message::text("x".repeat(2000)), &mut shelf));
            while let Some(Message::Text(text)) = tray.take() {
                tray.reuse(text, &mut shelf);
            }
            tray.clear();
            assert!(held(&tray) > 0 && held(&tray) <= PLACES_MAX * COPIED_AT_ONCE_MAX);
            assert_eq!(tray.places.capacity(), PLACES_MAX);
        }
    }
}
