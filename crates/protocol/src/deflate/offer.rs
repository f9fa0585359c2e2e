//! Offers and responses (RFC 7692, sections 5 and 7.1).

use alloc::vec::Vec;

use super::{Deflate, DeflateConfig, WindowBits};

/// The extension's name.
pub(crate) const NAME: &str = "permessage-deflate";

/// The most bytes of a response.
pub(crate) const RESPONSE_LEN_MAX: usize = NAME.len()
    + SERVER_NO_CONTEXT.len()
    + CLIENT_NO_CONTEXT.len()
    + SERVER_WINDOW.len()
    + CLIENT_WINDOW.len()
    + 4 * "; ".len()
    + 2 * "=15".len();

const SERVER_NO_CONTEXT: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

/// The parameters of one element, each of which may be there once.
#[derive(Clone, Copy, Debug, Default)]
struct Parameters {
    server_no_context: bool,
    client_no_context: bool,
    server_window: Option<WindowBits>,
    client_window: Option<ClientWindow>,
}

/// In an offer the client's window may come without a value: "you may tell me one".
#[derive(Clone, Copy, Debug)]
enum ClientWindow {
    Any,
    AtMost(WindowBits),
}

impl Parameters {
    /// The parameters, if they are known, have the values that they must have, and none comes
    /// twice.
    fn read<'b, C: Iterator<Item = char>>(
        parameters: impl Iterator<Item = (&'b str, Option<C>)>,
    ) -> Option<Self> {
        let mut read = Self::default();
        for (name, value) in parameters {
            let is_repeated = match (name, value) {
                (SERVER_NO_CONTEXT, None) => core::mem::replace(&mut read.server_no_context, true),
                (CLIENT_NO_CONTEXT, None) => core::mem::replace(&mut read.client_no_context, true),
                (SERVER_WINDOW, Some(value)) => {
                    read.server_window.replace(window_bits(value)?).is_some()
                }
                (CLIENT_WINDOW, None) => read.client_window.replace(ClientWindow::Any).is_some(),
                (CLIENT_WINDOW, Some(value)) => {
                    let window = ClientWindow::AtMost(window_bits(value)?);
                    read.client_window.replace(window).is_some()
                }
                _ => return None,
            };
            if is_repeated {
                return None;
            }
        }
        Some(read)
    }
}

/// 8 to 15 in decimal without a leading zero, and nothing else.
fn window_bits(value: impl Iterator<Item = char>) -> Option<WindowBits> {
    let mut value = value.fuse();
    let bits = match (value.next(), value.next(), value.next()) {
        (Some(digit), None, None) => digit.to_digit(10)?,
        (Some('1'), Some(digit), None) => 10 + digit.to_digit(10)?,
        _ => return None,
    };
    WindowBits::new(u8::try_from(bits).ok()?)
}

/// A server's side.
impl DeflateConfig {
    /// What to agree on if a client offers `parameters`; `None` declines the offer.
    pub(crate) fn accept<'b, C: Iterator<Item = char>>(
        &self,
        parameters: impl Iterator<Item = (&'b str, Option<C>)>,
    ) -> Option<Deflate> {
        let offered = Parameters::read(parameters)?;
        let own_window = offered.server_window.unwrap_or(WindowBits::MAX).min(self.own_window_max);
        // A server cannot tell a client that does not say it would listen (section 7.1.2.2).
        let peer_window = match offered.client_window {
            None => WindowBits::MAX,
            Some(ClientWindow::Any) => self.peer_window_max,
            Some(ClientWindow::AtMost(window)) => window.min(self.peer_window_max),
        };
        if own_window < self.own_window_min || peer_window > self.peer_window_max {
            return None;
        }
        Some(Deflate {
            keeps_own_context: self.keeps_own_context && !offered.server_no_context,
            keeps_peer_context: self.keeps_peer_context && !offered.client_no_context,
            own_window,
            peer_window,
            names_own_window: offered.server_window.is_some() || own_window < WindowBits::MAX,
            level: self.level,
            payload_bytes_min: self.payload_bytes_min,
        })
    }
}

