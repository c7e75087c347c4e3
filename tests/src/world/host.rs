//! The host side: authentication, answers to submits, and the commands of agents.

use nuncio_core::arcp::{
    Answer, Body, Chunk, ConnId, Credential, Delegate, Denied, ErrorCode, Event, Fault, JobFailure, JobKey, JobResult,
    Json, Number, Question, QuestionId, Refused, ReservationId, Secret,
};
use nuncio_core::budget::Amount;
use nuncio_core::lease::Operation;
use serde_json::Value;

use super::{Job, World};

pub(super) const TOKENS: [(&str, &str); 3] = [("tok-alice", "alice"), ("tok-alice2", "alice"), ("tok-bob", "bob")];

/// What stands for the code of an operation that people have to approve first.
pub const NEEDS_APPROVAL: &str = "(needs approval)";

/// How [`Event::Authenticate`] is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAuthenticate {
    /// At once, from the table of tokens.
    Table,
    /// Not at all: the test answers.
    Hold,
}

/// How [`Event::Submitted`] is answered.
#[derive(Clone, Debug)]
pub enum OnSubmit {
    /// Starts the job at once, with one credential if the session negotiated credentials and the lease names
    /// `model.use`.
    Start,
    /// Not at all: the test answers.
    Hold,
    /// Declines the job with this code.
    Decline(ErrorCode),
    /// Starts the job at once with these credentials.
    Credentials(Vec<Credential>),
}

/// Returns a text as raw JSON.
pub fn json_text(text: &str) -> Box<Json> {
    Json::from_string(text.to_owned()).expect("JSON")
}

impl World {
    /// Creates a credential for a job. Its value is `secret-`, the job's id and the suffix.
    pub fn credential(&mut self, job: JobKey, suffix: &str) -> Credential {
        let view = self.runtime.job(job).expect("a job");
        let value = format!("secret-{}-{suffix}", view.id);
        let principal = view.principal.to_string();
        self.checker.secret(&value, &principal);
        Credential {
            id: format!("cred_{suffix}"),
            value: Secret::new(value),
            endpoint: "https://gateway.example.test/v1".to_owned(),
            profile: Some("openai".to_owned()),
            constraints: Some(json_text(r#"{"model.use":["tier-fast/*"]}"#)),
        }
    }

    /// Declares a secret that only `principal` may read.
    pub fn secret(&mut self, value: &str, principal: &str) {
        self.checker.secret(value, principal);
    }

    pub(super) fn answer(&mut self, event: &Event) {
        match event {
            Event::Authenticate { conn, token, .. } if self.on_authenticate == OnAuthenticate::Table => {
                self.authenticate(*conn, token.expose());
            }
            Event::Submitted { job, credentials } => self.submitted(*job, *credentials),
            Event::Replay { .. } => self.answer_replay(event),
            Event::Revoke { revocation, .. } if self.auto_revoke => {
                self.runtime.revoked(self.now, *revocation).expect("a revocation");
            }
            _ => {}
        }
    }

    fn authenticate(&mut self, conn: ConnId, token: &str) {
        let answer = if let Some((_, principal)) = TOKENS.iter().find(|(known, _)| *known == token) {
            self.runtime.admit(self.now, conn, principal)
        } else {
            let fault = Fault::new(ErrorCode::Unauthenticated, "the token is unknown");
            self.runtime.reject(self.now, conn, fault)
        };
        answer.expect("the connection is waiting for this answer");
    }

    fn submitted(&mut self, job: JobKey, credentials: bool) {
        let answer = match self.on_submit.clone() {
            OnSubmit::Hold => return,
            OnSubmit::Start => {
                let view = self.runtime.job(job).expect("a job");
                let minted = if credentials && view.lease.to_json().contains("model.use") {
                    vec![self.credential(job, "1")]
                } else {
                    Vec::new()
                };
                self.runtime.start(self.now, job, minted)
            }
            OnSubmit::Decline(code) => self.runtime.decline(self.now, job, Fault::new(code, "declined by the host")),
            OnSubmit::Credentials(minted) => self.runtime.start(self.now, job, minted),
        };
        answer.expect("the job is waiting for this answer");
    }

    /// Starts a held job.
    pub fn start(&mut self, job: JobKey) {
        self.runtime.start(self.now, job, Vec::new()).expect("the job is waiting for this answer");
        self.pump();
    }

    /// Starts a held job with credentials.
    pub fn start_with(&mut self, job: JobKey, credentials: Vec<Credential>) -> Result<(), Refused> {
        let started = self.runtime.start(self.now, job, credentials);
        self.pump();
        started
    }

    /// Declines a held job.
    pub fn decline(&mut self, job: JobKey, code: ErrorCode) {
        let fault = Fault::new(code, "declined by the host");
        self.runtime.decline(self.now, job, fault).expect("the job is waiting for this answer");
        self.pump();
    }

    /// Emits an event and returns the runtime's answer.
    pub fn try_emit(&mut self, job: &Job, body: &Body) -> Result<(), Refused> {
        let emitted = self.runtime.emit(self.now, job.key, body);
        self.pump();
        emitted
    }

    /// Emits an event that must be accepted.
    pub fn emit(&mut self, job: &Job, body: &Body) {
        self.try_emit(job, body).expect("an accepted event");
    }

    /// Emits a log event with this message.
    pub fn log(&mut self, job: &Job, message: &str) {
        self.emit(job, &Body::log("info", message, None));
    }

    /// Emits an event of any kind with a raw body.
    pub fn raw(&mut self, job: &Job, kind: &str, body: &Value) {
        let body = Body::raw(kind, &json_text(&body.to_string())).expect("a body");
        self.emit(job, &body);
    }

    /// Emits a metric named `cost.inference`.
    pub fn cost(&mut self, job: &Job, value: &str, unit: &str) {
        let value = Number::parse(value).expect("a number");
        self.emit(job, &Body::metric("cost.inference", &value, Some(unit), None).expect("a metric"));
    }

    /// Authorizes an operation; the error is the code of the refusal.
    pub fn authorize(&mut self, job: &Job, namespace: &str, target: &str) -> Result<(), &'static str> {
        let operation = Operation::new(namespace, target).map_err(|_| "PERMISSION_DENIED")?;
        let answer = self.runtime.authorize(self.now, job.key, &operation);
        self.pump();
        code_of(answer)
    }

    /// Authorizes an operation and asks people if they have to approve it; the error is the code of the refusal.
    pub fn approve(&mut self, job: &Job, namespace: &str, target: &str) -> Result<Option<QuestionId>, &'static str> {
        let operation = Operation::new(namespace, target).map_err(|_| "PERMISSION_DENIED")?;
        let answer = self.runtime.approve(self.now, job.key, &operation);
        self.pump();
        code_of(answer)
    }

