use sockeye::{BlockingSocket, CloseCode, Error, Initiator, Server, connect_blocking};

#[allow(dead_code)]
#[path = "../../../examples/dialogue.rs"]
pub(crate) mod example;
#[allow(dead_code)]
#[path = "../../../examples/dialogue_blocking.rs"]
mod example_blocking;

/// What is said to the peer, and what it answers.
const LINES: [(&[&str], &str); 4] = [
    (&["What is your name?"], ""),
    (&["Please, insert your name!", "What is your name?"], "Ñusta"),
    (&["And your age?"], "many"),
    (&["Please, insert an valid number", "And your age?"], "31"),
];

fn talk(socket: &mut BlockingSocket) {
    for (questions, answer) in LINES {
        for question in questions {
            assert_eq!(socket.recv().expect("a question").as_text(), Some(*question));
        }
        socket.send_text(answer).expect("open");
    }
    let verdict = socket.recv().expect("the verdict");
    assert_eq!(verdict.as_text(), Some("You're Ñusta, and you are 31 old."));
    match socket.recv() {
        Err(Error::Closed { code, by, clean, .. }) => {
            assert_eq!((code, by, clean), (CloseCode::NORMAL, Initiator::Peer, true));
        }
        other => panic!("expected the close, found {other:?}"),
    }
}

#[test]
fn it_asks_until_it_knows_name_and_age() {
    let server = Server::builder()
        .route("/connect", example::dialogue)
        .route_blocking("/blocking", example_blocking::dialogue)
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let address = server.local_addr().expect("the server listens over TCP");
    for path in ["connect", "blocking"] {
        let mut socket =
            connect_blocking(&format!("ws://{address}/{path}")).expect("the server is there");
        talk(&mut socket);
    }
}
