//! The simulator of CAP.

use nuncio_tests::cap_sim;

use super::{run_seeds, same_bytes_lead_to_the_same_run};

#[test]
fn seeds() {
    run_seeds(cap_sim::run, 1_000, &SEEN);
}

/// What 1 000 seeds must cover; otherwise the simulator no longer tests it.
const SEEN: [&str; 46] = [
    "CANCELLED",
    "FAILED",
    "FAILED_FATAL",
    "FAILED_RETRYABLE",
    "SUCCEEDED",
    "TIMEOUT",
    "accepted",
    "accepted by the router",
    "asked",
    "attack",
    "cancelled",
    "cancelled by an operator",
    "client crashed",
    "conflicting result",
    "clock jumped",
    "cut",
    "drained",
    "forgotten",
    "handler called",
    "handler stopped",
    "packet refused",
    "retried by the router",
    "router crashed",
    "run again",
    "progress",
    "submitted",
    "submitted again",
    "told",
    "waited in vain",
    "worker crashed",
    "worker lost",
    "DENIED",
    "packet replayed",
    "answer not awaited",
    "session granted",
    "session refused",
    "session renewed",
    "trusted result",
    "worker revoked",
    "session revoked",
    "enrolled with another agent",
    "clocks differ",
    "clock set ahead",
    "clock set back",
    "clocks turned back",
    "goes on without a session",
];

#[test]
fn deterministic_same_bytes_same_outputs() {
    same_bytes_lead_to_the_same_run(cap_sim::run);
}
