//! The simulator of CAP: clients, workers and a router on a bus that loses, doubles, delays and reorders packets, in virtual
//! time. Every choice is read from bytes, so that the same [`run`] is a seeded test, a fuzz target and the replay of a corpus.
//!
//! ```text
//!   clients.rs   submit, repeat, cancel, crash   \                  / workers.rs   run handlers, crash
//!   attacker.rs  forges, changes, replays         >--- bus.rs ---- <
//!   router.rs    crashes and is restored         /                  \ blobs.rs     inputs and outputs
//!   relay.rs     or: a router without memory    /
//!   trust.rs     sessions of workers, and sealed.rs: packets of the production profile
//!   clocks.rs    the wall clocks of the machines are set, ahead and back
//!   enrollment.rs  who is enrolled: workers are revoked, and enrolled again
//!   steps.rs     draws what happens next        model.rs      what is known of every job
//!                                               convergence.rs ends the run
//! ```
//!
//! Every rule is named in the message of a failed run:
//!
//! | rule | § | where |
//! |---|---|---|
//! | `every_result_has_a_cause` | spec/07 | `model` |
//! | `every_success_was_returned` | spec/04 | `model` |
//! | `only_published_results_are_believed` | spec/07 | `model` |
//! | `a_job_ends_once`, `nothing_follows_the_last_event` | spec/07 | `clients`, `workers` |
//! | `only_matching_requests_are_accepted` | spec/03 | `workers` |
//! | `only_submitted_requests_are_run` | spec/09 | `workers` |
//! | `a_handler_runs_once_at_a_time`, `no_job_runs_again_after_its_success` | spec/09 | `workers` |
//! | `a_repeated_request_gets_the_same_result` | spec/09 | `workers` |
//! | `an_attempt_runs_once` | spec/09 | `reruns` |
//! | `the_next_attempt_runs` | spec/07 | `reruns` |
//! | `an_attempt_is_answered_once`, `only_running_handlers_are_stopped` | spec/09 | `workers` |
//! | `handlers_get_their_input` | spec/04 | `workers` |
//! | `no_handler_runs_for_a_stored_output` | ours | `workers` |
//! | `no_deadline_passes_early` | spec/07 | `deadlines` |
//! | `no_job_outlives_its_deadline`, `a_cancelled_job_ends`, `no_handler_outlives_its_job` | spec/07 | `workers` |
//! | `no_more_handlers_than_slots`, `the_queue_is_bounded` | ours | `workers` |
//! | `every_packet_is_accepted_by_others` | spec/02 | here |
//! | `nothing_accepted_is_lost`, `no_end_is_lost`, `nothing_acknowledged_is_lost` | ours | `router` |
//! | `every_record_can_be_used`, `a_record_is_read_back_unchanged` | ours | `router` |
//! | `only_published_results_are_repeated`, `every_router_result_has_a_cause` | spec/07 | `router`, `model` |
//! | `all_sides_agree` | spec/07 | `convergence` |
//! | `only_workers_with_a_session_get_jobs`, `only_results_with_a_token_count`, `a_request_is_awaited` | spec/14 | `trust` |
//! | `no_session_outlives_its_token` | spec/14 | `trust` |
//! | `a_revoked_session_is_over` | spec/14 | `enrollment` |
//! | `no_token_is_sent_before_its_session_is_stored`, `sessions_outlive_the_router` | ours | `trust` |
//! | `only_admitted_packets_have_an_effect`, `only_the_present_dispatch_counts` | spec/19 | `sealed` |
//! | `jobs_stay_with_their_tenant` | spec/19 | `sealed` |
//! | `every_job_gives_signs`, `a_lost_request_is_missed` | ours | `signs` |
//! | `signs_are_not_shown` | ours | `clients` |
//! | `memory_is_bounded` | ours | `router` |
//! | `no_wait_is_cut_short`, `no_wait_lasts_longer` | ours | `clients` |
//! | `nothing_is_overdue`, `everything_comes_to_rest` | ours | `steps` |
//! | `every_run_converges` | ours | `convergence` |
//! | equal bytes lead to equal packets | ours | [`Report::digest`], compared by the test |
//! | no input leads to a panic | ours | a panic fails the run |

mod attacker;
mod blobs;
mod bus;
mod clients;
mod clocks;
mod convergence;
mod deadlines;
mod enrollment;
mod model;
mod params;
mod relay;
mod reruns;
mod router;
mod sealed;
pub(crate) mod signing;
mod signs;
mod steps;
mod submits;
mod trust;
mod workers;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arbitrary::Unstructured;
use bytes::Bytes;
use nuncio_core::cap::{
    Acceptance, Authentication, BusPacket, DecodeLimits, JobCancel, Keyring, MapOrder, Payload, Reading, Signer,
    Subject, Timestamp, open, seal,
};
use nuncio_core::time::Time;

