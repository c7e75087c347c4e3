//! One job of a worker.

mod held;
mod loading;
pub(crate) mod state;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use self::loading::Loading;
use self::state::WorkerJobState;
use super::output::{Attempt, JobOutput, WorkerJob, WorkerRefused, WorkerTimer};
use super::timers::{Deadline, Timers};
use crate::cap::wire::common::{DispatchIdentity, IdentityBinding, ResourceRef};
use crate::cap::wire::job::{ErrorCode, JobRequest, JobResult, JobStatus};
use crate::cap::wire::pointer::{Pointer, Scheme};
use crate::time::Time;

/// Whom a result is for: the ids of one request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asker {
    pub(super) job_id: String,
    pub(super) trace_id: String,
    pub(super) sender_id: String,
    pub(super) dispatch: Option<DispatchIdentity>,
    pub(super) identity: Option<IdentityBinding>,
}

impl Asker {
    /// Packets of 2.10 may have no trace, and a result has to have one.
    pub(super) fn of(request: &JobRequest, origin: Origin) -> Asker {
        let trace_id = if origin.trace_id.is_empty() { request.job_id.clone() } else { origin.trace_id };
        Asker {
            job_id: request.job_id.clone(),
            trace_id,
            sender_id: origin.sender_id,
            dispatch: request.dispatch.clone(),
            identity: origin.identity.or_else(|| request.identity.clone()),
        }
    }

    /// Returns the number of the attempt that the request belongs to; 0 if it does not say.
    pub(super) fn attempt(&self) -> u64 {
        self.dispatch.as_ref().map_or(0, |dispatch| dispatch.attempt)
    }
}

/// What the packet of a request says beside the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub(super) trace_id: String,
    pub(super) sender_id: String,
    /// The verified identity of the production profile.
    pub(super) identity: Option<IdentityBinding>,
}

/// How a job has ended, without the ids of the requests that it is the result of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) status: JobStatus,
    pub(super) result_ptr: String,
    /// Absent if there is nothing in it, as in most results.
    pub(super) resources: Option<Box<Resources>>,
    pub(super) code: ErrorCode,
    pub(super) message: String,
    pub(super) execution_ms: i64,
}

/// The output of a job in the structured form, and artifacts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resources {
    pub(super) result_ref: Option<ResourceRef>,
    pub(super) artifact_ptrs: Vec<String>,
    pub(super) artifact_refs: Vec<ResourceRef>,
}

impl Verdict {
    pub(super) fn failed(status: JobStatus, code: ErrorCode, message: impl Into<String>) -> Verdict {
        let message = message.into();
        Verdict { status, code, message, ..Verdict::succeeded(String::new()) }
    }

    pub(super) fn succeeded(result_ptr: String) -> Verdict {
        Verdict {
            status: JobStatus::SUCCEEDED,
            result_ptr,
            resources: None,
            code: ErrorCode::UNSPECIFIED,
            message: String::new(),
            execution_ms: 0,
        }
    }

    /// The result for one request.
    pub(super) fn result(&self, asker: &Asker, worker_id: &str) -> JobResult {
        let resources = self.resources.as_deref().cloned().unwrap_or_default();
        JobResult {
            job_id: asker.job_id.clone(),
            status: self.status,
            result_ptr: self.result_ptr.clone(),
            worker_id: worker_id.into(),
            execution_ms: self.execution_ms,
            error_code: self.code.name().filter(|_| self.code != ErrorCode::UNSPECIFIED).unwrap_or_default().into(),
            error_message: self.message.clone(),
            artifact_ptrs: resources.artifact_ptrs,
            error_code_enum: self.code,
            dispatch: asker.dispatch.clone(),
            identity: asker.identity.clone(),
            result_ref: resources.result_ref,
            artifact_refs: resources.artifact_refs,
            ..JobResult::default()
        }
    }
}

