//! `/ws/{version}/productos`: changes to products, told to the subscribers of their version and to no others.

use std::sync::{Mutex, PoisonError};

use sockeye::{Error, Policy, Socket};

use super::catalogue::{Answer, Catalogue};

/// Holds one subscriber's connection. A subscriber who lags is closed rather than left with a picture that has gaps:
/// on coming back it asks for the list.
pub(crate) async fn products(
    mut socket: Socket,
    catalogue: &Mutex<Catalogue>,
) -> Result<(), Error> {
    let version = socket.param("version").to_owned();
    let subscribers = socket.group(&format!("productos/{version}"));
    socket.join(&subscribers, Policy::Close).await?;
    loop {
        let message = socket.recv().await?;
        let command = String::from_utf8_lossy(message.as_bytes());
        let reply = {
            // Published under the catalogue's lock, so that the notices have the order of the changes.
            let mut catalogue = catalogue.lock().unwrap_or_else(PoisonError::into_inner);
            match catalogue.execute(&version, &command) {
                Ok(Answer::Notify(notice)) => {
                    subscribers.broadcast(&notice);
                    None
                }
                Ok(Answer::Reply(text)) => Some(text),
                Err(refusal) => Some(format!("error {refusal}")),
            }
        };
        if let Some(text) = reply {
            socket.send_text(&text).await?;
        }
    }
}
