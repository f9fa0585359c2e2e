use std::time::Duration;

use tokio::net::TcpListener;

use super::foreign::Foreign;

#[allow(dead_code)]
#[path = "../../../examples/interval.rs"]
mod example;

#[tokio::test]
async fn it_ticks_and_sends_everything_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        example::tick(stream, Duration::from_millis(5)).await
    });
    let mut client = Foreign::connect(address).await;
    let mut ticks = 0;
    for number in 0..50 {
        let text = format!("{number} {}", "é".repeat(number * 100));
        client.say(text.clone()).await;
        loop {
            let heard = client.hear().await;
            if heard == "tick".into() {
                ticks += 1;
            } else {
                assert_eq!(heard, text.into());
                break;
            }
        }
    }
    while ticks < 3 {
        assert_eq!(client.hear().await, "tick".into());
        ticks += 1;
    }
    let left = client.close().await;
    assert!(left.last().is_some_and(tokio_tungstenite::tungstenite::Message::is_close), "{left:?}");
    server.await.expect("no panic").expect("in order");
}
