//! A case's number, such as 7.13.1.

use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Categories, groups and cases sort as numbers: 1.2 before 1.10.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case(Vec<u32>);

impl Case {
    /// The number before the first dot.
    pub(crate) fn category(&self) -> u32 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Whether this case follows `other` in the same group.
    fn follows(&self, other: &Self) -> bool {
        match (self.0.split_last(), other.0.split_last()) {
            (Some((own, group)), Some((others, others_group))) => {
                group == others_group && *own == others + 1
            }
            _ => false,
        }
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Result<_, _> = text.split('.').map(str::parse).collect();
        parts.map(Self).map_err(|_| format!("`{text}` is no case's number"))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.0.iter().enumerate() {
            let dot = if position == 0 { "" } else { "." };
            write!(formatter, "{dot}{part}")?;
        }
        Ok(())
    }
}

/// Sorted cases in few words: `9.1.1-6 9.2.1`.
pub(crate) fn ranges(cases: &[&Case]) -> String {
    let mut text = String::new();
    let mut rest = cases;
    while let Some(first) = rest.first() {
        let more = rest.windows(2).take_while(|pair| pair[1].follows(pair[0])).count();
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{first}");
        if let Some(last) = rest.get(more).and_then(|case| case.0.last()).filter(|_| more > 0) {
            let _ = write!(text, "-{last}");
        }
        rest = rest.get(more + 1..).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(text: &str) -> Case {
        text.parse().expect("a case's number")
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let mut cases = [case("10.1.1"), case("1.1.10"), case("1.1.2")];
        cases.sort();
        assert_eq!(cases.map(|case| case.to_string()), ["1.1.2", "1.1.10", "10.1.1"]);
        assert!("1.x".parse::<Case>().is_err());
        assert!("".parse::<Case>().is_err());
    }

    #[test]
    fn neighbours_are_written_as_ranges() {
        let cases = ["1.1.1", "1.1.2", "1.1.3", "1.2.4", "2.1", "2.2", "7.1.6"].map(case);
        let cases: Vec<_> = cases.iter().collect();
        assert_eq!(ranges(&cases), "1.1.1-3 1.2.4 2.1-2 7.1.6");
        assert_eq!(ranges(&[]), "");
    }
}
