//! More connections than there are descriptors, and ten thousand at once. Limits hold for a whole
//! process, and two ends of ten thousand connections are too many for one, so these tests run this
//! binary again.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sockeye_protocol::Event;
use sockeye_reactor::Cause;
use sockeye_reactor::engine::{Address, Engine};

use super::{Caller, PATIENCE, Shore};
use crate::frames::{TEXT, masked, request};
use crate::support::{Moment, Scripted, Told, echo};

/// Tells a child what it is for.
const CHILD: &str = "SOCKEYE_TEST_CROWDS";
const DONE: &str = "the child got to the end";

/// This binary, to run one test alone, which reads `argument` from its environment.
fn child(test: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", &format!("faults::crowds::{test}"), "--nocapture", "--test-threads=1"])
        .env(CHILD, argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

#[test]
fn attack_17_without_descriptors_the_others_are_served_and_the_loop_neither_spins_nor_stays_deaf() {
    let output = child("out_of_descriptors", "").output().expect("the child runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(DONE), "{said}");
}

/// Does nothing unless it has a process of its own.
#[test]
fn out_of_descriptors() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut shore = Shore::new(echo());
    let mut bystander = shore.open();
    let mut crowd: Vec<Caller> = (0..20).map(|_| shore.call()).collect();
    crowd.iter_mut().for_each(|caller| caller.write(&request("/")));
    let whole = limit_descriptors_to(5);
    shore.until("out of descriptors", |shore| shore.reactor.stats().accepts_failed > 0);
    assert_eq!(shore.reactor.stats().accepted, 1 + 5);
    shore.assert_served(&mut bystander);

    // For a second the loop is left to itself, with a backlog and no descriptor.
    let polls = shore.reactor.engine_mut().polls;
    let until = shore.reactor.engine_mut().now() + Duration::from_secs(1);
    while shore.reactor.engine_mut().now() < until {
        shore.reactor.turn().expect("an engine that works");
    }
    let polls = shore.reactor.engine_mut().polls - polls;
    assert!(polls <= 40, "{polls} polls in a second, of which ten try to accept");
    shore.assert_served(&mut bystander);

    // One was refused for each failure. The rest is found though no edge comes.
    setrlimit(Resource::Nofile, whole).expect("the limit that it was");
    let refused = |shore: &Shore| shore.count(|told| matches!(told, Told::AcceptFailed));
    shore.until("recovered", |shore| {
        shore.reactor.open_sessions() + refused(shore) == 1 + crowd.len()
    });
    assert!((2..=15).contains(&refused(&shore)), "{} were refused", refused(&shore));
    let mut served = 0;
    for caller in &mut crowd {
        if caller.read() {
            assert!(caller.head().is_some_and(|head| head.starts_with("HTTP/1.1 101 ")));
            shore.assert_served(caller);
            served += 1;
        }
    }
    assert_eq!(served + refused(&shore), crowd.len());
    assert!(shore.causes().is_empty());
    eprintln!("{DONE}");
}

/// Leaves this process so many descriptors beyond those that it has. Returns the limit as it was.
fn limit_descriptors_to(more: u64) -> Rlimit {
    let whole = getrlimit(Resource::Nofile);
    let next = fs::File::open("/dev/null").expect("a descriptor").as_raw_fd();
    let mut limit = whole;
    limit.current = Some(u64::try_from(next).expect("a descriptor") + more);
    setrlimit(Resource::Nofile, limit).expect("a lower limit");
    whole
}

/// As many as ten thousand, where one process may have so many.
pub(super) fn crowd() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let most = limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    setrlimit(Resource::Nofile, limit).expect("what is allowed");
    most.saturating_sub(500).min(10_000)
}

#[test]
fn attack_32_ten_thousand_who_connect_at_once_are_all_served_and_nobody_else_waits() {
    let crowd = crowd();
    let mut shore = Shore::new(echo());
    let mut bystander = shore.open();
    let argument = format!("{} {crowd}", shore.address);
    let mut others = child("connecting", &argument).spawn().expect("the child runs");
    let mut turns = 0;
    shore.until("all are open", |shore| {
        bystander.write(&masked(TEXT, b"am I served?"));
        let before = shore.reactor.stats().turns;
        assert_eq!(shore.next(&mut bystander).1, b"am I served?");
        turns = (shore.reactor.stats().turns - before).max(turns);
        shore.reactor.open_sessions() == 1 + crowd
    });
    // The system may take a turn or two to bring it; all of them take 150 turns and more.
    assert!(turns <= 20, "an echo took {turns} turns, of which each accepts 64 at most");
    assert_eq!(shore.reactor.stats().accepts_failed, 0);
    // Each of them says something and gets its echo; then they go, all at once.
    let echoed =
        |shore: &Shore| shore.count(|told| matches!(told, Told::Text(text) if text == "here"));
    shore.until("all are served", |shore| echoed(shore) == crowd);
    let mut told = others.stderr.take().expect("a pipe");
    let telling = std::thread::spawn(move || {
        let mut said = String::new();
        told.read_to_string(&mut said).map(|_| said)
    });
    shore.until("all are gone", |shore| shore.reactor.sessions() == 1);
    let said = telling.join().expect("no panic").expect("what the child said");
    assert!(others.wait().expect("the child ends").success() && said.contains(DONE), "{said}");
    let is_gone = |cause: &Cause| matches!(cause, Cause::Eof | Cause::Transport(_) | Cause::Closed);
    assert_eq!(shore.causes().iter().filter(|cause| is_gone(cause)).count(), crowd);
    shore.assert_served(&mut bystander);
}

/// Connects as often as it is told to, all at once, in a process of its own.
#[test]
fn connecting() {
    let Ok(argument) = std::env::var(CHILD) else { return };
    let Some((address, count)) = argument.split_once(' ') else { return };
    let address: SocketAddr = address.parse().expect("an address");
    let count: usize = count.parse().expect("a number");
    assert!(crowd() >= count);
    let script: crate::support::Script = Rc::new(|peer, moment| match moment {
        Moment::Open => peer.send_text("here").expect("an open session"),
        Moment::Event(Event::Text(text)) => assert_eq!(&**text, "here"),
        _ => {}
    });
    let mut shore = Shore::configured(script.clone(), |config| config.handshake_within = PATIENCE);
    let url = sockeye_protocol::handshake::Url::parse("ws://server.example.com/").expect("a URL");
    let request = sockeye_protocol::handshake::ClientRequest::new(&url);
    for _ in 0..count {
        let handler = Scripted::new(&shore.log, &script);
        shore.reactor.connect(&Address::Tcp(address), &request, handler).expect("a descriptor");
    }
    let mut echoes = 0;
    shore.until("all have their echo", |shore| {
        let mut log = shore.log.borrow_mut();
        assert!(!log.iter().any(|told| matches!(told, Told::Failed(_) | Told::Closed(_))));
        echoes += log.iter().filter(|told| matches!(told, Told::Text(_))).count();
        log.clear();
        echoes == count
    });
    eprintln!("{DONE}");
}
