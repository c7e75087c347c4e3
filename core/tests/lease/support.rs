//! Leases from lists of patterns, and a slow matcher to compare the real one with.

use nuncio_core::lease::{Lease, Operation};

/// Returns a lease of one namespace.
pub(crate) fn lease(namespace: &str, patterns: &[&str]) -> Lease {
    Lease::parse(&serde_json::json!({ namespace: patterns }).to_string()).expect("the patterns are valid")
}

/// Whether a lease with this one pattern covers the target.
pub(crate) fn covers(namespace: &str, pattern: &str, target: &str) -> bool {
    lease(namespace, &[pattern]).covers(&Operation::new(namespace, target).expect(target))
}

/// Whether a pattern matches a target, decided by trying every way to match. Both are split at `/`.
pub(crate) fn slow_match(pattern: &[&str], target: &[&str]) -> bool {
    match (pattern.split_first(), target.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), None) => slow_match(rest, target),
        (Some((&"**", rest)), Some((_, fewer))) => slow_match(rest, target) || slow_match(pattern, fewer),
        (Some((glob, rest)), Some((segment, fewer))) => {
            slow_glob(glob.as_bytes(), segment.as_bytes()) && slow_match(rest, fewer)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn slow_glob(glob: &[u8], segment: &[u8]) -> bool {
    match (glob.split_first(), segment.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => slow_glob(rest, segment),
        (Some((b'*', rest)), Some((_, fewer))) => slow_glob(rest, segment) || slow_glob(glob, fewer),
        (Some((literal, rest)), Some((byte, fewer))) => literal == byte && slow_glob(rest, fewer),
        (None, Some(_)) | (Some(_), None) => false,
    }
}
