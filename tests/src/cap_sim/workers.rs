//! The hosts of workers, with handlers that fail, hang, end late, and answer twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{
    Attempt, ComponentId, ErrorCode, FailureKind, JobFailure, JobRequest, JobResult, JobStatus, Payload, Pointer,
    Progress, Scheme, Subject, Topic, Worker, WorkerConfig, WorkerEvent, WorkerJob, WorkerOutput, WorkerRefused,
};
use nuncio_core::time::Time;

use super::blobs::{Op, Reply, Request};
use super::bus::{Flight, Who};
use super::params::Mode;
use super::reruns::History;
use super::signing::HashVerifier;
use super::signs::Said;
use super::{Sim, TOPICS, packet_line};
use crate::seeded::{Draw, note};
use crate::world::{MILLI, SECOND};

/// A process with a worker.
#[derive(Debug)]
pub(super) struct WorkerHost {
    pub(super) worker: Worker,
    /// How often it was started.
    pub(super) life: u32,
    /// The id and the arrival of each job that it has accepted.
    jobs: BTreeMap<WorkerJob, (String, Time)>,
    /// The jobs whose output was stored when their request came.
    were_stored: BTreeSet<String>,
    /// The handlers that were called and have not answered.
    pub(super) handlers: BTreeMap<Attempt, Handler>,
    /// The jobs whose success it has published.
    succeeded: BTreeSet<String>,
    pub(super) history: History,
    pub(super) said: Said,
    /// The result of each job that it has accepted.
    results: BTreeMap<String, Option<JobResult>>,
    pub(super) is_draining: bool,
}

/// A handler that runs.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    job: String,
    /// When it ends by itself.
    pub(super) at: Time,
    ending: Ending,
    is_stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Return,
    /// It returns, and then once more.
    Twice,
    Fail(FailureKind),
}

impl WorkerHost {
    pub(super) fn new(sim: &Sim, who: usize, life: u32) -> WorkerHost {
        let params = &sim.params;
        let id = ComponentId::new(&format!("worker-{who}")).expect("a good id");
        let config = WorkerConfig::new(id, sim.reading(), Arc::new(HashVerifier)).with(|config| {
            config.signer = sim.signer(config.id.as_str());
            let topics = if who == 0 { &TOPICS[..] } else { &TOPICS[..1] };
            config.topics = topics.iter().map(|topic| Topic::new(topic).expect("a good topic")).collect();
            config.trust = sim.worker_trust(who);
            config.retries = params.retries;
            config.check_stored = params.check_stored;
            config.max_runtime = params.max_runtime.map(Duration::from_secs);
            config.retention = Duration::from_secs(params.retention);
            config.limits.parallel = params.parallel;
            config.limits.queued = params.queued;
            config.limits.retained = params.retained;
            config.limits.followers = params.followers;
            config.limits.cancellations = params.cancellations;
        });
        let mut seed = [0x77; 32];
        seed[0] = u8::try_from(who).unwrap_or(u8::MAX);
        seed[1..5].copy_from_slice(&life.to_be_bytes());
        WorkerHost {
            worker: Worker::new(config, seed, sim.at(Who::Worker(who))),
            life,
            jobs: BTreeMap::new(),
            were_stored: BTreeSet::new(),
            handlers: BTreeMap::new(),
            succeeded: BTreeSet::new(),
            history: History::default(),
            said: Said::default(),
            results: BTreeMap::new(),
            is_draining: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.worker.running() == 0 && self.worker.queued() == 0 && self.handlers.is_empty()
    }

    /// Returns whether a job has no result yet.
    fn is_live(&self, job: WorkerJob) -> bool {
        self.worker.job(job).is_some_and(|view| view.request.is_some())
    }

    /// Returns the ids of the jobs that have no result yet.
    pub(super) fn live_jobs(&self) -> impl Iterator<Item = &String> {
        self.jobs.iter().filter(|(job, _)| self.is_live(**job)).map(|(_, (id, _))| id)
    }

    /// Returns when the next handler ends.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.handlers.values().map(|handler| handler.at).min().filter(|at| *at < Time::MAX)
    }
}

