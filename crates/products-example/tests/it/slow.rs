//! Subscribers that do not read.

use std::time::Duration;

use sockeye_products::feed::Patience;
use sockeye_products::notifications::QUEUE_MAX;
use sockeye_tokio::{Client, Message, WebSocket};
use tokio::net::{TcpSocket, TcpStream};

use crate::running::{Running, soon, told};
use crate::scratch::Scratch;

/// As many notifications as fill the queue, and all buffers between the two ends.
const ENOUGH: usize = QUEUE_MAX + 60;

/// A subscriber with room for little.
async fn subscribe(app: &Running) -> WebSocket<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(2048).expect("set");
    let stream = socket.connect(app.address).await.expect("the server is there");
    soon(Client::new(&app.feed("v1")).connect_over(stream)).await.expect("it is accepted")
}

/// Names that are as long as names may be.
fn name(number: usize) -> String {
    format!("{number:🐟>100}")
}

/// Creates products while somebody hears of each, and somebody else does not.
async fn create(app: &Running, socket: &mut WebSocket<sockeye_tokio::ClientStream>) {
    for number in 0..ENOUGH {
        let id = app.create("v1", &name(number)).await;
        assert_eq!(told(socket).await["product"]["id"], id);
    }
}

#[tokio::test]
async fn a_slow_one_delays_no_write_and_hears_that_it_missed_some() {
    let scratch = Scratch::new();
    let app = Running::start_with(&scratch, Patience(Duration::from_secs(600)));
    let mut slow = subscribe(&app).await;
    let mut quick = app.subscribe("v1").await;
    create(&app, &mut quick).await;

    // It begins to read: what was on its way comes whole and in order, and then the end.
    let mut heard = 0;
    let frame = loop {
        match soon(slow.recv()).await {
            Some(Ok(Message::Text(text))) => {
                assert!(text.contains(&name(heard)), "{text}");
                heard += 1;
            }
            Some(Ok(Message::Close(frame))) => break frame.expect("a code"),
            other => panic!("{other:?} instead of a notification or the end"),
        }
    };
    assert!(heard < ENOUGH, "it missed none of {heard}");
    let missed = ENOUGH - heard - QUEUE_MAX;
    assert_eq!(
        (frame.code, &*frame.reason),
        (1013, &*format!("{missed} notifications were missed"))
    );
    assert!(soon(slow.recv()).await.is_none(), "it has answered the close");
    soon(app.service.notifications().until_subscribers(1)).await;
    app.stop().await;
}

#[tokio::test]
async fn a_dead_one_delays_no_write_and_is_given_up() {
    let scratch = Scratch::new();
    let app = Running::start_with(&scratch, Patience(Duration::from_millis(50)));
    let dead = subscribe(&app).await;
    let mut quick = app.subscribe("v1").await;
    create(&app, &mut quick).await;
    soon(app.service.notifications().until_subscribers(1)).await;
    drop(dead);
    app.stop().await;
}
