//! Leases: what is compared at each operation, and at each delegation.

use std::hint::black_box;

use nuncio_core::lease::{Lease, Operation};

/// Returns a lease of a hundred patterns; those of a child are narrower.
fn lease(child: bool) -> Lease {
    let end = if child { "reports/*.txt" } else { "**" };
    let patterns: Vec<String> = (0..100).map(|number| format!("/data/team-{number}/{end}")).collect();
    Lease::parse(&serde_json::json!({ "fs.read": patterns }).to_string()).expect("the patterns are valid")
}

pub(crate) fn checks(times: usize) {
    let lease = lease(false);
    let operation = Operation::new("fs.read", "/data/team-99/reports/today.txt").expect("the target is valid");
    for _ in 0..times {
        assert!(black_box(&lease).covers(black_box(&operation)));
    }
}

pub(crate) fn inclusions(times: usize) {
    let (parent, child) = (lease(false), lease(true));
    for _ in 0..times {
        let mut work = 10_000_000;
        assert!(black_box(&parent).includes(black_box(&child), &mut work).is_ok());
    }
}
