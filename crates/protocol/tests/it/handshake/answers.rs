//! The whole answer to every handshake that fails, byte by byte.

use super::*;
use HandshakeError as Error;

/// Each error, and all bytes of the response that it is answered with.
const ANSWERS: &[(Error, &str)] = &[
    (
        Error::StartLine,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 27\r\n\r\n\
         the start line is malformed",
    ),
    (
        Error::LineEnding,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 28\r\n\r\n\
         a line does not end in CR LF",
    ),
    (
        Error::HeaderName,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 26\r\n\r\n\
         a header name is malformed",
    ),
    (
        Error::HeaderValue,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 35\r\n\r\n\
         a header value holds a control byte",
    ),
    (
        Error::HeadTooLarge,
        "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 21\r\n\r\n\
         the head is too large",
    ),
    (
        Error::TooManyHeaders,
        "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 34\r\n\r\n\
         the head has too many header lines",
    ),
    (
        Error::TargetTooLong,
        "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 30\r\n\r\n\
         the request target is too long",
    ),
    (
        Error::Target,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 52\r\n\r\n\
         the request target is neither a path nor an http URI",
    ),
    (
        Error::HttpVersion,
        "HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 45\r\n\r\n\
         the HTTP version cannot upgrade, use HTTP/1.1",
    ),
    (
        Error::HostMissing,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 26\r\n\r\n\
         the Host header is missing",
    ),
    (
        Error::HostRepeated,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 27\r\n\r\n\
         the Host header is repeated",
    ),
    (
        Error::HostInvalid,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 21\r\n\r\n\
         the host is malformed",
    ),
    (
        Error::Origin,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 42\r\n\r\n\
         the Origin header is malformed or repeated",
    ),
    (
        Error::ContentLength,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 54\r\n\r\n\
         the Content-Length is malformed, repeated or ambiguous",
    ),
    (
        Error::Method,
        "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nAllow: GET\r\n\
         Content-Type: text/plain\r\nContent-Length: 44\r\n\r\n\
         an upgrade to WebSocket needs the method GET",
    ),
    (
        Error::UpgradeRequired,
        "HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Content-Type: text/plain\r\nContent-Length: 35\r\n\r\n\
         this resource speaks WebSocket only",
    ),
    (
        Error::Version,
        "HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Content-Type: text/plain\r\nContent-Length: 46\r\n\r\n\
         the WebSocket version is not supported, use 13",
    ),
    (
        Error::VersionMissing,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 43\r\n\r\n\
         the Sec-WebSocket-Version header is missing",
    ),
    (
        Error::VersionRepeated,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 44\r\n\r\n\
         the Sec-WebSocket-Version header is repeated",
    ),
    (
        Error::Connection,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 43\r\n\r\n\
         the Connection header does not list Upgrade",
    ),
    (
        Error::Body,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 31\r\n\r\n\
         an upgrade must not have a body",
    ),
    (
        Error::KeyMissing,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 39\r\n\r\n\
         the Sec-WebSocket-Key header is missing",
    ),
    (
        Error::KeyRepeated,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 40\r\n\r\n\
         the Sec-WebSocket-Key header is repeated",
    ),
    (
        Error::KeyInvalid,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 56\r\n\r\n\
         the Sec-WebSocket-Key is not the base64 form of 16 bytes",
    ),
    (
        Error::Subprotocols,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 57\r\n\r\n\
         the Sec-WebSocket-Protocol header is not a list of tokens",
    ),
    (
        Error::SubprotocolRepeated,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 29\r\n\r\n\
         a subprotocol is listed twice",
    ),
    (
        Error::TooManySubprotocols,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 33\r\n\r\n\
         too many subprotocols are offered",
    ),
    (
        Error::Extensions,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 48\r\n\r\n\
         the Sec-WebSocket-Extensions header is malformed",
    ),
    (
        Error::TooManyExtensions,
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 55\r\n\r\n\
         too many extensions or extension parameters are offered",
    ),
    (
        Error::SubprotocolNotOffered,
        "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 40\r\n\r\n\
         the subprotocol answered was not offered",
    ),
    (
        Error::ExtensionNotOffered,
        "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 38\r\n\r\n\
         the extension answered was not offered",
    ),
    (
        Error::ExtensionParameters,
        "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 54\r\n\r\n\
         the extension parameters answered do not fit the offer",
    ),
    (
        Error::UpgradeMissing,
        "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 40\r\n\r\n\
         the answer does not upgrade to WebSocket",
    ),
    (
        Error::Accept,
        "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 54\r\n\r\n\
         the Sec-WebSocket-Accept is missing, repeated or wrong",
    ),
    (
        Error::TooManyInterim,
        "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 49\r\n\r\n\
         too many interim responses came before the answer",
    ),
];

/// The answer to this error, which must be told in these words and no others.
pub(super) fn answer_to(error: Error) -> &'static str {
    let known = ANSWERS.iter().find(|(known, _)| *known == error);
    known.unwrap_or_else(|| panic!("{error:?} has no answer in the table")).1
}

#[test]
fn hss_01_hss_31_http_14_http_19_every_error_has_its_answer() {
    for (error, answer) in ANSWERS {
        let response = Response::from(*error);
        assert_eq!(written(&response), *answer, "{error:?}");
        assert_eq!(answer[9..12].parse(), Ok(error.status()), "{error:?}");
        assert_eq!(response.status(), error.status(), "{error:?}");
        let mut outbox = Outbox::new();
        response.write(BodyMode::HeadOnly, &mut outbox);
        assert_eq!(drain(&outbox), answer.strip_suffix(error.description()).unwrap(), "{error:?}");
    }
}
