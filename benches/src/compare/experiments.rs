//! What is compared, and what the figures have to be.

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages come back.
    Echo,
    /// Connections are opened.
    Connect,
    /// One sends, all receive.
    Broadcast,
    /// Connections are open and silent.
    Idle,
}

impl Kind {
    /// The command of `sockeye bench`.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Connect => "connect",
            Self::Broadcast => "broadcast",
            Self::Idle => "idle",
        }
    }

    /// What its section is about.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Echo => "Echo: the server's processor time for each message",
            Self::Connect => "Connecting: the server's processor time for each connection",
            Self::Broadcast => "Broadcast: the server's processor time for each delivery",
            Self::Idle => "Idle connections: the server's resident memory for each",
        }
    }
}

/// All kinds, in the order of the section.
pub const KINDS: [Kind; 4] = [Kind::Echo, Kind::Connect, Kind::Broadcast, Kind::Idle];

/// One load on every server.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// What kind of load.
    pub kind: Kind,
    /// How many connections.
    pub connections: usize,
    /// How many messages each has under way, of a broadcast the sender; how many connections are opened at a time.
    pub window: usize,
    /// Bytes of payload.
    pub size: usize,
    /// What the payload is, as `sockeye bench --kind` names it.
    pub payload: &'static str,
    /// Messages, or connections, of one round.
    pub count: usize,
    /// What event routes have to stay below: a multiple of raw, or bytes.
    pub bar: Option<f64>,
}

impl Experiment {
    /// What it is called in tables and on the command line.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { connections, window, size, .. } = self;
        match self.kind {
            Kind::Echo if self.payload == "text" => format!("{connections}:{window}:{size}"),
            Kind::Echo => format!("{connections}:{window}:{size} {}", self.payload),
            Kind::Connect => format!("connect {connections}, {window} at a time"),
            Kind::Broadcast => format!("broadcast {connections}:{window}:{size}"),
            Kind::Idle => format!("idle {connections}"),
        }
    }

    /// The options of `sockeye bench` behind the URL.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let mut options = vec![format!("--connections={}", self.connections)];
        match self.kind {
            Kind::Idle => options.extend([format!("--size={}", self.size), "--duration=1".into()]),
            Kind::Connect => options
                .extend([format!("--window={}", self.window), format!("--count={}", self.count)]),
            Kind::Echo | Kind::Broadcast => options.extend([
                format!("--window={}", self.window),
                format!("--size={}", self.size),
                format!("--kind={}", self.payload),
                format!("--count={}", self.count),
                "--check".into(),
            ]),
        }
        options
    }

    /// What a message has on the wire as the client sends it.
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        let header = match self.size {
            0..126 => 6,
            126..65_536 => 8,
            _ => 14,
        };
        self.size + header
    }
}

const fn echo(
    (connections, window, size): (usize, usize, usize),
    payload: &'static str,
    count: usize,
    bar: f64,
) -> Experiment {
    let kind = Kind::Echo;
    Experiment { kind, connections, window, size, payload, count, bar: Some(bar) }
}

/// All of them. A round takes a few tenths of a second.
pub const EXPERIMENTS: [Experiment; 12] = [
    echo((100, 1, 20), "text", 30_000, 1.04),
    echo((1000, 1, 20), "text", 30_000, 1.10),
    echo((100, 32, 20), "text", 320_000, 1.10),
    echo((100, 32, 125), "text", 320_000, 1.10),
    echo((100, 32, 125), "multi-byte", 320_000, 1.25),
    echo((100, 16, 1024), "text", 160_000, 1.20),
    echo((10, 8, 16_384), "text", 16_000, 1.50),
    echo((10, 4, 65_536), "text", 5_000, 1.30),
    echo((4, 1, 1_048_576), "text", 250, 1.10),
    Experiment {
        kind: Kind::Connect,
        connections: 1000,
        window: 32,
        size: 0,
        payload: "text",
        count: 3000,
        bar: None,
    },
    Experiment {
        kind: Kind::Broadcast,
        connections: 1000,
        window: 16,
        size: 125,
        payload: "text",
        count: 160,
        bar: Some(0.80),
    },
    Experiment {
        kind: Kind::Idle,
        connections: 15_000,
        window: 1,
        size: 20,
        payload: "text",
        count: 0,
        bar: Some(256.0),
    },
];

#[cfg(test)]
mod tests {
    use sockeye_protocol::Opcode;

    use super::EXPERIMENTS;
    use crate::client_frame;

    #[test]
    fn what_a_window_holds_is_counted_as_it_is_on_the_wire() {
        for experiment in EXPERIMENTS {
            let frame = client_frame(0x80 | Opcode::Text.bits(), &vec![b'a'; experiment.size]);
            assert_eq!(frame.len(), experiment.frame_bytes(), "{}", experiment.name());
        }
    }

    #[test]
    fn every_experiment_has_a_name_of_its_own() {
        let names = EXPERIMENTS.map(|experiment| experiment.name());
        let mut sorted = names.to_vec();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len());
    }
}
