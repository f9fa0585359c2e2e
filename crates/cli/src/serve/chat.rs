//! `/chat`: one room for everybody.

use std::sync::{Mutex, PoisonError};

use sockeye::{Error, Group, Policy, Socket};

use super::room::{Room, Spoken};

/// A member who reads too slowly misses the oldest of what waits above this.
const BACKLOG_BYTES_MAX: usize = 64 * 1024;

/// Holds one member's connection.
pub(crate) async fn chat(mut socket: Socket, room: &Mutex<Room>) -> Result<(), Error> {
    let everybody = socket.group("chat");
    let mut name = lock(room).next_name();
    everybody.broadcast(&format!("* {name} has come in"));
    let policy = Policy::DropOldest { bytes_max: BACKLOG_BYTES_MAX };
    let result = match socket.join(&everybody, policy).await {
        Ok(live_from) => talk(&mut socket, &everybody, room, &mut name, live_from).await,
        Err(error) => Err(error),
    };
    everybody.broadcast(&format!("* {name} has left"));
    result
}

async fn talk(
    socket: &mut Socket,
    everybody: &Group,
    room: &Mutex<Room>,
    name: &mut String,
    live_from: u64,
) -> Result<(), Error> {
    let history: Vec<_> = lock(room).history_before(live_from).map(str::to_owned).collect();
    for line in history {
        socket.send_text(&line).await?;
    }
    loop {
        let message = socket.recv().await?;
        let text = String::from_utf8_lossy(message.as_bytes());
        let reply = {
            // Published under the room's lock, so that the history has the order that everybody heard.
            let mut room = lock(room);
            match room.hear(name, &text) {
                Spoken::Line(line) => {
                    let offset = everybody.broadcast(&line);
                    room.remember(offset, line);
                    None
                }
                Spoken::Notice(notice) => {
                    everybody.broadcast(&notice);
                    None
                }
                Spoken::Refused(why) => Some(why),
            }
        };
        if let Some(why) = reply {
            socket.send_text(why).await?;
        }
    }
}

fn lock(room: &Mutex<Room>) -> std::sync::MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}
