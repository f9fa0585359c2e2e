use sockeye::{CloseCode, Server, connect_blocking};

#[allow(dead_code)]
#[path = "../../../examples/ping_policy.rs"]
mod example;

/// What the policies do over time is tested on the virtual clock; here, that the example runs and swallows nothing.
#[test]
fn a_text_equal_to_the_ping_is_a_message_like_any_other() {
    let server = Server::builder()
        .route("/text", example::text)
        .route("/frames", example::frames)
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let address = server.local_addr().expect("the server listens over TCP");
    for path in ["text", "frames"] {
        let mut socket =
            connect_blocking(&format!("ws://{address}/{path}")).expect("the server is there");
        for text in ["ping-message", "%ping%", "x"] {
            socket.send_text(text).expect("open");
            assert_eq!(socket.recv().expect("the echo").as_text(), Some(text));
        }
        socket.close(CloseCode::NORMAL, "").expect("a legal code");
    }
}