impl Sim {
    /// Whether a worker may have forgotten a job that has ended.
    pub(super) fn forgets(&self) -> bool {
        self.params.retained < 10_000 || self.params.retention < 86_400
    }

    pub(super) fn deliver_to_worker(&mut self, who: usize, flight: &Flight, draw: &mut Draw<'_, '_>) {
        if flight.reply.is_some() {
            return self.deliver_answer(who, flight, draw);
        }
        let is_admitted = self.admits(Who::Worker(who), &flight.subject, &flight.bytes);
        self.ignored = (!is_admitted).then(|| packet_line(&flight.subject, &flight.bytes));
        let (had_session, at) = (self.workers[who].worker.admits(), self.at(Who::Worker(who)));
        let due = self.due_rerun(who, flight);
        self.workers[who].worker.handle_packet(at, &flight.subject, &flight.bytes);
        // The worker learns the time with the packet: its session may have ended meanwhile.
        let is_taken = is_admitted && had_session && self.workers[who].worker.admits();
        let due = due.filter(|_| is_taken);
        let packet = self.opened(&flight.bytes);
        let request = packet.as_ref().and_then(|packet| match &packet.payload {
            Some(Payload::JobRequest(request)) => {
                Some((&flight.subject, request.job_id.as_str(), request.topic.as_str()))
            }
            _ => None,
        });
        self.drain_worker(who, request, draw);
        self.ignored = None;
        self.the_next_attempt_runs(who, due);
        // With trust a worker believes its scheduler alone.
        let packet = packet.filter(|packet| self.params.modes[who] == Mode::Off || packet.sender_id == "router");
        if let (Subject::JobCancel, Some(Payload::JobCancel(cancel))) =
            (&flight.subject, packet.as_ref().filter(|_| is_admitted).and_then(|packet| packet.payload.as_ref()))
        {
            self.a_cancelled_job_ends(who, &cancel.job_id);
            self.workers[who].history.cancelled(&cancel.job_id);
        } else if let Some(Payload::JobRequest(request)) = packet.filter(|_| is_taken).and_then(|packet| packet.payload)
        {
            self.joined(who, &request);
        }
    }

    pub(super) fn answer_worker(&mut self, op: &Op, reply: Reply, draw: &mut Draw<'_, '_>) {
        let (at, host) = (self.at(Who::Worker(op.worker)), &mut self.workers[op.worker]);
        if host.life != op.life {
            return;
        }
        note(|| format!("  worker {} is answered {reply:?}", op.worker));
        let answered = match reply {
            Reply::Fetched(fetched) => host.worker.fetched(at, op.attempt, fetched),
            Reply::Looked(stored) => host.worker.looked(at, op.attempt, stored),
            Reply::Stored(stored) => host.worker.stored(at, op.attempt, stored),
        };
        assert!(matches!(answered, Ok(()) | Err(WorkerRefused::Stale)), "{answered:?}");
        self.drain_worker(op.worker, None, draw);
    }