    /// Reserves an amount; the error is the code of the refusal.
    pub fn reserve(&mut self, job: &Job, amount: &str, currency: &str) -> Result<ReservationId, &'static str> {
        let amount = Amount::from_json_number(amount).map_err(|_| "INVALID_REQUEST")?;
        let answer = self.runtime.reserve(self.now, job.key, currency, amount);
        self.pump();
        code_of(answer)
    }

    /// Authorizes an operation and reserves an amount for it; the error is the code of the refusal.
    pub fn authorize_reserving(
        &mut self,
        job: &Job,
        (namespace, target): (&str, &str),
        amount: &str,
        currency: &str,
    ) -> Result<ReservationId, &'static str> {
        let operation = Operation::new(namespace, target).map_err(|_| "PERMISSION_DENIED")?;
        let amount = Amount::from_json_number(amount).map_err(|_| "INVALID_REQUEST")?;
        let answer = self.runtime.authorize_reserving(self.now, job.key, &operation, currency, amount);
        self.pump();
        code_of(answer)
    }

    /// Emits a metric named `cost.inference` that settles a reservation, and returns the runtime's answer.
    pub fn settle_cost(&mut self, job: &Job, id: ReservationId, value: &str, unit: &str) -> Result<(), Refused> {
        let value = Number::parse(value).expect("a number");
        let body = Body::metric("cost.inference", &value, Some(unit), None).expect("a metric");
        let settled = self.runtime.settle(self.now, job.key, id, &body);
        self.pump();
        settled
    }

    /// Releases a reservation, and returns the runtime's answer.
    pub fn release(&mut self, job: &Job, id: ReservationId) -> Result<(), Refused> {
        self.runtime.release(self.now, job.key, id)
    }

    /// Returns what remains of the budget that a job draws on in a currency.
    pub fn remaining(&self, job: &Job, currency: &str) -> String {
        let view = self.runtime.job(job.key).expect("a job that is kept");
        view.budget.and_then(|budget| budget.remaining_of(currency)).expect("a budget").to_string()
    }

    /// Asks a question and returns the runtime's answer.
    pub fn ask(&mut self, job: &Job, question: &Question) -> Result<QuestionId, Refused> {
        let asked = self.runtime.ask(self.now, job.key, question);
        self.pump();
        asked
    }

    /// Takes the answer to a question from the host's events, if there is one.
    pub fn answer_of(&mut self, job: &Job, question: QuestionId) -> Option<Answer> {
        self.try_host_event(|event| match event {
            Event::Answered { job: of, question: number, answer } if *of == job.key && *number == question => {
                Some(answer.clone())
            }
            _ => None,
        })
    }

    /// Authorizes the use of a model; the error is the code of the refusal.
    pub fn model(&mut self, job: &Job, name: &str) -> Result<(), &'static str> {
        self.authorize(job, "model.use", name)
    }

    /// Writes a chunk of the streamed result and returns the runtime's answer.
    pub fn chunk(&mut self, job: &Job, chunk: Chunk<'_>, last: bool) -> Result<usize, Refused> {
        let taken = self.runtime.write_chunk(self.now, job.key, chunk, last);
        self.pump();
        taken
    }

    /// Ends a job with an inline result and returns the runtime's answer.
    pub fn try_finish(&mut self, job: &Job, result: &str) -> Result<(), Refused> {
        let finished = self.runtime.finish(self.now, job.key, JobResult::Inline(&json_text(result)));
        self.pump();
        finished
    }

    /// Ends a job with an inline result.
    pub fn finish(&mut self, job: &Job, result: &str) {
        self.try_finish(job, result).expect("the job ends");
    }

    /// Ends a job whose result was streamed.
    pub fn finish_streamed(&mut self, job: &Job) {
        let result = JobResult::Streamed { summary: None };
        self.runtime.finish(self.now, job.key, result).expect("the job ends");
        self.pump();
    }

    /// Ends a job with a failure and returns the runtime's answer.
    pub fn fail(&mut self, job: &Job, code: &str, message: &str) -> Result<(), Refused> {
        let failure = JobFailure { code: code.to_owned(), message: message.to_owned(), details: None };
        let failed = self.runtime.fail(self.now, job.key, failure);
        self.pump();
        failed
    }

    /// Delegates; returns the child's key or the code of the refusal.
    pub fn delegate(&mut self, job: &Job, body: &Value) -> Result<JobKey, &'static str> {
        let raw = |name: &str| body.get(name).map(|value| json_text(&value.to_string()));
        let (input, lease, constraints) = (raw("input"), raw("lease_request"), raw("lease_constraints"));
        let request = Delegate {
            delegate_id: body["delegate_id"].as_str().map(Into::into),
            agent: body["agent"].as_str().unwrap_or("echo").into(),
            input: input.as_deref(),
            lease_request: lease.as_deref(),
            lease_constraints: constraints.as_deref(),
        };
        let answer = self.runtime.delegate(self.now, job.key, &request);
        self.pump();
        code_of(answer)
    }

    /// Rotates a credential; only `principal` may read the new value.
    pub fn rotate(&mut self, job: &Job, id: &str, value: &str, principal: &str) -> Result<(), Refused> {
        self.checker.secret(value, principal);
        let rotated = self.runtime.rotate(self.now, job.key, id, Secret::new(value));
        self.pump();
        rotated
    }

    /// Shuts the runtime down: it accepts no new work.
    pub fn shutdown(&mut self) {
        self.runtime.shutdown(self.now);
        self.pump();
    }

    /// Aborts the runtime: every job ends and every connection is closed.
    pub fn abort(&mut self) {
        self.runtime.abort(self.now);
        self.pump();
    }
}

/// The code of a refusal, or [`NEEDS_APPROVAL`].
fn code_of<T>(answer: Result<T, Denied>) -> Result<T, &'static str> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(Denied::Fault(fault)) => Err(fault.code.as_str()),
        Err(Denied::NeedsApproval(_)) => Err(NEEDS_APPROVAL),
        Err(other) => panic!("{other}"),
    }
}
