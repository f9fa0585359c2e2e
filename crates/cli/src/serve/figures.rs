//! What the server counts, as `/figures` sends it every second and `/metrics` answers it.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sockeye::{Error, Server, Socket, Stats};

const SECOND: Duration = Duration::from_secs(1);

/// The server's counters, once there is a server: its routes are made before it.
#[derive(Debug)]
pub(crate) struct Figures {
    started: Instant,
    server: OnceLock<Server>,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), server: OnceLock::new() }
    }

    /// Reports on `server` from now on. It is held until the process ends, so whoever wants it stopped must say so.
    pub(crate) fn watch(&self, server: Server) {
        // The first one stays.
        let _ = self.server.set(server);
    }

    fn stats(&self) -> Stats {
        self.server.get().map(Server::stats).unwrap_or_default()
    }

    /// One JSON object of numbers.
    fn json(&self) -> String {
        let stats = self.stats();
        let mut text = format!("{{\"uptime_millis\":{}", self.started.elapsed().as_millis());
        for (name, value) in [
            ("connections", stats.connections),
            ("messages_received", stats.messages_received),
            ("messages_sent", stats.messages_sent),
            ("bytes_received", stats.bytes_received),
            ("bytes_sent", stats.bytes_sent),
            ("drops", stats.dropped),
        ] {
            let _ = write!(text, ",\"{name}\":{value}");
        }
        text.push('}');
        text
    }

    /// The text format of Prometheus, version 0.0.4.
    pub(crate) fn prometheus(&self) -> String {
        let stats = self.stats();
        let mut text = String::new();
        for (name, kind, help, value) in [
            ("connections", "gauge", "Open WebSocket connections.", stats.connections),
            ("opened_total", "counter", "Connections that have been opened.", stats.opened),
            (
                "gave_way_total",
                "counter",
                "Connections that had not opened yet, or were ending, and gave way to newcomers.",
                stats.gave_way,
            ),
            ("closed_total", "counter", "Open connections that have ended.", stats.closed),
            (
                "responses_total",
                "counter",
                "Requests answered with another status than 101.",
                stats.responded,
            ),
            ("messages_received_total", "counter", "Messages received.", stats.messages_received),
            (
                "messages_sent_total",
                "counter",
                "Messages sent, those of groups included.",
                stats.messages_sent,
            ),
            (
                "bytes_received_total",
                "counter",
                "Bytes read, handshakes included.",
                stats.bytes_received,
            ),
            (
                "bytes_sent_total",
                "counter",
                "Bytes written, handshakes included.",
                stats.bytes_sent,
            ),
            (
                "deliveries_total",
                "counter",
                "Messages of groups delivered to members.",
                stats.deliveries,
            ),
            (
                "drops_total",
                "counter",
                "Messages of groups left out for slow members.",
                stats.dropped,
            ),
            (
                "accept_failures_total",
                "counter",
                "Attempts to accept that failed.",
                stats.accepts_failed,
            ),
            ("panics_total", "counter", "Panics caught in routes.", stats.panics),
            ("reads_total", "counter", "System calls that read.", stats.reads),
            ("writes_total", "counter", "System calls that write.", stats.writes),
            ("turns_total", "counter", "Turns of the event loops.", stats.turns),
            ("tasks", "gauge", "Tasks on the event loops.", stats.tasks),
        ] {
            let _ = writeln!(
                text,
                "# HELP sockeye_{name} {help}\n# TYPE sockeye_{name} {kind}\nsockeye_{name} {value}"
            );
        }
        text
    }
}

/// `/figures`: one object a second.
pub(crate) async fn figures(socket: Socket, figures: &Figures) -> Result<(), Error> {
    loop {
        socket.send_text(&figures.json()).await?;
        socket.sleep(SECOND).await?;
    }
}
