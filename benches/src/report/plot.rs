use std::fmt::Write as _;

use super::{GROUPS, Group, OURS, Setting};

const WIDTH: f64 = 960.0;
/// Where the scale begins and ends.
const LEFT: f64 = 300.0;
const RIGHT: f64 = 900.0;
const BAR: f64 = 9.0;
const GAP: f64 = 12.0;
/// Beyond these multiples bars are cut; their numbers still say how long they would be.
const LEAST: f64 = 0.1;
const MOST: f64 = 100.0;
const TICKS: [f64; 7] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
const COLOURS: [&str; 10] = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999", "#222255",
    "#225555", "#663333",
];

/// A plot of `group` as SVG: for each input a bar for everyone, by how many times as long as
/// Sockeye they took, on a logarithmic scale.
#[must_use]
pub fn plot(group: &Group, setting: &Setting) -> String {
    let others = group.others();
    let top = 64.0 + 16.0 * legend_lines(others.len());
    let rows_height: f64 =
        group.rows.iter().map(|row| row_height(bars(row, &others).count())).sum();
    let height = top + rows_height + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    title(&mut svg, group, setting);
    legend(&mut svg, &others, setting);
    scale(&mut svg, top, top + rows_height);
    let mut y = top;
    for row in &group.rows {
        let count = bars(row, &others).count();
        let middle = y + row_height(count) / 2.0;
        text(&mut svg, LEFT - 10.0, middle + 3.0, "end", &row.input);
        let mut bar_y = y + GAP / 2.0;
        for (index, ratio) in bars(row, &others) {
            bar(&mut svg, bar_y, ratio, colour(index));
            bar_y += BAR;
        }
        y += row_height(count);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The bars of a row: whose, as a place in `others`, and how long.
fn bars<'r>(
    row: &'r super::Row,
    others: &'r [&'static str],
) -> impl Iterator<Item = (usize, f64)> + 'r {
    others.iter().enumerate().filter_map(|(index, name)| Some((index, row.ratio(name)?)))
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn row_height(bars: usize) -> f64 {
    bars.max(1) as f64 * BAR + GAP
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn legend_lines(names: usize) -> f64 {
    names.div_ceil(4) as f64
}

const fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// Where a multiple lies on the scale.
fn x_of(ratio: f64) -> f64 {
    let share = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + share * (RIGHT - LEFT)
}

fn title(svg: &mut String, group: &Group, setting: &Setting) {
    let title = GROUPS.iter().find(|(name, _)| *name == group.name);
    let title = title.map_or(group.name.as_str(), |(_, title)| title);
    let _ = writeln!(svg, "<text x=\"16\" y=\"24\" font-size=\"16\">{}</text>", escaped(title));
    let explanation = format!(
        "Time of one operation, as a multiple of {}'s (the line at 1): to its right slower, to its \
         left faster. {}.",
        setting.with_version(OURS),
        setting.date,
    );
    text(svg, 16.0, 42.0, "start", &explanation);
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn legend(svg: &mut String, others: &[&str], setting: &Setting) {
    for (index, name) in others.iter().enumerate() {
        let x = 16.0 + (index % 4) as f64 * 230.0;
        let y = 52.0 + (index / 4) as f64 * 16.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" fill=\"{}\"/>",
            colour(index)
        );
        text(svg, x + 15.0, y + 9.0, "start", &setting.with_version(name));
    }
}

fn scale(svg: &mut String, top: f64, bottom: f64) {
    for tick in TICKS.into_iter().chain([20.0, 50.0, 100.0]) {
        let x = x_of(tick);
        let (colour, width) = if tick == 1.0 { ("#000000", 1.5) } else { ("#dddddd", 1.0) };
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" \
             stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
        text(svg, x, bottom + 16.0, "middle", &format!("{tick}"));
    }
}

/// A bar from the line at 1 to `ratio`, with its number behind its end.
fn bar(svg: &mut String, y: f64, ratio: f64, colour: &str) {
    let (one, end) = (x_of(1.0), x_of(ratio));
    let (x, width) = (one.min(end), (one - end).abs().max(1.0));
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
        BAR - 1.0
    );
    let (x, anchor) = if end < one { (end - 3.0, "end") } else { (end.max(one) + 3.0, "start") };
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"8\" text-anchor=\"{anchor}\">{ratio:.2}</text>",
        y + BAR - 2.0
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Row;
    use super::{Group, LEFT, RIGHT, Setting, plot, x_of};

    #[test]
    fn the_scale_is_logarithmic_and_has_ends() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(x_of(0.01), LEFT);
        close(x_of(1000.0), RIGHT);
        close(x_of(1.0) - x_of(0.1), x_of(10.0) - x_of(1.0));
        assert!(x_of(1.0) < x_of(2.0));
    }

    #[test]
    fn a_plot_has_a_bar_and_a_number_for_everyone_but_us() {
        let times = [("sockeye", 10.0), ("tungstenite", 30.0), ("memcpy", 5.0)];
        let times = times.map(|(name, time)| (name.to_owned(), time));
        let rows = vec![Row { input: "a < b".to_owned(), times: BTreeMap::from(times) }];
        let group = Group { name: "mask".to_owned(), rows };
        let setting = Setting {
            versions: vec![("tungstenite".into(), "1.2.3".into())],
            ..Setting::default()
        };
        let svg = plot(&group, &setting);
        for expected in ["a &lt; b", ">3.00<", ">0.50<", ">tungstenite 1.2.3<", ">memcpy<"] {
            assert!(svg.contains(expected), "{expected} is missing in {svg}");
        }
        assert_eq!(svg.matches("height=\"8.0\"").count(), 2);
        assert_eq!(plot(&group, &setting), svg);
    }
}
