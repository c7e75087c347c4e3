//! The rules for runtimes, one file for each group of sections.

mod delegation;
mod envelope;
mod events;
mod heartbeat;
mod hello;
mod jobs;
mod lease;
mod list;
mod results;
mod resume;
mod watch;

use super::rule::Rule;

/// The groups of rules, each with its title.
pub(super) const GROUPS: [(&str, &[Rule]); 11] = [
    ("§5 envelope, malformed frames", envelope::RULES),
    ("§6.1, §6.2 hello and features", hello::RULES),
    ("§6.3 resume", resume::RULES),
    ("§6.4, §6.5 heartbeats and acks", heartbeat::RULES),
    ("§6.6, §6.7 lists and close", list::RULES),
    ("§7.1 to §7.3, §12 jobs and errors", jobs::RULES),
    ("§7.4 to §7.6 cancel, versions, subscribe", watch::RULES),
    ("§8.1 to §8.3, §11 events and traces", events::RULES),
    ("§8.4 streamed results", results::RULES),
    ("§9.1 to §9.7 leases and budgets", lease::RULES),
    ("§9.4, §9.8, §10 delegation, credentials", delegation::RULES),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::GROUPS;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_sentence() {
        let mut names = BTreeSet::new();
        for rule in GROUPS.iter().flat_map(|(_, rules)| *rules) {
            assert!(names.insert((rule.section, rule.name)), "{}/{}", rule.section, rule.name);
            assert!(rule.sentence.ends_with('.') && rule.section.starts_with('§'), "{}", rule.name);
        }
    }
}
