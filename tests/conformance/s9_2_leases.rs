//! §9.1–§9.3, §9.7: the grammar of leases and what they allow.

use nuncio_core::lease::Operation;
use nuncio_tests::world::{Job, World};
use serde_json::{Value, json};

fn with(w: &mut World, lease: Value) -> Job {
    let a = w.login("tok-alice");
    w.submit(a, json!({"agent": "echo", "lease_request": lease}))
}

#[test]
fn s9_2_bad_leases_are_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for lease in [
        json!({"fs.read": []}),
        json!({"fs.read": [""]}),
        json!({"fs.read": [7]}),
        json!({"fs.read": null}),
        json!({"unknown": ["x"]}),
        json!({"fs.delete": ["/x"]}),
        json!({"x-vendor.acme": ["x"]}),
        json!({"x-vendor..cap": ["x"]}),
        json!({"fs.read": ["relative/**"]}),
        json!({"fs.read": ["/a/../b"]}),
        json!({"fs.read": ["/a//b"]}),
        json!({"fs.write": ["/a/./b"]}),
        json!({"fs.read": ["/a/"]}),
        json!({"fs.read": ["/a\u{0}b"]}),
        json!({"net.fetch": ["example.com/**"]}),
        json!({"net.fetch": ["https://user@example.com/**"]}),
        json!({"net.fetch": ["https://example.com/#x"]}),
        json!({"tool.call": ["a/../b"]}),
        json!({"cost.budget": ["USD"]}),
        json!({"cost.budget": ["5.00"]}),
        json!({"cost.budget": ["USD:"]}),
        json!({"cost.budget": ["USD:-1"]}),
        json!({"cost.budget": ["USD:+1"]}),
        json!({"cost.budget": ["USD:1."]}),
        json!({"cost.budget": ["USD:.5"]}),
        json!({"cost.budget": ["USD:1e3"]}),
        json!({"cost.budget": ["USD:1_000"]}),
        json!({"cost.budget": ["USD: 1"]}),
        json!({"cost.budget": ["1USD:1"]}),
        json!({"cost.budget": ["U$D:1"]}),
        json!({"cost.budget": [5]}),
        json!({"cost.budget": []}),
        json!({"cost.budget": [format!("USD:{}", "9".repeat(60))]}),
    ] {
        w.submit_refused(a, json!({"agent": "echo", "lease_request": lease}), "INVALID_REQUEST");
    }
}

#[test]
fn s9_2_good_leases_are_echoed() {
    let mut w = World::new();
    let lease = json!({
        "fs.read": ["/ws/**", "/etc/*.conf", "/"],
        "fs.write": ["/ws/out/*"],
        "net.fetch": ["https://api.example.com/**", "s3://bucket/**"],
        "tool.call": ["search.*", "*"],
        "agent.delegate": ["echo"],
        "cost.budget": ["USD:5.00", "credits:1000", "runtime_unit-1:0.5"],
        "model.use": ["tier-fast/*"],
        "x-vendor.acme.cap": ["anything"],
    });
    let job = with(&mut w, lease.clone());
    assert_eq!(job.accepted.payload()["lease"], lease);
}

#[test]
fn s9_6_the_same_currency_twice_is_summed() {
    let mut w = World::new();
    let job = with(&mut w, json!({"cost.budget": ["USD:1", "USD:2.5", "EUR:0.1"]}));
    assert_eq!(job.accepted.payload()["budget"]["USD"].as_f64(), Some(3.5));
    assert_eq!(job.accepted.payload()["budget"]["EUR"].as_f64(), Some(0.1));
}

#[test]
fn s9_3_what_is_not_covered_is_permission_denied() {
    let mut w = World::new();
    let job = with(&mut w, json!({"fs.read": ["/ws/**"], "tool.call": ["search.*"]}));
    for (namespace, target, allowed) in [
        ("fs.read", "/ws", true),
        ("fs.read", "/ws/a/b", true),
        ("fs.read", "/ws/a/../b", true),
        ("fs.read", "/ws//a/", true),
        ("fs.read", "/wsx", false),
        ("fs.read", "/ws/../etc/passwd", false),
        ("fs.read", "/etc/passwd", false),
        ("fs.read", "ws/a", false),
        ("fs.read", "/../ws/a", false),
        ("fs.read", "/ws/a\u{0}", false),
        ("fs.read", "/WS/a", false),
        ("fs.write", "/ws/a", false),
        ("tool.call", "search.web", true),
        ("tool.call", "search.", true),
        ("tool.call", "Search.web", false),
        ("tool.call", "xsearch.web", false),
        ("tool.call", "search.web/x", false),
        ("net.fetch", "https://example.com/", false),
        ("model.use", "tier-fast/a", false),
        ("unknown", "x", false),
    ] {
        let expected = if allowed { Ok(()) } else { Err("PERMISSION_DENIED") };
        assert_eq!(w.authorize(&job, namespace, target), expected, "{namespace} {target}");
    }
}

