//! The simulator: one runtime, clients of this workspace, hostile peers, and a host with agents, in virtual time and on
//! transports that break. Every choice is read from bytes, so that the same [`run`] is a seeded test, a fuzz target and the
//! replay of a corpus.
//!
//! ```text
//!   peers.rs    clients      \                            / host.rs     answers, late or never
//!   hostile.rs  raw frames   --- link.rs --- Runtime --- <  agents.rs   do anything
//!                                   |                    \ model/      predicts what must follow
//!   disk.rs     the journal  -------'         crash.rs     crashes and restores the runtime
//!   steps.rs    draws what happens next       invariants.rs checked after every step
//!                                             convergence.rs ends the run
//! ```
//!
//! Every rule is a function. Its name is part of the message of a failed run:
//!
//! | rule | § | where |
//! |---|---|---|
//! | `event_numbers_have_no_gap` | §8.3 | `invariants` |
//! | `a_number_always_names_the_same_event` | §6.3 | `invariants` |
//! | `no_unwritten_event_is_skipped` | §6.5 | `invariants` |
//! | `outdated_tokens_are_refused` | §6.3 | `invariants` |
//! | `nothing_follows_a_terminal` | §7.3 | `invariants` |
//! | `only_negotiated_features_are_used` | §6.2 | `invariants` |
//! | `memory_is_bounded` | ours | `invariants` |
//! | `nothing_is_overdue` | §6.4 | `invariants` |
//! | shape of frames, secrets | §5, §14 | `world::Checker` |
//! | `every_job_is_requested`, `a_key_runs_one_job` | §7.2 | `model::rules` |
//! | `only_asked_jobs_are_accepted` | §7.1 | `model::rules` |
//! | `only_pending_jobs_start`, `only_running_jobs_act`, `no_running_job_is_refused` | §7.3 | `model::rules` |
//! | `a_job_ends_once`, `a_returned_job_ends`, `every_end_has_a_cause` | §7.3, §6.7 | `model::rules` |
//! | `only_the_owner_cancels`, `no_job_outlives_its_grace` | §7.4 | `model::rules` |
//! | `no_job_outlives_its_runtime` | §7.1 | `model::rules` |
//! | `only_the_principal_watches` | §7.6 | `model::rules` |
//! | `agents_wait_only_for_room` | §6.5 | `model::rules` |
//! | `authority_follows_the_lease`, `no_job_outlives_its_lease` | §9.3, §9.5 | `model::rules` |
//! | `no_child_lease_expands`, `no_child_lease_outlives_its_parents`, `no_child_exceeds_its_parents_budget` | §9.4 | `model::rules` |
//! | `budgets_are_conserved`, `an_open_reservation_is_held` | §9.6 | `model::rules` |
//! | `a_question_is_asked_once`, `a_key_names_one_question`, `only_asked_questions_end` | ours | `model::rules` |
//! | `the_first_answer_counts`, `only_fitting_answers_count`, `only_those_who_may_answer` | ours | `model::rules` |
//! | `a_fitting_answer_is_taken`, `no_accepted_answer_is_lost` | ours | `model::rules` |
//! | `questions_expire_at_their_deadline`, `no_question_outlives_its_deadline` | ours | `model::rules` |
//! | `only_approved_operations_are_done`, `a_refusal_says_who_and_why`, `only_marked_operations_are_asked_about` | ours | `model::rules` |
//! | `only_operators_read_the_state` | ours | `model::rules` |
//! | `a_credential_is_revoked_once` | §9.8.2 | `model::rules` |
//! | `credentials_are_recorded_before_they_are_shown` | §14 | `model::rules` |
//! | `children_end_before_their_parent` | §10 | `model::rules` |
//! | `no_welcomed_session_is_lost`, `no_acknowledged_job_is_lost`, `no_sent_event_is_lost` | ours | `model::rules` |
//! | `an_interrupted_job_keeps_its_end`, `every_interrupted_job_ends` | §7.3 | `model::rules` |
//! | `accepted_jobs_go_on`, `a_stop_ends_what_does_not_go_on` | ours | `model::rules` |
//! | `every_session_can_be_resumed` | §6.3 | `crash` |
//! | `every_run_converges`, `everything_predicted_is_sent` | ours | `convergence`, `model::rules` |
//! | equal bytes lead to equal outputs | ours | [`Report::digest`], compared by the test |
//! | no input leads to a panic | ours | a panic fails the run |
//!
//! Two of three runs have a journal. Outputs that depend on a record wait until it is committed, as in a driver; the disk
//! may be slow, stalled or pruned, and events are read back from it. After a crash, everything that was committed and some
//! of the following records survive: `Sim::runtime` is replaced by one that is restored from them, and the model continues
//! from what they describe.

