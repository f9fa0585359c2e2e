//! As much of an HTTP client as the tests need.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Asks with a body that is JSON, if there is one.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let body = body.map(|body| ("application/json", body.to_string()));
    let body = body.as_ref().map(|(kind, body)| (*kind, body.as_str()));
    ask_with(address, method, path, body).await
}

/// Asks with a body of any kind, on a connection of its own.
pub(crate) async fn ask_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<(&str, &str)>,
) -> Answer {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if let Some((kind, body)) = body {
        request += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    }
    request += "\r\n";
    request += body.map_or("", |(_, body)| body);
    let mut stream = TcpStream::connect(address).await.expect("the server is there");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
