//! A response's head gets the same verdict whole and byte by byte, and whatever is accepted,
//! httparse accepts and reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::handshake::{
    ClientHandshake, ClientRequest, HandshakeError, HeadLimits, Reply, Url,
};
use sockeye_protocol::{DeflateConfig, Outbox};

fn verdict<'b>(
    prefixes: impl Iterator<Item = &'b [u8]>,
) -> Result<Option<Reply<'b>>, HandshakeError> {
    let url = Url::parse("ws://localhost/").expect("a URL");
    let request = ClientRequest::new(&url).deflate(DeflateConfig::default());
    let request = request.subprotocol("chat").expect("a token");
    let (limits, nonce) = (HeadLimits::default(), *b"the sample nonce");
    let mut handshake = ClientHandshake::start(&request, nonce, limits, &mut Outbox::new());
    prefixes.map(|prefix| handshake.receive(prefix)).find_map(Result::transpose).transpose()
}

fuzz_target!(|data: &[u8]| {
    let whole = verdict(std::iter::once(data));
    let pieces = verdict((0..=data.len()).map(|len| &data[..len]));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    let Ok(Some(reply)) = whole else { return };
    // Interim responses come first.
    let (mut start, mut statuses) = (0, Vec::new());
    let head_len = match &reply {
        Reply::Switched(switched) => switched.head_len,
        Reply::Refused(refusal) => refusal.head_len(),
    };
    while start < head_len {
        let mut headers = [httparse::EMPTY_HEADER; 256];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&data[start..]) {
            Ok(httparse::Status::Complete(len)) => start += len,
            // As with requests: a later minor version is read as the latest that is known.
            Err(httparse::Error::Version) => return,
            // RFC 9112, section 4: the reason may hold obs-text, which httparse refuses in part.
            other => panic!("{other:?}"),
        }
        statuses.push(response.code);
        if let (true, Reply::Refused(refusal)) = (start == head_len, &reply) {
            let theirs = response.headers.iter().map(|header| (header.name, header.value));
            assert!(refusal.headers().eq(theirs), "{:?}", response.headers);
        }
    }
    assert_eq!(start, head_len);
    let status = match &reply {
        Reply::Switched(_) => 101,
        Reply::Refused(refusal) => refusal.status(),
    };
    assert_eq!(statuses.pop(), Some(Some(status)));
    assert!(statuses.iter().flatten().all(|status| *status < 200 && *status != 101));
});
