//! The feed, over real sockets.

use serde_json::json;
use sockeye_tokio::{CloseCode, Error, Message};

use crate::http::ask;
use crate::running::{Running, soon, text, told};
use crate::scratch::Scratch;

#[tokio::test]
async fn each_change_is_heard_by_the_subscribers_of_its_version_and_by_no_other() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    let (mut one, mut two) = (app.subscribe("v1").await, app.subscribe("v1").await);
    let mut other = app.subscribe("v2").await;
    let id = app.create("v1", "taza").await;
    let path = format!("/api/v1/productos/{id}");
    let draft = json!({"name": "tazón", "price_cents": 300});
    assert_eq!(app.ask("PUT", &path, Some(&draft)).await.status, 200);
    assert_eq!(app.ask("DELETE", &path, None).await.status, 204);
    for socket in [&mut one, &mut two] {
        for (change, revision, name, price_cents) in [
            ("created", 1, "taza", 250),
            ("updated", 2, "tazón", 300),
            ("deleted", 2, "tazón", 300),
        ] {
            let product =
                json!({"id": id, "revision": revision, "name": name, "price_cents": price_cents});
            assert_eq!(told(socket).await, json!({"change": change, "product": product}));
        }
    }
    // The first that the other version's subscriber hears is its own.
    app.create("v2", "jarra").await;
    assert_eq!(told(&mut other).await["product"]["name"], "jarra");
    app.stop().await;
}

#[tokio::test]
async fn what_is_refused_is_heard_by_nobody() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    app.create("v1", "taza").await;
    let mut socket = app.subscribe("v1").await;
    let root = "/api/v1/productos";
    for (method, path, draft, status) in [
        ("POST", root, Some(json!({"name": "taza", "price_cents": 1})), 409),
        ("POST", root, Some(json!({"name": "", "price_cents": 1})), 422),
        ("DELETE", "/api/v1/productos/99", None, 404),
    ] {
        assert_eq!(app.ask(method, path, draft.as_ref()).await.status, status);
    }
    app.create("v1", "plato").await;
    assert_eq!(told(&mut socket).await["product"]["name"], "plato");
    app.stop().await;
}

#[tokio::test]
async fn what_a_subscriber_says_is_answered_in_its_type() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    let mut socket = app.subscribe("v1").await;
    socket.send("¡hola!".into()).await.expect("open");
    assert_eq!(text(&mut socket).await, "Server: Received 7 bytes");
    socket.send(Message::binary(vec![0; 3])).await.expect("open");
    let answer = soon(socket.recv()).await.expect("open").expect("well");
    assert_eq!(answer, Message::binary("Server: Received 3 bytes"));
    // It may say little at once.
    socket.send(Message::binary(vec![0; 4097])).await.expect("open");
    let Some(Ok(Message::Close(Some(frame)))) = soon(socket.recv()).await else {
        panic!("it was not closed")
    };
    assert_eq!(frame.code, CloseCode::TOO_BIG.as_u16());
    soon(app.service.notifications().until_subscribers(0)).await;
    app.stop().await;
}

#[tokio::test]
async fn who_leaves_is_forgotten() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    let notifications = app.service.notifications().clone();
    let (mut polite, rude) = (app.subscribe("v1").await, app.subscribe("v1").await);
    let mut stays = app.subscribe("v1").await;
    soon(notifications.until_subscribers(3)).await;
    soon(polite.close(None)).await.expect("it is answered");
    drop(rude.into_inner());
    soon(notifications.until_subscribers(1)).await;
    app.create("v1", "taza").await;
    assert_eq!(told(&mut stays).await["product"]["name"], "taza");
    app.stop().await;
}

#[tokio::test]
async fn what_is_no_request_for_a_feed_is_refused() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    let plain = ask(app.address, "GET", "/ws/v1/productos", None).await;
    assert!((400..500).contains(&plain.status), "{plain:?}");
    match soon(sockeye_tokio::connect(&app.feed("one"))).await {
        Err(Error::Refused(refused)) => assert_eq!(refused.status, 404),
        other => panic!("{other:?} instead of a refusal"),
    }
    soon(app.service.notifications().until_subscribers(0)).await;
    app.stop().await;
}

#[tokio::test]
async fn at_the_end_subscribers_are_told_so() {
    let scratch = Scratch::new();
    let app = Running::start(&scratch);
    let mut socket = app.subscribe("v1").await;
    app.create("v1", "taza").await;
    let stopping = tokio::spawn(app.stop());
    assert_eq!(told(&mut socket).await["product"]["name"], "taza");
    match soon(socket.recv()).await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, 1001),
        other => panic!("{other:?} instead of a close"),
    }
    assert!(soon(socket.recv()).await.is_none());
    assert!(socket.closed().expect("it is closed").clean);
    soon(stopping).await.expect("no panic");
}