/// A client's side.
impl DeflateConfig {
    /// Appends the offer, as an element of Sec-WebSocket-Extensions.
    pub(crate) fn write_offer(&self, head: &mut Vec<u8>) {
        head.extend_from_slice(NAME.as_bytes());
        if !self.keeps_peer_context {
            write_flag(head, SERVER_NO_CONTEXT);
        }
        if !self.keeps_own_context {
            write_flag(head, CLIENT_NO_CONTEXT);
        }
        if self.peer_window_max < WindowBits::MAX {
            write_window(head, SERVER_WINDOW, self.peer_window_max);
        }
        if !self.offers_own_window() {
            return;
        }
        if self.own_window_max < WindowBits::MAX {
            write_window(head, CLIENT_WINDOW, self.own_window_max);
        } else {
            write_flag(head, CLIENT_WINDOW);
        }
    }

    /// Whether the server may ask for a window: not where it could only ask for one that we refuse.
    fn offers_own_window(&self) -> bool {
        self.own_window_min < WindowBits::MAX && self.own_window_min <= self.own_window_max
    }

    /// What was agreed on if a server answers the offer with `parameters`; `None` fails the
    /// connection.
    pub(crate) fn check<'b, C: Iterator<Item = char>>(
        &self,
        parameters: impl Iterator<Item = (&'b str, Option<C>)>,
    ) -> Option<Deflate> {
        let answered = Parameters::read(parameters)?;
        // Section 7.1.1.1: what was asked for is confirmed.
        if !self.keeps_peer_context && !answered.server_no_context {
            return None;
        }
        // Section 7.1.2.1: a window that was asked for is confirmed, or made smaller.
        let peer_window = answered.server_window.unwrap_or(WindowBits::MAX);
        if peer_window > self.peer_window_max {
            return None;
        }
        // Section 7.1.2.2: with a value, and only if we offered to listen. Without an answer we
        // keep to what we hinted at.
        let own_window = match answered.client_window {
            None => self.own_window_max,
            Some(ClientWindow::AtMost(window))
                if self.offers_own_window()
                    && window <= self.own_window_max
                    && window >= self.own_window_min =>
            {
                window
            }
            Some(_) => return None,
        };
        Some(Deflate {
            keeps_own_context: self.keeps_own_context && !answered.client_no_context,
            keeps_peer_context: !answered.server_no_context,
            own_window,
            peer_window,
            names_own_window: false,
            level: self.level,
            payload_bytes_min: self.payload_bytes_min,
        })
    }
}

impl Deflate {
    /// Appends a server's answer, as the element of Sec-WebSocket-Extensions.
    pub(crate) fn write_response(&self, head: &mut Vec<u8>) {
        head.extend_from_slice(NAME.as_bytes());
        if !self.keeps_own_context {
            write_flag(head, SERVER_NO_CONTEXT);
        }
        if !self.keeps_peer_context {
            write_flag(head, CLIENT_NO_CONTEXT);
        }
        if self.names_own_window {
            write_window(head, SERVER_WINDOW, self.own_window);
        }
        // Only an offer that allows it leads to less than the maximum.
        if self.peer_window < WindowBits::MAX {
            write_window(head, CLIENT_WINDOW, self.peer_window);
        }
    }
}

fn write_flag(head: &mut Vec<u8>, name: &str) {
    head.extend_from_slice(b"; ");
    head.extend_from_slice(name.as_bytes());
}

fn write_window(head: &mut Vec<u8>, name: &str, window: WindowBits) {
    write_flag(head, name);
    head.push(b'=');
    let bits = window.bits();
    if bits >= 10 {
        head.push(b'1');
    }
    head.push(b'0' + bits % 10);
}
