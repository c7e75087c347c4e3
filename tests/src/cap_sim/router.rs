//! The host of the router: a store that commits in batches, a policy that is slow or silent, a durable stream of submits and
//! results, and crashes between any two outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{
    ComponentId, Constraints, Decision, Delivery, JobResult, JobStatus, Payload, Policy, RecordKind, Router,
    RouterConfig, RouterEvent, RouterJob, RouterJobState, RouterOutput, RouterRecord, RouterRefused, Subject,
};
use nuncio_core::time::Time;

use super::bus::{Flight, Who};
use super::params::RouterParams;
use super::signing::HashVerifier;
use super::signs::Waits;
use super::{Sim, packet_line};
use crate::seeded::{Draw, note};
use crate::world::{MILLI, SECOND};

impl RouterParams {
    fn config(&self, sim: &Sim) -> RouterConfig {
        let id = ComponentId::new("router").expect("a good id");
        RouterConfig::new(id, sim.reading(), Arc::new(HashVerifier)).with(|config| {
            config.signer = sim.signer("router");
            config.dispatch = self.dispatch;
            config.resign = self.resign;
            config.policy = if self.asks { Policy::Ask } else { Policy::AllowAll };
            config.operators = BTreeSet::from(["operator".to_owned()]);
            config.records = self.records;
            config.lost_worker = self.lost_worker;
            config.redispatches = self.redispatches;
            config.retries = self.retries;
            config.max_runtime = sim.params.max_runtime.map(Duration::from_secs);
            config.trust = sim.router_trust(self.session_lifetime);
        })
    }
}

/// A process with a router, and what outlives it.
#[derive(Debug)]
pub(super) struct RouterHost {
    pub(super) params: RouterParams,
    pub(super) router: Router,
    pub(super) life: u32,
    /// All records that no crash has lost.
    records: Vec<(u64, RouterRecord)>,
    committed: u64,
    commit_at: Option<Time>,
    /// What waits for an answer, and when it is answered.
    questions: BTreeMap<RouterJob, Time>,
    /// The stream: messages that are not acknowledged, and when they are delivered.
    stream: BTreeMap<u64, (Time, Subject, Bytes)>,
    next_message: u64,
    /// The submits of the stream that were valid when this router received them.
    pub(super) valid: BTreeSet<u64>,
    /// The jobs that were accepted, and how they have ended.
    accepted: BTreeMap<String, Option<JobStatus>>,
    /// The jobs of which the router has reported another result than theirs.
    pub(super) conflicts: BTreeSet<String>,
    pub(super) waits: Waits,
    /// How many more outputs are acted on before the process crashes.
    crash_after: Option<usize>,
}

impl RouterHost {
    pub(super) fn new(sim: &Sim, params: RouterParams) -> RouterHost {
        RouterHost {
            router: Router::new(params.config(sim), [0x55; 32], sim.at(Who::Router)),
            params,
            life: 0,
            records: Vec::new(),
            committed: 0,
            commit_at: None,
            questions: BTreeMap::new(),
            stream: BTreeMap::new(),
            next_message: 0,
            valid: BTreeSet::new(),
            accepted: BTreeMap::new(),
            conflicts: BTreeSet::new(),
            waits: Waits::default(),
            crash_after: None,
        }
    }

    /// Returns when something is due; `due` is when a deadline of the router's clock is.
    pub(super) fn next_at(&self, is_up: bool, due: impl Fn(Time) -> Time) -> Option<Time> {
        let timer = self.router.poll_timeout().map(|(at, _)| due(at));
        let messages = self.stream.values().map(|(at, _, _)| *at).min().filter(|_| is_up && self.router.reading());
        let questions = self.questions.values().copied().min();
        [timer, messages, questions, self.commit_at].into_iter().flatten().min().filter(|at| *at < Time::MAX)
    }

    /// Returns all records that no crash has lost.
    pub(super) fn records(&self) -> impl DoubleEndedIterator<Item = &RouterRecord> {
        self.records.iter().map(|(_, record)| record)
    }

    /// Returns the records that are durable.
    pub(super) fn stored(&self) -> impl Iterator<Item = &RouterRecord> {
        self.records.iter().filter(|(number, _)| *number <= self.committed).map(|(_, record)| record)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.stream.is_empty() && self.router.live() == 0 && self.commit_at.is_none()
    }
}

