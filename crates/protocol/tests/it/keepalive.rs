//! Pings after silence, unfinished messages, and their deadlines, on a clock that the test sets.

use std::time::Duration;

use sockeye_protocol::{Config, Instant, Role, TimedOut, Timer};

use crate::support::{Endpoint, describe_end, describe_frames, frame};

const SECOND: Duration = Duration::from_secs(1);

/// Moves the clock to the next deadline and handles it.
fn expire(endpoint: &mut Endpoint) -> Result<(), TimedOut> {
    endpoint.now = endpoint.connection.poll_timeout().expect("a deadline");
    endpoint.with(|connection, output| connection.handle_timeout(output))
}

/// Lets the keepalive send its ping and returns the ping's payload.
fn ping(endpoint: &mut Endpoint) -> Vec<u8> {
    expire(endpoint).expect("a ping is due");
    let sent = endpoint.take_sent();
    let role = endpoint.connection.role();
    assert!(describe_frames(&sent, role)[0].starts_with("ping"));
    let header = if role == Role::Server { 2 } else { 6 };
    let mut payload = sent[header..].to_vec();
    if role == Role::Client {
        for (byte, key) in payload.iter_mut().zip(sent[2..6].iter().cycle()) {
            *byte ^= key;
        }
    }
    payload
}

#[test]
fn ctl_09_a_silent_peer_is_asked_and_found_alive_or_dead() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = Endpoint::new(role, Config::default());
        let payload = ping(&mut endpoint);
        assert_eq!(endpoint.now, Instant::ZERO + 20 * SECOND);
        assert_eq!(payload.len(), 8);

        endpoint.now += Duration::from_millis(70);
        endpoint.feed(&frame(role, 0x8A, &payload)).expect("legal");
        assert_eq!(endpoint.connection.round_trip(), Some(Duration::from_millis(70)));

        assert_ne!(ping(&mut endpoint), payload, "every ping is new");
        let sent = endpoint.now;
        assert_eq!(expire(&mut endpoint).map_err(|error| error.timer), Err(Timer::Pong));
        assert_eq!(endpoint.now, sent + 20 * SECOND);
        assert_eq!(describe_end(&endpoint.connection), "1006 by local, unclean, close");
        assert!(endpoint.outbox.is_empty(), "nobody listens");
    }
}

/// A peer cannot answer a ping that the transport has not taken yet.
#[test]
fn ctl_09_a_pong_is_awaited_anew_when_the_ping_had_to_wait() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    endpoint.connection.postpone_pong(endpoint.now + 7 * SECOND);
    let sent = Instant::ZERO + 20 * SECOND;
    assert_eq!(endpoint.connection.poll_timeout(), Some(sent), "no pong was awaited");
    ping(&mut endpoint);
    endpoint.connection.postpone_pong(sent + 19 * SECOND);
    assert_eq!(endpoint.connection.poll_timeout(), Some(sent + 39 * SECOND));
    assert_eq!(expire(&mut endpoint).map_err(|error| error.timer), Err(Timer::Pong));
}

/// Once we have closed, silence is what the closing handshake's own deadline is for.
/// A ping may be sent in the middle of what the peer sends, by the keepalive and by the caller.
#[test]
fn ctl_09_the_peer_is_asked_in_the_middle_of_its_message() {
    for role in [Role::Server, Role::Client] {
        let mut endpoint = Endpoint::new(role, Config::default());
        endpoint.feed(&frame(role, 0x01, b"begun, ")).expect("legal");
        endpoint.now += 20 * SECOND;
        assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
        assert_eq!(describe_frames(&endpoint.take_sent(), role).len(), 1, "the keepalive's");
        endpoint.with(|connection, output| connection.send_ping(b"ours", output)).expect("open");
        assert_eq!(describe_frames(&endpoint.take_sent(), role), ["ping ours"]);
        endpoint.feed(&frame(role, 0x8A, b"ours")).expect("legal");
        endpoint.feed(&frame(role, 0x80, b"ended")).expect("legal");
        assert_eq!(endpoint.events, ["pong ours", "text begun, ended"]);
    }
}

#[test]
fn ctl_09_nobody_is_asked_behind_our_close() {
    let mut config = Config::default();
    config.close_within = 60 * SECOND;
    let mut endpoint = Endpoint::new(Role::Server, config);
    endpoint.with(|connection, output| connection.close(None, output)).expect("open");
    endpoint.now += 59 * SECOND;
    assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
    assert_eq!(describe_frames(&endpoint.take_sent(), Role::Server), ["close"]);
    assert_eq!(endpoint.connection.poll_timeout(), Some(endpoint.now + SECOND));
}

