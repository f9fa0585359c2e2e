//! What the opening handshake came to.

use bytes::Bytes;
#[cfg(feature = "deflate")]
use sockeye_protocol::Deflate;

/// What the opening handshake came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agreed {
    /// Apart, since most sockets have nothing in it.
    words: Option<Box<Words>>,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<Box<Deflate>>,
}

#[derive(Debug, Clone, Default)]
struct Words {
    subprotocol: Option<Box<str>>,
    headers: Vec<(String, Bytes)>,
}

impl Agreed {
    pub(crate) fn set_subprotocol(&mut self, subprotocol: Option<&str>) {
        if subprotocol.is_some() || self.words.is_some() {
            self.words.get_or_insert_default().subprotocol = subprotocol.map(Into::into);
        }
    }

    pub(crate) fn subprotocol(&self) -> Option<&str> {
        self.words.as_ref()?.subprotocol.as_deref()
    }

    /// The header lines of a server's answer, for a client that wants to see them.
    pub(crate) fn set_headers(&mut self, headers: Vec<(String, Bytes)>) {
        self.words.get_or_insert_default().headers = headers;
    }

    pub(crate) fn headers(&self) -> &[(String, Bytes)] {
        self.words.as_ref().map_or(&[], |words| &words.headers)
    }
}
