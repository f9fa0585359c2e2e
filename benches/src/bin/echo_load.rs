//! Measures the CPU time that an echo costs the server, ours beside a raw TCP echo on mio.
//!
//! Both servers run as processes of their own, rounds alternate between them, and the figure is the
//! median of the rounds' ratios with its 95 % bootstrap interval. CPU time is the whole process's,
//! user and system, from the scheduler's nanoseconds.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clap::Parser;
use sockeye_benches::load::{Load, Shape};
use sockeye_benches::{MINIMAL_REQUEST, client_frame, raw};

/// Echo load against the sockeye command and against a raw TCP echo.
#[derive(Debug, Parser)]
struct Arguments {
    /// Shapes to measure, as connections:window:bytes.
    #[arg(default_values = ["100:1:20", "1000:1:20", "100:32:20", "100:32:125", "100:16:1024", "10:8:16384", "10:4:65536", "4:1:1048576"])]
    shapes: Vec<String>,
    /// Rounds of each server.
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Requests in each round for messages of 20 bytes; fewer for longer ones.
    #[arg(long, default_value_t = 100_000)]
    messages: usize,
    /// The sockeye command; by default the one beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// The route to measure.
    #[arg(long, default_value = "/echo")]
    route: String,
    /// Be the raw echo server.
    #[arg(long, hide = true)]
    raw: bool,
}

/// A server in a process of its own, ended with this value.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `command` and reads its address from the first line that holds one.
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let Some(line) = lines.next() else {
                return Err(io::Error::other("the server ended without an address"));
            };
            if let Some(address) = address_in(&line?) {
                break address;
            }
        };
        // The rest of what the server says is read and dropped, so that it is never blocked.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// CPU time that the process has used, in nanoseconds.
    fn cpu_nanos(&self) -> io::Result<u64> {
        let mut sum = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok());
            sum += nanos.ok_or_else(|| io::Error::other("unreadable schedstat"))?;
        }
        Ok(sum)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    line.split(|byte: char| byte.is_whitespace() || byte == '/')
        .find_map(|word| word.trim_end_matches(['.', ',']).parse().ok())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    if arguments.raw {
        let listener = mio::net::TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        println!("{}", listener.local_addr()?);
        return Ok(raw::serve(listener)?);
    }
    let own = std::env::current_exe()?;
    let sockeye = arguments.server.clone().unwrap_or_else(|| own.with_file_name("sockeye"));
    println!("| connections:window:bytes | raw ns | sockeye ns | ratio | 95 % interval |");
    println!("| --- | --- | --- | --- | --- |");
    for shape in &arguments.shapes {
        let numbers: Vec<usize> = shape.split(':').map(str::parse).collect::<Result<_, _>>()?;
        let [connections, window, size] = numbers[..] else {
            return Err(format!("{shape}: expected connections:window:bytes").into());
        };
        let raw_server = Server::start(Command::new(&own).arg("--raw"))?;
        let server = Server::start(Command::new(&sockeye).args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--threads",
            "1",
            "--max-message",
            "67108864",
        ]))?;
        let messages = (arguments.messages * 600 / (600 + size)).max(connections * window);
        let payload = vec![b'a'; size];
        let request = client_frame(0x81, &payload);
        let opening = String::from_utf8(MINIMAL_REQUEST.to_vec())?
            .replacen("GET / ", &format!("GET {} ", arguments.route), 1)
            .into_bytes();
        let raw_shape =
            Shape { opening: Vec::new(), request: request.clone(), reply: request.clone(), window };
        let shape_of_ours = Shape { opening, reply: server_frame(&payload), request, window };
        let mut raw_load = Load::open(raw_server.address, connections, raw_shape)?;
        let mut load = Load::open(server.address, connections, shape_of_ours)?;
        let (mut raw_costs, mut costs) = (Vec::new(), Vec::new());
        for round in 0..=arguments.rounds {
            let raw_cost = cost(&raw_server, &mut raw_load, messages)?;
            let cost = cost(&server, &mut load, messages)?;
            // The first round warms up.
            if round > 0 {
                raw_costs.push(raw_cost);
                costs.push(cost);
            }
        }
        let ratios: Vec<f64> = costs.iter().zip(&raw_costs).map(|(ours, raw)| ours / raw).collect();
        let (low, high) = bootstrap(&ratios);
        println!(
            "| {shape} | {:.0} | {:.0} | {:.3} | {low:.3}–{high:.3} |",
            median(&raw_costs),
            median(&costs),
            median(&ratios)
        );
    }
    Ok(())
}

/// The frame that echoes `payload` as text.
fn server_frame(payload: &[u8]) -> Vec<u8> {
    let header = sockeye_protocol::FrameHeader {
        fin: true,
        opcode: sockeye_protocol::Opcode::Text,
        mask: None,
        payload_len: payload.len() as u64,
    };
    let mut bytes = [0; sockeye_protocol::FrameHeader::BYTES_MAX];
    let len = header.encode(&mut bytes);
    [&bytes[..len], payload].concat()
}

/// CPU nanoseconds per message of one round.
#[expect(clippy::cast_precision_loss, reason = "a round has far fewer than 2^52 nanoseconds")]
fn cost(server: &Server, load: &mut Load, messages: usize) -> io::Result<f64> {
    let before = server.cpu_nanos()?;
    let done = load.round(messages)?;
    Ok((server.cpu_nanos()? - before) as f64 / done as f64)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The 95 % interval of the median, from 2,000 resamples drawn by a fixed generator.
fn bootstrap(values: &[f64]) -> (f64, f64) {
    let mut state = 1_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).expect("31 bits") % values.len().max(1)
    };
    let mut medians: Vec<f64> = (0..2000)
        .map(|_| median(&(0..values.len()).map(|_| values[draw()]).collect::<Vec<_>>()))
        .collect();
    medians.sort_by(f64::total_cmp);
    (medians[50], medians[1949])
}
