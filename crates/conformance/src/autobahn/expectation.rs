//! What each case must come to.

use super::case::Case;
use super::report::Verdict;

const OK: &str = "OK";
const INFORMATIONAL: &str = "INFORMATIONAL";
const UNIMPLEMENTED: &str = "UNIMPLEMENTED";

/// The cases that the suite never judges, for any implementation: it only notes what it saw.
const NEVER_JUDGED: &[(&str, &str)] = &[
    ("7.1.6", "which of 256 KiB and a Close frame is answered first is not prescribed"),
    ("7.13.1", "what to do with close code 5000 is not prescribed"),
    ("7.13.2", "what to do with close code 65535 is not prescribed"),
];

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

impl Compression {
    /// Of this build.
    pub(crate) const fn of_this_build() -> Self {
        if cfg!(feature = "deflate") { Self::Built } else { Self::NotBuilt }
    }
}

/// The verdict that a case must get, and why if that is not OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expectation {
    behavior: &'static str,
    behavior_close: &'static str,
    /// Why it is not OK; empty if it is.
    pub(crate) why: &'static str,
}

impl Expectation {
    /// Of this case.
    pub(crate) fn of(case: &Case, compression: Compression) -> Self {
        let number = case.to_string();
        if let Some((_, why)) = NEVER_JUDGED.iter().find(|(case, _)| *case == number) {
            return Self { behavior: INFORMATIONAL, behavior_close: INFORMATIONAL, why };
        }
        if compression == Compression::NotBuilt && COMPRESSION.contains(&case.category()) {
            let why = "permessage-deflate is not in this build (feature `deflate`)";
            return Self { behavior: UNIMPLEMENTED, behavior_close: OK, why };
        }
        Self { behavior: OK, behavior_close: OK, why: "" }
    }

    /// Whether the suite's verdict is this one. NON-STRICT is not OK.
    pub(crate) fn is_met_by(&self, verdict: &Verdict) -> bool {
        verdict.behavior == self.behavior && verdict.behavior_close == self.behavior_close
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(case: &str, compression: Compression, behavior: &str, close: &str) -> bool {
        let case = case.parse().expect("a case's number");
        let (behavior, behavior_close) = (behavior.to_owned(), close.to_owned());
        Expectation::of(&case, compression).is_met_by(&Verdict { behavior, behavior_close })
    }

    #[test]
    fn only_ok_is_ok() {
        let table = [
            ("1.1.1", "OK", "OK", true),
            ("1.1.1", "OK", "UNCLEAN", false),
            ("1.1.1", "FAILED", "OK", false),
            ("6.4.1", "NON-STRICT", "OK", false),
            ("6.4.1", "INFORMATIONAL", "INFORMATIONAL", false),
            ("7.1.6", "INFORMATIONAL", "INFORMATIONAL", true),
            ("7.1.6", "INFORMATIONAL", "UNCLEAN", false),
        ];
        for (case, behavior, close, met) in table {
            for compression in [Compression::Built, Compression::NotBuilt] {
                assert_eq!(check(case, compression, behavior, close), met, "{case} {behavior}");
            }
        }
    }

    #[test]
    fn compression_is_expected_of_the_builds_that_have_it() {
        assert!(check("12.1.1", Compression::NotBuilt, "UNIMPLEMENTED", "OK"));
        assert!(!check("12.1.1", Compression::Built, "UNIMPLEMENTED", "OK"));
        assert!(check("13.7.18", Compression::Built, "OK", "OK"));
        assert!(!check("13.7.18", Compression::NotBuilt, "FAILED", "OK"));
    }
}