/// The end by one deadline is the end of all.
#[test]
fn cls_39_nothing_is_due_after_the_end_by_a_deadline() {
    let mut config = Config::default();
    config.message_within = Some(60 * SECOND);
    let mut endpoint = Endpoint::new(Role::Server, config);
    endpoint.feed(&frame(Role::Server, 0x01, b"unfinished")).expect("legal");
    ping(&mut endpoint);
    assert_eq!(expire(&mut endpoint).map_err(|error| error.timer), Err(Timer::Pong));
    assert_eq!(endpoint.connection.poll_timeout(), None);
    endpoint.now += 60 * SECOND;
    assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
    assert_eq!(describe_end(&endpoint.connection), "1006 by local, unclean, close");
}

#[test]
fn ctl_11_an_old_pong_does_not_answer_a_new_ping() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    let first = ping(&mut endpoint);
    endpoint.feed(&frame(Role::Server, 0x8A, &first)).expect("legal");
    let second = ping(&mut endpoint);
    let due = endpoint.connection.poll_timeout();
    endpoint.now += 10 * SECOND;
    endpoint.feed(&frame(Role::Server, 0x8A, &first)).expect("legal");
    assert_eq!(endpoint.connection.poll_timeout(), due, "the old pong changes nothing");
    endpoint.feed(&frame(Role::Server, 0x8A, &second)).expect("legal");
    assert_eq!(endpoint.connection.poll_timeout(), Some(endpoint.now + 20 * SECOND));
}

/// Cut anywhere, an old pong is no sign of life, and what stands beside it is one.
#[test]
fn ctl_11_frm_24_the_deadline_of_a_pong_does_not_depend_on_the_cut() {
    for role in [Role::Server, Role::Client] {
        let old = frame(role, 0x8A, b"an old answer");
        let beside = [frame(role, 0x02, b"data"), old.clone()].concat();
        for (bytes, is_alive) in [(old, false), (beside, true)] {
            for cut in 0..=bytes.len() {
                let mut config = Config::default();
                config.message_within = None;
                let mut endpoint = Endpoint::new(role, config);
                ping(&mut endpoint);
                let sent = endpoint.now;
                endpoint.now += SECOND;
                endpoint.feed(&bytes[..cut]).expect("legal");
                endpoint.feed(&bytes[cut..]).expect("legal");
                let heard = if is_alive { endpoint.now } else { sent };
                let due = endpoint.connection.poll_timeout();
                assert_eq!(due, Some(heard + 20 * SECOND), "{role:?}, cut at {cut}");
            }
        }
    }
}

#[test]
fn traffic_is_a_sign_of_life() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    for _ in 0..10 {
        endpoint.now += 19 * SECOND;
        endpoint.feed(&frame(Role::Server, 0x81, b"busy")).expect("legal");
        assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
        assert!(endpoint.outbox.is_empty(), "no ping while the line is busy");
    }
    // A long message that comes slowly keeps the connection alive although the pong is behind it.
    ping(&mut endpoint);
    let message = frame(Role::Server, 0x82, &[0; 40]);
    for byte in &message[..25] {
        endpoint.now += SECOND;
        endpoint.feed(&[*byte]).expect("legal");
        assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
    }
}

#[test]
fn frg_15_ctl_12_an_unfinished_message_has_a_deadline_that_pings_do_not_move() {
    for role in [Role::Server, Role::Client] {
        for start in [
            frame(role, 0x01, b"never finished"),
            frame(role, 0x82, b"cut")[..4].to_vec(),
            frame(role, 0x89, b"cut")[..4].to_vec(),
            vec![0x81],
        ] {
            let mut endpoint = Endpoint::new(role, Config::default());
            endpoint.feed(&start).expect("legal");
            let within_message = start[0] == 0x01;
            for _ in 0..29 {
                endpoint.now += SECOND;
                if within_message {
                    endpoint.feed(&frame(role, 0x89, b"alive")).expect("legal");
                }
                assert_eq!(
                    endpoint.with(|connection, output| connection.handle_timeout(output)),
                    Ok(())
                );
            }
            endpoint.now += SECOND;
            let verdict = endpoint.with(|connection, output| connection.handle_timeout(output));
            assert_eq!(verdict.map_err(|error| error.timer), Err(Timer::Message));
            let sent = describe_frames(&endpoint.take_sent(), role);
            assert_eq!(sent.last().map(String::as_str), Some("close 1008"));
        }
    }
}

