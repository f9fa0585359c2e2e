//! Sockets in the hands of other threads and other executors.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use sockeye::{
    BlockingSocket, CloseCode, Error, Message, Policy, Server, ServerBuilder, Socket, connect,
    connect_blocking,
};

use crate::tcp::serve;

const PATIENCE: Duration = Duration::from_secs(10);

fn start(builder: ServerBuilder) -> (Server, String) {
    let server = builder.bind("127.0.0.1:0").expect("a port is free");
    let url = format!("ws://{}", server.local_addr().expect("the server listens over TCP"));
    (server, url)
}

/// Another runtime, as small as one can be.
fn foreign_block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn a_socket_works_on_another_runtime_with_the_timers_of_its_loop() {
    async fn talk(mut socket: Socket) -> Result<(), Error> {
        let began = Instant::now();
        assert!(
            socket
                .recv_timeout(Duration::from_millis(50))
                .await
                .expect_err("nothing comes")
                .is_timeout()
        );
        assert!(began.elapsed() >= Duration::from_millis(50), "a timer is never early");
        socket.send_text("ready").await?;
        loop {
            let message = socket.recv().await?;
            socket.send(message).await?;
        }
    }
    let (ended, end) = mpsc::channel();
    let (_server, url) = serve(async move |socket| {
        let ended = ended.clone();
        thread::spawn(move || ended.send(foreign_block_on(talk(socket))));
        Ok(())
    });
    foreign_block_on(async {
        let mut socket = connect(&url).await?;
        assert_eq!(socket.recv().await?, Message::text("ready"));
        for number in 0..100 {
            socket.send_text(&number.to_string()).await?;
            assert_eq!(socket.recv_timeout(PATIENCE).await?, Message::text(number.to_string()));
        }
        socket.close(CloseCode::from_u16(4000), "").await
    })
    .expect("everything is answered");
    let error = end.recv_timeout(PATIENCE).expect("the task ends").expect_err("by the close");
    assert_eq!(error.close_code(), Some(CloseCode::from_u16(4000)));
}

#[test]
fn frg_09_senders_on_many_threads_keep_their_order_and_never_interleave() {
    let (_server, url) = start(Server::builder().route_blocking("/", |socket: BlockingSocket| {
        let (sender, mut receiver) = socket.split();
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let sender = sender.clone();
                thread::spawn(move || {
                    (0..500).try_for_each(|number| {
                        sender.send_text(&format!("{thread} {number} {}", "x".repeat(number)))
                    })
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic")?;
        }
        sender.send_text("done")?;
        receiver.recv().map(drop)
    }));
    let mut socket = connect_blocking(&format!("{url}/")).expect("the server is there");
    let mut next = [0; 4];
    for _ in 0..2_000 {
        let text = socket.recv().expect("a message").into_text();
        let mut parts = text.split(' ');
        let mut part = || parts.next().expect("three parts");
        let (thread, number): (usize, usize) =
            (part().parse().expect("a number"), part().parse().expect("a number"));
        assert_eq!(number, next[thread], "thread {thread}");
        assert_eq!(part().len(), number);
        next[thread] += 1;
    }
    assert_eq!(socket.recv().expect("the last one").as_text(), Some("done"));
}

#[test]
fn a_blocked_receive_does_not_keep_another_thread_from_sending_or_cancelling() {
    let (_server, url) = serve(async |mut socket| {
        loop {
            let message = socket.recv().await?;
            socket.send(message).await?;
        }
    });
    let socket = connect_blocking(&url).expect("the server is there");
    let canceller = socket.canceller();
    let (sender, mut receiver) = socket.split();
    let reading = thread::spawn(move || {
        let first = receiver.recv().map(Message::into_text);
        let second = receiver.recv();
        (first, second, receiver.try_recv())
    });
    sender.send_text("across").expect("open");
    while sender.outstanding() > 0 {
        thread::yield_now();
    }
    // The echo may not be there yet: then the cancel hits the first receive.
    thread::yield_now();
    let echoed = loop {
        canceller.cancel();
        if reading.is_finished() {
            break reading.join().expect("no panic");
        }
        thread::yield_now();
    };
    let (first, second, _) = echoed;
    assert!(matches!(first.as_deref(), Ok("across") | Err(Error::Cancelled)));
    assert!(matches!(second, Ok(_) | Err(Error::Cancelled)));
}

#[test]
fn blocking_routes_have_a_limit_and_the_next_one_is_told_503() {
    let gate = Arc::new(Barrier::new(3));
    let held = Arc::clone(&gate);
    let builder = Server::builder().blocking_routes_max(2).route_blocking(
        "/",
        move |mut socket: BlockingSocket| {
            socket.send_text("in")?;
            held.wait();
            socket.recv().map(drop)
        },
    );
    let (_server, url) = start(builder);
    let url = format!("{url}/");
    let mut two = [(); 2].map(|()| connect_blocking(&url).expect("there is a thread"));
    for socket in &mut two {
        assert_eq!(socket.recv().expect("it runs").as_text(), Some("in"));
    }
    match connect_blocking(&url) {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.status, 503),
        other => panic!("expected a refusal, found {other:?}"),
    }
    gate.wait();
    for socket in &two {
        socket.close(CloseCode::NORMAL, "").expect("a legal code");
    }
    // The threads are free again, as soon as their functions have returned.
    let began = Instant::now();
    while connect_blocking(&url).is_err() {
        assert!(began.elapsed() < PATIENCE, "no thread came back");
        thread::yield_now();
    }
}

