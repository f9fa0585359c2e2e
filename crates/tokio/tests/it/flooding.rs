//! Peers that never stop, never read, or come when nobody looks. Time is tokio's paused clock.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye_tokio::{Config, Error, Event, Message, Role, WebSocket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, advance, timeout};

use crate::wire::{finish, timeless};

/// A masked text message of one byte.
const TEXT: &[u8] = b"\x81\x81\0\0\0\0a";

/// A transport that always has something to be read, and takes all that is written. Like those of
/// tokio it lets other tasks have their turn after so many calls.
struct Flood {
    first: &'static [u8],
    ever: &'static [u8],
    said: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(pin!(tokio::task::coop::consume_budget()).poll(context));
        let piece = match self.first {
            [] => self.ever,
            first => first,
        };
        buffer.put_slice(&piece[..piece.len().min(buffer.remaining())]);
        self.first = &[];
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.said.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Lets time pass while others are never idle, which would make it pass by itself.
fn let_time_pass() -> tokio::task::JoinHandle<()> {
    tokio::spawn(async {
        loop {
            advance(Duration::from_millis(100)).await;
            tokio::task::yield_now().await;
        }
    })
}

/// A peer that uploads without a pause hears the answers to its pings all the same.
#[test]
fn what_was_said_does_not_wait_for_a_peer_that_always_has_more() {
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let flood = Flood { first: b"\x89\x80\0\0\0\0", ever: TEXT, said: Arc::clone(&said) };
    let mut server = WebSocket::new(flood, Role::Server, timeless());
    assert!(finish(server.recv()).expect("open").expect("well").is_ping());
    finish(server.feed("fed".into())).expect("open");
    assert!(finish(server.recv()).expect("open").expect("well").is_text());
    assert_eq!(*said.lock().expect("nobody panics with it"), b"\x8a\x00\x81\x03fed");
}

#[tokio::test(start_paused = true)]
async fn a_close_is_bounded_though_the_peer_never_stops() {
    let time = let_time_pass();
    let flood = Flood { first: &[], ever: TEXT, said: Arc::default() };
    let mut server = WebSocket::new(flood, Role::Server, Config::default());
    let began = Instant::now();
    let closed = timeout(Duration::from_secs(60), server.close(None)).await.expect("in time");
    assert!(matches!(closed, Err(Error::TimedOut(_))), "{closed:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    time.abort();
}

#[tokio::test(start_paused = true)]
async fn a_message_is_bounded_though_its_bytes_never_stop() {
    let time = let_time_pass();
    // A message of 128 MiB, which would take until long after its deadline.
    let flood =
        Flood { first: b"\x82\xff\0\0\0\0\x08\0\0\0\0\0\0\0", ever: b"a", said: Arc::default() };
    let mut config = Config::default();
    config.message_bytes_max = usize::MAX;
    let mut server = WebSocket::new(flood, Role::Server, config);
    let began = Instant::now();
    let received = timeout(Duration::from_secs(300), server.recv()).await.expect("in time");
    assert!(matches!(received, Some(Err(Error::TimedOut(_)))), "{received:?}");
    assert!(began.elapsed() < Duration::from_secs(33), "{:?}", began.elapsed());
    time.abort();
}

/// Sends back what comes, by the way that is held back by a peer that does not read.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut server: WebSocket<S>) -> Result<(), Error> {
    let answer = |event: Event<'_>, outgoing: &mut sockeye_tokio::Outgoing<'_>| match event {
        Event::Text(text) => outgoing.text(&text),
        Event::Binary(payload) => outgoing.binary(&payload),
        _ => Ok(()),
    };
    while let Some(received) = server.recv_each(answer).await {
        received?;
    }
    Ok(())
}

/// As many texts as it takes until nobody reads them any more.
async fn fill<W: AsyncWrite + Unpin>(peer: &mut W) {
    let text = [&b"\x81\xfe\x03\xe8\0\0\0\0"[..], &[b'a'; 1000]].concat();
    while timeout(Duration::from_secs(1), peer.write_all(&text)).await.is_ok() {}
}

/// It sends and never reads: neither of its pongs can come, nor anything else be said to it.
#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up() {
    for answers in [true, false] {
        let (mut peer, stream) = tokio::io::duplex(4096);
        let mut server = WebSocket::new(stream, Role::Server, Config::default());
        let serving = tokio::spawn(async move {
            if answers {
                return echo(server).await;
            }
            // It is told more than it takes, and received from.
            server.say(|outgoing| outgoing.text(&"a".repeat(100_000)))?;
            while let Some(received) = server.recv().await {
                received?;
            }
            Ok(())
        });
        if answers {
            fill(&mut peer).await;
        }
        let served = timeout(Duration::from_secs(120), serving).await.expect("in time");
        let served = served.expect("no panic");
        assert!(served.is_err(), "{answers} {served:?}");
    }
}

