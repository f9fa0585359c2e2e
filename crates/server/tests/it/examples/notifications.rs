use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sockeye::{BlockingSocket, Server, connect_blocking};

#[allow(dead_code)]
#[path = "../../../examples/notifications.rs"]
mod example;

use example::{Feed, Products};

fn start() -> (Server, Products, String) {
    let server = Server::builder()
        .route_events("/ws/{version}/productos", Feed::new)
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let url = format!("ws://{}/ws", server.local_addr().expect("the server listens over TCP"));
    (server.clone(), Products::new(server), url)
}

/// Subscribed once the answer to its first message is there.
fn subscribe(url: &str, version: &str) -> BlockingSocket {
    let mut socket =
        connect_blocking(&format!("{url}/{version}/productos")).expect("the server is there");
    socket.send_binary("hello").expect("open");
    assert_eq!(
        socket.recv().expect("an answer"),
        sockeye::Message::binary("Server: Received 5 bytes")
    );
    socket
}

#[test]
fn each_version_hears_of_its_own_products_and_of_no_others() {
    let (_server, products, url) = start();
    let (mut v1, mut v2) = (subscribe(&url, "v1"), subscribe(&url, "v2"));
    products.create("v1", "funko", 10);
    assert!(products.update("v1", "funko", 12));
    products.create("v2", "taza", 5);
    assert!(products.delete("v1", "funko"));
    assert!(!products.delete("v1", "funko"));
    assert!(!products.update("v3", "funko", 1));
    for text in
        ["Producto guardado: funko", "Producto actualizado: funko", "Producto eliminado: funko"]
    {
        assert_eq!(v1.recv().expect("a notification").as_text(), Some(text));
    }
    assert_eq!(v2.recv().expect("a notification").as_text(), Some("Producto guardado: taza"));
    for socket in [&mut v1, &mut v2] {
        assert!(
            socket.recv_timeout(Duration::from_millis(50)).expect_err("nothing more").is_timeout()
        );
    }
}

#[test]
fn one_who_never_reads_and_one_who_vanishes_harm_nobody() {
    let (server, products, url) = start();
    let address = server.local_addr().expect("TCP");
    let handshake = b"GET /ws/v1/productos HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut deaf = TcpStream::connect(address).expect("the server is there");
    deaf.write_all(handshake).expect("sent");
    let mut vanishing = TcpStream::connect(address).expect("the server is there");
    vanishing.write_all(handshake).expect("sent");
    let mut reader = subscribe(&url, "v1");
    let group = server.group("productos/v1");
    while group.members() < 3 {
        std::thread::yield_now();
    }
    // A reset in the middle of everything: the kernel sends one for a socket closed with bytes unread.
    drop(vanishing);
    let name = "x".repeat(64 * 1024);
    let mut slowest = Duration::ZERO;
    for _ in 0..400 {
        let began = Instant::now();
        products.create("v1", &name, 1);
        slowest = slowest.max(began.elapsed());
        assert_eq!(
            reader.recv().expect("a notification").len(),
            "Producto guardado: ".len() + name.len()
        );
    }
    assert!(slowest < Duration::from_secs(1), "the service waited for a subscriber: {slowest:?}");
    while group.members() > 1 {
        std::thread::yield_now();
    }
    assert_eq!(group.closed(), 1, "the deaf one fell behind and was closed");
}
