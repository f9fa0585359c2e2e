//! A header that is read is written back to the same bytes, and one that is written is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::Choices;
use sockeye_protocol::{Config, FrameHeader, FrameReader, Opcode, Role};

fn read(role: Role, bytes: &[u8]) -> Option<FrameHeader> {
    let mut config = Config::default();
    config.message_bytes_max = usize::MAX;
    let mut bytes = bytes.to_vec();
    let chunk = FrameReader::new(role, &config).next(&mut &mut bytes[..]);
    chunk.ok().flatten().map(|chunk| chunk.header)
}

fuzz_target!(|data: &[u8]| {
    for role in [Role::Server, Role::Client] {
        let Some(header) = read(role, data) else { continue };
        let mut bytes = [0; FrameHeader::BYTES_MAX];
        let len = header.encode(&mut bytes);
        assert_eq!(bytes[..len], data[..len]);
    }
    let mut choices = Choices::new(data);
    let (fin, opcode) = (choices.coin(), choices.one_of(&[Opcode::Text, Opcode::Binary]));
    let mask = choices.coin().then(|| choices.array());
    let payload_len = u64::from_be_bytes(choices.array()) >> choices.below(64).max(1);
    let header = FrameHeader { fin, opcode, mask, payload_len };
    let mut bytes = [0; FrameHeader::BYTES_MAX + 1];
    let len = header.encode(bytes.first_chunk_mut().expect("longer"));
    let role = if mask.is_some() { Role::Server } else { Role::Client };
    // The byte behind the header is the payload's first: a header alone is no chunk yet.
    assert_eq!(read(role, &bytes[..=len]), Some(header));
});