use crate::seeded::{Draw, Report, note};
use crate::world::START;
use blobs::Blobs;
use bus::{Bus, Faults, Who};
use clients::ClientHost;
use clocks::Clocks;
use model::Model;
use params::{Params, Trust};
use router::RouterHost;
use sealed::{Deliveries, is_about_jobs};
use signing::{HashSigner, HashVerifier};
use trust::Sessions;
use workers::WorkerHost;

/// The topics: all workers serve the first, and worker 0 serves both.
const TOPICS: [&str; 2] = ["job.any", "job.one"];

/// The number of packets that the attacker remembers.
const CAPTURED: usize = 30;

/// Runs the simulator once.
///
/// # Panics
/// If a rule is broken.
pub fn run(bytes: &mut Unstructured<'_>) -> Report {
    let mut draw = Draw(bytes);
    let params = Params::draw(&mut draw);
    note(|| format!("{params:?}"));
    let mut sim = Sim::new(params, &mut draw);
    let mut steps = 0;
    while !draw.is_over() && steps < 5_000 {
        steps += 1;
        sim.step(&mut draw);
    }
    sim.converge();
    Report { steps, digest: sim.digest.finish(), counts: sim.counts }
}

/// The whole simulation.
struct Sim {
    params: Params,
    now: Time,
    /// The clocks of the router, the clients and the workers.
    clocks: [Clocks; 7],
    bus: Bus,
    blobs: Blobs,
    clients: Vec<ClientHost>,
    workers: Vec<WorkerHost>,
    /// The router; without one there is a relay.
    router: Option<RouterHost>,
    model: Model,
    sessions: Sessions,
    deliveries: Deliveries,
    /// The packet that a component has just received, if it must not have an effect.
    ignored: Option<String>,
    /// The latest packets, which the attacker has seen.
    captured: Vec<(Subject, Bytes)>,
    next_job: usize,
    jumps: u32,
    converging: bool,
    digest: DefaultHasher,
    counts: BTreeMap<&'static str, u64>,
}

