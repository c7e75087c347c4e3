//! The grammar of leases and what they cover (§9.1 to §9.3).

use nuncio_core::budget::AmountError;
use nuncio_core::lease::{
    CanonicalError, Lease, LeaseError, MAX_NAMESPACES, MAX_PATTERN_BYTES, MAX_PATTERNS, MAX_TARGET_BYTES, Namespace,
    Operation, Pattern, TargetError,
};
use proptest::prelude::*;

use crate::support::{covers, lease, slow_match};

fn refused(json: &str) -> LeaseError {
    Lease::parse(json).expect_err(json)
}

// Requests

#[test]
fn s9_2_reserved_and_vendor_namespaces_are_valid() {
    let json = concat!(
        r#"{"model.use":["m"],"fs.read":["/a"],"fs.write":["/b"],"net.fetch":["https://h/"],"tool.call":["t"],"#,
        r#""agent.delegate":["d"],"cost.budget":["USD:5.00"],"x-vendor.acme.db":["q"],"x-vendor.acme.db.more":["q"]}"#
    );
    let lease = Lease::parse(json).unwrap();
    assert_eq!(lease.to_json(), json, "the order of the request and the text of its amounts are unchanged");
    assert!(lease.names(&Namespace::ModelUse));
    assert!(lease.names(&Namespace::parse("x-vendor.acme.db").unwrap()));
    assert!(!lease.names(&Namespace::parse("x-vendor.acme.other").unwrap()));
    assert_eq!(lease.namespaces().count(), 9);
}

#[test]
fn s9_2_other_namespaces_are_invalid() {
    for namespace in [
        "",
        "fs",
        "fs.exec",
        "FS.READ",
        "fs.read ",
        "x-vendor",
        "x-vendor.",
        "x-vendor.acme",
        "x-vendor.acme.",
        "x-vendor..db",
        "x-vendor.ac me.db",
        "x-vendor.acme.d\u{e9}",
        "vendor.acme.db",
    ] {
        let json = serde_json::json!({ namespace: ["/a"] }).to_string();
        assert!(matches!(refused(&json), LeaseError::UnknownNamespace(_)), "{namespace:?}");
        assert!(matches!(Operation::new(namespace, "/a"), Err(TargetError::UnknownNamespace(_))), "{namespace:?}");
    }
    let long = format!("x-vendor.a.{}", "b".repeat(Namespace::MAX_BYTES));
    assert_eq!(Namespace::parse(&long), None);
}

#[test]
fn s9_2_an_empty_request_allows_nothing() {
    let lease = Lease::parse(" {} ").unwrap();
    assert!(lease.is_empty());
    assert_eq!(lease, Lease::default());
    assert_eq!(lease.to_json(), "{}");
    assert!(lease.budget().is_none());
    assert!(!lease.covers(&Operation::new("tool.call", "search").unwrap()));
    for named in [r#"{"tool.call":["a"]}"#, r#"{"cost.budget":["USD:1"]}"#] {
        assert!(!Lease::parse(named).unwrap().is_empty());
    }
}