#[test]
fn what_a_blocking_route_comes_to_decides_the_code() {
    let builder = Server::builder()
        .route_blocking("/ok", |_socket| Ok(()))
        .route_blocking("/error", |_socket| Err(Error::message("no")))
        .route_blocking("/panic", |_socket| panic!("on purpose"))
        .route_blocking("/code", |socket| socket.close(CloseCode::from_u16(4001), "why"));
    let (server, url) = start(builder);
    for (path, code) in [("ok", 1000), ("error", 1011), ("panic", 1011), ("code", 4001)] {
        let mut socket = connect_blocking(&format!("{url}/{path}")).expect("the server is there");
        assert_eq!(
            socket.recv().expect_err("the end").close_code(),
            Some(CloseCode::from_u16(code)),
            "{path}"
        );
    }
    drop(server);
}

#[test]
fn groups_reach_over_all_loops_from_any_thread() {
    let builder = Server::builder().threads(3).route("/", async |mut socket: Socket| {
        let group = socket.group("all");
        socket.join(&group, Policy::Close).await?;
        socket.send_text("joined").await?;
        socket.recv().await.map(drop)
    });
    let (server, url) = start(builder);
    let mut sockets: Vec<_> = (0..12)
        .map(|_| connect_blocking(&format!("{url}/")).expect("the server is there"))
        .collect();
    for socket in &mut sockets {
        assert_eq!(socket.recv().expect("a message").as_text(), Some("joined"));
    }
    assert_eq!(server.group("all").members(), 12);
    let publishers: Vec<_> = (0..3)
        .map(|publisher| {
            let group = server.group("all");
            thread::spawn(move || {
                for number in 0..100 {
                    group.broadcast(&format!("{publisher} {number}"));
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().expect("no panic");
    }
    let heard: Vec<Vec<String>> = sockets
        .iter_mut()
        .map(|socket| (0..300).map(|_| socket.recv().expect("a message").into_text()).collect())
        .collect();
    assert!(heard.iter().all(|own| *own == heard[0]), "all members see one order");
    let report = server.shutdown(PATIENCE);
    assert_eq!((report.open, report.cut), (12, 0));
}

#[test]
fn what_blocks_runs_elsewhere_and_its_result_comes_back() {
    let (_server, url) = serve(async |socket| {
        let own = thread::current().id();
        let other = sockeye::spawn_blocking(move || thread::current().id() != own).await?;
        let panicked = sockeye::spawn_blocking(|| panic!("on purpose")).await.is_err();
        socket.send_text(&format!("{other} {panicked}")).await
    });
    let mut socket = connect_blocking(&url).expect("the server is there");
    assert_eq!(socket.recv().expect("a message").as_text(), Some("true true"));
}

#[test]
fn a_route_may_be_a_client_of_another_server() {
    let (_inner, inner_url) = serve(async |mut socket| {
        let message = socket.recv().await?;
        socket.send(message.reply(format!("inner {message}"))).await
    });
    let (_outer, outer_url) = serve(async move |mut socket| {
        let mut upstream = connect(&inner_url).await?;
        upstream.send(socket.recv().await?).await?;
        socket.send(upstream.recv().await?).await
    });
    let mut socket = connect_blocking(&outer_url).expect("the server is there");
    socket.send_text("hello").expect("open");
    assert_eq!(socket.recv().expect("an answer").as_text(), Some("inner hello"));
}

#[test]
fn a_route_may_drop_the_last_handle_of_its_server_or_end_it_from_another_thread() {
    let slot = Arc::new(std::sync::Mutex::new(None::<Server>));
    let own = Arc::clone(&slot);
    let route = async move |mut socket: Socket| {
        let server = own.lock().expect("no panic").take().expect("it was put there");
        match socket.recv().await?.as_text() {
            Some("drop") => drop(server),
            _ => drop(sockeye::spawn_blocking(move || server.shutdown(PATIENCE))),
        }
        std::future::pending().await
    };
    for (word, code) in [("drop", 1006), ("shutdown", 1001)] {
        let (server, url) = serve(route.clone());
        let waiting = server.clone();
        let waiter = thread::spawn(move || {
            // A clone that waits would keep it alive; what ends the server ends the wait.
            if word == "shutdown" {
                waiting.wait();
            }
        });
        *slot.lock().expect("no panic") = Some(server);
        let mut socket = connect_blocking(&url).expect("the server is there");
        socket.send_text(word).expect("open");
        if word == "drop" {
            waiter.join().expect("no panic");
        }
        assert_eq!(
            socket.recv().expect_err("the end").close_code(),
            Some(CloseCode::from_u16(code)),
            "{word}"
        );
    }
}
