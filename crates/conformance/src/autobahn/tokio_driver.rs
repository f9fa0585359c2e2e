//! `sockeye-tokio` as a server and as a client: each on a runtime with one thread.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use sockeye_interop::Fault;
use sockeye_protocol::Config;
use sockeye_tokio::{Acceptor, Client, Error, Event, Message};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::echo::make_room;
use super::run::CASE_WITHIN;
use super::visit::{Answer, Visitor};

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Echoes whatever comes, each message from where it lies.
pub(crate) fn serve(listener: TcpListener, config: Config, within: Duration) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let acceptor = Acceptor::new().config(config).timeout(within);
        loop {
            let (stream, _) = listener.accept().await?;
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // How a handshake fails is a matter for the verdict.
                let _ = echo(&acceptor, stream).await;
            });
        }
    })
}

async fn echo(acceptor: &Acceptor, stream: TcpStream) -> Result<(), Error> {
    let mut socket = acceptor.accept(stream).await?;
    while let Some(received) = socket
        .recv_each(|event, outgoing| match event {
            Event::Text(text) if text.is_borrowed() => outgoing.text(&text),
            Event::Text(text) => outgoing.text_owned(text.into_string()),
            Event::Binary(payload) if payload.is_borrowed() => outgoing.binary(&payload),
            Event::Binary(payload) => outgoing.binary_owned(payload.into_bytes()),
            _ => Ok(()),
        })
        .await
    {
        // Once it is over, receiving ends the transport.
        let _ = received;
    }
    Ok(())
}

/// Visits with messages of its own: a loop of receiving and feeding.
#[derive(Debug)]
pub(crate) struct Tokio {
    address: SocketAddr,
    runtime: Runtime,
}

impl Tokio {
    pub(crate) fn new(address: SocketAddr) -> Result<Self, Fault> {
        Ok(Self { address, runtime: runtime()? })
    }
}

impl Visitor for Tokio {
    fn visit(&mut self, resource: &str, answer: Answer) -> Result<String, Fault> {
        let mut config = Config::default();
        make_room(&mut config);
        let client = Client::new(&format!("ws://{}{resource}", self.address)).config(config);
        let visit = async {
            let mut socket = client.connect().await?;
            let mut last = String::new();
            while let Some(received) = socket.recv().await {
                match (received, answer) {
                    (Ok(message @ (Message::Text(_) | Message::Binary(_))), Answer::Echo) => {
                        // What cannot be sent any more is a matter for the verdict.
                        let _ = socket.feed(message).await;
                    }
                    (Ok(Message::Text(text)), Answer::Nothing) => last = text.to_string(),
                    _ => {}
                }
            }
            Ok(last)
        };
        self.runtime.block_on(async { tokio::time::timeout(CASE_WITHIN, visit).await? })
    }
}