#[test]
fn s9_2_empty_lists_and_empty_strings_are_invalid() {
    assert_eq!(refused(r#"{"fs.read":[]}"#), LeaseError::EmptyList(Namespace::FsRead));
    assert_eq!(refused(r#"{"model.use":["a/*"],"cost.budget":[]}"#), LeaseError::EmptyList(Namespace::CostBudget));
    assert!(matches!(refused(r#"{"tool.call":[""]}"#), LeaseError::Pattern { reason: CanonicalError::Empty, .. }));
    assert!(matches!(refused(r#"{"cost.budget":[""]}"#), LeaseError::Amount { reason: AmountError::Syntax, .. }));
}

#[test]
fn s9_2_other_shapes_are_invalid() {
    for json in [
        "",
        "null",
        "[]",
        "7",
        r#""fs.read""#,
        "{",
        r#"{"fs.read":"/a"}"#,
        r#"{"fs.read":null}"#,
        r#"{"fs.read":{"0":"/a"}}"#,
        r#"{"fs.read":["/a",null]}"#,
        r#"{"fs.read":[7]}"#,
        r#"{"fs.read":[["/a"]]}"#,
        r#"{"fs.read":["\ud800"]}"#,
        r#"{"fs.read":["/a"]} {}"#,
        r#"{"fs.read":["/a"],}"#,
    ] {
        assert_eq!(refused(json), LeaseError::Shape, "{json}");
    }
}

#[test]
fn s9_2_a_namespace_twice_is_invalid() {
    assert_eq!(
        refused(r#"{"fs.read":["/a"],"tool.call":["t"],"fs\u002eread":["/b"]}"#),
        LeaseError::DuplicateNamespace(Namespace::FsRead)
    );
}

#[test]
fn ours_a_lease_is_bounded() {
    let many = |count: usize| {
        let entries: Vec<String> = (0..count).map(|index| format!(r#""x-vendor.a.n{index}":["t"]"#)).collect();
        format!("{{{}}}", entries.join(","))
    };
    assert!(Lease::parse(&many(MAX_NAMESPACES)).is_ok());
    assert_eq!(refused(&many(MAX_NAMESPACES + 1)), LeaseError::TooManyNamespaces);

    let patterns =
        |count: usize| serde_json::json!({ "tool.call": ["t"], "fs.read": vec!["/a"; count - 1] }).to_string();
    assert!(Lease::parse(&patterns(MAX_PATTERNS)).is_ok());
    assert_eq!(refused(&patterns(MAX_PATTERNS + 1)), LeaseError::TooManyPatterns);

    let long = |bytes: usize| serde_json::json!({ "tool.call": ["t".repeat(bytes)] }).to_string();
    assert!(Lease::parse(&long(MAX_PATTERN_BYTES)).is_ok());
    let too_long = CanonicalError::TooLong { max: MAX_PATTERN_BYTES };
    assert!(matches!(refused(&long(MAX_PATTERN_BYTES + 1)), LeaseError::Pattern { reason, .. } if reason == too_long));

    let grows = serde_json::json!({ "net.fetch": [format!("https://h/?{}", "/".repeat(2_000))] }).to_string();
    assert!(matches!(refused(&grows), LeaseError::Pattern { reason, .. } if reason == too_long));

    let target = |bytes: usize| Operation::new("tool.call", &"t".repeat(bytes));
    assert!(target(MAX_TARGET_BYTES).is_ok());
    let too_long = target(MAX_TARGET_BYTES + 1);
    assert!(matches!(too_long, Err(TargetError::Refused(CanonicalError::TooLong { .. }))));
}

#[test]
fn ours_bytes_held_grows_with_the_lease() {
    let small = lease("tool.call", &["t"]).bytes_held();
    let large = lease("tool.call", &[&"t".repeat(1_000)]).bytes_held();
    assert!(small > 0);
    assert_eq!(large - small, 999);
    assert_eq!(Lease::default().bytes_held(), 0);
}

#[test]
fn ours_errors_quote_a_bounded_part_of_the_request() {
    let error = refused(&serde_json::json!({ "fs.read": ["a".repeat(4_000)] }).to_string()).to_string();
    assert!(error.len() < 300, "{error}");
}

#[test]
fn s9_6_budget_entries_are_amounts() {
    let lease = Lease::parse(r#"{"cost.budget":["USD:1","credits:10","USD:2.50"]}"#).unwrap();
    let budget: Vec<String> =
        lease.budget().unwrap().iter().map(|(currency, amount)| format!("{currency}:{amount}")).collect();
    assert_eq!(budget, ["USD:3.5", "credits:10"]);
    let patterns: Vec<&str> = lease.patterns(&Namespace::CostBudget).iter().map(Pattern::as_str).collect();
    assert_eq!(patterns, ["USD:1", "credits:10", "USD:2.50"]);
    assert!(matches!(
        refused(r#"{"cost.budget":["USD:1","USD:-1"]}"#),
        LeaseError::Amount { reason: AmountError::Syntax, .. }
    ));
    assert_eq!(Operation::new("cost.budget", "USD:1"), Err(TargetError::NotAnOperation));
}

// Patterns

#[test]
fn s9_2_a_star_is_any_run_within_a_segment() {
    for (pattern, target, expected) in [
        ("search.*", "search.web", true),
        ("search.*", "search.a.b", true),
        ("search.*", "search.", true),
        ("search.*", "search", false),
        ("search.*", "search.a/b", false),
        ("*", "abc", true),
        ("*", "a/b", false),
        ("*/*", "a/b", true),
        ("*/*", "a", false),
        ("a*c*e", "abcde", true),
        ("a*c*e", "ace", true),
        ("a*c*e", "aec", false),
        ("*a*", "bab", true),
        ("*a*", "bb", false),
        ("*ab", "aab", true),
        ("ab*ba", "aba", false),
        ("*ab*ab", "abab", true),
        ("*ab*ab", "aab", false),
        ("é*", "éa", true),
        ("tier-fast/*", "tier-fast/a/b", false),
        ("mcp:github/*", "mcp:github/issues", true),
        ("mcp:github/*", "MCP:github/issues", false),
        ("a//b", "a//b", true),
        ("a/*/b", "a//b", true),
    ] {
        assert_eq!(covers("tool.call", pattern, target), expected, "{pattern} {target}");
    }
}

#[test]
fn s9_2_two_stars_as_a_segment_are_any_number_of_segments() {
    for (pattern, target, expected) in [
        ("**", "a", true),
        ("**", "/a/b", true),
        ("**/a", "a", true),
        ("**/a", "/a", true),
        ("**/a", "x/y/a", true),
        ("**/a", "xa", false),
        ("**/a", "a/x", false),
        ("a/**", "a", true),
        ("a/**", "a/", true),
        ("a/**", "a/b/c", true),
        ("a/**", "ab", false),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/x/y/b", true),
        ("a/**/b", "a/xb", false),
        ("a/**/b", "ab", false),
        ("a/**/**/b", "a/b", true),
        ("**/a/**/b/**", "x/a/y/b/z", true),
        ("**/a/b", "a/a/b", true),
        ("**/a/*/b", "a/a/x/b", true),
        ("/**", "/", true),
        ("/**", "/a/b", true),
        ("/**", "a", false),
        ("/*", "/", true),
        ("/*", "/a/b", false),
    ] {
        assert_eq!(covers("tool.call", pattern, target), expected, "{pattern} {target}");
    }
}

#[test]
fn s9_2_two_stars_inside_a_segment_are_one_star() {
    assert!(covers("tool.call", "a**b", "axb"));
    assert!(!covers("tool.call", "a**b", "a/b"));
    assert!(!covers("tool.call", "a**", "a/b"));
    assert!(!covers("tool.call", "***", "a/b"));
}

#[test]
fn s9_2_everything_else_is_literal() {
    for (pattern, target, expected) in [
        ("[!a]*", "b", false),
        ("[!a]*", "[!a]b", true),
        ("a?c", "abc", false),
        ("a?c", "a?c", true),
        ("a.txt", "aXtxt", false),
        ("{a,b}", "a", false),
        (r"\*", r"\x", true),
        (r"\*", "*", false),
        ("a|b", "a", false),
        ("^a$", "a", false),
        ("%61", "a", false),
    ] {
        assert_eq!(covers("tool.call", pattern, target), expected, "{pattern} {target}");
    }
}

#[test]
fn s9_2_patterns_are_anchored_and_case_sensitive() {
    assert!(!covers("tool.call", "search", "search2"));
    assert!(!covers("tool.call", "search", "research"));
    assert!(!covers("tool.call", "search", "Search"));
    assert!(!covers("fs.read", "/W/*", "/w/a"));
}

#[test]
fn s9_3_only_the_operations_own_namespace_counts() {
    let lease = Lease::parse(r#"{"fs.read":["/ws/**"],"tool.call":["a","b"]}"#).unwrap();
    assert!(lease.covers(&Operation::new("fs.read", "/ws/a").unwrap()));
    assert!(!lease.covers(&Operation::new("fs.write", "/ws/a").unwrap()));
    assert!(lease.covers(&Operation::new("tool.call", "b").unwrap()));
    assert!(!lease.covers(&Operation::new("tool.call", "c").unwrap()));
}

#[test]
fn s9_7_a_model_needs_model_use() {
    let model = Operation::model("tier-fast/small").unwrap();
    assert_eq!((model.namespace(), model.target()), (&Namespace::ModelUse, "tier-fast/small"));
    assert!(lease("model.use", &["tier-fast/*"]).covers(&model));
    assert!(!lease("model.use", &["tier-slow/*"]).covers(&model));
    assert!(!lease("tool.call", &["**"]).covers(&model));
}

#[test]
fn ours_matching_is_bounded_and_fails_closed() {
    let segments = |segment: &str, count: usize| vec![segment; count].join("/");
    let hostile = format!("**/{}/x", segments("*", 1_500));
    let lease = lease("tool.call", &vec![hostile.as_str(); 300]);
    assert!(!lease.covers(&Operation::new("tool.call", &segments("a", 8_000)).unwrap()));
    assert!(!lease.covers(&Operation::new("tool.call", &format!("{}/x", segments("a", 8_000))).unwrap()));
}

proptest! {
    #[test]
    fn matching_agrees_with_a_slow_matcher(
        pattern in "(a|b|/|\\*|\\*\\*|/\\*\\*/){1,9}",
        target in "(a|b|/){1,9}",
    ) {
        let expected = slow_match(
            &pattern.split('/').collect::<Vec<_>>(),
            &target.split('/').collect::<Vec<_>>(),
        );
        prop_assert_eq!(covers("tool.call", &pattern, &target), expected, "{} {}", pattern, target);
    }

    #[test]
    fn any_text_is_a_lease_or_an_error(text in ".{0,60}") {
        let _ = Lease::parse(&text);
    }

    #[test]
    fn any_lease_is_read_back_equal(
        entries in prop::collection::vec(
            (
                "(fs\\.read|net\\.fetch|tool\\.call|x-vendor\\.a\\.b|cost\\.budget)",
                "(/|https://|USD:|\\*\\*|)[a-z0-9%/*.?:\"\\\\\\PC]{0,12}",
            ),
            0..4,
        ),
    ) {
        let object: serde_json::Map<_, _> =
            entries.into_iter().map(|(key, value)| (key, serde_json::json!([value]))).collect();
        if let Ok(lease) = Lease::parse(&serde_json::Value::from(object).to_string()) {
            prop_assert_eq!(Lease::parse(&lease.to_json()), Ok(lease));
        }
    }

    #[test]
    fn any_target_is_an_operation_or_an_error(
        namespace in "(fs\\.read|net\\.fetch|tool\\.call)",
        target in "(/|https?://|)\\PC{0,40}",
    ) {
        if let Ok(operation) = Operation::new(&namespace, &target) {
            let again = Operation::new(&namespace, operation.target());
            prop_assert_eq!(again, Ok(operation));
        }
    }
}
