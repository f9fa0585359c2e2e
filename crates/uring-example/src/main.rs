//! Run with `cargo run --release -p sockeye-uring-example -- 127.0.0.1:9002`.

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".to_owned());
    let listener = std::net::TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let config = sockeye_protocol::Config::default();
    sockeye_uring_example::serve(listener, config, std::time::Duration::from_secs(5))
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("there is no io_uring here");
}