/// Whether an output is what follows a packet that is refused, or that came before.
fn is_refusal(output: &RouterOutput) -> bool {
    match output {
        RouterOutput::Publish { subject, .. } => *subject == Subject::Alert,
        RouterOutput::Store { record, .. } => record.kind() == RecordKind::Forgotten,
        RouterOutput::Acknowledge { .. } | RouterOutput::Event(RouterEvent::Refused { .. }) => true,
        _ => false,
    }
}

/// Whether a subject is in the durable stream.
fn is_streamed(subject: &Subject) -> bool {
    matches!(subject, Subject::JobSubmit | Subject::JobResult)
}

impl Sim {
    pub(super) fn host(&mut self) -> &mut RouterHost {
        self.router.as_mut().expect("this run has a router")
    }

    /// Adds a message to the durable stream, if there is one.
    pub(super) fn stream(&mut self, subject: &Subject, bytes: &Bytes) {
        let now = self.now;
        if let Some(host) = self.router.as_mut().filter(|host| host.params.is_durable && is_streamed(subject)) {
            host.next_message += 1;
            host.stream.insert(host.next_message, (now, subject.clone(), bytes.clone()));
        }
    }

    pub(super) fn deliver_to_router(&mut self, flight: &Flight, draw: &mut Draw<'_, '_>) {
        let now = self.at(Who::Router);
        if matches!(flight.subject, Subject::TrustChallenge | Subject::TrustAuthenticate) {
            let reply = flight.reply.as_deref().unwrap_or_default();
            self.host().router.handle_request(now, &flight.subject, &flight.bytes, reply);
            return self.drain_router(draw);
        }
        self.receive(&flight.subject, &flight.bytes, None, draw);
    }

    /// The router receives a packet.
    fn receive(&mut self, subject: &Subject, bytes: &Bytes, delivery: Option<Delivery>, draw: &mut Draw<'_, '_>) {
        let now = self.at(Who::Router);
        if self.host().router.reading() {
            self.note_token(subject, bytes);
            self.note_valid(subject, bytes, delivery);
            self.note_heard(subject, bytes);
            let is_admitted = self.admits(Who::Router, subject, bytes);
            self.ignored = (!is_admitted).then(|| packet_line(subject, bytes));
        }
        self.host().router.handle_packet(now, subject, bytes, delivery);
        self.drain_router(draw);
        self.ignored = None;
    }

    /// Does one thing of the router that is due; returns whether there was one.
    pub(super) fn act_router(&mut self, draw: &mut Draw<'_, '_>) -> bool {
        let (now, at) = (self.now, self.at(Who::Router));
        let is_up = self.bus.link(Who::Router).is_up;
        let Some(host) = &mut self.router else { return false };
        if host.commit_at.is_some_and(|at| at <= now) {
            host.commit_at = None;
            host.committed = host.records.last().map_or(0, |(number, _)| *number);
            host.router.handle_stored(at, host.committed);
        } else if let Some(job) = host.questions.iter().find(|(_, at)| **at <= now).map(|(job, _)| *job) {
            host.questions.remove(&job);
            self.decide(job, draw);
        } else if host.router.poll_timeout().is_some_and(|(due, _)| due <= at) {
            host.router.handle_timeout(at);
        } else if is_up
            && host.router.reading()
            && let Some((number, message)) = host.stream.iter_mut().find(|(_, (at, _, _))| *at <= now)
        {
            // Without an acknowledgement it comes again.
            message.0 = now.plus_secs(30);
            let (delivery, subject, bytes) = (Delivery(*number), message.1.clone(), message.2.clone());
            note(|| format!("  router receives {} from the stream", packet_line(&subject, &bytes)));
            self.receive(&subject, &bytes, Some(delivery), draw);
        } else {
            return false;
        }
        self.drain_router(draw);
        true
    }

    fn decide(&mut self, job: RouterJob, draw: &mut Draw<'_, '_>) {
        let reason = || String::from("the policy says so");
        let constraints =
            Constraints { max_runtime: Some(Duration::from_secs(40)), max_retries: Some(1), ..Constraints::default() };
        let is_held = self.host().router.job(job).is_some_and(|view| view.state == RouterJobState::Approval);
        let decision = match draw.below(if is_held { 6 } else { 8 }) {
            0..=3 => Decision::Allow,
            4 => Decision::AllowWith(constraints),
            5 => Decision::Deny { reason: reason() },
            6 => Decision::RequireHuman { reason: reason() },
            _ => Decision::Throttle { delay: Duration::from_secs(draw.one(&[0, 3, 50])) },
        };
        let now = self.at(Who::Router);
        note(|| format!("  the policy decides {job:?}: {decision:?}"));
        let answered = self.host().router.decide(now, job, decision);
        assert!(matches!(answered, Ok(()) | Err(RouterRefused::Stale)), "{answered:?}");
    }

