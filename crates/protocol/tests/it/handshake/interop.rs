//! Our handshake against tungstenite's, in memory, both ways.

use super::*;
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use tungstenite::handshake::HandshakeError as Interrupted;
use tungstenite::handshake::server::{ErrorResponse, Request, Response as ServerResponse};
use tungstenite::http::HeaderValue;

/// A stream without a peer: reading finds nothing more when `incoming` is used up, and says so.
#[derive(Clone, Debug, Default)]
struct Wire {
    incoming: Rc<RefCell<Vec<u8>>>,
    outgoing: Rc<RefCell<Vec<u8>>>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut incoming = self.incoming.borrow_mut();
        if incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buffer.len().min(incoming.len());
        buffer[..len].copy_from_slice(&incoming[..len]);
        incoming.drain(..len);
        Ok(len)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn hss_22_hss_25_their_client_takes_our_answers() {
    for subprotocol in [None, Some("superchat")] {
        let wire = Wire::default();
        let request = tungstenite::client::ClientRequestBuilder::new(
            "ws://server.example.com:9001/chat?a=b".parse().unwrap(),
        );
        let request = match subprotocol {
            Some(_) => request.with_sub_protocol("chat").with_sub_protocol("superchat"),
            None => request,
        };
        let Err(Interrupted::Interrupted(waiting)) = tungstenite::client(request, wire.clone())
        else {
            panic!("no answer was given yet");
        };
        let sent = wire.outgoing.take();
        check("theirs", &sent, &Upgrade);
        let head = head_of(&sent);
        let upgrade = head.upgrade().unwrap();
        assert_eq!(upgrade.request().target(), "/chat?a=b");
        assert_eq!(upgrade.request().host(), "server.example.com:9001");
        assert_eq!(upgrade.subprotocols().count(), subprotocol.map_or(0, |_| 2));

        let mut acceptance =
            Acceptance { subprotocol: subprotocol.map(Into::into), ..Acceptance::default() };
        acceptance.headers.push(header("Server", "sockeye"));
        let mut outbox = Outbox::new();
        upgrade.accept(&acceptance, &mut outbox).unwrap();
        wire.incoming.borrow_mut().extend_from_slice(drain(&outbox).as_bytes());
        let (_, response) = waiting.handshake().expect("the answer is right");
        assert_eq!(response.status(), 101);
        let chosen = response.headers().get("sec-websocket-protocol").map(HeaderValue::as_bytes);
        assert_eq!(chosen, subprotocol.map(str::as_bytes));
    }
}

#[test]
fn hsc_08_hsc_24_their_server_takes_our_requests() {
    for seed in 0..200_u8 {
        let request =
            client_request("ws://server.example.com/chat?a=b").subprotocol("chat").unwrap();
        let request =
            request.subprotocol("superchat").unwrap().origin("https://a.example").unwrap();
        // Any bytes do, as long as each seed has its own.
        let mut state = seed;
        let nonce = [(); 16].map(|()| {
            state = state.wrapping_mul(29).wrapping_add(seed | 1);
            state
        });
        let mut outbox = Outbox::new();
        let mut client =
            ClientHandshake::start(&request, nonce, HeadLimits::default(), &mut outbox);
        let wire = Wire::default();
        wire.incoming.borrow_mut().extend_from_slice(drain(&outbox).as_bytes());

        #[allow(clippy::result_large_err, reason = "the signature is tungstenite's")]
        let choose =
            |request: &Request, mut response: ServerResponse| -> Result<_, ErrorResponse> {
                assert_eq!(request.uri(), "/chat?a=b");
                assert_eq!(request.headers()["origin"], "https://a.example");
                response
                    .headers_mut()
                    .insert("sec-websocket-protocol", HeaderValue::from_static("superchat"));
                Ok(response)
            };
        let mut theirs =
            tungstenite::accept_hdr(wire.clone(), choose).expect("the request is right");
        theirs.send("hello".into()).unwrap();

        let answer = wire.outgoing.take();
        let Ok(Some(Reply::Switched(switched))) = client.receive(&answer) else {
            panic!("not taken: {}", answer.escape_ascii());
        };
        assert_eq!(switched.subprotocol.as_deref(), Some("superchat"));
        assert_eq!(&answer[switched.head_len..], b"\x81\x05hello");
    }
}

#[test]
fn hsc_21_their_client_takes_our_refusals() {
    let wire = Wire::default();
    let Err(Interrupted::Interrupted(waiting)) = tungstenite::client("ws://h/", wire.clone())
    else {
        panic!("no answer was given yet");
    };
    let refusal = written(&Response::new(403).body("no", "text/plain"));
    wire.incoming.borrow_mut().extend_from_slice(refusal.as_bytes());
    let Err(Interrupted::Failure(tungstenite::Error::Http(response))) = waiting.handshake() else {
        panic!("a 403 is a refusal");
    };
    assert_eq!((response.status().as_u16(), response.body().as_deref()), (403, Some(&b"no"[..])));
}

#[test]
fn hsc_21_our_client_takes_their_refusals() {
    let (mut client, sent) = start(&client_request("ws://h/"), HeadLimits::default());
    let wire = Wire::default();
    wire.incoming.borrow_mut().extend_from_slice(sent.as_bytes());
    #[allow(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let refuse = |_: &Request, _: ServerResponse| -> Result<ServerResponse, ErrorResponse> {
        Err(tungstenite::http::Response::builder().status(401).body(Some("who?".into())).unwrap())
    };
    assert!(tungstenite::accept_hdr(wire.clone(), refuse).is_err());
    let answer = wire.outgoing.take();
    let Ok(Some(Reply::Refused(refusal))) = client.receive(&answer) else {
        panic!("not understood: {}", answer.escape_ascii());
    };
    assert_eq!((refusal.status(), &answer[refusal.head_len()..]), (401, &b"who?"[..]));
}
