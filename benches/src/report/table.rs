use std::fmt::Write as _;

use super::{GROUPS, Group, OURS, Setting};

/// The text of the section: the setting, and for each group its plot and its table.
#[must_use]
pub fn section(groups: &[Group], setting: &Setting) -> String {
    let mut text = format!("\n{}\n", setting.in_words());
    for (name, title) in GROUPS {
        let Some(group) = groups.iter().find(|group| group.name == name) else { continue };
        let _ = write!(text, "\n### {title}\n\n![{title}](figures/{name}.svg)\n\n");
        text.push_str(&table(group));
    }
    text.push('\n');
    text
}

/// One line for each input: our time, everyone's as a multiple of it, and the best peer's.
fn table(group: &Group) -> String {
    let others = group.others();
    let has_peers = group.rows.iter().any(|row| row.best_peer().is_some());
    let mut columns = vec![group.name.clone(), format!("{OURS}, ns")];
    if has_peers {
        columns.push("best peer".to_owned());
    }
    columns.extend(others.iter().map(|name| (*name).to_owned()));
    let mut text = line(&columns);
    text.push_str(&line(&vec!["---".to_owned(); columns.len()]));
    for row in &group.rows {
        let ours = row.times.get(OURS).map_or_else(|| "-".to_owned(), |time| nanoseconds(*time));
        let mut cells = vec![row.input.clone(), ours];
        if has_peers {
            cells.push(format!("**{}**", multiple(row.best_peer())));
        }
        cells.extend(others.iter().map(|name| multiple(row.ratio(name))));
        text.push_str(&line(&cells));
    }
    text
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn nanoseconds(time: f64) -> String {
    if time < 100.0 { format!("{time:.1}") } else { format!("{time:.0}") }
}

fn multiple(ratio: Option<f64>) -> String {
    match ratio {
        None => "-".to_owned(),
        Some(ratio) if ratio < 10.0 => format!("{ratio:.2}"),
        Some(ratio) => format!("{ratio:.1}"),
    }
}

/// `document` with `section` between the comments `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
///
/// # Errors
///
/// The comments are not there, or not in this order.
pub fn replace_between(document: &str, name: &str, section: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let missing = || format!("{} and {end} are missing", begin.trim_end());
    let (before, rest) = document.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{section}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Row;
    use super::{Group, replace_between, table};

    fn row(input: &str, times: &[(&str, f64)]) -> Row {
        let times = times.iter().map(|(name, time)| ((*name).to_owned(), *time));
        Row { input: input.to_owned(), times: BTreeMap::from_iter(times) }
    }

    #[test]
    fn a_table_has_multiples_of_our_time() {
        let group = Group {
            name: "mask".to_owned(),
            rows: vec![
                row("4 B", &[("sockeye", 2.0), ("soketto", 30.0), ("memcpy", 1.0)]),
                row("1 MiB", &[("sockeye", 1234.5), ("memcpy", 1000.0)]),
            ],
        };
        let expected = "\
            | mask | sockeye, ns | best peer | soketto | memcpy |\n\
            | --- | --- | --- | --- | --- |\n\
            | 4 B | 2.0 | **15.0** | 15.0 | 0.50 |\n\
            | 1 MiB | 1234 | **-** | - | 0.81 |\n";
        assert_eq!(table(&group), expected);
    }

    #[test]
    fn only_what_is_between_the_comments_is_replaced() {
        let document = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n";
        let replaced = replace_between(document, "x", "new\n");
        assert_eq!(replaced.as_deref(), Ok("a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n"));
        assert!(replace_between(document, "y", "new\n").is_err());
    }
}
