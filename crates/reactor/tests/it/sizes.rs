//! Messages of all sizes through the whole loop, and what stands before a Close frame.

use sockeye_reactor::Config;
use sockeye_reactor::engine::Conditions;

use crate::frames::{BINARY, CLOSE, PING, TEXT, masked};
use crate::support::{Told, echo};
use crate::world::{Client, World};

/// Reads until nothing more comes: a transport holds less than what these tests send.
fn all_frames(world: &mut World, client: &mut Client) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    for _ in 0..8 {
        world.settle();
        frames.extend(client.frames());
    }
    frames
}

/// A message as long as the limit, in frames of many sizes, over a transport that takes and brings
/// it in pieces of many sizes.
#[test]
fn frm_27_a_message_of_the_limit_passes_in_frames_and_pieces_of_any_size() {
    const LEN: usize = 1 << 20;
    let payload: Vec<u8> = (0..251).cycle().take(LEN).collect();
    for frame_len in [64, 1000, 65_536, LEN] {
        for (seed, piece_max) in [(1, None), (2, Some(100_000)), (3, Some(5000))] {
            let mut conditions = Conditions::default();
            conditions.seed = seed;
            (conditions.read_bytes_max, conditions.send_bytes_max) = (piece_max, piece_max);
            let mut world = World::with(echo(), Config::default(), conditions);
            let mut client = world.open();
            let frames = payload.chunks(frame_len);
            let last = frames.len() - 1;
            for (index, fragment) in frames.enumerate() {
                let opcode = if index == 0 { BINARY & 0x0F } else { 0 };
                let fin = if index == last { 0x80 } else { 0 };
                client.wire.write(&masked(fin | opcode, fragment));
            }
            let arrived = all_frames(&mut world, &mut client);
            let [(BINARY, echoed)] = &arrived[..] else { panic!("{} frames", arrived.len()) };
            assert!(*echoed == payload, "frames of {frame_len}, pieces of {piece_max:?}");
        }
    }
}

/// All of it may come in one read: what stands before the Close frame is answered before it, whole,
/// though the answers wait for the transport; what stands behind it is not looked at.
#[test]
fn cls_41_what_stands_before_a_close_is_answered_before_it() {
    let mut world = World::new(echo());
    let mut client = world.open();
    let large = vec![b'x'; 256 * 1024];
    let all = [
        masked(TEXT, &large),
        masked(TEXT, b"small"),
        masked(CLOSE, b"\x03\xE8"),
        masked(PING, b"late"),
        masked(TEXT, b"late"),
    ];
    client.wire.write(&all.concat());
    let arrived = all_frames(&mut world, &mut client);
    let expected = [(TEXT, large), (TEXT, b"small".to_vec()), (CLOSE, b"\x03\xE8".to_vec())];
    assert!(arrived == expected);
    assert_eq!(world.count(|told| matches!(told, Told::Closed(outcome) if outcome.clean)), 1);
}