    /// Does everything that a worker asks for. `request` is the request that has just arrived: subject, job, topic.
    pub(super) fn drain_worker(
        &mut self,
        who: usize,
        request: Option<(&Subject, &str, &str)>,
        draw: &mut Draw<'_, '_>,
    ) {
        while let Some(output) = self.workers[who].worker.poll_output() {
            note(|| format!("  worker {who}: {}", line(&output)));
            let is_refusal = matches!(
                output,
                WorkerOutput::Event(WorkerEvent::Refused { .. })
                    | WorkerOutput::Publish { subject: Subject::Alert, .. }
            );
            self.only_admitted_packets_have_an_effect(is_refusal, || line(&output));
            match output {
                WorkerOutput::Subscribe { subject, group } => self.bus.subscribe(Who::Worker(who), subject, group),
                WorkerOutput::Request { id, subject, bytes } => self.ask_router(who, id, (&subject, &bytes), draw),
                WorkerOutput::Unsubscribe { subject } => self.bus.unsubscribe(Who::Worker(who), &subject),
                WorkerOutput::Publish { subject, bytes } => {
                    let payload = self.published(Who::Worker(who), &subject, &bytes, draw);
                    self.said(who, &payload);
                    if let Payload::JobResult(result) = payload {
                        self.worker_result(who, *result);
                    }
                }
                WorkerOutput::Fetch { attempt, pointer } => self.ask_store(who, attempt, Request::Read(pointer), draw),
                WorkerOutput::Look { attempt, pointer } => self.ask_store(who, attempt, Request::Look(pointer), draw),
                WorkerOutput::Store { attempt, pointer, output, ttl } => {
                    self.ask_store(who, attempt, Request::Write { pointer, output, ttl }, draw);
                }
                WorkerOutput::Run { attempt } => self.run_handler(who, attempt, draw),
                WorkerOutput::Stop { attempt } => self.stop_handler(who, attempt, draw),
                WorkerOutput::Event(WorkerEvent::Accepted { job }) => {
                    let (subject, id, topic) = request.expect("a job is accepted when its request arrives");
                    only_matching_requests_are_accepted(subject, topic);
                    self.count("accepted");
                    let output = Pointer { scheme: Scheme::Redis, key: format!("res:{id}") };
                    let were_stored = &mut self.workers[who].were_stored;
                    if self.blobs.read(self.now, &output).is_some() {
                        were_stored.insert(id.to_owned());
                    } else {
                        were_stored.remove(id);
                    }
                    self.accepted_by_worker(who, job);
                    let host = &mut self.workers[who];
                    host.jobs.insert(job, (id.to_owned(), self.now));
                    host.results.insert(id.to_owned(), None);
                }
                WorkerOutput::Event(WorkerEvent::Ended { job, status, .. }) => {
                    let ended = self.workers[who].jobs.remove(&job);
                    let (id, since) = ended.unwrap_or_else(|| panic!("spec/07 a_job_ends_once: {status:?}"));
                    if status == JobStatus::TIMEOUT {
                        self.no_deadline_passes_early(&id, since);
                    }
                    let now = self.now;
                    self.workers[who].history.ended(job, status, now);
                }
                WorkerOutput::Event(WorkerEvent::TrustFailed { .. }) if self.workers[who].worker.admits() => {
                    self.count("goes on without a session");
                }
                WorkerOutput::Event(WorkerEvent::Drained) => self.count("drained"),
                WorkerOutput::Event(WorkerEvent::Refused { .. }) => self.count("packet refused"),
                WorkerOutput::Event(WorkerEvent::Unsendable { reason, .. }) => {
                    panic!("ours everything_can_be_sent: {reason}")
                }
                WorkerOutput::Event(_) => {}
            }
        }
        self.no_more_handlers_than_slots(who);
        self.every_job_gives_signs(who);
    }

    fn worker_result(&mut self, who: usize, result: JobResult) {
        self.count(result.status.name().unwrap_or("unknown status"));
        let has_runtime = self.params.max_runtime.is_some();
        self.model.every_result_has_a_cause(self.now, &result, &self.blobs, has_runtime);
        if !self.forgets()
            && let Some(before) = self.workers[who].results.get_mut(&result.job_id)
        {
            let bare = JobResult { dispatch: None, ..result.clone() };
            // The next attempt of a job has another result.
            _ = before.take_if(|before| before.status == JobStatus::FAILED_RETRYABLE);
            let before = before.get_or_insert_with(|| bare.clone());
            assert_eq!(*before, bare, "spec/09 a_repeated_request_gets_the_same_result");
        }
        if result.status == JobStatus::SUCCEEDED {
            self.workers[who].succeeded.insert(result.job_id.clone());
        }
        self.model.job(&result.job_id).results.push(result);
    }

