//! A server that stops when its standard input ends (Ctrl-D), and gives everybody ten seconds to say goodbye.

use std::time::Duration;

use sockeye::{Error, Server, Socket};

/// Echoes until the connection ends, and then takes a moment to clean up, which the shutdown waits for.
async fn echo(mut socket: Socket) -> Result<(), Error> {
    let ended = loop {
        match socket.recv().await {
            Ok(message) => socket.send(message).await?,
            Err(error) => break error,
        }
    };
    sockeye::sleep(Duration::from_millis(500)).await;
    println!("cleaned up: {ended}");
    Ok(())
}

fn main() -> Result<(), Error> {
    let server = Server::builder().route("/", echo).bind("127.0.0.1:9001")?;
    println!("ws://127.0.0.1:9001/ echoes until the standard input ends");
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;

    let report = server.shutdown(Duration::from_secs(10));
    println!("{} connections, {} closed cleanly", report.open, report.closed_cleanly);
    println!("{} connections cut, {} routes left behind", report.cut, report.unfinished);
    Ok(())
}
