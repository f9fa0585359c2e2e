//! Tells the time every second to whoever connects. A plain HTTP request is answered with 426.
use sockeye::{Error, Server, Socket};
use std::time::{Duration, UNIX_EPOCH};

pub(crate) async fn tick(socket: Socket) -> Result<(), Error> {
    loop {
        let now = UNIX_EPOCH.elapsed()?.as_secs();
        let now = format!("{:02}:{:02}:{:02} UTC", now / 3600 % 24, now / 60 % 60, now % 60);
        socket.send_text(&format!("Rust rocks -> {now}")).await?;
        // Ends at once when the client closes, although nothing is ever received here.
        socket.sleep(Duration::from_secs(1)).await?;
    }
}

fn main() -> Result<(), Error> {
    Server::builder().route("/", tick).serve("127.0.0.1:5065")
}
