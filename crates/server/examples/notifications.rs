//! Tells the subscribers of `/ws/{version}/productos` what becomes of the products of that version.
//! Nobody who creates, updates or deletes one ever waits for a subscriber.
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::{Mutex, PoisonError};

use sockeye::{Error, Event, Group, Handler, Peer, Policy, Request, Response, Server};

/// One subscriber. What it sends is answered in the type in which it came.
pub(crate) struct Feed(Group);

impl Feed {
    pub(crate) fn new(request: &Request<'_>) -> Result<Self, Response> {
        Ok(Self(request.group(&format!("productos/{}", request.param("version")))))
    }
}

impl Handler for Feed {
    fn open(&mut self, peer: &mut Peer<'_>) {
        peer.join(&self.0, Policy::Close);
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        let _ = match event {
            Event::Text(text) => peer.send_text(&format!("Server: Received {} bytes", text.len())),
            Event::Binary(bytes) => {
                peer.send_binary(format!("Server: Received {} bytes", bytes.len()).as_bytes())
            }
            _ => Ok(()),
        };
    }
}

/// The products of all versions, by version and name.
pub(crate) struct Products {
    server: Server,
    prices: Mutex<HashMap<(String, String), u32>>,
}

impl Products {
    pub(crate) fn new(server: Server) -> Self {
        Self { server, prices: Mutex::default() }
    }

    pub(crate) fn create(&self, version: &str, name: &str, price: u32) {
        self.put(version, name, Some(price));
        self.notify(version, &format!("Producto guardado: {name}"));
    }

    pub(crate) fn update(&self, version: &str, name: &str, price: u32) -> bool {
        let found = self.prices().contains_key(&(version.into(), name.into()));
        if found {
            self.put(version, name, Some(price));
            self.notify(version, &format!("Producto actualizado: {name}"));
        }
        found
    }

    pub(crate) fn delete(&self, version: &str, name: &str) -> bool {
        let found = self.put(version, name, None);
        if found {
            self.notify(version, &format!("Producto eliminado: {name}"));
        }
        found
    }

    fn notify(&self, version: &str, text: &str) {
        self.server.group(&format!("productos/{version}")).broadcast(text);
    }

    fn put(&self, version: &str, name: &str, price: Option<u32>) -> bool {
        let key = (version.to_owned(), name.to_owned());
        match price {
            Some(price) => self.prices().insert(key, price).is_some(),
            None => self.prices().remove(&key).is_some(),
        }
    }

    fn prices(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), u32>> {
        self.prices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes commands such as `create taza`, `update taza` and `delete taza`, for version v1.
fn main() -> Result<(), Error> {
    let builder = Server::builder().route_events("/ws/{version}/productos", Feed::new);
    let products = Products::new(builder.bind("127.0.0.1:9001")?);
    for line in std::io::stdin().lock().lines() {
        match line?.split_once(' ') {
            Some(("create", name)) => products.create("v1", name, 1),
            Some(("update", name)) => println!("found: {}", products.update("v1", name, 2)),
            Some(("delete", name)) => println!("found: {}", products.delete("v1", name)),
            _ => println!("create, update or delete, and a name"),
        }
    }
    Ok(())
}
