//! Whether a child's lease is a subset of its parent's is decided exactly (§9.4).

use nuncio_core::lease::{Lease, Namespace, Operation, SubsetError};
use proptest::prelude::*;

use crate::support::{lease, slow_match};

const WORK: u64 = 1_000_000;

fn includes(namespace: &str, parents: &[&str], children: &[&str]) -> bool {
    let mut work = WORK;
    match lease(namespace, parents).includes(&lease(namespace, children), &mut work) {
        Ok(()) => true,
        Err(SubsetError::Violation { .. }) => false,
        Err(SubsetError::TooComplex { .. }) => panic!("{parents:?} {children:?} take too much work"),
    }
}

#[test]
fn s9_4_path_patterns_are_compared_exactly() {
    for (parent, child, expected) in [
        ("/data/*", "/data/**", false),
        ("/data/**", "/data/*", true),
        ("/data/**", "/data/**", true),
        ("/data/*", "/data/*", true),
        ("/data/*", "/data/x", true),
        ("/data/*", "/data/x/y", false),
        ("/data/**", "/data", true),
        ("/data/**", "/data/x/y", true),
        ("/data/**", "/datax", false),
        ("/data", "/data/**", false),
        ("/**", "/data/**", true),
        ("/foo/bar/**", "/foo/**", false),
        ("/a/**/z", "/a/z", true),
        ("/a/**/z", "/a/b/z", true),
        ("/a/**/z", "/a/*/z", true),
        ("/a/*/z", "/a/**/z", false),
        ("/a/**", "/a/*/b", true),
        ("/ws/a*", "/ws/ab*", true),
        ("/ws/ab*", "/ws/a*", false),
        ("/ws/*a", "/ws/*ba", true),
        ("/ws/*ba", "/ws/*a", false),
        ("/ws/*", "/ws/a*", true),
        ("/ws/a*", "/ws/*", false),
        ("/x/**", "/x/**/**", true),
        ("/x/**/**", "/x/**", true),
        ("/x/*/**", "/x/**", false),
        ("/x/**/*", "/x/**", false),
        ("/x/*/**", "/x/**/*", true),
        ("/x/**/*", "/x/*/**", true),
        ("/x/**", "/x/*/**", true),
        ("/a?c", "/abc", false),
        ("/[ab]", "/a", false),
        ("/[!a]*", "/*", false),
        ("/[!a]*", "/b", false),
        ("/[!a]*", "/[!a]b*", true),
        ("/**", "/*", true),
        ("/*", "/", true),
        ("/**", "/", true),
        ("/a*a", "/a", false),
        ("/a*a", "/aa", true),
        ("/*a*b*", "/*ab*", true),
        ("/*ab*", "/*a*b*", false),
        ("/**/a/**", "/x/**/a", true),
        ("/**/a/**", "/**/b", false),
        ("/**/*.rs", "/src/**/*.rs", true),
        ("/**/*.rs", "/src/**/*s", false),
        ("/a/**/b/**/c", "/a/b/**/b/c", true),
        ("/a**", "/a*", true),
        ("/a*", "/a**", true),
    ] {
        assert_eq!(includes("fs.read", &[parent], &[child]), expected, "{parent} ⊇ {child}");
    }
}

#[test]
fn s9_4_name_patterns_are_compared_exactly() {
    for (parent, child, expected) in [
        ("**", "*", true),
        ("**", "**", true),
        ("*", "**", false),
        ("**", "**/a", true),
        ("**/a", "a", true),
        ("**/a", "/a", true),
        ("**/a", "*a", false),
        ("*a", "**/a", false),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/*/b", true),
        ("a/**/b", "a/**/**/b", true),
        ("*", "abc", true),
        ("a*", "*", false),
        ("tier-fast/*", "tier-fast/**", false),
        ("gpt-4*", "**", false),
        ("/**", "**", false),
        ("**/*", "**", true),
        ("*/**", "**", true),
        ("**/*/*", "**", false),
        ("/*/**", "/**", true),
    ] {
        assert_eq!(includes("model.use", &[parent], &[child]), expected, "{parent} ⊇ {child}");
    }
}

