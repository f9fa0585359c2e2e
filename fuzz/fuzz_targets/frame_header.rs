//! A header that is read is written back to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::{Config, FrameHeader, FrameReader, Role};

fuzz_target!(|data: &[u8]| {
    for role in [Role::Server, Role::Client] {
        let mut bytes = data.to_vec();
        let mut input = &mut bytes[..];
        let mut reader = FrameReader::new(role, &Config::default());
        let Ok(Some(chunk)) = reader.next(&mut input) else { continue };
        let mut header = [0; FrameHeader::BYTES_MAX];
        let len = chunk.header.encode(&mut header);
        assert_eq!(header[..len], data[..len]);
    }
});