/// One job of a worker, from its request to the end of its retention.
#[derive(Clone, Debug)]
pub(super) struct Job {
    state: WorkerJobState,
    /// The requests that it answers: the first, and those with the same idempotency key.
    askers: Vec<Asker>,
    /// What tells two requests with the same idempotency key apart.
    topic: String,
    context_ptr: String,
    /// Absent once the job has ended.
    request: Option<Box<JobRequest>>,
    loading: Loading,
    input: Option<Bytes>,
    /// What is wrong with the input. It counts only if no output is stored.
    fault: Option<Verdict>,
    output: Option<JobOutput>,
    accepted_at: Time,
    /// When its handler was called first.
    began_at: Option<Time>,
    /// Attempts to read, run or store so far.
    attempts: u32,
    /// Failed attempts of what is being tried now.
    failures: u32,
    /// The percentage that it has said last, and whether it has said something since the last signs.
    percent: i32,
    has_said: bool,
    verdict: Option<Verdict>,
    /// When it has ended.
    ended_at: Option<Time>,
    /// Bounds the attempt to read or store.
    pub(super) io: Deadline,
    /// Ends the pause before a retry.
    pub(super) retry: Deadline,
    /// Bounds the job.
    pub(super) runtime: Deadline,
}

impl Job {
    pub(super) fn new(key: WorkerJob, request: JobRequest, asker: Asker, now: Time) -> Job {
        let deadline = |timer| Deadline::new(timer, Some(key));
        Job {
            state: WorkerJobState::Queued,
            askers: alloc::vec![asker],
            topic: request.topic.clone(),
            context_ptr: request.context_ptr.clone(),
            request: Some(Box::new(request)),
            loading: Loading::default(),
            input: None,
            fault: None,
            output: None,
            accepted_at: now,
            began_at: None,
            attempts: 0,
            failures: 0,
            percent: 0,
            has_said: false,
            verdict: None,
            ended_at: None,
            io: deadline(WorkerTimer::Io),
            retry: deadline(WorkerTimer::Retry),
            runtime: deadline(WorkerTimer::Runtime),
        }
    }

    pub(super) fn state(&self) -> WorkerJobState {
        self.state
    }

    pub(super) fn askers(&self) -> &[Asker] {
        &self.askers
    }

    pub(super) fn into_askers(self) -> Vec<Asker> {
        self.askers
    }

    pub(super) fn request(&self) -> Option<&JobRequest> {
        self.request.as_deref()
    }

    pub(super) fn input(&self) -> Option<&Bytes> {
        self.input.as_ref()
    }

