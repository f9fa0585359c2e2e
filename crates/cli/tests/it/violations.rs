//! Frames that break RFC 6455: each gets its Close frame before the end of the connection.

use crate::running::Running;
use crate::wire::{BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, Wire, frame, header};

const MEBIBYTE: usize = 1 << 20;

#[test]
fn each_violation_gets_its_close_code_before_the_end() {
    let server = Running::start(&[]);
    let cases: [(&str, Vec<u8>, u16); 12] = [
        ("unmasked", vec![FIN | TEXT, 2, b'h', b'i'], 1002),
        ("reserved bit", frame(FIN | 0x40 | TEXT, b"hi"), 1002),
        ("reserved opcode", frame(FIN | 3, b"hi"), 1002),
        ("long ping", header(FIN | PING, 126), 1002),
        ("fragmented ping", frame(PING, b"hi"), 1002),
        ("continuation of nothing", frame(FIN | CONTINUATION, b"hi"), 1002),
        ("message within a message", [frame(TEXT, b"a"), frame(FIN | TEXT, b"b")].concat(), 1002),
        ("impossible UTF-8", frame(FIN | TEXT, &[0xc3, 0x28]), 1007),
        ("UTF-8 cut short", frame(FIN | TEXT, &[0xc3]), 1007),
        ("oversized, by its header alone", header(FIN | BINARY, MEBIBYTE + 1), 1009),
        ("forbidden close code", frame(FIN | CLOSE, &1005_u16.to_be_bytes()), 1002),
        ("close reason that is no UTF-8", frame(FIN | CLOSE, &[0x03, 0xe8, 0xff]), 1007),
    ];
    for path in ["/echo", "/echo/async", "/echo/blocking"] {
        for (name, bytes, code) in &cases {
            let mut wire = Wire::open(server.address, path);
            wire.send(bytes);
            let (closed, reason) = wire.closed();
            assert_eq!(closed, *code, "{path}, {name}: {reason}");
        }
    }
}

#[test]
fn a_violation_behind_a_good_message_leaves_that_message_its_echo() {
    let server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/echo");
    wire.send(&[frame(FIN | TEXT, b"good"), frame(FIN | 0x40 | TEXT, b"bad")].concat());
    assert_eq!(wire.text(), "good");
    assert_eq!(wire.closed().0, 1002);
}

#[test]
fn cls_13_an_oversized_message_in_full_still_ends_with_a_close_frame_and_no_reset() {
    let server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/echo");
    // Less than what a lingering close discards, so that the whole of it is read and no reset destroys the Close frame.
    wire.send(&frame(BINARY, &vec![7; MEBIBYTE - 1000]));
    wire.send(&frame(FIN | CONTINUATION, &[7; 65536]));
    assert_eq!(wire.closed().0, 1009);
}

#[test]
fn the_limit_itself_is_allowed_and_the_flags_move_it() {
    for (options, limit) in [
        (&[][..], MEBIBYTE),
        (&["--max-message", "100"], 100),
        (&["--max-message", "3000000"], 3_000_000),
    ] {
        let server = Running::start(options);
        for path in ["/echo", "/echo/async", "/echo/blocking"] {
            let mut wire = Wire::open(server.address, path);
            let mut feed = wire.stream.try_clone().expect("descriptors are left");
            let sent = frame(FIN | BINARY, &vec![5; limit]);
            // From another thread, since a large echo begins to come back before all of it was sent.
            let feeder = std::thread::spawn(move || std::io::Write::write_all(&mut feed, &sent));
            let echoed = wire.frame().expect("an echo");
            assert!(echoed.opcode == BINARY && echoed.payload == vec![5; limit], "{path}: {limit}");
            feeder.join().expect("no panic").expect("all was taken");
            wire.send(&header(FIN | BINARY, limit + 1));
            assert_eq!(wire.closed().0, 1009, "{path}: {limit}");
        }
    }
}

#[test]
fn too_many_fragments_are_refused_and_the_flag_moves_the_limit() {
    let server = Running::start(&["--max-fragments", "4"]);
    let mut wire = Wire::open(server.address, "/echo");
    let three = [frame(TEXT, b"a"), frame(CONTINUATION, b"b"), frame(CONTINUATION, b"c")].concat();
    wire.send(&[&three[..], &frame(FIN | CONTINUATION, b"d")].concat());
    assert_eq!(wire.text(), "abcd");
    wire.send(&[&three[..], &frame(CONTINUATION, b"d"), &frame(CONTINUATION, b"e")].concat());
    let (code, reason) = wire.closed();
    assert_eq!(code, 1008, "{reason}");
}
