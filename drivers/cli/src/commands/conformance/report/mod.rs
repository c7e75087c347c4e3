//! What a run of the suite has found, and how it is printed.

mod junit;
mod row;

use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use super::finding::Level;
use crate::error::Error;
use crate::text::json;
pub(super) use row::{Outcome, Row, shown};

/// How rows are printed on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Lines,
    Json,
    /// Only the table at the end.
    Markdown,
}

/// The rows of a run.
pub(super) struct Report {
    format: Format,
    rows: Vec<Row>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Rule(&'a Row),
    Summary { passed: usize, failed: usize, not_offered: usize },
}

impl Report {
    pub(super) fn new(format: Format) -> Report {
        Report { format, rows: Vec::new() }
    }

    /// Adds a row and prints it.
    pub(super) fn add(&mut self, row: Row) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        let printed = match self.format {
            Format::Lines => row.lines().iter().try_for_each(|line| writeln!(out, "{line}")),
            Format::Json => json(&Line::Rule(&row)).map_err(io::Error::from).and_then(|line| writeln!(out, "{line}")),
            Format::Markdown => Ok(()),
        };
        printed.and_then(|()| out.flush()).map_err(Error::stdout)?;
        self.rows.push(row);
        Ok(())
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }

    /// Prints the summary, and writes the file for `JUnit`; returns whether no rule is broken.
    pub(super) fn finish(&self, junit: Option<&Path>) -> Result<bool, Error> {
        let [passed, failed, not_offered] =
            [Outcome::Passed, Outcome::Failed, Outcome::NotOffered].map(|outcome| self.count(outcome));
        let text = match self.format {
            Format::Lines => {
                let counts = format!("{passed} passed, {failed} failed, {not_offered} not offered");
                [self.legend(), vec![format!("{} rules: {counts}", self.rows.len())]].concat().join("\n")
            }
            Format::Json => {
                json(&Line::Summary { passed, failed, not_offered }).map_err(|error| Error::stdout(error.into()))?
            }
            Format::Markdown => self.markdown(),
        };
        writeln!(io::stdout(), "{text}").map_err(Error::stdout)?;
        if let Some(path) = junit {
            let name = path.display().to_string();
            std::fs::write(path, junit::document(&self.rows)).map_err(|error| Error::Write(name, error))?;
        }
        Ok(failed == 0)
    }

    /// Returns what the words of the rows mean, as far as they occur.
    fn legend(&self) -> Vec<String> {
        let words = [
            (
                self.rows.iter().any(|row| row.level == Level::Described),
                "described: the specification states the rule without MUST or SHOULD",
            ),
            (self.count(Outcome::NotOffered) > 0, "not offered: the rule is not judged, for the reason beside it"),
        ];
        words.into_iter().filter(|(occurs, _)| *occurs).map(|(_, line)| line.to_owned()).collect()
    }

    /// Returns a table with a row for each group: the rules that were passed, failed and not offered.
    fn markdown(&self) -> String {
        let mut lines = vec!["| group | passed | failed | not offered |".to_owned(), "|---|---|---|---|".to_owned()];
        let mut groups: Vec<&str> = self.rows.iter().map(|row| row.group).collect();
        groups.dedup();
        let line = |title: &str, rows: &dyn Fn(&Row) -> bool| {
            let count = |outcome| self.rows.iter().filter(|row| rows(row) && row.outcome == outcome).count();
            let [passed, failed, not_offered] = [Outcome::Passed, Outcome::Failed, Outcome::NotOffered].map(count);
            format!("| {title} | {passed} | {failed} | {not_offered} |")
        };
        lines.extend(groups.into_iter().map(|group| line(group, &|row| row.group == group)));
        lines.push(line("all", &|_| true));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Outcome, Report, Row};
    use crate::commands::conformance::finding::{Judged, Level, broken, not_offered};
    use crate::commands::conformance::transcript::{Direction, Transcript};

    fn row(name: &str, judged: Judged) -> Row {
        let mut transcript = Transcript::new(["s3cret-token"]);
        transcript.add(1, Direction::Received, "s3cret-token \u{1b}[2J");
        Row::new(("§6.3", name, Level::Must, "It is a rule."), "§6.3 resume", judged, &transcript)
    }

    #[test]
    fn a_failure_shows_the_rule_what_was_found_and_the_frames_escaped() {
        let text = row("wrong_token", broken("s3cret-token is \u{9b}accepted")).lines().join("\n");
        for part in ["FAIL", "MUST", "§6.3/wrong-token", "It is a rule.", "accepted", "1 <- [hidden]"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("s3cret") && !text.contains('\u{1b}') && !text.contains('\u{9b}'), "{text}");
        assert_eq!(row("replay", Ok(())).lines().len(), 1);
        let missing = row("replay", not_offered("there is no agent"));
        assert_eq!(missing.outcome, Outcome::NotOffered);
        assert!(missing.lines().join("\n").ends_with("there is no agent") && missing.frames.is_empty());
    }

    #[test]
    fn a_word_of_the_rows_is_explained_if_it_occurs() {
        let legend = |level, judged| {
            let row = Row { level, ..row("a", judged) };
            Report { format: Format::Lines, rows: vec![row] }.legend().join("\n")
        };
        assert_eq!(legend(Level::Must, Ok(())), "");
        let described = legend(Level::Described, broken("no"));
        assert!(described.starts_with("described: ") && !described.contains("not offered"), "{described}");
        let not_offered = legend(Level::Should, not_offered("there is no agent"));
        assert!(not_offered.starts_with("not offered: ") && !not_offered.contains("described"), "{not_offered}");
    }

    #[test]
    fn the_table_counts_rules_by_group() {
        let rows = vec![row("a", Ok(())), row("b", broken("no")), row("c", not_offered("no")), row("d", Ok(()))];
        let table = Report { format: Format::Markdown, rows }.markdown();
        assert!(table.contains("| §6.3 resume | 2 | 1 | 1 |") && table.ends_with("| all | 2 | 1 | 1 |"), "{table}");
    }
}