#[test]
fn s9_2_stars_stay_within_a_segment_and_the_rest_is_literal() {
    let mut w = World::new();
    let job = with(&mut w, json!({"fs.read": ["/a/*/c", "/q/f?o[1]", "/r/x**y"], "tool.call": ["*"]}));
    for (target, allowed) in [
        ("/a/b/c", true),
        ("/a/b/b/c", false),
        ("/a/c", false),
        ("/q/f?o[1]", true),
        ("/q/fao1", false),
        ("/r/xzzy", true),
        ("/r/xz/zy", false),
    ] {
        assert_eq!(w.authorize(&job, "fs.read", target).is_ok(), allowed, "{target}");
    }
    assert_eq!(w.authorize(&job, "tool.call", "a/b"), Err("PERMISSION_DENIED"), "* matches within one segment");
}

#[test]
fn s9_2_urls_are_compared_in_canonical_form() {
    let mut w = World::new();
    let job = with(&mut w, json!({"net.fetch": ["https://api.example.com/v1/**", "HTTP://Plain.Example.COM.:80/x"]}));
    for (target, allowed) in [
        ("https://api.example.com/v1/x", true),
        ("HTTPS://API.EXAMPLE.COM:443/v1/x", true),
        ("https://api.example.com./v1/x", true),
        ("https://api.example.com/v1/%78", true),
        ("https://api.example.com/v1/../v2", false),
        ("https://api.example.com/v1/%2e%2e/v2", false),
        ("https://api.example.com/v1/a%2fb", false),
        ("https://api.example.com/v1/a%5cb", false),
        ("https://api.example.com:8443/v1/x", false),
        ("https://user@api.example.com/v1/x", false),
        ("https://api.example.com/v1/x#f", false),
        ("https://api.example.com.evil.com/v1/x", false),
        ("http://api.example.com/v1/x", false),
        ("https://api.example.com\\v1\\x", false),
        ("http://plain.example.com/x", true),
        ("/v1/x", false),
    ] {
        assert_eq!(w.authorize(&job, "net.fetch", target).is_ok(), allowed, "{target}");
    }
}

#[test]
fn s9_7_a_model_must_match_a_pattern() {
    let mut w = World::new();
    let job = with(&mut w, json!({"model.use": ["tier-fast/*", "anthropic/claude-3-haiku-*"]}));
    assert_eq!(w.model(&job, "tier-fast/a"), Ok(()));
    assert_eq!(w.model(&job, "anthropic/claude-3-haiku-20240307"), Ok(()));
    assert_eq!(w.model(&job, "anthropic/claude-3-opus-1"), Err("PERMISSION_DENIED"));
    let none = with(&mut w, json!({"tool.call": ["*"]}));
    assert_eq!(w.model(&none, "tier-fast/a"), Err("PERMISSION_DENIED"), "no implicit model access");
}

#[test]
fn s9_7_a_config_may_allow_models_without_a_lease() {
    let mut w = World::with(|config| config.models_without_lease = true);
    let job = with(&mut w, json!({}));
    assert_eq!(w.model(&job, "anything"), Ok(()));
    let named = with(&mut w, json!({"model.use": ["tier-fast/*"]}));
    assert_eq!(w.model(&named, "anything"), Err("PERMISSION_DENIED"), "a model.use that is present is enforced");
}

#[test]
fn s9_3_an_empty_lease_allows_nothing() {
    let mut w = World::new();
    let job = with(&mut w, json!({}));
    for (namespace, target) in [
        ("fs.read", "/"),
        ("fs.write", "/"),
        ("net.fetch", "https://a/"),
        ("tool.call", "t"),
        ("agent.delegate", "echo"),
        ("x-vendor.a.b", "c"),
    ] {
        assert_eq!(w.authorize(&job, namespace, target), Err("PERMISSION_DENIED"), "{namespace}");
    }
}

#[test]
fn s9_3_a_budget_is_not_an_operation() {
    assert!(Operation::new("cost.budget", "USD:1").is_err());
}

/// The checks run in the order expiry, pattern, budget: the first that fails decides the answer.
#[test]
fn s9_3_the_order_of_the_operation_check() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(
        a,
        json!({"agent": "echo", "lease_request": {"tool.call": ["t"], "model.use": ["m"], "cost.budget": ["USD:1"]},
            "lease_constraints": {"expires_at": "2026-05-13T19:30:10Z"}}),
    );
    w.cost(&job, "1", "USD");
    assert_eq!(
        w.authorize(&job, "tool.call", "u"),
        Err("PERMISSION_DENIED"),
        "the pattern is checked before the budget"
    );
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("BUDGET_EXHAUSTED"));
    assert_eq!(w.model(&job, "m"), Ok(()), "the budget is not checked for model.use");
    assert_eq!(w.model(&job, "other"), Err("PERMISSION_DENIED"));
    w.advance(10_000_000);
    assert_eq!(w.authorize(&job, "tool.call", "u"), Err("LEASE_EXPIRED"), "the expiry is checked before the pattern");
    assert_eq!(w.model(&job, "other"), Err("LEASE_EXPIRED"));
}
