//! Medians of ratios, and how sure they are.

const RESAMPLES: usize = 2000;

/// A median with its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// The median of `values`. The resamples are drawn by a fixed generator, so the same values give the same interval.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).expect("31 bits") % values.len().max(1)
        };
        let mut resample = || -> Vec<f64> {
            (0..values.len()).filter_map(|_| values.get(draw()).copied()).collect()
        };
        let mut medians: Vec<f64> = (0..RESAMPLES).map(|_| median(&resample())).collect();
        medians.sort_by(f64::total_cmp);
        let low = medians[RESAMPLES / 40];
        let high = medians[RESAMPLES - 1 - RESAMPLES / 40];
        Self { median: median(values), low, high }
    }

    /// The ratios of `values` to the ones of `base` that were measured in the same rounds.
    #[must_use]
    pub fn of_ratios(values: &[f64], base: &[f64]) -> Self {
        Self::of(&values.iter().zip(base).map(|(value, base)| value / base).collect::<Vec<_>>())
    }
}

/// The value in the middle, or the mean of the two in the middle.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (upper, lower) = (sorted.len() / 2, sorted.len().saturating_sub(1) / 2);
    match (sorted.get(lower), sorted.get(upper)) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::{Estimate, median};

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn an_interval_holds_the_median_and_narrows_with_more_rounds() {
        let values: Vec<f64> = (0..400).map(|index| f64::from(index % 20)).collect();
        let (few, many) = (Estimate::of(&values[..20]), Estimate::of(&values));
        for estimate in [few, many] {
            assert!(estimate.low <= estimate.median && estimate.median <= estimate.high);
        }
        assert!(many.high - many.low < few.high - few.low);
        assert_eq!(Estimate::of(&values), many);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // Both doubled in the second round, as when the machine did something else.
        let estimate = Estimate::of_ratios(&[11.0, 22.0, 11.0], &[10.0, 20.0, 10.0]);
        assert!((estimate.median - 1.1).abs() < 1e-9 && (estimate.high - 1.1).abs() < 1e-9);
    }
}
