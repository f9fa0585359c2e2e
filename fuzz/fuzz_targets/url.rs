//! What is parsed is printed so that it parses to the same, `http` reads the same in it, and a
//! request for it is one that our own server takes, for that host and that resource.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::Outbox;
use sockeye_protocol::handshake::{
    ClientHandshake, ClientRequest, Head, HeadLimits, ServerHandshake, Url,
};
use tungstenite::http::Uri;

fuzz_target!(|text: &str| {
    let Ok(url) = Url::parse(text) else { return };
    let printed = url.to_string();
    assert_eq!(Url::parse(&printed).as_ref(), Ok(&url));

    let uri: Uri = printed.parse().expect("a URI");
    assert_eq!(uri.path_and_query().map(|resource| resource.as_str()), Some(url.resource()));
    assert_eq!(uri.authority().map(|authority| authority.as_str()), Some(&*url.authority()));
    assert_eq!(uri.host().map(|host| host.trim_matches(['[', ']'])), Some(url.host()));
    let default = if url.is_secure() { 443 } else { 80 };
    assert_eq!(uri.port_u16().unwrap_or(default), url.port());

    let limits =
        HeadLimits { head_bytes_max: 1 << 20, target_bytes_max: 1 << 20, header_lines_max: 9 };
    let mut outbox = Outbox::new();
    let _ = ClientHandshake::start(&ClientRequest::new(&url), [7; 16], limits, &mut outbox);
    let sent = outbox.chunks().collect::<Vec<_>>().concat();
    let Ok(Some(Head::Upgrade(upgrade))) = ServerHandshake::new(limits).receive(&sent) else {
        panic!("our own request is refused");
    };
    assert_eq!(upgrade.request().host(), url.authority());
    assert_eq!(upgrade.request().target(), url.resource());
    assert_eq!(upgrade.request().head_len(), sent.len());
});
