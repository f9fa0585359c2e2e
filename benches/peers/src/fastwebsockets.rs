//! fastwebsockets: the upgrade by hyper, then its two halves over the bare socket. It writes each frame at once, so a
//! buffer behind it gathers what is flushed together; and it leaves UTF-8 to its user.

use std::future::Future;
use std::net::TcpListener;
use std::pin::pin;
use std::task::Poll;

use fastwebsockets::{
    Frame, OpCode, Payload, Role, WebSocketError, WebSocketRead, WebSocketWrite,
    after_handshake_split, upgrade,
};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::BufWriter;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::hub::Hub;
use crate::{Fault, MESSAGE_BYTES_MAX, runtime};

/// What waits for a flush; larger frames pass it by.
const GATHERED_BYTES_MAX: usize = 16 << 10;

type Reader = WebSocketRead<OwnedReadHalf>;
type Writer = WebSocketWrite<BufWriter<OwnedWriteHalf>>;
/// What is said to everyone.
type Said = (OpCode, Bytes);

pub(crate) fn serve(listener: TcpListener, broadcasts: bool) -> Result<(), Fault> {
    let hub = Hub::new();
    runtime::run(listener, move |stream| {
        let hub = hub.clone();
        async move {
            let service = service_fn(move |request| answer(request, hub.clone(), broadcasts));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            Ok(connection.with_upgrades().await?)
        }
    })
}

async fn answer(
    mut request: Request<Incoming>,
    hub: Hub<Said>,
    broadcasts: bool,
) -> Result<Response<http_body_util::Empty<Bytes>>, WebSocketError> {
    let (response, upgrade) = upgrade::upgrade(&mut request)?;
    tokio::spawn(async move { drop(talk(upgrade, hub, broadcasts).await) });
    Ok(response)
}

async fn talk(upgrade: upgrade::UpgradeFut, hub: Hub<Said>, broadcasts: bool) -> Result<(), Fault> {
    // What hyper upgraded is the socket in a box; taken out of it, reads and writes go straight to it.
    let upgraded = upgrade.await?.into_inner().into_inner();
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().map_err(|_| "not the socket")?;
    let (read, write) = parts.io.into_inner().into_split();
    let write = BufWriter::with_capacity(GATHERED_BYTES_MAX, write);
    let (mut reader, writer) = after_handshake_split(read, write, Role::Server);
    reader.set_max_message_size(MESSAGE_BYTES_MAX);
    reader.set_auto_close(false);
    if broadcasts { broadcast(reader, writer, hub).await } else { echo(reader, writer).await }
}

/// Nothing is sent unasked: the load does not ping, and a close ends it.
async fn unasked(_: Frame<'_>) -> Result<(), WebSocketError> {
    Ok(())
}

async fn echo(mut reader: Reader, mut writer: Writer) -> Result<(), Fault> {
    loop {
        let frame = {
            let mut unasked = unasked;
            let mut next = pin!(reader.read_frame(&mut unasked));
            // What was gathered leaves when nothing more has come. The read must not be given up meanwhile: it would
            // lose what it has read.
            match std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await {
                Poll::Ready(frame) => frame?,
                Poll::Pending => {
                    writer.flush().await?;
                    next.await?
                }
            }
        };
        match frame.opcode {
            OpCode::Close => return Ok(writer.flush().await?),
            OpCode::Text if !frame.is_utf8() => return Err("not UTF-8".into()),
            OpCode::Text | OpCode::Binary => {
                writer.write_frame(Frame::new(true, frame.opcode, None, frame.payload)).await?;
            }
            _ => {}
        }
    }
}

async fn broadcast(mut reader: Reader, mut writer: Writer, hub: Hub<Said>) -> Result<(), Fault> {
    let mut queue = hub.join();
    tokio::spawn(async move {
        while let Some(mut said) = queue.recv().await {
            loop {
                let (opcode, payload) = said;
                let frame = Frame::new(true, opcode, None, Payload::Borrowed(&payload));
                if writer.write_frame(frame).await.is_err() {
                    return;
                }
                match queue.try_recv() {
                    Ok(next) => said = next,
                    Err(_) => break,
                }
            }
            if writer.flush().await.is_err() {
                return;
            }
        }
    });
    loop {
        let frame = reader.read_frame(&mut unasked).await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text if !frame.is_utf8() => return Err("not UTF-8".into()),
            OpCode::Text | OpCode::Binary => {
                let payload = Bytes::copy_from_slice(&frame.payload);
                hub.publish(&(frame.opcode, payload));
            }
            _ => {}
        }
    }
}
