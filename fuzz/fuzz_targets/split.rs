//! The same bytes, whole and cut by the fuzzer, give the same events and the same answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{Choices, Endpoint, agree, deflate_config};
use sockeye_protocol::{Config, Role};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let (is_client, directly, deflates) = (choices.coin(), choices.coin(), choices.coin());
    let agreed = match deflates {
        true => agree(&deflate_config(&mut choices), &deflate_config(&mut choices)),
        false => None,
    };
    let (role, deflate) = match is_client {
        true => (Role::Client, agreed.map(|[client, _]| client)),
        false => (Role::Server, agreed.map(|[_, server]| server)),
    };
    let mut config = Config::default();
    config.message_bytes_max = choices.one_of(&[100, 4096, 70_000]);
    let [mut whole, mut cut] =
        [config.clone(), config].map(|config| Endpoint::new(role, config, deflate.as_ref()));
    let lengths = choices.slice();
    let bytes = choices.rest();
    whole.receive(bytes);
    for piece in Choices::new(&[&[lengths.len() as u8], lengths].concat()).cut(bytes) {
        if directly { cut.receive_directly(piece) } else { cut.receive(piece) }
    }
    assert_eq!(whole.reports, cut.reports);
    assert_eq!(whole.send(usize::MAX), cut.send(usize::MAX));
    assert_eq!(whole.connection.closed(), cut.connection.closed());
    assert_eq!(whole.connection.transport(), cut.connection.transport());
    assert_eq!(whole.connection.poll_timeout(), cut.connection.poll_timeout());
});
