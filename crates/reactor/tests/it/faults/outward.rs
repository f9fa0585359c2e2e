//! Resets and ends in every phase of an outward connection, of which the test is the server.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use sockeye_reactor::engine::Address;
use sockeye_reactor::{Cause, ConnectError};

use super::Shore;
use super::spy::Call;
use crate::outward::{accepting, request};
use crate::support::{Scripted, Told, echo, silent};

/// When the server breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Before the loop has learned that there is a connection.
    Connecting,
    /// After the request.
    Asked,
    /// In the middle of the answer's head.
    Answer,
    /// In the middle of a refusal's body.
    Refusal,
    /// Once the session is open.
    Open,
    /// In the middle of a message.
    Message,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Reset,
    HalfClose,
    HalfCloseThenReset,
}

/// What a server says up to the moment.
fn answer(moment: Moment, asked: &str) -> Vec<u8> {
    let mut head = accepting(asked);
    match moment {
        Moment::Connecting | Moment::Asked => return Vec::new(),
        Moment::Refusal => {
            return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\nhalf of it".to_vec();
        }
        Moment::Answer => head.truncate(60),
        Moment::Open => {}
        Moment::Message => head.extend_from_slice(b"\x81\x0Ahalf"),
    }
    head
}

fn break_off(stream: &TcpStream, fault: Fault) {
    if fault != Fault::Reset {
        stream.shutdown(Shutdown::Write).expect("an open stream");
    }
    if fault != Fault::HalfClose {
        socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}

/// Plays the server up to the fault. What is returned stays open.
fn serve(
    shore: &mut Shore,
    listener: &TcpListener,
    moment: Moment,
    fault: Fault,
) -> Option<TcpStream> {
    let (mut stream, _) = listener.accept().expect("the loop connects");
    if moment != Moment::Connecting {
        stream.set_nonblocking(true).expect("a socket");
        let mut asked = Vec::new();
        shore.until("asked", |_| {
            let mut chunk = [0; 4096];
            if let Ok(count) = stream.read(&mut chunk) {
                asked.extend_from_slice(&chunk[..count]);
            }
            asked.ends_with(b"\r\n\r\n")
        });
        let said = answer(moment, &String::from_utf8(asked).expect("a head is ASCII"));
        let heard = shore.reactor.stats().bytes_read + said.len() as u64;
        stream.write_all(&said).expect("room");
        shore.until("answered", |shore| shore.reactor.stats().bytes_read >= heard);
    }
    break_off(&stream, fault);
    (fault == Fault::HalfClose).then_some(stream)
}

/// What a handler was told of the end of its attempt or session.
fn is_right(moment: Moment, fault: Fault, told: &Told) -> bool {
    let is_broken =
        |kind: ErrorKind| matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
    match (moment, told) {
        (Moment::Open | Moment::Message, Told::Closed(outcome)) => match outcome.cause {
            Cause::Eof => fault != Fault::Reset,
            Cause::Transport(kind) => fault != Fault::HalfClose && is_broken(kind),
            _ => false,
        },
        (Moment::Refusal, Told::Failed(ConnectError::Refused(refused))) => {
            refused.status == 403 && fault != Fault::Reset
        }
        (Moment::Open | Moment::Message, _) => false,
        (_, Told::Failed(ConnectError::Ended)) => fault != Fault::Reset,
        (_, Told::Failed(ConnectError::Transport(kind))) => {
            fault != Fault::HalfClose && is_broken(*kind)
        }
        _ => false,
    }
}

#[test]
fn an_outward_connection_that_breaks_off_anywhere_ends_once_and_alone() {
    let moments = [
        Moment::Connecting,
        Moment::Asked,
        Moment::Answer,
        Moment::Refusal,
        Moment::Open,
        Moment::Message,
    ];
    for moment in moments {
        for fault in [Fault::Reset, Fault::HalfClose, Fault::HalfCloseThenReset] {
            let mut shore = Shore::new(echo());
            let mut bystander = shore.open();
            let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
            let address = Address::Tcp(listener.local_addr().expect("an address"));
            shore.log.borrow_mut().clear();
            let handler = Scripted::new(&shore.log, &silent());
            shore.reactor.connect(&address, &request(), handler).expect("it begins");
            let _left = serve(&mut shore, &listener, moment, fault);
            shore.until(&format!("over after {fault:?} at {moment:?}"), |shore| {
                shore.reactor.sessions() == 1
            });
            let is_end = |told: &Told| matches!(told, Told::Failed(_) | Told::Closed(_));
            assert_eq!(shore.count(is_end), 1, "{fault:?} at {moment:?}");
            let is_right = |told: &Told| is_right(moment, fault, told);
            assert_eq!(shore.count(is_right), 1, "{:?} for {fault:?} at {moment:?}", shore.log);
            shore.assert_served(&mut bystander);
        }
    }
}

#[test]
fn a_port_where_nobody_listens_is_refused_and_told_once() {
    let mut shore = Shore::new(echo());
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
    let address = Address::Tcp(listener.local_addr().expect("an address"));
    drop(listener);
    let handler = Scripted::new(&shore.log, &silent());
    shore.reactor.connect(&address, &request(), handler).expect("it begins");
    shore.until("over", |shore| shore.reactor.sessions() == 0);
    let is_refused = |told: &Told| {
        matches!(told, Told::Failed(ConnectError::Transport(ErrorKind::ConnectionRefused)))
    };
    assert_eq!(shore.count(is_refused), 1);
    assert!(shore.has_met(Call::Connect, ErrorKind::ConnectionRefused));
}