#[test]
fn s9_4_a_union_covers_what_no_single_pattern_does() {
    assert!(includes("fs.read", &["/x", "/x/*/**"], &["/x/**"]));
    assert!(!includes("fs.read", &["/x", "/x/*/*/**"], &["/x/**"]));
    assert!(includes("tool.call", &["a", "b"], &["b", "a", "a"]));
    assert!(!includes("tool.call", &["a", "b"], &["a", "c"]));
    assert!(includes("tool.call", &["*/**", "a"], &["**"]));
    assert!(includes("tool.call", &["*", "*/*", "*/*/**"], &["**"]));
    assert!(!includes("tool.call", &["*", "*/*", "*/*/*/**/x"], &["**"]));
    assert!(includes("tool.call", &["*a*", "*b*"], &["x*a", "b*"]));
    assert!(includes("tool.call", &["a*b", "ab*", "b"], &["a*b", "ab", "ab*"]));
}

#[test]
fn s9_4_an_equal_lease_and_an_empty_one_are_subsets() {
    let lease = Lease::parse(r#"{"fs.read":["/a/**"],"tool.call":["*"],"cost.budget":["USD:1"]}"#).unwrap();
    assert_eq!(lease.includes(&lease, &mut 1_000), Ok(()));
    assert_eq!(lease.includes(&Lease::default(), &mut 0), Ok(()));
}

#[test]
fn s9_4_a_namespace_the_parent_does_not_name_is_a_violation() {
    let parent = lease("fs.read", &["/**"]);
    for namespace in ["model.use", "agent.delegate", "fs.write", "x-vendor.a.b"] {
        let child = lease(namespace, &["/a"]);
        let expected = Namespace::parse(namespace).unwrap();
        match parent.includes(&child, &mut WORK.clone()) {
            Err(SubsetError::Violation { namespace, pattern }) => {
                assert_eq!((namespace, pattern.as_str()), (expected, "/a"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn s9_4_the_error_names_the_pattern() {
    let error = lease("fs.read", &["/a/**"]).includes(&lease("fs.read", &["/a/b", "/b/*"]), &mut WORK.clone());
    assert_eq!(error.unwrap_err().to_string(), r#"the parent's lease does not cover the pattern "/b/*" of fs.read"#);
}

#[test]
fn s9_4_amounts_are_not_compared_as_patterns() {
    assert_eq!(lease("tool.call", &["a"]).includes(&lease("cost.budget", &["USD:1"]), &mut 0), Ok(()));
}

#[test]
fn s9_4_canonical_forms_are_compared() {
    assert!(includes("net.fetch", &["HTTPS://H:443/**"], &["https://h./a/../b?x=/y"]));
    assert!(includes("net.fetch", &["https://**"], &["https://*/**"]));
    assert!(!includes("net.fetch", &["https://*.example.com/**"], &["https://*/**"]));
    assert!(!includes("net.fetch", &["https://*/*"], &["https://h/a/*"]));
    assert!(includes("fs.read", &["/**"], &["**"]));
    assert!(includes("fs.read", &["**"], &["/**"]));
}

#[test]
fn s9_4_a_comparison_beyond_the_work_bound_is_refused() {
    // Each parent requires a different number of segments between its letters, so the sets of positions in these
    // patterns rarely contain each other.
    let stars = |count: usize| "*/".repeat(count);
    let parents: Vec<String> = (0..12)
        .flat_map(|i| (0..12).map(move |j| (i, j)))
        .map(|(i, j)| format!("**/a/{}a/{}**/b", stars(i), stars(j)))
        .collect();
    let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
    let child = "**/a/".repeat(12) + "**/b";
    let mut work = 1_000_000;
    let result = lease("tool.call", &parents).includes(&lease("tool.call", &[&child]), &mut work);
    assert!(matches!(result, Err(SubsetError::TooComplex { .. })), "{result:?} {work}");
    assert_eq!(work, 0);
    assert!(matches!(
        lease("tool.call", &["*"]).includes(&lease("tool.call", &["a"]), &mut 0),
        Err(SubsetError::TooComplex { .. })
    ));
}

#[test]
fn s9_4_ordinary_leases_take_little_work() {
    let parents: Vec<String> = (0..100).map(|index| format!("/workspace/project-{index}/**/*.rs")).collect();
    let children: Vec<String> = (0..100).map(|index| format!("/workspace/project-{index}/src/*/mod.rs")).collect();
    let borrow = |patterns: &[String]| patterns.iter().map(|pattern| serde_json::json!(pattern)).collect::<Vec<_>>();
    let parent = Lease::parse(&serde_json::json!({ "fs.read": borrow(&parents) }).to_string()).unwrap();
    let child = Lease::parse(&serde_json::json!({ "fs.read": borrow(&children) }).to_string()).unwrap();
    let mut work = WORK;
    assert_eq!(parent.includes(&child, &mut work), Ok(()));
    assert!(WORK - work < 10_000, "{}", WORK - work);
}

/// What is written in `core/docs/arcp.md`.
#[test]
fn s9_4_large_leases_are_within_the_default_of_25_000_steps() {
    /// Returns a pattern of the parent, and one of the child.
    type Pair = fn(usize) -> (String, String);
    let lists: [(usize, Pair); 4] = [
        (300, |index| (format!("/data/team-{index}/**"), format!("/data/team-{index}/reports/*.txt"))),
        (1_000, |index| (format!("/data/team-{index}/**"), format!("/data/team-{index}/**"))),
        (1_000, |index| (format!("/**/team-{index}"), format!("/**/team-{index}"))),
        (50, |index| (format!("/*-{index}"), format!("/a*-{index}"))),
    ];
    for (count, list) in lists {
        let (parents, children): (Vec<String>, Vec<String>) = (0..count).map(list).unzip();
        let read = |patterns| Lease::parse(&serde_json::json!({ "fs.read": patterns }).to_string()).unwrap();
        let mut work = 25_000;
        assert_eq!(read(&parents).includes(&read(&children), &mut work), Ok(()), "{} {}", parents[0], children[0]);
    }
}

/// The patterns that a literal one is compared with are found by their prefixes.
#[test]
fn s9_4_each_pattern_with_a_fitting_prefix_takes_part() {
    let prefixes = ["", "a", "aa", "aab", "ab", "ab/", "ab/a", "ab/ab", "b", "ba"];
    let patterns: Vec<String> =
        prefixes.iter().flat_map(|prefix| ["", "*", "/**", "*/**/c"].map(|end| format!("{prefix}{end}"))).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).filter(|pattern| !pattern.is_empty()).collect();
    for child in &patterns {
        for parent in &patterns {
            let alone = includes("tool.call", &[parent], &[child]);
            // Patterns that match nothing that the child matches make no difference, wherever they stand.
            let segments = |pattern: &str| pattern.split('/').map(str::to_owned).collect::<Vec<_>>();
            let text = child.replace("**", "c").replace('*', "c");
            let target = segments(&text);
            let target: Vec<&str> = target.iter().map(String::as_str).collect();
            let others = patterns.iter().copied().filter(|other| {
                let other = segments(other);
                !slow_match(&other.iter().map(String::as_str).collect::<Vec<_>>(), &target)
            });
            let with_others: Vec<&str> = others.chain([*parent]).collect();
            assert!(!alone || includes("tool.call", &with_others, &[child]), "{parent} ⊇ {child}");
        }
    }
}

#[test]
fn s9_4_hostile_single_patterns_are_decided_quickly() {
    let stars = "*a*b".repeat(500);
    assert!(includes("tool.call", &[&format!("{stars}*")], &[&format!("{stars}*a")]));
    assert!(!includes("tool.call", &[&format!("{stars}*a")], &[&format!("{stars}*")]));
    let deep = "**/a/".repeat(200);
    assert!(includes("tool.call", &[&format!("{deep}**")], &[&format!("{deep}**/x/**")]));
}

/// Returns a text of at most `longest` characters that the child matches and no parent matches.
fn counterexample(parents: &[String], child: &str, alphabet: &[char], longest: usize) -> Option<String> {
    let mut texts = vec![String::new()];
    for _ in 0..longest {
        texts = texts.iter().flat_map(|text| alphabet.iter().map(move |char| format!("{text}{char}"))).collect();
        let found = texts.iter().find(|text| {
            let target: Vec<&str> = text.split('/').collect();
            let matches = |pattern: &str| slow_match(&pattern.split('/').collect::<Vec<_>>(), &target);
            matches(child) && !parents.iter().any(|parent| matches(parent))
        });
        if let Some(found) = found {
            return Some(found.clone());
        }
    }
    None
}

fn is_included(parents: &[String], child: &str) -> bool {
    includes("tool.call", &parents.iter().map(String::as_str).collect::<Vec<_>>(), &[child])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// The letter `b` stands for all characters that do not occur in the patterns.
    #[test]
    fn inclusion_holds_iff_there_is_no_counterexample(
        parents in prop::collection::vec("(a|/|\\*|\\*|/\\*\\*|\\*\\*/){1,5}", 1..4),
        child in "(a|/|\\*|\\*|/\\*\\*|\\*\\*/){1,4}",
    ) {
        let counterexample = counterexample(&parents, &child, &['a', 'b', '/'], 7);
        prop_assert_eq!(is_included(&parents, &child), counterexample.is_none(), "{:?}", counterexample);
    }

    #[test]
    fn inclusion_of_single_segments_holds_iff_there_is_no_counterexample(
        parents in prop::collection::vec("(a|b|\\*){1,5}", 1..5),
        child in "(a|b|\\*){1,4}",
    ) {
        let counterexample = counterexample(&parents, &child, &['a', 'b', 'c', '/'], 6);
        prop_assert_eq!(is_included(&parents, &child), counterexample.is_none(), "{:?}", counterexample);
    }

    /// A literal pattern is included if and only if a pattern matches it.
    #[test]
    fn inclusion_of_a_literal_is_a_match(
        parents in prop::collection::vec("[ab/]{0,4}(|\\*|/\\*\\*|\\*a)", 1..24),
        child in "[ab/]{1,5}",
    ) {
        let mut parents: Vec<String> = parents.into_iter().filter(|parent| !parent.is_empty()).collect();
        parents.push("c".to_owned());
        let target: Vec<&str> = child.split('/').collect();
        let matched = parents.iter().any(|parent| slow_match(&parent.split('/').collect::<Vec<_>>(), &target));
        prop_assert_eq!(is_included(&parents, &child), matched);
    }

    #[test]
    fn inclusion_is_reflexive_and_transitive(
        patterns in prop::collection::vec("(a|b|/|\\*|/\\*\\*|\\*\\*/){1,6}", 3),
    ) {
        let [a, b, c] = patterns.as_slice() else { unreachable!() };
        prop_assert!(includes("tool.call", &[a], &[a]));
        if includes("tool.call", &[a], &[b]) && includes("tool.call", &[b], &[c]) {
            prop_assert!(includes("tool.call", &[a], &[c]));
        }
    }

    #[test]
    fn what_a_child_covers_its_parent_covers(
        parents in prop::collection::vec("(a|b|/|\\*|/\\*\\*|\\*\\*/){1,7}", 1..4),
        child in "(a|b|/|\\*|/\\*\\*|\\*\\*/){1,7}",
        targets in prop::collection::vec("(a|b|c|/){1,9}", 40),
    ) {
        let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
        let (parent, child) = (lease("tool.call", &parents), lease("tool.call", &[&child]));
        if parent.includes(&child, &mut WORK.clone()).is_ok() {
            for target in targets {
                let operation = Operation::new("tool.call", &target).unwrap();
                prop_assert!(!child.covers(&operation) || parent.covers(&operation), "{}", target);
            }
        }
    }
}
