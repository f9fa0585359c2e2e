//! How the servers on tokio are run.

use std::future::Future;
use std::net::TcpListener as StdListener;

use tokio::net::{TcpListener, TcpStream};

use crate::Fault;

/// Accepts on one thread, and runs `talk` with each connection as a task of its own.
pub(crate) fn run<T>(
    listener: StdListener,
    mut talk: impl FnMut(TcpStream) -> T,
) -> Result<(), Fault>
where
    T: Future<Output = Result<(), Fault>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // How a connection ends is the client's affair.
            drop(tokio::spawn(talk(stream)));
        }
    })
}
