//! Several reactors on threads, on real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sockeye_protocol::handshake::Head;
use sockeye_protocol::{Event, Prepared};
use sockeye_reactor::engine::{Address, Mio, Remote};
use sockeye_reactor::{
    Accept, Cluster, Config, Decision, DrainPlan, Group, Handler, Peer, Policy, Reactor, Service,
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

struct Client {
    stream: TcpStream,
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

    fn next(&mut self) -> (u8, Vec<u8>) {
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
        _ => Err(std::io::Error::other("not this one")),
    });
    assert_eq!(made.expect_err("the second fails").to_string(), "not this one");
}