/// A peer that ends all that it sends with a control frame does not escape the deadline.
#[test]
fn frg_15_ctl_12_a_control_frame_at_the_end_of_the_input_hides_no_message() {
    for role in [Role::Server, Role::Client] {
        for control in [0x89, 0x8A] {
            let mut endpoint = Endpoint::new(role, Config::default());
            let piece = |first| [frame(role, first, b"x"), frame(role, control, b"y")].concat();
            endpoint.feed(&piece(0x01)).expect("legal");
            for _ in 0..29 {
                endpoint.now += SECOND;
                endpoint.feed(&piece(0x00)).expect("legal");
                endpoint.take_sent();
            }
            assert_eq!(expire(&mut endpoint).map_err(|error| error.timer), Err(Timer::Message));
            assert_eq!(endpoint.now, Instant::ZERO + 30 * SECOND);
        }
    }
}

/// The time in which the driver does not read is not the peer's.
#[test]
fn frg_15_the_deadline_of_a_message_rests_while_nothing_is_read() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    endpoint.feed(&frame(Role::Server, 0x01, b"begun")).expect("legal");
    endpoint.now += 5 * SECOND;
    endpoint.connection.suspend_keepalive(endpoint.now);
    endpoint.now += 5 * SECOND;
    endpoint.connection.suspend_keepalive(endpoint.now);
    assert_eq!(endpoint.connection.poll_timeout(), None);
    endpoint.now += 1000 * SECOND;
    assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
    endpoint.connection.resume_keepalive(endpoint.now);
    endpoint.connection.resume_keepalive(endpoint.now + SECOND);
    let resumed = endpoint.now;
    ping(&mut endpoint);
    assert_eq!(expire(&mut endpoint).map_err(|error| error.timer), Err(Timer::Message));
    assert_eq!(endpoint.now, resumed + 25 * SECOND, "what was left of 30 s");
}

/// The closing handshake has its time even if nothing is read.
#[test]
fn cls_38_the_deadline_of_the_close_does_not_rest() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    endpoint.connection.suspend_keepalive(endpoint.now);
    endpoint.with(|connection, output| connection.close(None, output)).expect("open");
    assert_eq!(expire(&mut endpoint).map_err(|error| error.timer), Err(Timer::Close));
}

#[test]
fn a_finished_message_has_no_deadline() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    let message = frame(Role::Server, 0x81, b"slow but whole");
    for byte in &message {
        endpoint.now += SECOND;
        endpoint.feed(&[*byte]).expect("legal");
    }
    assert_eq!(endpoint.connection.poll_timeout(), Some(endpoint.now + 20 * SECOND), "only a ping");
}

#[test]
fn while_nothing_is_read_silence_proves_nothing() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    endpoint.connection.suspend_keepalive(endpoint.now);
    assert_eq!(endpoint.connection.poll_timeout(), None);
    endpoint.now += 1000 * SECOND;
    endpoint.connection.resume_keepalive(endpoint.now);
    assert_eq!(endpoint.connection.poll_timeout(), Some(endpoint.now + 20 * SECOND));
}

#[test]
fn each_deadline_is_its_own() {
    let mut config = Config::default();
    config.ping_after = Some(7 * SECOND);
    config.pong_within = 3 * SECOND;
    let mut endpoint = Endpoint::new(Role::Server, config);
    ping(&mut endpoint);
    assert_eq!(endpoint.now, Instant::ZERO + 7 * SECOND);
    assert_eq!(expire(&mut endpoint).map_err(|error| error.timer), Err(Timer::Pong));
    assert_eq!(endpoint.now, Instant::ZERO + 10 * SECOND);
}

#[test]
fn keepalive_can_be_switched_off() {
    let mut config = Config::default();
    config.ping_after = None;
    let endpoint = Endpoint::new(Role::Server, config);
    assert_eq!(endpoint.connection.poll_timeout(), None);
}

#[test]
fn handling_a_timeout_early_does_nothing() {
    let mut endpoint = Endpoint::new(Role::Client, Config::default());
    endpoint.now += 19 * SECOND;
    assert_eq!(endpoint.with(|connection, output| connection.handle_timeout(output)), Ok(()));
    assert!(endpoint.outbox.is_empty());
}
