//! What the chat room remembers, and how its lines look.
//!
//! A member sends lines of text, or `/name NAME` to be called something else.
//! Everybody hears `NAME: text` for a line and `* text` for what the room itself has to say.

use std::collections::VecDeque;

/// A newcomer reads this much of what was said before.
const HISTORY_LINES_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 24;
const LINE_CHARS_MAX: usize = 500;

/// What a member's message leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// Somebody said something: for everybody, and for the history.
    Line(String),
    /// Something happened: for everybody who is there.
    Notice(String),
    /// Nothing came of it: why, for whoever sent the message.
    Refused(&'static str),
}

/// The room.
#[derive(Debug, Default)]
pub(crate) struct Room {
    guests: u64,
    history: VecDeque<(u64, String)>,
}

impl Room {
    /// A name for somebody who has just come in.
    pub(crate) fn next_name(&mut self) -> String {
        self.guests += 1;
        format!("guest-{}", self.guests)
    }

    /// The lines said last and before the one at `offset`, oldest first.
    pub(crate) fn history_before(&self, offset: u64) -> impl Iterator<Item = &str> {
        self.history.iter().filter(move |(at, _)| *at < offset).map(|(_, line)| line.as_str())
    }

    /// Keeps a line that was published at `offset`.
    pub(crate) fn remember(&mut self, offset: u64, line: String) {
        if self.history.len() == HISTORY_LINES_MAX {
            self.history.pop_front();
        }
        self.history.push_back((offset, line));
    }

    /// Takes one message of the member called `name`, which changes when the message asks for it.
    pub(crate) fn hear(&self, name: &mut String, message: &str) -> Spoken {
        if let Some(wanted) = message.strip_prefix("/name ") {
            return match checked_name(wanted) {
                Some(wanted) => {
                    let former = std::mem::replace(name, wanted);
                    Spoken::Notice(format!("* {former} is now called {name}"))
                }
                None => Spoken::Refused("* a name has 1 to 24 letters, digits, spaces, - or _"),
            };
        }
        let said: String =
            message.trim().chars().filter(|character| !character.is_control()).collect();
        if said.is_empty() {
            return Spoken::Refused("* nothing was said");
        }
        if said.chars().count() > LINE_CHARS_MAX {
            return Spoken::Refused("* a line has at most 500 characters");
        }
        Spoken::Line(format!("{name}: {said}"))
    }
}

/// Without a colon or a star, so that a name can pass for neither a line nor the room.
fn checked_name(wanted: &str) -> Option<String> {
    let wanted = wanted.trim();
    let allowed = |character: char| character.is_alphanumeric() || " -_".contains(character);
    (!wanted.is_empty() && wanted.chars().count() <= NAME_CHARS_MAX && wanted.chars().all(allowed))
        .then(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_the_name_and_names_change() {
        let mut room = Room::default();
        let mut name = room.next_name();
        assert_eq!(name, "guest-1");
        assert_eq!(room.hear(&mut name, " hello\n"), Spoken::Line("guest-1: hello".to_owned()));
        assert_eq!(
            room.hear(&mut name, "/name Ana"),
            Spoken::Notice("* guest-1 is now called Ana".to_owned())
        );
        assert_eq!(room.hear(&mut name, "¿qué tal?"), Spoken::Line("Ana: ¿qué tal?".to_owned()));
        for bad in [
            "/name ",
            "/name *",
            "/name a:b",
            "/name 0123456789012345678901234",
            "\u{7}",
            &"x".repeat(501),
        ] {
            assert!(matches!(room.hear(&mut name, bad), Spoken::Refused(_)), "{bad}");
        }
        assert_eq!(name, "Ana");
    }

    #[test]
    fn the_history_is_bounded_and_ends_where_a_newcomer_begins_to_listen() {
        let mut room = Room::default();
        for number in 0..100 {
            room.remember(number, number.to_string());
        }
        assert_eq!(room.history_before(u64::MAX).count(), HISTORY_LINES_MAX);
        assert_eq!(room.history_before(70).collect::<Vec<_>>(), ["68", "69"]);
    }
}
