//! The simulator of ARCP.

use nuncio_tests::sim;

use super::{run_seeds, same_bytes_lead_to_the_same_run};

#[test]
fn seeds() {
    run_seeds(sim::run, 2_000, &SEEN);
}

/// What 2 000 seeds must cover; otherwise the simulator no longer tests it.
const SEEN: [&str; 66] = [
    "BUDGET_EXHAUSTED",
    "LEASE_EXPIRED",
    "NEEDS_APPROVAL",
    "PERMISSION_DENIED",
    "ack",
    "answered",
    "answered by default",
    "approval asked for",
    "approved operation",
    "asked",
    "attack",
    "authorized",
    "blocked",
    "cancel",
    "cancelled",
    "child",
    "client closed",
    "client restarted",
    "clock jumped",
    "crashed",
    "cut",
    "decided before a restart",
    "delegated",
    "delegation needs an approval",
    "delegation refused",
    "emitted",
    "error",
    "expired question",
    "half open",
    "host silent",
    "interrupted",
    "job lost in a crash",
    "journal recovered",
    "journal stalled",
    "minted",
    "not approved in time",
    "numbered",
    "old events pruned",
    "refused",
    "refused operation",
    "refused while stalled",
    "released",
    "replay truncated",
    "replayed",
    "replayed from disk",
    "reserved",
    "restored",
    "resumed",
    "revoked after a crash",
    "rotated",
    "run again",
    "session closed",
    "settled",
    "spent",
    "state read",
    "streamed",
    "submitted",
    "subscribe",
    "success",
    "timed_out",
    "torn tail",
    "unblocked",
    "wall set ahead",
    "wall set back",
    "waited over a restart",
    "stopped",
];

#[test]
fn deterministic_same_bytes_same_outputs() {
    same_bytes_lead_to_the_same_run(sim::run);
}