    fn run_handler(&mut self, who: usize, attempt: Attempt, draw: &mut Draw<'_, '_>) {
        self.count("handler called");
        let forgets = self.forgets();
        let id = self.workers[who].jobs[&attempt.job].0.clone();
        self.jobs_stay_with_their_tenant(&format!("worker-{who}"), &id);
        let host = &self.workers[who];
        let is_alone = host.handlers.values().all(|handler| handler.job != id);
        assert!(is_alone, "spec/09 a_handler_runs_once_at_a_time: {id}");
        let is_first = forgets || !host.succeeded.contains(&id);
        assert!(is_first, "spec/09 no_job_runs_again_after_its_success: {id}");
        let is_needed = !self.params.check_stored || !host.were_stored.contains(&id);
        assert!(is_needed, "ours no_handler_runs_for_a_stored_output: {id}");
        // A job that was cancelled or too late within the same input has no request any more; its Stop follows.
        if let Some(view) = host.worker.job(attempt.job)
            && let Some(request) = view.request
        {
            // A router that signs requests itself adds the dispatch and, in the production profile, the identity.
            let bare = JobRequest { dispatch: None, identity: None, ..request.clone() };
            let submitted = &self.model.jobs[&id].request;
            assert_eq!(bare, *submitted, "spec/09 only_submitted_requests_are_run");
            if let Ok(pointer) = Pointer::parse(&request.context_ptr) {
                let input = view.input.expect("an input was read");
                assert_eq!(*input, input_of(&pointer), "spec/04 handlers_get_their_input: {id}");
            }
        }
        let (mut late, mut ending) = (0, Ending::Return);
        if !self.converging && draw.chance(self.params.slow_handlers) {
            late = draw.one(&[0, 20 * MILLI, 3 * SECOND, 20 * SECOND, u64::MAX]);
            ending = draw.one(&[
                Ending::Return,
                Ending::Fail(FailureKind::Plain),
                Ending::Fail(FailureKind::Retryable),
                Ending::Fail(FailureKind::Fatal),
                Ending::Fail(FailureKind::Input),
                Ending::Twice,
            ]);
        }
        let at = self.now.plus_micros(late);
        let handler = Handler { job: id, at, ending, is_stopped: false };
        self.workers[who].handlers.insert(attempt, handler);
    }

    fn stop_handler(&mut self, who: usize, attempt: Attempt, draw: &mut Draw<'_, '_>) {
        self.count("handler stopped");
        let late = if draw.chance(self.params.slow_handlers) { draw.one(&[0, 2 * SECOND, 100 * SECOND]) } else { 0 };
        let handler = self.workers[who].handlers.get_mut(&attempt);
        let handler = handler.expect("spec/09 only_running_handlers_are_stopped");
        handler.is_stopped = true;
        handler.at = handler.at.min(self.now.plus_micros(late));
    }

    /// Lets the handlers end that are due; returns whether there was one.
    pub(super) fn end_handlers(&mut self, who: usize, draw: &mut Draw<'_, '_>) -> bool {
        let host = &self.workers[who];
        let due = host.handlers.iter().find(|(_, handler)| handler.at <= self.now || self.converging);
        let Some((attempt, handler)) = due.map(|(attempt, handler)| (*attempt, handler.clone())) else { return false };
        self.workers[who].handlers.remove(&attempt);
        note(|| format!("  handler of {:?} on worker {who} ends: {:?}", handler.job, handler.ending));
        let has_result = !self.workers[who].is_live(attempt.job);
        let now = self.at(Who::Worker(who));
        if draw.chance(self.params.slow_handlers) {
            let progress = Progress { percent: 50, ..Progress::default() };
            let said = self.workers[who].worker.progress(now, attempt, &progress);
            assert_eq!(said.is_err(), has_result, "spec/07 only_running_jobs_make_progress: {said:?}");
        }
        let answered = match handler.ending {
            Ending::Return | Ending::Twice => {
                let output = Bytes::from(format!(
                    "{} by worker {who} in life {}: {attempt:?}",
                    handler.job, self.workers[who].life
                ));
                if !has_result {
                    self.model.job(&handler.job).outputs.insert(output.clone());
                }
                let worker = &mut self.workers[who].worker;
                let first = worker.finish(now, attempt, output.clone());
                if handler.ending == Ending::Twice {
                    let second = worker.finish(now, attempt, output);
                    assert_eq!(second, Err(WorkerRefused::Stale), "spec/09 an_attempt_is_answered_once");
                }
                first
            }
            Ending::Fail(kind) => {
                if !has_result {
                    self.model.job(&handler.job).failures.push(kind);
                }
                let failure = JobFailure { kind, code: ErrorCode::UNSPECIFIED, message: "the handler fails".into() };
                self.workers[who].worker.fail(now, attempt, failure)
            }
        };
        assert_eq!(answered, Ok(()), "ours every_handler_is_heard");
        self.drain_worker(who, None, draw);
        true
    }

