//! What each case must come to.

use super::case::Case;
use super::report::Verdict;
use super::role::Role;
use crate::arguments::Subject;

const OK: &str = "OK";
const NON_STRICT: &str = "NON-STRICT";
const INFORMATIONAL: &str = "INFORMATIONAL";
const UNIMPLEMENTED: &str = "UNIMPLEMENTED";

/// The cases that the suite never judges, for any implementation: it only notes what it saw.
const NEVER_JUDGED: &[(&str, &str)] = &[
    ("7.1.6", "which of 256 KiB and a Close frame is answered first is not prescribed"),
    ("7.13.1", "what to do with close code 5000 is not prescribed"),
    ("7.13.2", "what to do with close code 65535 is not prescribed"),
];

/// A message, and right behind it a frame that fails the connection. Both arrive together. The
/// suite prefers to get the message's echo first, and is content without it. A socket on another
/// thread than the loop's is too late for that.
const ECHO_BEFORE_FAILURE: &[&str] = &["3.2", "3.3", "4.1.3", "4.1.4", "4.2.3", "4.2.4", "5.15"];

/// The categories about permessage-deflate.
const COMPRESSION: &[u32] = &[12, 13];

/// Whether the build that is tested has permessage-deflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Its cases must be OK.
    Built,
    /// Its cases must end before they begin.
    NotBuilt,
}

/// What is tested, in which build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tested {
    pub(crate) subject: Subject,
    pub(crate) role: Role,
    pub(crate) compression: Compression,
}

impl Tested {
    /// This build of the subject in this role.
    pub(crate) const fn of_this_build(subject: Subject, role: Role) -> Self {
        let deflate = cfg!(feature = "deflate");
        let compression = if deflate { Compression::Built } else { Compression::NotBuilt };
        Self { subject, role, compression }
    }
}

/// The verdicts that a case may get, and why if that is not OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expectation {
    behavior: &'static [&'static str],
    behavior_close: &'static str,
    /// Why it is not OK; empty if it must be.
    pub(crate) why: &'static str,
}

impl Expectation {
    /// Of this case.
    pub(crate) fn of(case: &Case, tested: Tested) -> Self {
        let number = case.to_string();
        if let Some((_, why)) = NEVER_JUDGED.iter().find(|(case, _)| *case == number) {
            return Self { behavior: &[INFORMATIONAL], behavior_close: INFORMATIONAL, why };
        }
        let is_late = (tested.subject, tested.role) == (Subject::Conversation, Role::Client);
        if is_late && ECHO_BEFORE_FAILURE.contains(&&*number) {
            let why = "the connection has failed before another thread can answer";
            return Self { behavior: &[OK, NON_STRICT], behavior_close: OK, why };
        }
        if tested.compression == Compression::NotBuilt && COMPRESSION.contains(&case.category()) {
            let why = "permessage-deflate is not in this build (feature `deflate`)";
            return Self { behavior: &[UNIMPLEMENTED], behavior_close: OK, why };
        }
        Self { behavior: &[OK], behavior_close: OK, why: "" }
    }

    /// Whether the suite's verdict is one of these.
    pub(crate) fn is_met_by(&self, verdict: &Verdict) -> bool {
        self.behavior.contains(&&*verdict.behavior) && verdict.behavior_close == self.behavior_close
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: Tested =
        Tested { subject: Subject::Events, role: Role::Client, compression: Compression::NotBuilt };

    fn check(case: &str, tested: Tested, behavior: &str, close: &str) -> bool {
        let case = case.parse().expect("a case's number");
        let (behavior, behavior_close) = (behavior.to_owned(), close.to_owned());
        Expectation::of(&case, tested).is_met_by(&Verdict { behavior, behavior_close })
    }

    #[test]
    fn only_ok_is_ok() {
        let table = [
            ("1.1.1", "OK", "OK", true),
            ("1.1.1", "OK", "UNCLEAN", false),
            ("1.1.1", "FAILED", "OK", false),
            ("3.2", "NON-STRICT", "OK", false),
            ("6.4.1", "NON-STRICT", "OK", false),
            ("6.4.1", "INFORMATIONAL", "INFORMATIONAL", false),
            ("7.1.6", "INFORMATIONAL", "INFORMATIONAL", true),
            ("7.1.6", "INFORMATIONAL", "UNCLEAN", false),
        ];
        for (case, behavior, close, met) in table {
            for compression in [Compression::Built, Compression::NotBuilt] {
                let tested = Tested { compression, ..EVENTS };
                assert_eq!(check(case, tested, behavior, close), met, "{case} {behavior}");
            }
        }
    }

    #[test]
    fn a_client_on_another_thread_may_leave_the_last_message_before_a_failure_unanswered() {
        let conversation = Tested { subject: Subject::Conversation, ..EVENTS };
        assert!(check("3.2", conversation, "NON-STRICT", "OK"));
        assert!(check("3.2", conversation, "OK", "OK"));
        assert!(!check("3.2", conversation, "FAILED", "OK"));
        assert!(!check("3.1", conversation, "NON-STRICT", "OK"));
        let server = Tested { role: Role::Server, ..conversation };
        assert!(check("3.2", server, "OK", "OK"));
        assert!(!check("3.2", server, "NON-STRICT", "OK"));
    }

    #[test]
    fn compression_is_expected_of_the_builds_that_have_it() {
        let with = Tested { compression: Compression::Built, ..EVENTS };
        assert!(check("12.1.1", EVENTS, "UNIMPLEMENTED", "OK"));
        assert!(!check("12.1.1", with, "UNIMPLEMENTED", "OK"));
        assert!(check("13.7.18", with, "OK", "OK"));
        assert!(!check("13.7.18", EVENTS, "FAILED", "OK"));
    }
}