    pub(super) fn output(&self) -> Option<&JobOutput> {
        self.output.as_ref()
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether another request with the same idempotency key asks for the same thing.
    pub(super) fn is_same(&self, request: &JobRequest) -> bool {
        self.topic == request.topic && self.context_ptr == request.context_ptr
    }

    /// Adds a request that this job answers as well.
    pub(super) fn follow(&mut self, asker: Asker) {
        self.askers.push(asker);
    }

    /// Returns the request of an id that this job answers.
    pub(super) fn asker(&self, job_id: &str) -> Option<&Asker> {
        self.askers.iter().find(|asker| asker.job_id == job_id)
    }

    /// Lets a job that has no result yet answer a higher attempt of a request, in place of the one that it has.
    pub(super) fn join(&mut self, asker: Asker) {
        let own = self.askers.iter_mut().find(|own| own.job_id == asker.job_id);
        if let Some(own) = own.filter(|own| self.verdict.is_none() && own.attempt() < asker.attempt()) {
            *own = asker;
        }
    }

    /// Returns when the job has ended, if it has failed and can be tried again.
    pub(super) fn failed_retryably_at(&self) -> Option<Time> {
        let is_retryable = self.verdict.as_ref().is_some_and(|verdict| verdict.status == JobStatus::FAILED_RETRYABLE);
        self.ended_at.filter(|_| is_retryable)
    }

    /// Gives a job that has failed and can be tried again another result, which is final.
    pub(super) fn rule_out(&mut self, verdict: Verdict) {
        if self.failed_retryably_at().is_some()
            && let Some(own) = &mut self.verdict
        {
            *own = Verdict { execution_ms: own.execution_ms, ..verdict };
        }
    }

    /// Checks that an answer is for the present attempt, in a state that awaits one.
    pub(super) fn expects(&self, attempt: Attempt, state: WorkerJobState) -> Result<(), WorkerRefused> {
        if self.attempts == attempt.number && self.state == state { Ok(()) } else { Err(WorkerRefused::Stale) }
    }

    /// Begins to read the input, and the output of an earlier run. Returns false in a state that does not lead there.
    pub(super) fn load(&mut self, looks: bool, has_input: bool) -> bool {
        let loads = self.state.fetch();
        if loads {
            self.loading = Loading::new(looks, has_input);
        }
        self.begin(loads)
    }

    /// Returns whether to ask for a stored output, and whether to ask for the input.
    pub(super) fn ask(&mut self) -> (bool, bool) {
        self.loading.ask()
    }

    /// Notes that no output of an earlier run is stored. Returns false if that was known.
    pub(super) fn looked(&mut self) -> bool {
        self.loading.looked()
    }

    /// Takes the input, or what is wrong with it. Returns false if it is there already.
    pub(super) fn fetched(&mut self, input: Result<Bytes, Verdict>) -> bool {
        let is_awaited = self.loading.fetched();
        if is_awaited {
            match input {
                Ok(input) => self.input = Some(input),
                Err(fault) => self.fault = Some(fault),
            }
        }
        is_awaited
    }

    /// Whether nothing is left to be read.
    pub(super) fn is_loaded(&self) -> bool {
        self.loading.is_done()
    }

    /// Takes out what is wrong with the input.
    pub(super) fn take_fault(&mut self) -> Option<Verdict> {
        self.fault.take()
    }

    /// Notes that the job has made progress.
    pub(super) fn say(&mut self, percent: i32) {
        (self.percent, self.has_said) = (percent, true);
    }

    /// Returns the percentage that the job has said last, if it has said nothing since this was asked last.
    pub(super) fn take_silence(&mut self) -> Option<i32> {
        let has_said = core::mem::take(&mut self.has_said);
        Some(self.percent).filter(|_| !has_said)
    }

    /// Begins an attempt to run the handler.
    pub(super) fn run(&mut self, now: Time) -> bool {
        let is_first = self.state != WorkerJobState::Pausing;
        let runs = self.state.run();
        if runs && is_first {
            self.failures = 0;
            self.began_at = Some(now);
        }
        self.begin(runs)
    }

    /// Begins to store an output.
    pub(super) fn store(&mut self, output: JobOutput) -> bool {
        let stores = self.state.store();
        if stores {
            self.failures = 0;
            self.output = Some(output);
        }
        self.begin(stores)
    }

    /// Begins another attempt to read or store.
    pub(super) fn again(&mut self) {
        self.begin(true);
    }

    fn begin(&mut self, begins: bool) -> bool {
        if begins {
            self.attempts = self.attempts.saturating_add(1);
        }
        begins
    }

    /// Notes that an attempt to read or store has failed. An answer to it that comes later is stale.
    pub(super) fn failed(&mut self) {
        self.loading.fail();
        self.failures = self.failures.saturating_add(1);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Notes that the handler has failed and is called again.
    pub(super) fn pause(&mut self) -> bool {
        let pauses = self.state.pause();
        if pauses {
            self.failures = self.failures.saturating_add(1);
        }
        pauses
    }

    /// Decides the result of the job. Returns false if it has one already. If the handler runs, the job goes on until it
    /// has stopped.
    pub(super) fn decide(&mut self, mut verdict: Verdict, now: Time, by_handler: bool) -> bool {
        let decided = if by_handler { self.state.fail() } else { self.state.stop() || self.state.end() };
        if decided {
            let took = now.since(self.began_at.unwrap_or(self.accepted_at)) / 1_000;
            verdict.execution_ms = i64::try_from(took).unwrap_or(i64::MAX);
            self.verdict = Some(verdict);
        }
        decided
    }

    /// Notes that a handler that had to stop has ended.
    pub(super) fn stopped(&mut self) -> bool {
        self.state.stopped()
    }

    /// Notes when the job has ended.
    pub(super) fn ended(&mut self, now: Time) {
        self.ended_at = Some(now);
    }

    /// Forgets what only a live job needs.
    pub(super) fn retire(&mut self, timers: &mut Timers) {
        for deadline in [&mut self.io, &mut self.retry, &mut self.runtime] {
            deadline.clear(timers);
        }
        (self.request, self.input, self.fault, self.output) = (None, None, None, None);
    }
}

/// Where the output of a job is stored.
pub(super) fn result_pointer(scheme: Scheme, job_id: &str) -> Pointer {
    Pointer { scheme, key: alloc::format!("res:{job_id}") }
}
