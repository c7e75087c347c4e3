//! A rule for runtimes.

use std::pin::Pin;

use super::finding::{Judged, Level};
use super::trial::Trial;

/// A rule for runtimes.
pub(super) struct Rule {
    /// The section of the specification, such as `§6.3`.
    pub(super) section: &'static str,
    /// The name of the check, unique within its section.
    pub(super) name: &'static str,
    pub(super) level: Level,
    /// What the specification asks for, in our words.
    pub(super) sentence: &'static str,
    pub(super) check: Check,
}

/// Judges a rule with connections of its own.
pub(super) type Check = for<'a> fn(&'a Trial<'_>) -> Pin<Box<dyn Future<Output = Judged> + 'a>>;

/// Defines `RULES`, the rules of a file: for each one its level, its section, the function that judges it, and the rule.
macro_rules! rules {
    ($($level:ident $section:literal $name:ident: $sentence:literal;)+) => {
        pub(in crate::commands::conformance) const RULES: &[crate::commands::conformance::rule::Rule] = &[$(crate::commands::conformance::rule::Rule {
            section: $section,
            name: stringify!($name),
            level: crate::commands::conformance::finding::Level::$level,
            sentence: $sentence,
            check: |trial| Box::pin($name(trial)),
        }),+];
    };
}

pub(super) use rules;

/// Returns the number of a section such as `§8.2.1` as it is compared with others.
#[cfg(test)]
pub(super) fn number(section: &str) -> Vec<u32> {
    section.trim_start_matches('§').split('.').map(|part| part.parse().expect("a section has a number")).collect()
}