    /// Does everything that the router asks for, or crashes in between.
    pub(super) fn drain_router(&mut self, draw: &mut Draw<'_, '_>) {
        loop {
            if self.host().crash_after == Some(0) {
                return self.crash_router(draw);
            }
            let Some(output) = self.host().router.poll_output() else { return };
            if let Some(left) = &mut self.host().crash_after {
                *left -= 1;
            }
            self.act_on(output, draw);
        }
    }

    fn act_on(&mut self, output: RouterOutput, draw: &mut Draw<'_, '_>) {
        self.only_admitted_packets_have_an_effect(is_refusal(&output), || format!("{output:?}"));
        match output {
            RouterOutput::Subscribe { subject } => {
                if !(self.host().params.is_durable && is_streamed(&subject)) {
                    self.bus.subscribe(Who::Router, subject, false);
                }
            }
            RouterOutput::Publish { subject, bytes } => {
                note(|| format!("  router: {}", packet_line(&subject, &bytes)));
                let payload = self.published(Who::Router, &subject, &bytes, draw);
                match payload {
                    Payload::JobResult(result) => self.router_result(*result),
                    Payload::JobCancel(cancel) => self.model.job(&cancel.job_id).is_stopped = true,
                    Payload::JobRequest(request) => self.dispatched(&subject, &request),
                    _ => {}
                }
            }
            RouterOutput::Reply { to, bytes } => {
                note(|| format!("  router answers on {to}"));
                self.answer_request(&to, &bytes, draw);
            }
            RouterOutput::Store { number, record } => {
                note(|| format!("  router stores {number}: {:?} of {}", record.kind(), record.job_id()));
                let read = RouterRecord::decode(&record.encode());
                assert_eq!(read.as_ref(), Ok(&record), "ours a_record_is_read_back_unchanged");
                let late = if !self.converging && draw.chance(self.host().params.slow) {
                    draw.one(&[MILLI, 200 * MILLI, 8 * SECOND])
                } else {
                    0
                };
                let at = self.now.plus_micros(late);
                let host = self.host();
                assert!(host.params.records, "ours records_are_a_setting");
                let last = host.records.last().map_or(0, |(number, _)| *number);
                assert!(number > last, "ours records_are_numbered_upwards: {number} after {last}");
                host.records.push((number, record));
                host.commit_at.get_or_insert(at);
            }
            RouterOutput::Acknowledge { delivery } => {
                let (message, was_valid) = {
                    let host = self.host();
                    (host.stream.remove(&delivery.0), host.valid.remove(&delivery.0))
                };
                if let Some((_, Subject::JobSubmit, bytes)) = message.filter(|_| was_valid) {
                    self.acknowledged(&bytes);
                }
            }
            RouterOutput::Event(event) => self.router_event(event, draw),
        }
    }

    fn router_event(&mut self, event: RouterEvent, draw: &mut Draw<'_, '_>) {
        note(|| format!("  router: {event:?}").chars().take(200).collect());
        match event {
            RouterEvent::Accepted { job } => {
                self.count("accepted by the router");
                if let Some(id) = self.host().router.job(job).map(|view| view.job_id.to_owned()) {
                    self.host().accepted.entry(id).or_insert(None);
                }
            }
            RouterEvent::Check { job, .. } | RouterEvent::Approval { job, .. } => {
                self.count("asked");
                let late = if self.converging || !draw.chance(self.host().params.slow) {
                    0
                } else {
                    draw.one(&[200 * MILLI, 3 * SECOND, 100 * SECOND, u64::MAX])
                };
                let at = self.now.plus_micros(late);
                self.host().questions.insert(job, at);
            }
            RouterEvent::Ended { job, status } => {
                let view = self.host().router.job(job).map(|view| (view.job_id.to_owned(), view.packet.clone()));
                let Some((id, packet)) = view else { return };
                self.only_results_with_a_token_count(&packet);
                self.only_the_present_dispatch_counts(&id, &packet);
                let before = self.host().accepted.insert(id.clone(), Some(status)).flatten();
                // After a crash the end of a job can come out again, but it is the same.
                let is_same = before.is_none_or(|before| before == status);
                assert!(is_same, "spec/07 a_job_ends_once: {id} as {before:?} and as {status:?}");
            }
            RouterEvent::Conflict { job, .. } => {
                self.count("conflicting result");
                let id = self.host().router.job(job).map(|view| view.job_id.to_owned());
                self.host().conflicts.extend(id);
            }
            RouterEvent::WorkerJoined { worker } => self.host().waits.joined(&worker),
            RouterEvent::WorkerLost { worker } => {
                self.host().waits.lost(&worker);
                self.count("worker lost");
            }
            RouterEvent::Retrying { .. } => self.count("retried by the router"),
            RouterEvent::Refused { .. } => self.count("packet refused"),
            RouterEvent::Unsendable { reason, .. } => panic!("ours everything_can_be_sent: {reason}"),
            _ => {}
        }
    }

