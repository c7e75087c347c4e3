//! The scopes that follow from a lease.

use nuncio_core::lease::{Lease, Namespace};

/// The namespace of a lease whose patterns are scopes.
const SCOPES: &str = "x-vendor.caracal.scope";
/// The steps that the comparison of scopes with a lease may take, as a runtime has for two leases.
const WORK: u64 = 1_000_000;

/// Returns the scopes of a lease: `namespace:pattern` for each pattern but amounts, and the pattern alone in the namespace
/// `x-vendor.caracal.scope`. A text that cannot be a scope is left out, and so is a pattern of that namespace which is
/// written as a scope of another one.
///
/// `within` are the scopes of the delegating session, if it is limited: then those of the lease that are among them, and
/// those of them that the lease includes.
pub(super) fn of(lease: &Lease, within: Option<&[Box<str>]>) -> Vec<Box<str>> {
    let mut scopes: Vec<Box<str>> = Vec::new();
    let mut add = |scope: &str| {
        if is_scope(scope) && !scopes.iter().any(|held| **held == *scope) {
            scopes.push(scope.into());
        }
    };
    for namespace in lease.namespaces().filter(|namespace| **namespace != Namespace::CostBudget) {
        for pattern in lease.patterns(namespace) {
            let scope = if namespace.as_str() == SCOPES {
                pattern.as_str().to_owned()
            } else {
                format!("{namespace}:{}", pattern.as_str())
            };
            let is_own = named(&scope) == (namespace.as_str(), pattern.as_str());
            if is_own && within.is_none_or(|within| within.iter().any(|held| **held == *scope)) {
                add(&scope);
            }
        }
    }
    let mut work = WORK;
    for scope in within.unwrap_or_default() {
        if includes(lease, scope, &mut work) {
            add(scope);
        }
    }
    scopes
}

/// Returns the namespace and the pattern that a scope stands for.
fn named(scope: &str) -> (&str, &str) {
    let named = scope
        .split_once(':')
        .filter(|(namespace, _)| Namespace::parse(namespace).is_some_and(|namespace| namespace.as_str() != SCOPES));
    named.unwrap_or((SCOPES, scope))
}

/// Returns whether a lease allows everything that a scope stands for.
fn includes(lease: &Lease, scope: &str, work: &mut u64) -> bool {
    let (namespace, pattern) = named(scope);
    let json = serde_json::json!({ namespace: [pattern] }).to_string();
    namespace != Namespace::CostBudget.as_str()
        && Lease::parse(&json).is_ok_and(|asked| lease.includes(&asked, work).is_ok())
}

/// Returns whether a text is a scope token (RFC 6749 §3.3).
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    fn scopes(lease: &str, within: Option<&[&str]>) -> Vec<String> {
        let within: Option<Vec<Box<str>>> = within.map(|scopes| scopes.iter().map(|scope| (*scope).into()).collect());
        of(&Lease::parse(lease).unwrap(), within.as_deref()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_pattern_of_a_lease_is_a_scope() {
        let lease = r#"{"tool.call":["search.*","search.*"],"cost.budget":["USD:1"],"fs.read":["/ws/**"],
            "x-vendor.caracal.scope":["payment:read"],"x-vendor.acme.row":["7"]}"#;
        let expected = ["tool.call:search.*", "fs.read:/ws/**", "payment:read", "x-vendor.acme.row:7"];
        assert_eq!(scopes(lease, None), expected);
        assert!(scopes("{}", None).is_empty());
    }

    #[test]
    fn what_cannot_be_a_scope_is_left_out() {
        let lease = r#"{"fs.read":["/my files/**","/ä"],"tool.call":["a\"b"],
            "x-vendor.caracal.scope":["fs.write:/ws/**","cost.budget:USD:1","two words"]}"#;
        assert!(scopes(lease, None).is_empty(), "{:?}", scopes(lease, None));
    }

    #[test]
    fn a_limited_session_passes_on_what_the_lease_includes() {
        let within =
            ["tool.call:search.web", "tool.call:mail.*", "payment:read", "payment:submit", "cost.budget:USD:1"];
        let lease = r#"{"tool.call":["search.*"],"x-vendor.caracal.scope":["payment:*"]}"#;
        assert_eq!(scopes(lease, Some(&within)), ["tool.call:search.web", "payment:read", "payment:submit"]);
        assert_eq!(scopes(r#"{"tool.call":["mail.*"]}"#, Some(&within)), ["tool.call:mail.*"]);
        assert!(scopes(r#"{"tool.call":["mail.send"]}"#, Some(&within)).is_empty(), "a part of a scope is no scope");
        assert!(scopes(r#"{"fs.read":["/**"]}"#, Some(&within)).is_empty());
        assert!(scopes(lease, Some(&[])).is_empty());
    }
}
