//! Canonical forms are unique, and no spelling escapes a lease.

use nuncio_core::lease::{Lease, Namespace, Operation};
use serde_json::{Value, json};

const NAMESPACES: [&str; 5] = ["fs.read", "net.fetch", "tool.call", "model.use", "x-vendor.acme.door"];

/// The canonical form of a target or pattern is its own canonical form, and a path or URL that a lease covers lies
/// within the lease.
///
/// The first byte selects the namespace.
pub fn canonical(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let namespace = NAMESPACES[usize::from(*first) % NAMESPACES.len()];
    target(namespace, text);
    pattern(namespace, text);
}

fn target(namespace: &str, text: &str) {
    let Ok(operation) = Operation::new(namespace, text) else { return };
    let canonical = operation.target();
    assert_eq!(Operation::new(namespace, canonical).as_ref(), Ok(&operation), "{text:?} -> {canonical:?}");
    let (path, root, lease) = match namespace {
        "fs.read" => {
            assert!(canonical.starts_with('/'), "{canonical:?}");
            (canonical, "/ws", json!({"fs.read": ["/ws/**"]}))
        }
        "net.fetch" => {
            let (scheme, rest) = canonical.split_once("://").expect("a scheme");
            assert!(!scheme.bytes().any(|byte| byte.is_ascii_uppercase()), "{canonical:?}");
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            assert!(!authority.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'@'), "{canonical:?}");
            assert!(!canonical.contains(['\\', '#', ' ']) && canonical.is_ascii(), "{canonical:?}");
            (rest.split('?').next().unwrap_or_default(), "https://h/ws", json!({"net.fetch": ["https://h/ws/**"]}))
        }
        _ => (canonical, "", Value::Null),
    };
    assert!(path.split('/').all(|segment| segment != ".."), "{text:?} -> {canonical:?}");
    if !root.is_empty() {
        let lease = Lease::parse(&lease.to_string()).expect("a valid lease");
        let inside = canonical == root || canonical.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        assert!(!lease.covers(&operation) || inside, "{text:?} -> {canonical:?}");
    }
}

fn pattern(namespace: &str, text: &str) {
    let Ok(lease) = Lease::parse(&json!({ namespace: [text] }).to_string()) else { return };
    let again = Lease::parse(&lease.to_json()).expect("a canonical lease is valid");
    assert_eq!(again, lease, "{text:?}");
    assert!(lease.includes(&again, &mut 1_000_000).is_ok(), "{text:?} includes itself");
    let known = Namespace::parse(namespace).expect("it was parsed");
    let canonical = lease.patterns(&known).first().expect("one pattern").as_str();
    // A pattern without wildcards is also a target, and matches it.
    if !canonical.contains('*')
        && let Ok(operation) = Operation::new(namespace, canonical)
    {
        assert!(lease.covers(&operation), "{canonical:?} matches itself, read as {:?}", operation.target());
    }
}