/// It reads a little now and then, and is given time for that.
#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_is_not_given_up() {
    let (peer, stream) = tokio::io::duplex(4096);
    let server = WebSocket::new(stream, Role::Server, Config::default());
    let serving = tokio::spawn(echo(server));
    let (mut peer, mut talking) = tokio::io::split(peer);
    let talking = tokio::spawn(async move { while talking.write_all(TEXT).await.is_ok() {} });
    let mut piece = [0; 100];
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        peer.read_exact(&mut piece).await.expect("it is not given up");
    }
    assert!(!serving.is_finished());
    talking.abort();
}

/// A receive that was dropped, as in a `select!`, and a minute and a half in which nobody receives: the
/// peer could not finish its message.
#[tokio::test(start_paused = true)]
async fn a_message_has_the_time_after_a_dropped_receive() {
    let (mut peer, stream) = tokio::io::duplex(100);
    let mut server = WebSocket::new(stream, Role::Server, Config::default());
    let sending = tokio::spawn(async move {
        let message = [&b"\x82\xfe\x03\xe8\0\0\0\0"[..], &[1; 1000]].concat();
        peer.write_all(&message[..100]).await.expect("there is room");
        tokio::time::sleep(Duration::from_secs(1)).await;
        peer.write_all(&message[100..]).await.expect("it is read");
        peer
    });
    assert!(timeout(Duration::from_millis(1), server.recv()).await.is_err());
    tokio::time::sleep(Duration::from_secs(90)).await;
    let received = server.recv().await.expect("open").expect("in time");
    assert_eq!(received.len(), 1000);
    drop(sending.await.expect("no panic"));
}

/// The same, with pings that pile up meanwhile.
#[tokio::test(start_paused = true)]
async fn pings_that_pile_up_behind_a_dropped_receive_are_no_flood() {
    let (mut peer, stream) = tokio::io::duplex(64 * 1024);
    let mut server = WebSocket::new(stream, Role::Server, Config::default());
    assert!(timeout(Duration::from_millis(1), server.recv()).await.is_err());
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        peer.write_all(b"\x89\x80\0\0\0\0").await.expect("there is room");
    }
    for _ in 0..600 {
        assert!(server.recv().await.expect("open").expect("it is no flood").is_ping());
    }
}

/// Deadlines that never come cost nothing.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_never_comes_is_waited_for() {
    let (mut peer, stream) = tokio::io::duplex(4096);
    let mut config = Config::default();
    config.pong_within = Duration::MAX;
    let mut server = WebSocket::new(stream, Role::Server, config);
    let polls = std::cell::Cell::new(0);
    let counted = std::future::poll_fn(|context| {
        polls.set(polls.get() + 1);
        server.poll_recv(context)
    });
    assert!(timeout(Duration::from_secs(3600), counted).await.is_err());
    assert!(polls.get() < 10, "{}", polls.get());
    let mut said = [0; 10];
    peer.read_exact(&mut said).await.expect("a ping");
}

/// A peer that says much before it reads: what waits for it is below the mark, so it is heard, and
/// the answer to the longest message has room behind that, by the default limits too.
#[tokio::test(start_paused = true)]
async fn the_longest_message_is_answered_behind_others() {
    let (one, other) = tokio::io::duplex(64 * 1024);
    let mut client = WebSocket::new(one, Role::Client, Config::default());
    let server = tokio::spawn(echo(WebSocket::new(other, Role::Server, Config::default())));
    let said = [50_000, 50_000, Config::default().message_bytes_max];
    for len in said {
        client.send(Message::binary(vec![7; len])).await.expect("the server goes on reading");
    }
    // Until the server has heard all of it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for len in said {
        assert_eq!(client.recv().await.expect("open").expect("well").len(), len);
    }
    client.close(None).await.expect("in order");
    server.await.expect("no panic").expect("nothing was refused");
}
