//! What a demonstration prints.

use crate::text::print_line;

/// How to read the lines of a demonstration with jobs whose events are numbered.
pub(super) const LEGEND: &str = "Each line begins with who acts, or with a job. #12 is an event's number in the session. Only some events are shown.";

/// Prints a line: who does something, and what.
pub(super) fn narrate(who: &str, what: &str) {
    print_line(&format!("  {who:<9} {what}"));
}
