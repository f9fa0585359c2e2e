use std::sync::{Arc, Mutex};

use sockeye_tokio::handshake::Acceptance;
use sockeye_tokio::{CloseFrame, Error, Message};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::foreign::soon;

#[allow(dead_code)]
#[path = "../../../examples/autobahn_client.rs"]
mod example;

/// As much of a fuzzing server as shows that all cases are run: two that are fine, and one that breaks
/// the protocol in between.
async fn serve(stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) -> Result<(), Error> {
    let mut target = String::new();
    let mut socket = sockeye_tokio::accept_with(stream, |upgrade| {
        target = upgrade.request().target().to_owned();
        Ok(Acceptance::default())
    })
    .await?;
    asked.lock().expect("no panic").push(target.clone());
    match target.split(['=', '&']).nth(1) {
        _ if target == "/getCaseCount" => socket.send("3".into()).await?,
        Some("1" | "3") if target.starts_with("/runCase") => {
            for message in [Message::text("é".repeat(70_000)), Message::binary(vec![])] {
                socket.send(message.clone()).await?;
                assert_eq!(socket.recv().await.transpose()?, Some(message));
            }
        }
        Some("2") => {
            // A frame with reserved bits: the client has to end this one.
            let mut stream = socket.into_inner().expect("open");
            return Ok(stream.write_all(&[0xf1, 0]).await?);
        }
        _ => {}
    }
    socket.close(Some(CloseFrame::new(1000_u16, ""))).await
}

#[tokio::test]
async fn it_runs_all_cases_and_asks_for_the_report() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = format!("ws://{}", listener.local_addr().expect("an address"));
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&asked);
    let serving = tokio::spawn(async move {
        for _ in 0..5 {
            let (stream, _) = listener.accept().await.expect("a client");
            serve(stream, Arc::clone(&asked)).await.expect("in order");
        }
    });
    assert_eq!(soon(example::run(&server, "us")).await.expect("in order"), 3);
    soon(serving).await.expect("no panic");
    let expected = [
        "/getCaseCount",
        "/runCase?case=1&agent=us",
        "/runCase?case=2&agent=us",
        "/runCase?case=3&agent=us",
        "/updateReports?agent=us",
    ];
    assert_eq!(*seen.lock().expect("no panic"), expected);
}
