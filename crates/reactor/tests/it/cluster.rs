//! Several reactors on threads, on real sockets.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_protocol::handshake::Head;
use sockeye_protocol::{Event, Prepared};
use sockeye_reactor::engine::{Address, GivenListener, Mio, Remote};
use sockeye_reactor::{
    Accept, Cluster, Config, Decision, DrainPlan, Group, Handler, Outcome, Peer, Policy, Reactor,
    Service, Spreading,
};

use crate::frames::{CLOSE, TEXT, close, request, take, take_head};

struct Member(Group);

impl Handler for Member {
    fn open(&mut self, peer: &mut Peer<'_>) {
        peer.join(&self.0, Policy::Close);
    }

    fn event(&mut self, _: &mut Peer<'_>, _: Event<'_>) {}
}

struct Members(Group);

impl Service for Members {
    type Handler = Member;

    fn request(&mut self, _: &Head<'_>, _: &Remote) -> Decision<Member> {
        Decision::Accept(Accept::new(Member(self.0.clone())))
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    bytes: Vec<u8>,
}

impl Client {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a listener");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let mut client = Self { stream, bytes: Vec::new() };
        client.stream.write_all(&request("/")).expect("a server that reads");
        while take_head(&mut client.bytes).is_none() {
            client.read();
        }
        client
    }

    fn read(&mut self) {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk).expect("bytes in time");
        assert!(count > 0, "the server ended the stream");
        self.bytes.extend_from_slice(&chunk[..count]);
    }

    pub(crate) fn next(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some(frame) = take(&mut self.bytes) {
                return frame;
            }
            self.read();
        }
    }
}

fn start(threads: usize, group: &Group) -> (Cluster, SocketAddr) {
    let wanted = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let group = group.clone();
    let cluster = Cluster::start(threads, &[wanted], move |_| {
        Ok(Reactor::new(Mio::new()?, Members(group.clone()), Config::default()))
    });
    let cluster = cluster.expect("reactors that start");
    let [Address::Tcp(address)] = cluster.addresses() else { panic!("one TCP address") };
    let address = *address;
    (cluster, address)
}

#[test]
fn publishers_on_several_threads_reach_members_on_all_reactors_in_one_order() {
    let group = Group::new();
    let (cluster, address) = start(2, &group);
    let mut clients: Vec<Client> = (0..16).map(|_| Client::open(address)).collect();
    assert_eq!(group.members(), 16);
    std::thread::scope(|scope| {
        for publisher in 0..4 {
            let group = &group;
            scope.spawn(move || {
                for number in 0..50 {
                    group.publish(Prepared::text(&format!("{publisher} {number}")));
                }
            });
        }
    });
    let orders: Vec<Vec<(u8, Vec<u8>)>> =
        clients.iter_mut().map(|client| (0..200).map(|_| client.next()).collect()).collect();
    assert!(orders.iter().all(|order| *order == orders[0]), "all members see one order");
    assert!(orders[0].iter().all(|(first, _)| *first == TEXT));

    // Every client answers its Close frame while the drain waits for that.
    let answering = std::thread::spawn(move || {
        for client in &mut clients {
            assert_eq!(client.next().0, CLOSE);
            client.stream.write_all(&close(1001)).expect("a server that reads");
            client.stream.shutdown(std::net::Shutdown::Write).expect("an open stream");
        }
    });
    let report = cluster.drain(&DrainPlan::within(Duration::from_secs(10)));
    answering.join().expect("clients that answer");
    assert_eq!((report.open, report.closed_cleanly, report.cut), (16, 16, 0));
    cluster.join().expect("reactors that end");
    assert_eq!(group.members(), 0);
}

#[test]
fn a_cluster_that_is_dropped_stops_its_threads() {
    let group = Group::new();
    let (cluster, address) = start(3, &group);
    assert_eq!(cluster.handles().count(), 3);
    let _client = Client::open(address);
    drop(cluster);
    assert_eq!(group.members(), 0);
}

#[test]
fn a_reactor_that_cannot_be_made_is_an_error() {
    let made = Cluster::start(2, &[], |index| match index {
        0 => Ok(Reactor::new(Mio::new()?, Members(Group::new()), Config::default())),
        _ => Err(io::Error::other("not this one")),
    });
    assert_eq!(made.expect_err("the second fails").to_string(), "not this one");
}

/// How many sessions each reactor has open.
pub(crate) type Counts = Arc<[AtomicUsize; 3]>;

/// Tells its peer which reactor it is on.
struct Local(Counts, usize);

impl Handler for Local {
    fn open(&mut self, peer: &mut Peer<'_>) {
        self.0[self.1].fetch_add(1, Ordering::SeqCst);
        peer.send_text(&self.1.to_string()).expect("an open session");
    }

    fn event(&mut self, _: &mut Peer<'_>, _: Event<'_>) {}

    fn close(&mut self, _: Outcome) {
        self.0[self.1].fetch_sub(1, Ordering::SeqCst);
    }
}

