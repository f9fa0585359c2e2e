//! The percentiles of a latency as a curve.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::progress::share;
use super::report::duration;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 830.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 370.0;
/// The share of messages that are slower, as a power of ten: from half of them to one in 100,000.
const NINES_MAX: f64 = 5.0;
const TICKS: [f64; 6] = [0.0, 90.0, 99.0, 99.9, 99.99, 99.999];

/// Latency over percentile as SVG: each step to the right leaves a tenth as many that are slower, and each line up is
/// ten times as long.
pub(crate) fn plot(title: &str, latency: &Histogram<u64>) -> String {
    let (least, most) = bounds(latency);
    let y_of = |nanos: f64| {
        let share = (nanos / least).log10() / (most / least).log10();
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    text(&mut svg, LEFT, 26.0, "start", title);
    text(&mut svg, LEFT, 44.0, "start", "latency by percentile, both scales logarithmic");
    for tick in TICKS {
        let x = x_of(tick);
        line(&mut svg, (x, TOP), (x, BOTTOM));
        text(&mut svg, x, BOTTOM + 18.0, "middle", &format!("p{tick}"));
    }
    let mut nanos = least;
    while nanos <= most * 1.01 {
        line(&mut svg, (LEFT, y_of(nanos)), (RIGHT, y_of(nanos)));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        text(&mut svg, LEFT - 8.0, y_of(nanos) + 4.0, "end", &duration(nanos as u64));
        nanos *= 10.0;
    }
    svg.push_str("<polyline fill=\"none\" stroke=\"#4477aa\" stroke-width=\"2\" points=\"");
    for step in 0..=100 {
        let nines = f64::from(step) / 100.0 * NINES_MAX;
        let percentile = 100.0 * (1.0 - 10_f64.powf(-nines));
        let nanos = share(latency.value_at_percentile(percentile), 1);
        let _ = write!(svg, "{:.1},{:.1} ", x_of(percentile), y_of(nanos));
    }
    svg.push_str("\"/>\n</svg>\n");
    svg
}

/// Powers of ten around all values.
fn bounds(latency: &Histogram<u64>) -> (f64, f64) {
    let least = 10_f64.powf(share(latency.min_nz(), 1).max(1.0).log10().floor());
    let most = 10_f64.powf(share(latency.max(), 1).max(1.0).log10().ceil());
    (least, most.max(least * 10.0))
}

fn x_of(percentile: f64) -> f64 {
    let nines = -(1.0 - percentile / 100.0).log10();
    LEFT + (nines / NINES_MAX).clamp(0.0, 1.0) * (RIGHT - LEFT)
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::super::round::new_latency;
    use super::*;

    #[test]
    fn the_curve_rises_from_the_fastest_to_the_slowest() {
        let mut latency = new_latency();
        for nanos in 1..=100_000 {
            latency.record(nanos * 100).expect("within bounds");
        }
        let svg = plot("echo <ws://here/>: a & b", &latency);
        assert!(svg.contains("echo &lt;ws://here/>: a &amp; b"));
        let points = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next());
        let heights: Vec<f64> = points
            .expect("a curve")
            .split_whitespace()
            .map(|point| point.split(',').nth(1).expect("x,y").parse().expect("a number"))
            .collect();
        assert_eq!(heights.len(), 101);
        // Up is where y is small.
        assert!(heights.is_sorted_by(|before, after| before >= after));
        assert!(heights[0] > heights[100]);
        assert!(heights.iter().all(|y| (TOP..=BOTTOM).contains(y)));
    }

    #[test]
    fn percentiles_lie_at_equal_distances_for_each_nine() {
        let distance = x_of(90.0) - x_of(0.0);
        assert!((x_of(99.0) - x_of(90.0) - distance).abs() < 1e-6);
        assert!((x_of(100.0) - RIGHT).abs() < 1e-6);
    }
}
