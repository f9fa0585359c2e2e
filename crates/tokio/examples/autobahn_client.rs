//! Runs the cases of a fuzzing server of the Autobahn TestSuite.
//!
//! Run it with `cargo run -p sockeye-tokio --features deflate --example autobahn_client --
//! ws://127.0.0.1:9001`; the server writes the report.

use std::error::Error;

use sockeye_tokio::{Client, Config};

/// The longest messages of the suite have 16 MiB.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9001".into());
    let cases = run(&server, "sockeye-tokio").await?;
    println!("{cases} cases");
    Ok(())
}

/// Runs all cases, and returns how many there are.
pub(crate) async fn run(server: &str, agent: &str) -> Result<u32, Box<dyn Error>> {
    let mut socket = sockeye_tokio::connect(&format!("{server}/getCaseCount")).await?;
    let count = socket.recv().await.ok_or("there is no count")??.to_text()?.parse()?;
    socket.close(None).await?;
    for case in 1..=count {
        // Many cases break the protocol, which has to end in an error.
        if let Err(error) = run_case(&format!("{server}/runCase?case={case}&agent={agent}")).await {
            println!("case {case}: {error}");
        }
    }
    let mut socket =
        sockeye_tokio::connect(&format!("{server}/updateReports?agent={agent}")).await?;
    socket.close(None).await?;
    Ok(count)
}

/// Sends back what comes, until the server closes.
async fn run_case(url: &str) -> Result<(), sockeye_tokio::Error> {
    let mut config = Config::default();
    config.message_bytes_max = MESSAGE_BYTES_MAX;
    #[cfg(feature = "deflate")]
    {
        config.deflate = Some(sockeye_tokio::DeflateConfig::default());
    }
    let mut socket = Client::new(url).config(config).connect().await?;
    while let Some(message) = socket.recv().await.transpose()? {
        if message.is_text() || message.is_binary() {
            socket.feed(message).await?;
        }
    }
    Ok(())
}