    pub(super) fn crash_worker(&mut self, who: usize) {
        self.count("worker crashed");
        self.bus.cut(Who::Worker(who));
        self.bus.link(Who::Worker(who)).is_believed = false;
        self.forget_admitted(Who::Worker(who));
        self.boot(Who::Worker(who));
        let life = self.workers[who].life + 1;
        self.workers[who] = WorkerHost::new(self, who, life);
    }

    fn ask_store(&mut self, who: usize, attempt: Attempt, request: Request, draw: &mut Draw<'_, '_>) {
        let fails = if self.converging { 0 } else { self.params.store_fails };
        let life = self.workers[who].life;
        self.blobs.begin(self.now, (who, life, attempt), request, fails, draw);
    }

    /// The rules for a worker that hold at any time.
    pub(super) fn check_worker(&self, who: usize) {
        self.no_more_handlers_than_slots(who);
        let host = &self.workers[who];
        for (key, (id, since)) in &host.jobs {
            let Some(view) = host.worker.job(*key).filter(|view| view.request.is_some()) else { continue };
            let longest = view.request.and_then(|request| self.longest(request));
            let is_in_time = longest.is_none_or(|millis| self.now < since.plus_millis(millis));
            assert!(is_in_time, "spec/07 no_job_outlives_its_deadline: {id} on worker {who}");
        }
        for (attempt, handler) in &host.handlers {
            let is_known = handler.is_stopped || host.is_live(attempt.job);
            assert!(is_known, "spec/07 no_handler_outlives_its_job: {} on worker {who}", handler.job);
        }
    }

    fn no_more_handlers_than_slots(&self, who: usize) {
        let (host, slots) = (&self.workers[who], self.params.parallel);
        let count = host.handlers.len();
        assert!(
            count <= slots && host.worker.running() <= slots,
            "ours no_more_handlers_than_slots: {count} of {slots}"
        );
        assert!(host.worker.queued() <= self.params.queued, "ours the_queue_is_bounded: {}", host.worker.queued());
    }

    /// spec/07: a job that was cancelled has its result.
    fn a_cancelled_job_ends(&self, who: usize, id: &str) {
        let host = &self.workers[who];
        let live = host.jobs.iter().any(|(key, (job, _))| job == id && host.is_live(*key));
        assert!(!live, "spec/07 a_cancelled_job_ends: {id} on worker {who}");
    }
}

fn line(output: &WorkerOutput) -> String {
    match output {
        WorkerOutput::Publish { subject, bytes } => packet_line(subject, bytes),
        other => format!("{other:?}"),
    }
}

/// spec/03: a request is accepted on the subject of its topic, or on the direct subject.
fn only_matching_requests_are_accepted(subject: &Subject, topic: &str) {
    let matches = match subject {
        Subject::Topic(own) => own.as_str() == topic,
        subject => matches!(subject, Subject::Direct(_)),
    };
    assert!(matches, "spec/03 only_matching_requests_are_accepted: {topic:?} on {subject}");
}

/// Returns the input that a pointer leads to.
pub(super) fn input_of(pointer: &Pointer) -> Bytes {
    Bytes::from(format!("\"the input at {pointer}\""))
}
