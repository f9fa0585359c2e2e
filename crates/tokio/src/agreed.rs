//! What the opening handshake came to.

#[cfg(feature = "deflate")]
use sockeye_protocol::Deflate;

/// What the opening handshake came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agreed {
    pub(crate) subprotocol: Option<Box<str>>,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<Box<Deflate>>,
}
