//! The results as `JUnit` XML, which CI systems read.

use std::fmt::Write as _;

use super::row::{Outcome, Row};
use crate::text::sanitize;

/// Returns the document: a test suite for each group, a test case for each rule.
pub(super) fn document(rows: &[Row]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nuncio conformance\">\n".to_owned();
    let mut groups: Vec<&str> = rows.iter().map(|row| row.group).collect();
    groups.dedup();
    for group in groups {
        // Writing to a string does not fail.
        let _infallible = suite(&mut xml, group, &rows.iter().filter(|row| row.group == group).collect::<Vec<_>>());
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, group: &str, rows: &[&Row]) -> std::fmt::Result {
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    let (failed, skipped) = (count(Outcome::Failed), count(Outcome::NotOffered));
    let (group, tests) = (escaped(group), rows.len());
    writeln!(xml, "  <testsuite name=\"{group}\" tests=\"{tests}\" failures=\"{failed}\" skipped=\"{skipped}\">")?;
    for row in rows {
        let name = escaped(&format!("{}/{}", row.section, row.name));
        write!(xml, "    <testcase classname=\"{group}\" name=\"{name}\"")?;
        let reason = escaped(row.reason.as_deref().unwrap_or_default());
        match row.outcome {
            Outcome::Passed => writeln!(xml, "/>")?,
            Outcome::NotOffered => writeln!(xml, "><skipped message=\"{reason}\"/></testcase>")?,
            Outcome::Failed => {
                let mut text = format!("{} {}\n", row.level, row.rule);
                for entry in &row.frames {
                    writeln!(text, "{} {:?}: {}", entry.connection, entry.direction, entry.frame)?;
                }
                let text: Vec<String> = text.lines().map(escaped).collect();
                writeln!(xml, "><failure message=\"{reason}\">{}</failure></testcase>", text.join("\n"))?;
            }
        }
    }
    writeln!(xml, "  </testsuite>")
}

/// Escapes a line for XML; what XML cannot hold is written as in other output.
fn escaped(line: &str) -> String {
    sanitize(line).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::commands::conformance::finding::{Level, broken, not_offered};
    use crate::commands::conformance::report::row::Row;
    use crate::commands::conformance::transcript::{Direction, Transcript};

    #[test]
    fn the_document_has_a_case_for_each_rule_and_escapes_what_peers_say() {
        let mut transcript = Transcript::new([]);
        transcript.add(1, Direction::Received, "<evil attribute=\"1\"/>\u{0}&");
        let row = |name, judged| Row::new(("§5", name, Level::Must, "A rule."), "§5 envelope", judged, &transcript);
        let xml = document(&[row("a", Ok(())), row("b", broken("a \"<reason>\"")), row("c", not_offered("none"))]);
        assert!(xml.contains("tests=\"3\" failures=\"1\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("name=\"§5/a\"/>") && xml.contains("<skipped message=\"none\"/>"), "{xml}");
        assert!(xml.contains("message=\"a &quot;&lt;reason&gt;&quot;\""), "{xml}");
        assert!(!xml.contains("<evil") && !xml.contains('\u{0}'), "{xml}");
    }
}