mod agents;
mod approvals;
mod convergence;
mod crash;
mod disk;
mod host;
mod hostile;
mod invariants;
mod lease;
mod link;
mod model;
mod outputs;
mod params;
mod peers;
mod questions;
mod steps;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};

use arbitrary::Unstructured;
use nuncio_core::arcp::{AgentSpec, Config, ConnId, OnRestart, Record, Runtime};
use nuncio_core::time::Time;

use crate::seeded::{Draw, Report, note};
use crate::world::START;
use disk::Disk;
use host::Host;
use hostile::Hostile;
use invariants::Invariants;
use link::Link;
use model::Model;
use params::Params;
use peers::Peer;

/// Runs the simulator once.
///
/// # Panics
/// If a rule is broken or the runtime does something else than the model predicts.
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
    sim.converge();
    Report { steps, digest: sim.digest.finish(), counts: sim.counts }
}

/// Runs the simulator for some steps, and returns the configuration of its runtime with all records that it has stored;
/// there are none if the run has no journal.
pub fn journal(bytes: &mut Unstructured<'_>, steps: usize) -> (Config, Vec<(u64, Record)>) {
    let mut draw = Draw(bytes);
    let mut sim = Sim::new(Params::draw(&mut draw));
    for _ in 0..steps {
        if draw.is_over() {
            break;
        }
        sim.step(&mut draw);
    }
    (sim.params.config(), sim.disk.records)
}

/// The whole simulation.
struct Sim {
    params: Params,
    now: Time,
    runtime: Runtime,
    links: BTreeMap<usize, Link>,
    by_conn: HashMap<ConnId, usize>,
    next_link: usize,
    peers: Vec<Peer>,
    hostiles: Vec<Hostile>,
    host: Host,
    model: Model,
    invariants: Invariants,
    next_seed: u8,
    jumps: u32,
    /// The microseconds by which the wall clock is ahead of `now`.
    wall_offset: i64,
    last_store: u64,
    disk: Disk,
    crashes: u32,
    converging: bool,
    digest: DefaultHasher,
    counts: BTreeMap<&'static str, u64>,
}

/// The registered agents, with the maximum number of jobs that each runs at once.
const AGENTS: [(&str, Option<u32>); 4] = [("echo", None), ("slow", None), ("narrow", Some(1)), ("again", Some(2))];
/// The agents whose running jobs are run again after a restart.
const RERUN: [&str; 2] = ["slow", "again"];

impl Sim {
    fn new(params: Params) -> Sim {
        let mut runtime = Runtime::new(params.config(), [7; 32], START);
        agents().for_each(|spec| runtime.register(spec).expect("a good name"));
        let mut sim = Sim {
            now: START,
            runtime,
            links: BTreeMap::new(),
            by_conn: HashMap::new(),
            next_link: 0,
            peers: Vec::new(),
            hostiles: (0..params.hostiles).map(|_| Hostile::default()).collect(),
            host: Host::default(),
            model: Model::new(params.marks, params.approvers(), params.operators()),
            invariants: Invariants::new(),
            next_seed: 0,
            jumps: 0,
            wall_offset: 0,
            last_store: 0,
            disk: Disk::new(params.journal),
            crashes: 0,
            converging: false,
            digest: DefaultHasher::new(),
            counts: BTreeMap::new(),
            params,
        };
        for who in 0..sim.params.clients {
            let peer = sim.new_peer(who);
            sim.peers.push(peer);
        }
        sim
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

fn agents() -> impl Iterator<Item = AgentSpec> {
    AGENTS.into_iter().map(|(name, max_concurrent)| AgentSpec {
        max_concurrent,
        on_restart: if RERUN.contains(&name) { OnRestart::Rerun } else { OnRestart::Fail },
        ..AgentSpec::new(name)
    })
}
