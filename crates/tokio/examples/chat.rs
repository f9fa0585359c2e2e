//! A chat: what one says, all others hear.
//!
//! Run it with `cargo run -p sockeye-tokio --example chat -- 127.0.0.1:9002`, and for each who takes
//! part `cargo run -p sockeye-tokio --example client -- ws://127.0.0.1:9002/`.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sockeye_tokio::{CloseCode, CloseFrame, Error, Message, WebSocket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How many messages may wait for somebody, before it is taken for slow.
const WAITING_MAX: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".into());
    let listener = TcpListener::bind(address).await?;
    println!("ws://{}/", listener.local_addr()?);
    Ok(serve(listener).await?)
}

/// Serves whoever comes.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    let room = Room::default();
    loop {
        let (stream, who) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let room = room.clone();
        tokio::spawn(async move {
            let result = talk(stream, who, &room).await;
            room.leave(who);
            match result {
                Ok(()) => println!("{who} has left"),
                Err(error) => println!("{who} has left: {error}"),
            }
        });
    }
}

async fn talk(stream: TcpStream, who: SocketAddr, room: &Room) -> Result<(), Error> {
    let mut socket: WebSocket<TcpStream> = sockeye_tokio::accept(stream).await?;
    let mut heard = room.enter(who);
    loop {
        // Neither branch loses anything when the other one is taken.
        tokio::select! {
            said = socket.recv() => match said.transpose()? {
                Some(message) if message.is_text() || message.is_binary() => {
                    room.tell_others(who, &message);
                }
                Some(_) => {}
                None => return Ok(()),
            },
            message = heard.recv(), if socket.is_open() => match message {
                // It leaves when `recv` waits, and with it all that was heard meanwhile. It waits for
                // nobody: whoever leaves a megabyte unread is given up.
                Some(message) => socket.say(|outgoing| outgoing.message(message))?,
                None => {
                    let reason = CloseFrame::new(CloseCode::POLICY, "too slow");
                    return socket.close(Some(reason)).await;
                }
            },
        }
    }
}

/// Who is there, and what waits for each.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<HashMap<SocketAddr, mpsc::Sender<Message>>>>);

impl Room {
    fn enter(&self, who: SocketAddr) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        self.seats().insert(who, sender);
        receiver
    }

    /// Tells all others, who share the message's memory. Whoever has no room for it is out.
    fn tell_others(&self, from: SocketAddr, message: &Message) {
        self.seats().retain(|who, seat| *who == from || seat.try_send(message.clone()).is_ok());
    }

    fn leave(&self, who: SocketAddr) {
        self.seats().remove(&who);
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<SocketAddr, mpsc::Sender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
