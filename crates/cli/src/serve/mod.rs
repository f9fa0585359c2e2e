//! `sockeye serve`: the example routes on one server, until it is told to stop.

mod page;
mod echo;
mod everyone;
mod conversations;
mod chat;
mod products;
mod figures;
mod room;
mod catalogue;
mod calendar;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use sockeye::{DeflateConfig, Error, Response, Server, ServerBuilder, html, plain};

use crate::arguments::Serve;
use crate::interrupt::on_interrupt;

use catalogue::Catalogue;
use figures::Figures;
use room::Room;

/// Whoever has not closed by then is cut.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// Serves until Ctrl-C or SIGTERM.
pub(crate) fn serve(options: &Serve) -> Result<ExitCode, String> {
    raise_descriptor_limit();
    let threads =
        options.threads.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let figures = Arc::new(Figures::new());
    let builder = limits(Server::builder(), options).threads(threads);
    let server = routes(builder, &figures)
        .bind(&*options.listen)
        .map_err(|error| refusal(&options.listen, &error))?;
    figures.watch(server.clone());

    let (sender, stop) = channel();
    let ask = move || {
        // Nobody listens any more only when the server has stopped already.
        let _ = sender.send(());
    };
    on_interrupt(ask).map_err(|error| format!("cannot wait for signals: {error}"))?;
    let address =
        server.local_addr().map_or_else(|| options.listen.clone(), |address| address.to_string());
    say(&format!("Sockeye serves http://{address}/ with {threads} event loop{}", plural(threads)));
    say("Ctrl-C stops it.");

    // An error means that no signal can come any more, which is a reason to stop as well.
    let _ = stop.recv();
    say(&format!(
        "stopping: connections have {} s to close; Ctrl-C again, after a second, ends it at once",
        DRAIN_WITHIN.as_secs()
    ));
    let report = server.shutdown(DRAIN_WITHIN);
    let mut last = format!(
        "stopped: {} connection{}, {} closed cleanly",
        report.open,
        plural(report.open),
        report.closed_cleanly
    );
    if report.cut > 0 {
        let _ = write!(last, ", {} cut after {} s", report.cut, DRAIN_WITHIN.as_secs());
    }
    say(&last);
    Ok(ExitCode::SUCCESS)
}

/// The limits that the command line moves.
fn limits(builder: ServerBuilder, options: &Serve) -> ServerBuilder {
    let message_bytes_max = options.max_message.get();
    let builder = if options.deflate { builder.deflate(DeflateConfig::default()) } else { builder };
    builder.message_bytes_max(message_bytes_max).connection(|connection| {
        // An echo is never refused for want of room: reading stops long before two messages wait to be sent.
        connection.outbox_bytes_max = connection.outbox_bytes_max.saturating_add(message_bytes_max);
        if let Some(fragments) = options.max_fragments {
            connection.fragments_max = Some(fragments.get());
        }
    })
}

/// Everything that the server answers.
fn routes(builder: ServerBuilder, figures: &Arc<Figures>) -> ServerBuilder {
    let document = page::page();
    let room = Arc::new(Mutex::new(Room::default()));
    let catalogue = Arc::new(Mutex::new(Catalogue::default()));
    let (scraped, watched) = (Arc::clone(figures), Arc::clone(figures));
    builder
        .get("/", move |_| html(document.clone()))
        .get("/healthz", |_| plain("ok\n"))
        .get("/metrics", move |_| metrics(&scraped))
        .route_events("/echo", |_| Ok(echo::Echo))
        .route("/echo/async", echo::echo)
        .route_blocking("/echo/blocking", echo::echo_blocking)
        .route_events("/broadcast", |request| Ok(everyone::Everyone(request.group("everyone"))))
        .route("/connect", conversations::greeter)
        .route("/dialogue", conversations::dialogue)
        .route("/ticker", conversations::ticker)
        .route("/slow", conversations::slow)
        .route("/chat", async move |socket| chat::chat(socket, &room).await)
        .route("/ws/{version}/productos", async move |socket| {
            products::products(socket, &catalogue).await
        })
        .route("/figures", async move |socket| figures::figures(socket, &watched).await)
        .on_error(|error| {
            // That a peer has gone is how most conversations end.
            if !error.is_closed() {
                eprintln!("sockeye: a route failed: {error}");
            }
        })
}

fn metrics(figures: &Figures) -> Response {
    let text = figures.prometheus();
    Response::new(200).body(text, "text/plain; version=0.0.4; charset=utf-8")
}

/// Says why the server cannot listen, and what to do about it where that is known.
fn refusal(listen: &str, error: &Error) -> String {
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
            format!(
                "{listen} is in use by another program; `sockeye serve --listen {host}:0` takes a free port"
            )
        }
        error => format!("cannot listen on {listen}: {error}"),
    }
}

/// What a noun ends in after this number.
const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A connection is a descriptor, and the usual soft limit of 1,024 is for programs that fear large numbers.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it may not be raised, the server accepts fewer connections.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Prints a line at once. Whoever does not read it, as after a closed pipe, loses nothing else by it.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}");
    let _ = stdout.flush();
}