struct Locals(Counts, usize);

impl Service for Locals {
    type Handler = Local;

    fn request(&mut self, _: &Head<'_>, _: &Remote) -> Decision<Local> {
        Decision::Accept(Accept::new(Local(Arc::clone(&self.0), self.1)))
    }
}

/// A cluster whose handlers tell on which reactor they are.
pub(crate) fn counted(
    given: Vec<GivenListener>,
    spreading: Spreading,
    threads: usize,
    addresses: &[Address],
) -> io::Result<(Cluster, Counts)> {
    let counts = Counts::default();
    let kept = Arc::clone(&counts);
    let cluster = Cluster::start_on(given, spreading, threads, addresses, move |index| {
        let service = Locals(Arc::clone(&counts), index);
        Ok(Reactor::new(Mio::new()?, service, Config::default()))
    })?;
    Ok((cluster, kept))
}

/// Three reactors, of which the first listens for all.
fn handing_over(address: Address) -> (Cluster, Counts) {
    counted(Vec::new(), Spreading::HandOver, 3, &[address]).expect("reactors that start")
}

pub(crate) fn loopback() -> Address {
    Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Clients with the index of the reactor that each is on.
fn open_several(cluster: &Cluster, count: usize) -> Vec<(usize, Client)> {
    let [Address::Tcp(address)] = cluster.addresses() else { panic!("one TCP address") };
    open_at(*address, count)
}

/// The same at one of several addresses.
pub(crate) fn open_at(address: SocketAddr, count: usize) -> Vec<(usize, Client)> {
    let open = |_| {
        let mut client = Client::open(address);
        let (_, index) = client.next();
        let index = String::from_utf8(index).expect("a number").parse().expect("a number");
        (index, client)
    };
    (0..count).map(open).collect()
}

pub(crate) fn read(counts: &Counts) -> [usize; 3] {
    std::array::from_fn(|index| counts[index].load(Ordering::SeqCst))
}

#[test]
fn one_listener_hands_each_connection_to_whoever_has_the_fewest() {
    let (cluster, counts) = handing_over(loopback());
    let mut clients = open_several(&cluster, 30);
    assert_eq!(read(&counts), [10; 3]);
    // All of one reactor's go, and newcomers take their places.
    clients.retain(|(index, _)| *index != 1);
    while read(&counts) != [10, 0, 10] {
        std::thread::yield_now();
    }
    clients.extend(open_several(&cluster, 10));
    let after = read(&counts);
    // The reactor tells how many it has at the end of a turn, so the first may come before that.
    assert!(after.iter().all(|count| (9..=11).contains(count)), "{after:?}");

    let draining =
        std::thread::spawn(move || cluster.drain(&DrainPlan::within(Duration::from_secs(10))));
    for (_, client) in &mut clients {
        assert_eq!(client.next().0, CLOSE);
        client.stream.write_all(&close(1001)).expect("a server that reads");
        client.stream.shutdown(std::net::Shutdown::Write).expect("an open stream");
    }
    let report = draining.join().expect("a drain that ends");
    assert_eq!((report.open, report.closed_cleanly, report.cut), (30, 30, 0));
    assert_eq!(read(&counts), [0; 3]);
}

/// The stream when its upgrade has been answered.
pub(crate) fn open_stream(mut stream: UnixStream) -> UnixStream {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(&request("/")).expect("a server that reads");
    let mut bytes = Vec::new();
    while take_head(&mut bytes).is_none() {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).expect("bytes in time");
        assert!(count > 0, "the server ended the stream");
        bytes.extend_from_slice(&chunk[..count]);
    }
    stream
}

#[test]
fn a_unix_socket_is_handed_over_as_well() {
    let path = std::env::temp_dir().join(format!("sockeye-handed-{}.sock", std::process::id()));
    let (cluster, counts) = handing_over(Address::Unix(path.clone()));
    let _clients: Vec<UnixStream> =
        (0..6).map(|_| open_stream(UnixStream::connect(&path).expect("a listener"))).collect();
    assert_eq!(read(&counts), [2; 3]);
    drop(cluster);
    assert!(!path.exists());
}

#[test]
fn what_nobody_else_can_take_stays_with_whoever_accepted_it() {
    let gone =
        Reactor::new(Mio::new().expect("an engine"), Members(Group::new()), Config::default());
    let handle = gone.handle();
    drop(gone);
    let group = Group::new();
    let engine = Mio::new().expect("an engine");
    let mut reactor = Reactor::new(engine, Members(group.clone()), Config::default());
    let Ok(Address::Tcp(address)) = reactor.listen(&loopback()) else { panic!("no address") };
    reactor.hand_over_to([&handle]);
    let stop = reactor.handle();
    let thread = std::thread::spawn(move || reactor.run());
    let _clients: Vec<Client> = (0..10).map(|_| Client::open(address)).collect();
    assert_eq!(group.members(), 10);
    stop.stop();
    thread.join().expect("no panic").expect("an engine that works");
}
