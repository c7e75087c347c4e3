//! The result of one rule.

use console::Style;
use serde::Serialize;

use crate::commands::conformance::finding::{Finding, Judged, Level};
use crate::commands::conformance::transcript::{Direction, Entry, Transcript};
use crate::text::sanitize;

/// The result of one rule.
#[derive(Clone, Debug, Serialize)]
pub(in super::super) struct Row {
    pub(in super::super) section: &'static str,
    pub(in super::super) name: String,
    pub(in super::super) level: Level,
    /// What the specification asks for, in our words.
    pub(in super::super) rule: &'static str,
    pub(in super::super) group: &'static str,
    pub(in super::super) outcome: Outcome,
    /// What the peer did, or why the rule was not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) reason: Option<String>,
    /// The last frames before a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in super::super) frames: Vec<Entry>,
    /// How many earlier frames are not shown.
    #[serde(skip_serializing_if = "is_zero")]
    pub(in super::super) frames_left_out: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Outcome {
    Passed,
    Failed,
    NotOffered,
}

/// The name of a rule as it is shown and selected: `jobs-outlive-connections`.
pub(in super::super) fn shown(name: &str) -> String {
    name.replace('_', "-")
}

impl Row {
    /// Makes the row of a rule from what judging it has found.
    pub(in super::super) fn new(
        (section, name, level, rule): (&'static str, &str, Level, &'static str),
        group: &'static str,
        judged: Judged,
        transcript: &Transcript,
    ) -> Row {
        let (outcome, reason) = match judged {
            Ok(()) => (Outcome::Passed, None),
            Err(Finding::Broken(reason)) => (Outcome::Failed, Some(transcript.without_secrets(&reason))),
            Err(Finding::NotOffered(reason)) => (Outcome::NotOffered, Some(reason)),
        };
        let (frames, frames_left_out) = match outcome {
            Outcome::Failed => transcript.shown(),
            Outcome::Passed | Outcome::NotOffered => (Vec::new(), 0),
        };
        Row { section, name: shown(name), level, rule, group, outcome, reason, frames, frames_left_out }
    }

    /// Returns the lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let (label, style) = match self.outcome {
            Outcome::Passed => ("pass", Style::new().green()),
            Outcome::Failed => ("FAIL", Style::new().red().bold()),
            Outcome::NotOffered => ("not offered", Style::new().dim()),
        };
        let name = format!("{}/{}", self.section, self.name);
        let head = format!("{}  {:9}  {name}", style.apply_to(format!("{label:11}")), self.level);
        let reason = self.reason.as_deref().map(sanitize).unwrap_or_default();
        match self.outcome {
            Outcome::Passed => vec![head],
            Outcome::NotOffered => vec![format!("{head}: {reason}")],
            Outcome::Failed => {
                let mut lines = vec![head, format!("    rule:  {}", self.rule), format!("    found: {reason}")];
                if self.frames_left_out > 0 {
                    lines.push(format!("    … {} earlier frames", self.frames_left_out));
                }
                lines.extend(self.frames.iter().map(|entry| {
                    let arrow = match entry.direction {
                        Direction::Sent => "->",
                        Direction::Received => "<-",
                    };
                    format!("    {} {arrow} {}", entry.connection, sanitize(&entry.frame))
                }));
                lines
            }
        }
    }
}
