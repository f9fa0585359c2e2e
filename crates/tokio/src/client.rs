//! The client's side of the opening handshake.

#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_protocol::handshake::{
    ClientHandshake, ClientRequest, HeadLimits, Header, Refusal, Reply, Switched, Url,
};
use sockeye_protocol::{Config, Outbox, Role};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::error::{Error, Refused};
use crate::memory::Lent;
use crate::opening::{HEAD_BYTES, deadline, read_more, within, write};
use crate::stream::ClientStream;
#[cfg(feature = "tls")]
use crate::stream::tls;
use crate::websocket::WebSocket;

/// How long connecting may take, unless told otherwise.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The most of a refusal's body that is kept.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long the body of a refusal is waited for: what is known without it must not be lost.
const BODY_WITHIN: Duration = Duration::from_secs(1);

/// Connects to a server, such as `ws://127.0.0.1:9002/echo`.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sockeye_tokio::Error> {
/// let mut socket = sockeye_tokio::connect("ws://127.0.0.1:9002/").await?;
/// socket.send("Hello".into()).await?;
/// println!("{:?}", socket.recv().await.transpose()?);
/// socket.close(None).await
/// # }
/// ```
///
/// # Errors
///
/// As [`Client::connect`].
pub async fn connect(url: &str) -> Result<WebSocket<ClientStream>, Error> {
    Client::new(url).connect().await
}

/// A connection to be made, with more than a URL.
///
/// ```no_run
/// # async fn chat() -> Result<(), sockeye_tokio::Error> {
/// use sockeye_tokio::Client;
///
/// let socket = Client::new("ws://127.0.0.1:9002/chat")
///     .header("Authorization", "Bearer 1234")
///     .subprotocol("chat.v1")
///     .connect()
///     .await?;
/// assert_eq!(socket.subprotocol(), Some("chat.v1"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a client does nothing until it connects"]
pub struct Client {
    url: String,
    headers: Vec<(String, String)>,
    subprotocols: Vec<String>,
    origin: Option<String>,
    within: Duration,
    keeps_headers: bool,
    config: Arc<Config>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<tls::ClientConfig>>,
}

