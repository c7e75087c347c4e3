//! The rules for runtimes, one file for each group of sections.

mod credentials;
mod delegation;
mod envelope;
mod events;
mod heartbeat;
mod hello;
mod jobs;
mod lease;
mod limits;
mod list;
mod results;
mod resume;
mod watch;

use super::rule::Rule;

/// The rules of all files.
const FILES: [&[Rule]; 13] = [
    envelope::RULES,
    hello::RULES,
    resume::RULES,
    heartbeat::RULES,
    list::RULES,
    jobs::RULES,
    watch::RULES,
    events::RULES,
    results::RULES,
    lease::RULES,
    delegation::RULES,
    credentials::RULES,
    limits::RULES,
];

/// The groups of a report: the title of each, and its sections in the order of the specification.
const GROUPS: [(&str, &[&str]); 13] = [
    ("§5 envelope, malformed frames", &["§5"]),
    ("§6.1, §6.2 hello and features", &["§6.1", "§6.2"]),
    ("§6.3 resume", &["§6.3"]),
    ("§6.4, §6.5 heartbeats and acks", &["§6.4", "§6.5"]),
    ("§6.6, §6.7 lists and close", &["§6.6", "§6.7"]),
    ("§7.1 to §7.3 jobs", &["§7.1", "§7.2", "§7.3"]),
    ("§7.4 to §7.6 cancel, versions, subscribe", &["§7.4", "§7.5", "§7.6"]),
    ("§8.1 to §8.3 events", &["§8.1", "§8.2", "§8.2.1", "§8.3"]),
    ("§8.4 streamed results", &["§8.4"]),
    ("§9.1 to §9.4 leases", &["§9.1", "§9.3", "§9.4"]),
    ("§9.5 to §9.8 expiry, budgets, credentials", &["§9.5", "§9.6", "§9.7", "§9.8.1", "§9.8.2"]),
    ("§10, §11 delegation and traces", &["§10", "§11"]),
    ("§12, §14 errors and security", &["§12", "§14"]),
];

/// Returns all rules in the order of their sections, each with the title of its group.
pub(super) fn rules() -> impl Iterator<Item = (&'static str, &'static Rule)> {
    let sections = GROUPS.iter().flat_map(|(title, sections)| sections.iter().map(move |section| (*title, *section)));
    sections.flat_map(|(title, section)| {
        let rules = FILES.iter().flat_map(|rules| rules.iter());
        rules.filter(move |rule| rule.section == section).map(move |rule| (title, rule))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FILES, rules};
    use crate::commands::conformance::rule::number;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_sentence() {
        let mut names = BTreeSet::new();
        for (_, rule) in rules() {
            assert!(names.insert((rule.section, rule.name)), "{}/{}", rule.section, rule.name);
            assert!(rule.sentence.ends_with('.') && rule.section.starts_with('§'), "{}", rule.name);
        }
        let count = FILES.iter().map(|rules| rules.len()).sum::<usize>();
        assert_eq!(names.len(), count, "the section of each rule is in one group");
    }

    #[test]
    fn rules_are_in_the_order_of_their_sections() {
        let sections: Vec<&str> = rules().map(|(_, rule)| rule.section).collect();
        assert!(sections.is_sorted_by_key(|section| number(section)), "{sections:?}");
    }
}