impl Sim {
    fn new(params: Params, draw: &mut Draw<'_, '_>) -> Sim {
        let mut sim = Sim {
            clocks: params.ahead.map(Clocks::new),
            params,
            now: START,
            bus: Bus::default(),
            blobs: Blobs::default(),
            clients: Vec::new(),
            workers: Vec::new(),
            router: None,
            model: Model::default(),
            sessions: Sessions::default(),
            deliveries: Deliveries::default(),
            ignored: None,
            captured: Vec::new(),
            next_job: 0,
            jumps: 0,
            converging: false,
            digest: DefaultHasher::new(),
            counts: BTreeMap::new(),
        };
        sim.model.has_tenants = sim.trust() == Trust::Production;
        for who in 0..sim.params.clients {
            let host = ClientHost::new(&sim, who, 0);
            sim.clients.push(host);
        }
        for who in 0..sim.params.workers {
            let host = WorkerHost::new(&sim, who, 0);
            sim.workers.push(host);
        }
        sim.sessions.enrolled = (0..sim.params.workers).map(|who| (who, trust::AGENT)).collect();
        sim.router = sim.params.router.clone().map(|params| RouterHost::new(&sim, params));
        if sim.params.skew > 0 {
            sim.count("clocks differ");
        }
        for who in sim.everybody() {
            sim.reconnect(who, draw);
        }
        sim
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn faults(&self) -> Faults {
        if self.converging { Faults::default() } else { self.params.bus }
    }

    /// Returns the ids of all who may send packets.
    fn senders(&self) -> Vec<String> {
        let clients = (0..self.params.clients).map(|who| format!("client-{who}"));
        let workers = (0..self.params.workers).map(|who| format!("worker-{who}"));
        clients.chain(workers).chain(["operator".to_owned(), "router".to_owned()]).collect()
    }

    /// Returns how packets are read: those of everybody with a key, if packets are signed.
    fn reading(&self) -> Reading {
        if !self.params.is_signed {
            return Reading::new(Authentication::Unsigned);
        }
        let mut keys = Keyring::default();
        for sender in self.senders() {
            keys.add(sender.as_str(), key_of(&sender).public_key()).expect("one key for each sender");
        }
        Reading::new(Authentication::Signed(keys))
    }

    fn signer(&self, sender: &str) -> Option<Arc<dyn Signer>> {
        self.params.is_signed.then(|| -> Arc<dyn Signer> { Arc::new(key_of(sender)) })
    }

    /// Reads a packet as everybody does. Those of the production profile are verified by [`Sim::sealed`].
    fn opened(&self, bytes: &[u8]) -> Option<BusPacket> {
        if self.trust() == Trust::Production {
            return BusPacket::decode(bytes, &DecodeLimits::default()).ok();
        }
        open(bytes, &self.reading(), &HashVerifier).ok()
    }

    /// Lets the attacker remember a packet.
    fn capture(&mut self, subject: &Subject, bytes: &Bytes) {
        (subject.to_string(), bytes).hash(&mut self.digest);
        self.captured.push((subject.clone(), bytes.clone()));
        if self.captured.len() > CAPTURED {
            self.captured.remove(0);
        }
    }

    /// Reads a packet that was published. Dead letters are the packets of submitters.
    fn accepted(&self, who: Who, subject: &Subject, bytes: &Bytes) -> BusPacket {
        let is_production = self.trust() == Trust::Production;
        if is_production && is_about_jobs(subject) {
            let packet = self.sealed(who, subject, bytes);
            return packet.unwrap_or_else(|| {
                panic!("spec/19 every_packet_is_accepted_by_others: {}", packet_line(subject, bytes))
            });
        }
        if is_production && *subject == Subject::JobDeadLetter {
            return BusPacket::decode(bytes, &DecodeLimits::default()).expect("a packet of a submitter");
        }
        let reading = self.reading().with(|reading| reading.acceptance = Acceptance::Since217);
        let packet = open(bytes, &reading, &HashVerifier);
        packet.unwrap_or_else(|error| panic!("spec/02 every_packet_is_accepted_by_others: {error}"))
    }

    /// Publishes a packet of a component, which everybody has to accept; returns what it carries.
    fn published(&mut self, who: Who, subject: &Subject, bytes: &Bytes, draw: &mut Draw<'_, '_>) -> Payload {
        let link = self.bus.link(who);
        assert!(link.is_believed, "ours nothing_is_published_without_a_bus: {who:?} publishes on {subject}");
        let is_up = link.is_up;
        let packet = self.accepted(who, subject, bytes);
        let name = match who {
            Who::Client(at) => format!("client-{at}"),
            Who::Worker(at) => format!("worker-{at}"),
            Who::Router => "router".into(),
        };
        let own = packet.sender_id == name || matches!(who, Who::Router);
        assert!(own, "spec/02 every_packet_names_its_sender: {packet:?}");
        self.capture(subject, bytes);
        if is_up {
            self.send(subject, bytes, draw);
        }
        packet.payload.expect("a valid packet has a payload")
    }

    /// Brings a packet to all who have subscribed to its subject.
    fn send(&mut self, subject: &Subject, bytes: &Bytes, draw: &mut Draw<'_, '_>) {
        self.stream(subject, bytes);
        let faults = self.faults();
        self.bus.publish(self.now, subject, bytes, faults, draw);
    }

    /// Publishes a cancellation of somebody who is always connected.
    fn publish_as(&mut self, sender: &str, job_id: &str, draw: &mut Draw<'_, '_>) {
        let cancel = JobCancel { job_id: job_id.into(), requested_by: sender.into(), ..JobCancel::default() };
        let packet = BusPacket {
            trace_id: job_id.into(),
            sender_id: sender.into(),
            created_at: Some(Timestamp::from_time(self.now)),
            protocol_version: 1,
            payload: Some(cancel.into()),
            ..BusPacket::default()
        };
        let bytes = if self.trust() == Trust::Production {
            self.sealed_as(sender, packet)
        } else {
            let sealed = seal(packet, MapOrder::Lexicographic, self.signer(sender).as_deref());
            Bytes::from(sealed.expect("a good packet").bytes)
        };
        self.send(&Subject::JobCancel, &bytes, draw);
    }
}

/// Returns a line for the transcript.
fn packet_line(subject: &Subject, bytes: &[u8]) -> String {
    let payload = BusPacket::decode(bytes, &DecodeLimits::default()).ok().and_then(|packet| packet.payload);
    match payload {
        Some(Payload::JobResult(result)) => {
            let code = result.error_code_enum;
            format!(
                "{subject}: result of {} by {}: {:?} {code:?} {}",
                result.job_id, result.worker_id, result.status, result.result_ptr
            )
        }
        Some(Payload::JobRequest(request)) => format!("{subject}: request of {}", request.job_id),
        Some(Payload::JobCancel(cancel)) => format!("{subject}: cancel of {}", cancel.job_id),
        Some(payload) => format!("{subject}: {}", payload.name()),
        None => format!("{subject}: {} bytes", bytes.len()),
    }
}

/// Returns the key of a sender.
fn key_of(sender: &str) -> HashSigner {
    let mut hasher = DefaultHasher::new();
    sender.hash(&mut hasher);
    HashSigner(hasher.finish())
}
