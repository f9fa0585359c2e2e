use super::{Chart, GROUPS, Group, OURS, Row, Scale, Setting};

const SCALE: Scale = Scale {
    least: 0.1,
    most: 100.0,
    origin: 1.0,
    ticks: &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0],
    digits: 2,
};

/// A plot of `group` as SVG: for each input a bar for everyone, by how many times as long as
/// Sockeye they took, on a logarithmic scale.
#[must_use]
pub fn plot(group: &Group, setting: &Setting) -> String {
    let others = group.others();
    let title = GROUPS.iter().find(|(name, _)| *name == group.name);
    let explanation = format!(
        "Time of one operation, as a multiple of {}'s (the line at 1): to its right slower, to its \
         left faster. {}.",
        setting.with_version(OURS),
        setting.date,
    );
    let bars = |row: &Row| {
        let ratio = |(index, name): (usize, &&str)| Some((index, row.ratio(name)?));
        (row.input.clone(), others.iter().enumerate().filter_map(ratio).collect())
    };
    let chart = Chart {
        title: title.map_or(group.name.as_str(), |(_, title)| title),
        explanation: &explanation,
        names: others.iter().map(|name| setting.with_version(name)).collect(),
        rows: group.rows.iter().map(bars).collect(),
        scale: SCALE,
    };
    chart.svg()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Group, Row, Setting, plot};

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
