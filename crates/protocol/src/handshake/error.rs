use core::fmt;

/// Why an opening handshake came to nothing.
///
/// The connection cannot be used afterwards. A server answers with
/// [`Response::from`](super::Response), which takes the status from [`HandshakeError::status`], and
/// closes; a client closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    // The head as such, in either role.
    /// The request line or status line does not follow its grammar, or more than one empty line
    /// precedes it.
    StartLine,
    /// A line ends in a bare LF.
    LineEnding,
    /// A header line has no proper name, has whitespace before its colon, or continues the line
    /// before.
    HeaderName,
    /// A header value holds a control byte or a bare CR.
    HeaderValue,
    /// The head exceeds `head_bytes_max`.
    HeadTooLarge,
    /// The head has more header lines than `header_lines_max`.
    TooManyHeaders,
    /// The request target exceeds `target_bytes_max`.
    TargetTooLong,
    /// The request target is neither a path nor an absolute http or https URI.
    Target,
    /// The HTTP version is not one that can upgrade.
    HttpVersion,
    /// The Host header is missing.
    HostMissing,
    /// The Host header is repeated.
    HostRepeated,
    /// The Host header, or the authority of the target, is no host with an optional port.
    HostInvalid,
    /// The Origin header is repeated or holds bytes that no origin has.
    Origin,
    /// The Content-Length is repeated, no plain number, or stands beside a Transfer-Encoding.
    ContentLength,

    // A request that asks for an upgrade badly, or not at all.
    /// The method of an upgrade is not GET.
    Method,
    /// The request asks for no upgrade to WebSocket.
    UpgradeRequired,
    /// The Sec-WebSocket-Version is not 13.
    Version,
    /// The Sec-WebSocket-Version is missing.
    VersionMissing,
    /// The Sec-WebSocket-Version is repeated.
    VersionRepeated,
    /// The Connection header does not list Upgrade.
    Connection,
    /// The request announces a body.
    Body,
    /// The Sec-WebSocket-Key is missing.
    KeyMissing,
    /// The Sec-WebSocket-Key is repeated.
    KeyRepeated,
    /// The Sec-WebSocket-Key is not the base64 form of 16 bytes.
    KeyInvalid,
    /// The Sec-WebSocket-Protocol is not a list of tokens.
    Subprotocols,
    /// A subprotocol is offered twice.
    SubprotocolRepeated,
    /// More than 64 subprotocols are offered.
    TooManySubprotocols,
    /// The Sec-WebSocket-Extensions does not follow its grammar.
    Extensions,
    /// More than 32 extensions are offered, or one with more than 16 parameters.
    TooManyExtensions,

    // What our own side asked for, or what a server answered.
    /// The subprotocol that was answered is none of those offered.
    SubprotocolNotOffered,
    /// The extension that was answered was not offered.
    ExtensionNotOffered,
    /// The parameters of the extension that was answered are malformed, or not what was offered.
    ExtensionParameters,
    /// The answer switches protocols without `Upgrade: websocket`.
    UpgradeMissing,
    /// The Sec-WebSocket-Accept is missing, repeated or wrong.
    Accept,
    /// More than 8 interim responses came before the answer.
    TooManyInterim,
}

impl HandshakeError {
    /// The status of the response that a server gives for this error; 502 for what only a client
    /// meets.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::TargetTooLong => 414,
            Self::UpgradeRequired | Self::Version => 426,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::SubprotocolNotOffered => 500,
            Self::ExtensionNotOffered
            | Self::ExtensionParameters
            | Self::UpgradeMissing
            | Self::Accept
            | Self::TooManyInterim => 502,
            Self::HttpVersion => 505,
            _ => 400,
        }
    }

    /// What was wrong, as a constant phrase that repeats nothing the peer has sent.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::StartLine => "the start line is malformed",
            Self::LineEnding => "a line does not end in CR LF",
            Self::HeaderName => "a header name is malformed",
            Self::HeaderValue => "a header value holds a control byte",
            Self::HeadTooLarge => "the head is too large",
            Self::TooManyHeaders => "the head has too many header lines",
            Self::TargetTooLong => "the request target is too long",
            Self::Target => "the request target is neither a path nor an http URI",
            Self::HttpVersion => "the HTTP version cannot upgrade, use HTTP/1.1",
            Self::HostMissing => "the Host header is missing",
            Self::HostRepeated => "the Host header is repeated",
            Self::HostInvalid => "the host is malformed",
            Self::Origin => "the Origin header is malformed or repeated",
            Self::ContentLength => "the Content-Length is malformed, repeated or ambiguous",
            Self::Method => "an upgrade to WebSocket needs the method GET",
            Self::UpgradeRequired => "this resource speaks WebSocket only",
            Self::Version => "the WebSocket version is not supported, use 13",
            Self::VersionMissing => "the Sec-WebSocket-Version header is missing",
            Self::VersionRepeated => "the Sec-WebSocket-Version header is repeated",
            Self::Connection => "the Connection header does not list Upgrade",
            Self::Body => "an upgrade must not have a body",
            Self::KeyMissing => "the Sec-WebSocket-Key header is missing",
            Self::KeyRepeated => "the Sec-WebSocket-Key header is repeated",
            Self::KeyInvalid => "the Sec-WebSocket-Key is not the base64 form of 16 bytes",
            Self::Subprotocols => "the Sec-WebSocket-Protocol header is not a list of tokens",
            Self::SubprotocolRepeated => "a subprotocol is listed twice",
            Self::TooManySubprotocols => "too many subprotocols are offered",
            Self::Extensions => "the Sec-WebSocket-Extensions header is malformed",
            Self::TooManyExtensions => "too many extensions or extension parameters are offered",
            Self::SubprotocolNotOffered => "the subprotocol answered was not offered",
            Self::ExtensionNotOffered => "the extension answered was not offered",
            Self::ExtensionParameters => "the extension parameters answered do not fit the offer",
            Self::UpgradeMissing => "the answer does not upgrade to WebSocket",
            Self::Accept => "the Sec-WebSocket-Accept is missing, repeated or wrong",
            Self::TooManyInterim => "too many interim responses came before the answer",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.description())
    }
}

impl core::error::Error for HandshakeError {}
