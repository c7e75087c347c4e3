//! What the demonstration prints.

use crate::text::print_line;

/// Prints a line: who does something, and what.
pub(super) fn narrate(who: &str, what: &str) {
    print_line(&format!("  {who:<12} {what}"));
}
