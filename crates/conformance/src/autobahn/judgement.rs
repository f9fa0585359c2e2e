//! A report held against the expectations, and the table that shows it.

use std::collections::BTreeMap;
use std::fmt;

use super::case::{Case, ranges};
use super::expectation::{Expectation, Tested};
use super::report::{Report, Verdict};

/// The suite's own names of its categories.
const CATEGORIES: &[(u32, &str)] = &[
    (1, "Framing"),
    (2, "Pings and pongs"),
    (3, "Reserved bits"),
    (4, "Opcodes"),
    (5, "Fragmentation"),
    (6, "UTF-8"),
    (7, "Closing"),
    (9, "Limits and performance"),
    (10, "Miscellaneous"),
    (12, "Compression, payloads"),
    (13, "Compression, parameters"),
];

/// How many cases of a category went which way.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    ok: usize,
    /// Not OK, and the expectations say so.
    expected: usize,
    unexpected: usize,
    missing: usize,
}

impl Tally {
    const fn cases(&self) -> usize {
        self.ok + self.expected + self.unexpected + self.missing
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Judgement {
    categories: BTreeMap<u32, Tally>,
    /// Cases that are not OK as expected, by verdict and reason.
    expected: BTreeMap<(Verdict, &'static str), Vec<Case>>,
    unexpected: BTreeMap<Verdict, Vec<Case>>,
    /// Planned, and without a result: whoever died in the middle would have a short, clean report.
    missing: Vec<Case>,
}

impl Judgement {
    /// Judges every case that was planned, and whatever else the report has.
    pub(crate) fn new(planned: &[Case], report: &Report, tested: Tested) -> Self {
        let mut judgement = Self {
            categories: BTreeMap::new(),
            expected: BTreeMap::new(),
            unexpected: BTreeMap::new(),
            missing: Vec::new(),
        };
        for (case, verdict) in &report.0 {
            judgement.judge(case, verdict, tested);
        }
        for case in planned.iter().filter(|case| !report.0.contains_key(case)) {
            judgement.tally(case).missing += 1;
            judgement.missing.push(case.clone());
        }
        judgement
    }

    fn judge(&mut self, case: &Case, verdict: &Verdict, tested: Tested) {
        let expectation = Expectation::of(case, tested);
        if !expectation.is_met_by(verdict) {
            self.tally(case).unexpected += 1;
            self.unexpected.entry(verdict.clone()).or_default().push(case.clone());
        } else if expectation.why.is_empty() || verdict.is_ok() {
            self.tally(case).ok += 1;
        } else {
            self.tally(case).expected += 1;
            let key = (verdict.clone(), expectation.why);
            self.expected.entry(key).or_default().push(case.clone());
        }
    }

    fn tally(&mut self, case: &Case) -> &mut Tally {
        self.categories.entry(case.category()).or_default()
    }

    /// Whether every case has the result that it must have, and there was one at all.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.unexpected.is_empty() && self.missing.is_empty() && !self.categories.is_empty()
    }
}

/// A table by category, then every case that is not OK.
impl fmt::Display for Judgement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["cases", "OK", "explained", "WRONG", "MISSING"];
        row(formatter, "category", head)?;
        let mut sum = Tally::default();
        for (category, tally) in &self.categories {
            let known = CATEGORIES.iter().find(|(number, _)| number == category);
            let name = known.map_or("", |(_, name)| name);
            row(formatter, &format!("{category:>2}  {name}"), columns(tally))?;
            sum.ok += tally.ok;
            sum.expected += tally.expected;
            sum.unexpected += tally.unexpected;
            sum.missing += tally.missing;
        }
        row(formatter, "all", columns(&sum))?;
        let mut explained: Vec<_> = self.expected.iter().collect();
        explained.sort_by_key(|(_, cases)| cases.first());
        for ((verdict, why), cases) in explained {
            writeln!(formatter, "explained: {} {}: {why}", list(cases), words(verdict))?;
        }
        for (verdict, cases) in &self.unexpected {
            writeln!(formatter, "WRONG: {} {}", list(cases), words(verdict))?;
        }
        if !self.missing.is_empty() {
            writeln!(formatter, "MISSING: {}, planned but without a result", list(&self.missing))?;
        }
        write!(
            formatter,
            "{}",
            if self.is_as_expected() { "as expected" } else { "NOT as expected" }
        )
    }
}

fn columns(tally: &Tally) -> [String; 5] {
    [tally.cases(), tally.ok, tally.expected, tally.unexpected, tally.missing]
        .map(|count| count.to_string())
}

fn row<C: fmt::Display>(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    columns: [C; 5],
) -> fmt::Result {
    write!(formatter, "{name:<28}")?;
    for column in columns {
        write!(formatter, "{column:>10}")?;
    }
    writeln!(formatter)
}

fn list(cases: &[Case]) -> String {
    ranges(&Vec::from_iter(cases))
}

fn words(verdict: &Verdict) -> String {
    format!("({}, close {})", verdict.behavior, verdict.behavior_close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Subject;
    use crate::autobahn::expectation::Compression;
    use crate::autobahn::role::Role;

    fn judge(planned: &[&str], results: &[(&str, &str, &str)]) -> Judgement {
        let case = |text: &str| text.parse::<Case>().expect("a case's number");
        let planned: Vec<_> = planned.iter().map(|text| case(text)).collect();
        let verdicts = results.iter().map(|(number, behavior, close)| {
            let (behavior, behavior_close) = ((*behavior).to_owned(), (*close).to_owned());
            (case(number), Verdict { behavior, behavior_close })
        });
        let (subject, role) = (Subject::Events, Role::Server);
        let tested = Tested { subject, role, compression: Compression::NotBuilt };
        Judgement::new(&planned, &Report(verdicts.collect()), tested)
    }

    #[test]
    fn what_is_explained_is_listed_and_passes() {
        let judgement = judge(
            &["1.1.1", "7.1.6"],
            &[("1.1.1", "OK", "OK"), ("7.1.6", "INFORMATIONAL", "INFORMATIONAL")],
        );
        assert!(judgement.is_as_expected());
        let text = judgement.to_string();
        assert!(text.contains("explained: 7.1.6 (INFORMATIONAL, close INFORMATIONAL)"), "{text}");
        assert!(text.ends_with("\nas expected"), "{text}");
    }

    #[test]
    fn a_wrong_close_fails() {
        let judgement = judge(&["1.1.1"], &[("1.1.1", "OK", "UNCLEAN")]);
        assert!(!judgement.is_as_expected());
        let text = judgement.to_string();
        assert!(text.contains("WRONG: 1.1.1 (OK, close UNCLEAN)"), "{text}");
    }

    #[test]
    fn a_case_without_a_result_fails_and_so_does_an_empty_run() {
        let judgement = judge(&["1.1.1", "1.1.2"], &[("1.1.1", "OK", "OK")]);
        assert!(!judgement.is_as_expected());
        assert!(judgement.to_string().contains("MISSING: 1.1.2,"));
        assert!(!judge(&[], &[]).is_as_expected());
    }
}