impl Client {
    /// A connection to this URL, with the default limits.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            origin: None,
            within: CONNECT_WITHIN,
            keeps_headers: false,
            config: Arc::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Adds a header to the request. Those of the handshake itself are refused when it connects.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers a subprotocol; the first one offered is preferred. What the server chose is
    /// [`WebSocket::subprotocol`].
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.to_owned());
        self
    }

    /// Names an origin, as a browser would.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// Keeps the header lines of the server's answer, such as cookies, for
    /// [`WebSocket::response_headers`]. Otherwise they are forgotten. Those of a refusal are always
    /// kept: [`Refused::headers`].
    pub const fn keep_response_headers(mut self) -> Self {
        self.keeps_headers = true;
        self
    }

    /// How long connecting may take, from the lookup of the name to the answer; 10 s by default.
    pub const fn timeout(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// The limits and deadlines of the connection. With `Config::deflate` compression is offered.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// The configuration of TLS, instead of one that trusts what the platform trusts.
    #[cfg(feature = "tls")]
    pub fn tls_config(mut self, config: Arc<tls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Connects over TCP, and over TLS where the URL says `wss`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the server does not upgrade, [`Error::Handshake`] if it does so badly;
    /// [`Error::OpeningTimedOut`]; [`Error::Io`]; [`Error::Url`] and [`Error::Header`] for what cannot
    /// be asked for.
    pub async fn connect(self) -> Result<WebSocket<ClientStream>, Error> {
        let opening = async {
            let (url, request) = self.request()?;
            #[cfg(not(feature = "tls"))]
            if url.is_secure() {
                return Err(Error::NoTls);
            }
            let stream = TcpStream::connect((url.host(), url.port())).await?;
            stream.set_nodelay(true)?;
            #[cfg(feature = "tls")]
            if url.is_secure() {
                let stream = tls::connect(self.tls.clone(), url.host(), stream).await?;
                return self.open(&request, ClientStream::Tls(Box::new(stream))).await;
            }
            self.open(&request, ClientStream::Tcp(stream)).await
        };
        // In memory of its own: the caller's task stays as large as what it ever waits for.
        within(deadline(self.within), Box::pin(opening)).await
    }

    /// Connects over the Unix socket at `path`; the URL says what is asked for there.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    #[cfg(unix)]
    pub async fn connect_unix(
        self,
        path: impl AsRef<Path>,
    ) -> Result<WebSocket<ClientStream>, Error> {
        let opening = async {
            let (_, request) = self.request()?;
            let stream = UnixStream::connect(path).await?;
            self.open(&request, ClientStream::Unix(stream)).await
        };
        // In memory of its own: the caller's task stays as large as what it ever waits for.
        within(deadline(self.within), Box::pin(opening)).await
    }

    /// Runs the opening handshake over a transport that is connected already, TLS included where the
    /// URL says `wss`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_over<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: S,
    ) -> Result<WebSocket<S>, Error> {
        let opening = async {
            let (_, request) = self.request()?;
            self.open(&request, stream).await
        };
        within(deadline(self.within), Box::pin(opening)).await
    }

    async fn open<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        request: &ClientRequest,
        mut stream: S,
    ) -> Result<WebSocket<S>, Error> {
        let nonce = Lent::take().keys.draw();
        let mut outbox = Outbox::new();
        let limits = HeadLimits::default();
        let mut handshake = ClientHandshake::start(request, nonce, limits, &mut outbox);
        write(&mut stream, &mut outbox).await?;
        let mut received = Vec::with_capacity(HEAD_BYTES);
        let switched: Switched = loop {
            read_more(&mut stream, &mut received).await?;
            match handshake.receive(&received)? {
                None => {}
                Some(Reply::Switched(switched)) => break switched,
                Some(Reply::Refused(refusal)) => {
                    let (mut refused, len) = refused(&refusal);
                    let mut body = received.split_off(refusal.head_len());
                    let _ = timeout(BODY_WITHIN, read_body(&mut stream, &mut body, len)).await;
                    body.truncate(len);
                    refused.body = body.into();
                    return Err(Error::Refused(Box::new(refused)));
                }
            }
        };
        let early = received.get(switched.head_len..).unwrap_or_default();
        let socket = WebSocket::new(stream, Role::Client, Arc::clone(&self.config))
            .with_early_bytes(early)
            .with_subprotocol(switched.subprotocol.as_deref());
        let socket = if self.keeps_headers {
            socket.with_response_headers(switched.headers(&received).map(owned).collect())
        } else {
            socket
        };
        #[cfg(feature = "deflate")]
        let socket = socket.with_deflate(switched.deflate);
        Ok(socket)
    }

    /// What is asked for, and where: found wrong before anybody is asked.
    fn request(&self) -> Result<(Url, ClientRequest), Error> {
        let url = Url::parse(&self.url)?;
        let mut request = ClientRequest::new(&url);
        for subprotocol in &self.subprotocols {
            request = request.subprotocol(subprotocol)?;
        }
        if let Some(origin) = &self.origin {
            request = request.origin(origin)?;
        }
        for (name, value) in &self.headers {
            request = request.header(Header::new(name.clone(), value.clone())?)?;
        }
        #[cfg(feature = "deflate")]
        if let Some(config) = self.config.deflate {
            request = request.deflate(config);
        }
        Ok((url, request))
    }
}

/// A header line of its own.
fn owned((name, value): (&str, &[u8])) -> (String, Bytes) {
    (name.to_owned(), Bytes::copy_from_slice(value))
}

/// What is kept of a refusal, and how much of its body.
fn refused(refusal: &Refusal<'_>) -> (Refused, usize) {
    let headers = refusal.headers().map(owned).collect();
    let len = refusal.body_len().and_then(|len| usize::try_from(len).ok());
    let len = len.map_or(BODY_BYTES_MAX, |len| len.min(BODY_BYTES_MAX));
    (Refused { status: refusal.status(), headers, body: Bytes::new() }, len)
}

/// Reads on until the body is whole, or the transport ends.
async fn read_body<S: AsyncRead + Unpin>(stream: &mut S, body: &mut Vec<u8>, len: usize) {
    while body.len() < len {
        if read_more(stream, body).await.is_err() {
            return;
        }
    }
}
