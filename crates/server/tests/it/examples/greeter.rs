use sockeye::{CloseCode, Error, connect_blocking};

use crate::tcp::serve;

#[allow(dead_code)]
#[path = "../../../examples/greeter.rs"]
mod example;

#[test]
fn it_greets_each_message_until_the_peer_closes() {
    let (server, url) = serve(example::greet);
    let mut socket = connect_blocking(&url).expect("the server is there");
    for text in ["one", "", "three"] {
        socket.send_text(text).expect("open");
        assert_eq!(socket.recv().expect("a greeting").as_text(), Some("Hello!"));
    }
    socket.close(CloseCode::NORMAL, "").expect("a legal code");
    assert!(matches!(
        socket.recv(),
        Err(Error::Closed { code: CloseCode::NORMAL, clean: true, .. })
    ));
    drop(server);
}
