//! Which side of the connection this endpoint is.

/// The side of the connection that this endpoint plays (RFC 6455, section 5.1).
///
/// A client masks every frame that it sends and refuses masked ones; a server does the opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The side that received the upgrade request.
    Server,
    /// The side that sent the upgrade request.
    Client,
}
