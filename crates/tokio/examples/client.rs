//! Sends each line of standard input, and prints what comes.
//!
//! Run it with `cargo run -p sockeye-tokio --example client -- ws://127.0.0.1:9002/`, by hand or in a
//! pipe. When the input ends it says goodbye, and prints what still comes until the server does.

use sockeye_tokio::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9002/".into());
    talk(&url, BufReader::new(tokio::io::stdin()), tokio::io::stdout()).await?;
    // A thread may still wait for a line of a terminal, and nobody for the thread.
    std::process::exit(0);
}

pub(crate) async fn talk<I, O>(url: &str, input: I, mut output: O) -> Result<(), Error>
where
    I: AsyncBufRead + Unpin,
    O: AsyncWrite + Unpin,
{
    let mut socket = sockeye_tokio::connect(url).await?;
    let mut lines = input.lines();
    loop {
        tokio::select! {
            line = lines.next_line(), if socket.is_open() => match line? {
                // Lines that are there together leave together, when `recv` waits.
                Some(line) => socket.feed(line.into()).await?,
                None => socket.say(|outgoing| outgoing.close(None))?,
            },
            received = socket.recv() => match received.transpose()? {
                Some(message) if message.is_text() || message.is_binary() => {
                    output.write_all(message.as_bytes()).await?;
                    output.write_all(b"\n").await?;
                    output.flush().await?;
                }
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}
