//! The simulator of Caracal.

use nuncio_tests::caracal_sim;

use super::{run_seeds, same_bytes_lead_to_the_same_run};

#[test]
fn seeds() {
    run_seeds(caracal_sim::run, 150, &SEEN);
}

/// What 150 seeds must cover; otherwise the simulator no longer tests it.
const SEEN: [&str; 26] = [
    "answer lost",
    "answer replaced",
    "answered again",
    "client closed",
    "client crashed",
    "clock jumped",
    "clock set ahead",
    "clock set back",
    "delegated",
    "failed",
    "given up",
    "lease taken over",
    "lost by a proxy",
    "records deleted",
    "records lost",
    "refused by a proxy",
    "request lost",
    "restarted",
    "revoked",
    "session ended by itself",
    "spawned",
    "spawned with an edge",
    "terminated",
    "terminated before",
    "token refused",
    "uncertain",
];

#[test]
fn deterministic_same_bytes_same_outputs() {
    same_bytes_lead_to_the_same_run(caracal_sim::run);
}
