//! The simulator of Caracal: clients and their coordinator, in virtual time. Requests and answers are lost, replaced or slow,
//! the coordinator is restarted from its records, and clocks jump. Every choice is read from bytes, so that the same [`run`]
//! is a seeded test, a fuzz target and the replay of a corpus.
//!
//! ```text
//!   clients.rs   open, nest, delegate, revoke, crash  --- link.rs --->  coordinator.rs  answers, stores, crashes
//!   events.rs    what they are told                                     model.rs        what is known of every session
//!   clocks.rs    the wall clocks of the machines are set
//!   steps.rs     draws what happens next                                convergence.rs  ends the run
//! ```
//!
//! Every rule is named in the message of a failed run:
//!
//! | rule | § | where |
//! |---|---|---|
//! | `one_session_per_logical_spawn`, `every_session_has_its_own_spawn` | 1.7 | `model` |
//! | `every_client_gets_its_own_session`, `a_known_failure_leaves_no_session` | 1.7 | `events` |
//! | `what_is_terminated_has_ended` | 1.7 | `events` |
//! | `every_session_is_new`, `a_session_ends_once` | 2.2 | `model` |
//! | `no_session_outlives_its_lifetime`, `no_session_outlives_its_parent` | 2.2 | `model`, `convergence` |
//! | `no_session_ends_early` | 2.2 | `model` |
//! | `no_session_outlives_its_scope` | ours | `model` |
//! | `no_edge_outlives_its_expiry` | 2.3 | `model` |
//! | `no_token_is_used_after_its_expiry` | 1.7 | `clients` |
//! | `no_edge_is_wider_than_its_parent`, `no_edge_outlives_its_lifetime` | 2.3 | `coordinator`, `convergence` |
//! | `a_revocation_is_final`, `what_is_revoked_is_not_active` | 2.3 | `coordinator`, `events` |
//! | `no_session_acts_after_its_end` | 2.3 | `coordinator` |
//! | `every_change_is_told` | 2.4 | `coordinator` |
//! | `every_call_ends_once`, `every_answer_is_for_its_call`, `every_answer_can_be_read` | ours | `events` |
//! | `a_request_is_answered_once` | ours | `coordinator` |
//! | `a_restart_changes_nothing`, `every_record_can_be_used`, `a_record_is_read_back_unchanged` | ours | `coordinator` |
//! | `records_are_numbered`, `memory_is_bounded` | ours | `coordinator`, `clients` |
//! | `nothing_is_overdue`, `everything_comes_to_rest`, `every_run_converges` | ours | all |
//! | equal bytes lead to equal requests and answers | ours | [`Report::digest`], compared by the test |
//! | no input leads to a panic | ours | a panic fails the run |

mod clients;
mod clocks;
mod convergence;
mod coordinator;
mod events;
mod link;
mod model;
mod params;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};

use arbitrary::Unstructured;
use nuncio_core::time::Time;

use crate::seeded::{Draw, Report, note};
use crate::world::START;
use clients::ClientHost;
use clocks::Clocks;
use coordinator::CoordinatorHost;
use link::Link;
use model::Model;
use params::{Faults, Params};

const ZONE: &str = "z1";

/// The applications, which the clients belong to in turn.
const APPLICATIONS: [&str; 2] = ["app-a", "app-b"];

/// Runs the simulator once.
///
/// # Panics
/// If a rule is broken.
pub fn run(bytes: &mut Unstructured<'_>) -> Report {
    let mut draw = Draw(bytes);
    let params = Params::draw(&mut draw);
    note(|| format!("{params:?}"));
    let mut sim = Sim::new(params);
    let mut steps = 0;
    while !draw.is_over() && steps < 5_000 {
        steps += 1;
        sim.step(&mut draw);
    }
    sim.converge(&mut draw);
    Report { steps, digest: sim.digest.finish(), counts: sim.counts }
}

/// The whole simulation.
struct Sim {
    params: Params,
    now: Time,
    link: Link,
    clients: Vec<ClientHost>,
    coordinator: CoordinatorHost,
    model: Model,
    /// The number of logical spawns so far.
    spawns: u64,
    /// The logical spawns that were asked for with an edge.
    edged: BTreeSet<u64>,
    converging: bool,
    digest: DefaultHasher,
    counts: BTreeMap<&'static str, u64>,
}

impl Sim {
    fn new(params: Params) -> Sim {
        let coordinator = CoordinatorHost::new(&params);
        let mut sim = Sim {
            params,
            now: START,
            link: Link::default(),
            clients: Vec::new(),
            coordinator,
            model: Model::default(),
            spawns: 0,
            edged: BTreeSet::new(),
            converging: false,
            digest: DefaultHasher::new(),
            counts: BTreeMap::new(),
        };
        for who in 0..sim.params.clients {
            let host = ClientHost::new(&sim, who, 0, Clocks::default());
            sim.clients.push(host);
        }
        sim
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn faults(&self) -> Faults {
        if self.converging { Faults::default() } else { self.params.faults }
    }
}
