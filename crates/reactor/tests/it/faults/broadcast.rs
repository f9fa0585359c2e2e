//! One who does not read, in a group of many who do.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::Prepared;
use sockeye_reactor::engine::Engine;
use sockeye_reactor::{Cause, Group, Policy};

use super::{Caller, Shore};
use crate::support::{Moment, Script};

const OTHERS: usize = 20;
const MESSAGE: usize = 64 * 1024;

fn joining(group: &Group, policy: Policy) -> Script {
    let group = group.clone();
    Rc::new(move |peer, moment| {
        if let Moment::Open = moment {
            peer.join(&group, policy);
        }
    })
}

/// Publishes until the policy has met the one who does not read, and returns how many messages that
/// took. The others get each message before the next is published.
fn publish_until_it_fires(shore: &mut Shore, others: &mut [Caller], group: &Group) -> usize {
    let message = Prepared::binary(&[7; MESSAGE]);
    for number in 1..1000 {
        group.publish(message.clone());
        for caller in &mut *others {
            shore.until("a message", |_| {
                caller.read();
                caller.bytes.len() >= message.frame_len()
            });
            assert_eq!(caller.bytes.len(), message.frame_len(), "message {number}");
            caller.bytes.clear();
        }
        if group.closed() + group.dropped() > 0 {
            return number;
        }
    }
    panic!("64 MB were published, and the one who does not read has missed nothing");
}

#[test]
fn attack_13_a_member_whose_window_is_closed_delays_nobody_and_its_policy_fires() {
    let policies = [
        Policy::Close,
        Policy::DropNewest,
        Policy::DropOldest { bytes_max: 1 << 20 },
        Policy::KeepLatest,
    ];
    for policy in policies {
        let group = Group::new();
        let mut shore = Shore::configured(joining(&group, policy), |config| {
            let mut connection = sockeye_protocol::Config::default();
            connection.ping_after = None;
            config.connection = Arc::new(connection);
        });
        let stalled = shore.open();
        let mut others: Vec<Caller> = (0..OTHERS).map(|_| shore.open()).collect();
        let published = publish_until_it_fires(&mut shore, &mut others, &group);
        assert_eq!(group.members(), OTHERS + usize::from(policy != Policy::Close), "{policy:?}");
        if policy == Policy::Close {
            assert_eq!(shore.causes(), [Cause::FellBehind]);
        }
        // The system takes some of it before the group's limit counts.
        let sent = usize::try_from(shore.reactor.stats().bytes_written).expect("a few MB");
        let taken = sent.saturating_sub(OTHERS * published * MESSAGE);
        let kept = (published * MESSAGE).saturating_sub(taken);
        assert!(kept <= (1 << 20) + (128 << 10), "{kept} bytes wait for the one, with {policy:?}");
        // The loop has nothing to do for it: it turns when it is told to, and not otherwise.
        (0..100).for_each(|_| shore.turn());
        let (writes, polls) = (shore.reactor.stats().writes, shore.reactor.engine_mut().polls);
        let until = shore.reactor.engine_mut().now() + Duration::from_millis(200);
        shore.reactor.service_mut().wake_at = Some(until);
        while shore.reactor.engine_mut().now() < until {
            shore.reactor.turn().expect("an engine that works");
        }
        let polls = shore.reactor.engine_mut().polls - polls;
        assert!(polls < 20, "{polls} polls without a reason, with {policy:?}");
        assert_eq!(shore.reactor.stats().writes, writes, "{policy:?}");
        drop(stalled);
        shore.until("gone", |shore| shore.reactor.sessions() == OTHERS);
    }
}
