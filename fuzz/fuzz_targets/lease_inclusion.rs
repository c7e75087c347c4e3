//! Two leases of tool patterns and a target: what the child covers, an including parent covers, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuncio_core::lease::{Lease, Operation};

/// `a`, `b`, `/` and `*` only: all that matters to the matcher.
fn text(bytes: &[u8]) -> String {
    bytes.iter().take(12).map(|byte| ['a', 'b', '/', '*'][usize::from(byte % 4)]).collect()
}

fuzz_target!(|data: &[u8]| {
    let parts: Vec<String> = data.split(|byte| *byte == 0xff).map(text).filter(|part| !part.is_empty()).collect();
    let [child, target, parents @ ..] = parts.as_slice() else { return };
    let lease = |patterns: &[String]| Lease::parse(&format!("{{\"tool.call\":[\"{}\"]}}", patterns.join("\",\"")));
    let (Ok(parent), Ok(child)) = (lease(parents), lease(std::slice::from_ref(child))) else { return };
    let mut work = 100_000;
    if parent.includes(&child, &mut work).is_ok()
        && let Ok(operation) = Operation::new("tool.call", target)
    {
        assert!(!child.covers(&operation) || parent.covers(&operation), "{target:?}");
    }
});
