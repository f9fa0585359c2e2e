use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
/// Where the scale begins and ends.
const LEFT: f64 = 300.0;
const RIGHT: f64 = 900.0;
const BAR: f64 = 9.0;
const GAP: f64 = 12.0;
const COLOURS: [&str; 10] = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999", "#222255",
    "#225555", "#663333",
];

/// Bars on a logarithmic scale: for each row one for everyone who has a number in it.
#[derive(Debug)]
pub struct Chart<'c> {
    /// What stands above it.
    pub title: &'c str,
    /// How to read it.
    pub explanation: &'c str,
    /// Who the bars belong to.
    pub names: Vec<String>,
    /// The rows with their labels; a bar is whose it is, as a place in `names`, and how long.
    pub rows: Vec<(String, Vec<(usize, f64)>)>,
    /// What the lengths of bars stand for.
    pub scale: Scale,
}

/// A logarithmic scale. Beyond its ends bars are cut; their numbers still say how long they would be.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Its least value.
    pub least: f64,
    /// Its greatest value.
    pub most: f64,
    /// Where bars begin.
    pub origin: f64,
    /// Where lines are drawn.
    pub ticks: &'static [f64],
    /// How many digits the numbers have behind the point.
    pub digits: usize,
}

impl Scale {
    /// Where a value lies.
    fn x_of(&self, value: f64) -> f64 {
        let share =
            (value.clamp(self.least, self.most) / self.least).ln() / (self.most / self.least).ln();
        LEFT + share * (RIGHT - LEFT)
    }
}

impl Chart<'_> {
    /// The chart as SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let top = 64.0 + 16.0 * legend_lines(self.names.len());
        let rows_height: f64 = self.rows.iter().map(|(_, bars)| row_height(bars.len())).sum();
        let height = top + rows_height + 30.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
        );
        let title = escaped(self.title);
        let _ = writeln!(svg, "<text x=\"16\" y=\"24\" font-size=\"16\">{title}</text>");
        text(&mut svg, 16.0, 42.0, "start", self.explanation);
        self.legend(&mut svg);
        self.lines(&mut svg, top, top + rows_height);
        let mut y = top;
        for (label, bars) in &self.rows {
            let middle = y + row_height(bars.len()) / 2.0;
            text(&mut svg, LEFT - 10.0, middle + 3.0, "end", label);
            let mut bar_y = y + GAP / 2.0;
            for (index, value) in bars {
                self.bar(&mut svg, bar_y, *value, COLOURS[index % COLOURS.len()]);
                bar_y += BAR;
            }
            y += row_height(bars.len());
        }
        svg.push_str("</svg>\n");
        svg
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    fn legend(&self, svg: &mut String) {
        for (index, name) in self.names.iter().enumerate() {
            let x = 16.0 + (index % 4) as f64 * 230.0;
            let y = 52.0 + (index / 4) as f64 * 16.0;
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" fill=\"{}\"/>",
                COLOURS[index % COLOURS.len()]
            );
            text(svg, x + 15.0, y + 9.0, "start", name);
        }
    }

    fn lines(&self, svg: &mut String, top: f64, bottom: f64) {
        for tick in self.scale.ticks {
            let x = self.scale.x_of(*tick);
            let is_origin = (tick / self.scale.origin - 1.0).abs() < 1e-9;
            let (colour, width) = if is_origin { ("#000000", 1.5) } else { ("#dddddd", 1.0) };
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" \
                 stroke=\"{colour}\" stroke-width=\"{width}\"/>"
            );
            text(svg, x, bottom + 16.0, "middle", &format!("{tick}"));
        }
    }

    /// A bar from the origin to `value`, with its number behind its end.
    fn bar(&self, svg: &mut String, y: f64, value: f64, colour: &str) {
        let (origin, end) = (self.scale.x_of(self.scale.origin), self.scale.x_of(value));
        let (x, width) = (origin.min(end), (origin - end).abs().max(1.0));
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            BAR - 1.0
        );
        let (x, anchor) =
            if end < origin { (end - 3.0, "end") } else { (end.max(origin) + 3.0, "start") };
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"8\" text-anchor=\"{anchor}\">{value:.*}</text>",
            y + BAR - 2.0,
            self.scale.digits
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn row_height(bars: usize) -> f64 {
    bars.max(1) as f64 * BAR + GAP
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn legend_lines(names: usize) -> f64 {
    names.div_ceil(4) as f64
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
    use super::{LEFT, RIGHT, Scale};

    #[test]
    fn a_scale_is_logarithmic_and_has_ends() {
        let scale = Scale { least: 0.1, most: 100.0, origin: 1.0, ticks: &[], digits: 2 };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(scale.x_of(0.01), LEFT);
        close(scale.x_of(1000.0), RIGHT);
        close(scale.x_of(1.0) - scale.x_of(0.1), scale.x_of(10.0) - scale.x_of(1.0));
        assert!(scale.x_of(1.0) < scale.x_of(2.0));
    }
}