    fn router_result(&mut self, result: JobResult) {
        self.count(result.status.name().unwrap_or("unknown status"));
        // The result of a worker that is published again was checked when it was published first.
        if result.worker_id != "router" {
            let is_known = self.model.job(&result.job_id).results.contains(&result);
            assert!(is_known, "spec/07 only_published_results_are_repeated: {result:?}");
            return;
        }
        let settings = (self.params.max_runtime.is_some(), self.host().params.asks);
        self.model.every_router_result_has_a_cause(self.now, &result, &self.blobs, settings);
        self.model.job(&result.job_id).results.push(result);
    }

    /// Lets the router crash after some more outputs.
    pub(super) fn crash_router_soon(&mut self, draw: &mut Draw<'_, '_>) {
        if self.router.as_ref().is_some_and(|host| host.params.records) {
            let outputs = draw.one(&[0, 0, 1, 2, 3, 5]);
            self.host().crash_after = Some(outputs);
            if outputs == 0 {
                self.crash_router(draw);
            }
        }
    }

    /// The router is restored from the records that were committed, and perhaps some more.
    fn crash_router(&mut self, draw: &mut Draw<'_, '_>) {
        self.count("router crashed");
        note(|| "  the router crashes".to_owned());
        let params = self.host().params.clone();
        self.boot(Who::Router);
        let config = params.config(self);
        let (now, at) = (self.now, self.at(Who::Router));
        self.ignored = None;
        self.forget_admitted(Who::Router);
        let host = self.host();
        host.crash_after = None;
        host.life += 1;
        host.questions.clear();
        host.waits = Waits::default();
        host.valid.clear();
        host.commit_at = None;
        let committed = host.records.partition_point(|(number, _)| *number <= host.committed);
        let kept = committed + draw.below(host.records.len() - committed + 1);
        host.records.truncate(kept);
        host.committed = host.records.last().map_or(0, |(number, _)| *number);
        for (due, _, _) in host.stream.values_mut() {
            *due = now;
        }
        let mut seed = [0x55; 32];
        seed[..4].copy_from_slice(&host.life.to_be_bytes());
        let restored = Router::restore(config, seed, at, host.records.iter().cloned());
        host.router = restored.unwrap_or_else(|error| panic!("ours every_record_can_be_used: {error}"));
        nothing_accepted_is_lost(host);
        self.sessions_are_restored();
        self.sessions_outlive_the_router();
        self.bus.cut(Who::Router);
        self.bus.link(Who::Router).is_believed = false;
        self.drain_router(draw);
        // A router is started again at once.
        self.reconnect(Who::Router, draw);
    }

    /// The policy and the people who approve jobs answer from now on, the store commits, no crash is ahead, and all workers
    /// are enrolled.
    pub(super) fn end_faults_of_the_router(&mut self, draw: &mut Draw<'_, '_>) {
        if let Some(host) = &mut self.router {
            host.questions.values_mut().chain(host.commit_at.iter_mut()).for_each(|at| *at = self.now);
            host.crash_after = None;
            self.enroll_everybody(draw);
        }
    }

    pub(super) fn check_router(&mut self) {
        let now = self.at(Who::Router);
        let Some(host) = &mut self.router else { return };
        host.router.handle_timeout(now);
        let more = host.router.poll_output();
        assert!(more.is_none(), "ours nothing_is_overdue: another timeout led to {more:?}");
        let held = host.router.bytes_held();
        assert!(held < 8 << 20, "ours memory_is_bounded: {held} bytes are held");
        self.a_lost_request_is_missed();
        self.no_session_outlives_its_token();
    }
}

/// Ours: what was accepted, and how it has ended, outlives the router.
fn nothing_accepted_is_lost(host: &RouterHost) {
    for (id, ended) in &host.accepted {
        let view = host.router.find_job(id).and_then(|key| host.router.job(key));
        let view = view.unwrap_or_else(|| panic!("ours nothing_accepted_is_lost: {id}"));
        if let Some(status) = ended {
            assert_eq!(view.state.status(), *status, "ours no_end_is_lost: {id}");
        }
    }
}
