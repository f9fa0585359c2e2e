//! The command `curl`: it fetches pages, and upgrades when it is told which headers to send.

use std::time::Duration;

use sockeye::{CloseCode, Server, html};
use sockeye_interop::{Fault, Nginx, curl};

/// The example of RFC 6455 section 1.3.
const UPGRADE: [&str; 8] = [
    "-H",
    "Connection: Upgrade",
    "-H",
    "Upgrade: websocket",
    "-H",
    "Sec-WebSocket-Version: 13",
    "-H",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

#[test]
fn curl_fetches_and_upgrades_directly_and_through_nginx() -> Result<(), Fault> {
    let server = Server::builder()
        .get("/", |_| html("<!doctype html><title>Salmon</title>"))
        .route("/bye", async |socket| {
            socket.send_text("Hello, curl!").await?;
            socket.close(CloseCode::NORMAL, "").await
        })
        // curl copies frames to its output and answers none.
        .connection(|connection| connection.close_within = Duration::from_millis(50))
        .bind("127.0.0.1:0")?;
    let address = server.local_addr().ok_or("the server has no port")?;
    let nginx = Nginx::start(address)?;
    for base in [format!("http://{address}"), format!("http://{}", nginx.address())] {
        let page = curl(&[&format!("{base}/")])?;
        assert_eq!(page.first().map(String::as_str), Some("HTTP/1.1 200 OK"), "{page:?}");
        assert!(page.iter().any(|line| line.contains("<title>Salmon</title>")), "{page:?}");

        let nothing = curl(&[&format!("{base}/nowhere")])?;
        assert_eq!(nothing.first().map(String::as_str), Some("HTTP/1.1 404 Not Found"));

        let plain = curl(&[&format!("{base}/bye")])?;
        assert!(plain.first().is_some_and(|line| line.starts_with("HTTP/1.1 426 ")), "{plain:?}");
        assert!(plain.iter().any(|line| line.eq_ignore_ascii_case("upgrade: websocket")));

        let mut arguments = UPGRADE.to_vec();
        let url = format!("{base}/bye");
        arguments.extend(["-N", &url]);
        let upgraded = curl(&arguments)?;
        let first = upgraded.first().map(String::as_str);
        assert_eq!(first, Some("HTTP/1.1 101 Switching Protocols"), "{upgraded:?}");
        let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
        assert!(upgraded.iter().any(|line| line.eq_ignore_ascii_case(accept)), "{upgraded:?}");
        assert!(upgraded.iter().any(|line| line.contains("Hello, curl!")), "{upgraded:?}");
    }
    Ok(())
}
