//! `sockeye-products [FILE] [ADDRESS]`: keeps its products in FILE, and serves them at ADDRESS.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sockeye_products::app;
use sockeye_products::feed::Patience;
use sockeye_products::repository::Repository;
use sockeye_products::service::Service;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "products.db".into());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9003".into());
    let service = Arc::new(Service::new(Repository::open(Path::new(&file))?));
    let listener = TcpListener::bind(address).await?;
    println!("http://{}/ with the products of {file}", listener.local_addr()?);
    let stop = stop()?;
    Ok(app::serve(listener, service, Patience::default(), stop).await?)
}

/// Done when the program is asked to stop: with ctrl-C, or as services are.
#[cfg(unix)]
fn stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Done when the program is asked to stop, with ctrl-C.
#[cfg(not(unix))]
fn stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
