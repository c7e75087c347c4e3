//! The payloads that a runtime sends, as JSON text.

use alloc::string::String;
use core::fmt;

use crate::arcp::wire::agent::AgentSpec;
use crate::arcp::wire::body::Body;
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::job::{Accepted, FinalStatus, JobEnd, Terminal};
use crate::arcp::wire::question::Outcome;
use crate::budget::Budget;
use crate::json::{Object, strings};
use crate::time::Time;

/// The form in which a session receives payloads: fixed by the features it negotiated and by its dialect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) features: Features,
    pub(crate) dialect: Dialect,
}

impl Form {
    /// Returns whether agents are shown with their versions (§7.5).
    fn versions(self) -> bool {
        self.features.has(Feature::AgentVersions)
    }

    /// Returns the lease that `job.accepted` and `job.subscribed` show.
    fn lease(self, job: &Accepted) -> Option<String> {
        (!self.dialect.row().hides_leases).then(|| job.lease.to_json())
    }

    fn budget(self, budget: &Budget) -> String {
        if self.dialect.row().budget_as_text { budget.to_json_amounts() } else { budget.to_json_numbers() }
    }
}

/// `session.error` (§12)
pub(crate) fn error(fault: &Fault, dialect: Dialect, request_id: Option<&str>) -> String {
    let object = Object::new()
        .plain("code", fault.code.as_str())
        .text("message", &fault.message)
        .value("retryable", fault.code.retryable())
        .opt_json("details", fault.details.as_deref());
    dialect.answers(object, request_id).close()
}

/// The `job.error` of a request that was refused, in the dialects that want it: it is not numbered, and ends no job.
pub(crate) fn refused(fault: &Fault) -> String {
    Object::new()
        .plain("final_status", FinalStatus::Error.as_str())
        .plain("code", fault.code.as_str())
        .text("message", &fault.message)
        .value("retryable", fault.code.retryable())
        .close()
}

/// The `capabilities` of a welcome (§6.2). Agents are objects even where `agent_versions` was not negotiated: four of the
/// deployed SDKs cannot connect otherwise.
pub(crate) fn capabilities<'a>(features: Features, agents: impl Iterator<Item = &'a AgentSpec>) -> String {
    let mut list = String::from("[");
    for agent in agents {
        if list.len() > 1 {
            list.push(',');
        }
        let versions = strings(agent.versions.iter().map(String::as_str));
        let object = Object::new().plain("name", &agent.name).json("versions", &versions);
        list.push_str(&object.opt_plain("default", agent.resolved_default()).close());
    }
    list.push(']');
    Object::new()
        .json("encodings", "[\"json\"]")
        .json("features", &strings(features.iter().map(Feature::as_str)))
        .json("agents", &list)
        .close()
}

fn constraints(expires_at: Option<Time>) -> Option<String> {
    expires_at.map(|at| Object::new().plain("expires_at", at.to_rfc3339()).close())
}

/// The `credentials` of a job (§9.8.1).
fn credentials(credentials: &[Credential]) -> String {
    let mut out = String::from("[");
    for credential in credentials {
        if out.len() > 1 {
            out.push(',');
        }
        let object = Object::new()
            .text("id", &credential.id)
            .plain("scheme", "bearer")
            .text("value", credential.value.expose())
            .text("endpoint", &credential.endpoint)
            .opt_text("profile", credential.profile.as_deref())
            .raw("constraints", credential.constraints.as_deref());
        out.push_str(&object.close());
    }
    out.push(']');
    out
}

/// `job.accepted` (§7.1). Only the submitter is shown the credentials.
pub(crate) fn accepted(job: &Accepted, form: Form, shown: &[Credential], request_id: Option<&str>) -> String {
    let mut object = Object::with_capacity(512)
        .pushed("job_id", |out| job.id.push_to(out))
        .pushed("agent", |out| out.push_str(&job.agent_ref(form.versions())))
        .opt_json("lease", form.lease(job).as_deref())
        .opt_json("lease_constraints", constraints(job.expires_at).as_deref())
        .opt_json("budget", job.budget.as_ref().map(|budget| form.budget(budget)).as_deref());
    if !shown.is_empty() {
        object = object.json("credentials", &credentials(shown));
    }
    let object = object
        .opt_plain("parent_job_id", job.parent)
        .opt_text("delegate_id", job.delegate_id.as_deref())
        .pushed("accepted_at", |out| job.accepted_at.push_rfc3339(out))
        .pushed("trace_id", |out| job.trace_id.push_to(out));
    form.dialect.answers(object, request_id).close()
}

/// The members of a `job.subscribed` that depend on the subscription and on the present state of the job (§7.6).
pub(crate) struct Subscribed<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) status: &'static str,
    pub(crate) budget: Option<&'a Budget>,
    pub(crate) credentials: &'a [Credential],
    pub(crate) from: u64,
    pub(crate) replayed: bool,
    pub(crate) truncated: bool,
    /// When the job was accepted, for Nuncio's clients (ours).
    pub(crate) accepted_at: Option<Time>,
}

/// `job.subscribed` (§7.6).
pub(crate) fn subscribed(job: &Accepted, form: Form, about: &Subscribed<'_>) -> String {
    let object = form.dialect.answers(Object::with_capacity(512), Some(about.request_id));
    let mut object = object
        .plain("job_id", job.id)
        .plain("current_status", about.status)
        .plain("agent", job.agent_ref(form.versions()))
        .opt_json("lease", form.lease(job).as_deref())
        .opt_json("lease_constraints", constraints(job.expires_at).as_deref())
        .opt_json("budget", about.budget.map(|budget| form.budget(budget)).as_deref());
    if !about.credentials.is_empty() {
        object = object.json("credentials", &credentials(about.credentials));
    }
    object = object
        .null_or_plain("parent_job_id", job.parent)
        .plain("trace_id", job.trace_id)
        .value("subscribed_from", about.from)
        .value("replayed", about.replayed)
        .opt_plain("accepted_at", about.accepted_at.map(Time::to_rfc3339));
    if about.truncated {
        object = object.value("history_truncated", true);
    }
    object.close()
}

/// What a row of `session.jobs` says to Nuncio's clients (ours).
#[derive(Debug, Default)]
pub(crate) struct RowExtras<'a> {
    /// The session that owns the job, or has owned it last.
    pub(crate) session: Option<SessionUlid>,
    /// Whether that session is closed.
    pub(crate) session_closed: bool,
    /// How long the agent may run.
    pub(crate) max_runtime_secs: Option<u64>,
    /// How the job has ended.
    pub(crate) end: Option<JobEnd<'a>>,
    /// What a job that runs is about: `cancelling` or `asking`.
    pub(crate) phase: Option<&'static str>,
}

/// One row of `session.jobs` (§6.6).
pub(crate) fn row(job: &Accepted, form: Form, status: &str, last_event_seq: u64, ours: &RowExtras<'_>) -> String {
    let created = job.created_at.to_rfc3339();
    Object::with_capacity(384)
        .plain("job_id", job.id)
        .plain("agent", job.agent_ref(form.versions()))
        .plain("status", status)
        .json("lease", &job.lease.to_json())
        .null_or_plain("parent_job_id", job.parent)
        .plain("created_at", &created)
        .plain("submitted_at", &created)
        .plain("trace_id", job.trace_id)
        .value("last_event_seq", last_event_seq)
        .opt_plain("x-vendor.nuncio.session_id", ours.session)
        .opt_value("x-vendor.nuncio.session_closed", (ours.session.is_some() && ours.session_closed).then_some(true))
        .opt_value("x-vendor.nuncio.max_runtime_sec", ours.max_runtime_secs)
        .opt_json("x-vendor.nuncio.ended", ours.end.as_ref().map(ended).as_deref())
        .opt_plain("x-vendor.nuncio.phase", ours.phase)
        .close()
}

/// `x-vendor.nuncio.ended` of a row (ours).
fn ended(end: &JobEnd<'_>) -> String {
    let object = Object::new().plain("completed_at", end.at.to_rfc3339());
    match &end.fault {
        Some(fault) => object.text("code", fault.code.as_str()).text("message", fault.message.as_str()).close(),
        None => object.close(),
    }
}

/// The page of a list, around its rows, which are separated by commas.
fn page(request_id: &str, dialect: Dialect, name: &'static str, rows: &str) -> Object {
    let page = dialect.answers(Object::with_capacity(rows.len() + 128), Some(request_id));
    page.json(name, &alloc::format!("[{rows}]"))
}

/// `session.jobs` (§6.6), with its rows.
pub(crate) fn jobs(request_id: &str, dialect: Dialect, rows: &str, next: Option<impl fmt::Display>) -> String {
    page(request_id, dialect, "jobs", rows).null_or_plain("next_cursor", next).close()
}

/// `job.cancelled` (§7.4).
pub(crate) fn cancelled(request_id: &str, dialect: Dialect, job: JobUlid, reason: Option<&str>) -> String {
    let object = Object::new().plain("job_id", job).opt_text("reason", reason);
    dialect.answers(object, Some(request_id)).close()
}

/// `x-vendor.nuncio.answered` (ours): the answer to the one who has answered a question.
pub(crate) fn answered(request_id: &str, dialect: Dialect, job: JobUlid, number: u64, outcome: &Outcome) -> String {
    outcome.write(number, dialect.answers(Object::new(), Some(request_id)).plain("job_id", job)).close()
}

/// One row of `x-vendor.nuncio.questions` (ours). `question` is the body of its event.
pub(crate) fn question(job: &Accepted, form: Form, may_answer: bool, question: &str) -> String {
    Object::with_capacity(question.len() + 256)
        .plain("job_id", job.id)
        .plain("agent", job.agent_ref(form.versions()))
        .text("principal", &job.principal)
        .value("may_answer", may_answer)
        .json("question", question)
        .close()
}

/// `x-vendor.nuncio.questions` (ours), with its rows.
pub(crate) fn questions(request_id: &str, dialect: Dialect, rows: &str, next: Option<impl fmt::Display>) -> String {
    page(request_id, dialect, "questions", rows).opt_plain("next_cursor", next).close()
}

/// The type of a page of sessions.
pub(crate) const SESSIONS: &str = "x-vendor.nuncio.sessions";

/// One row of `x-vendor.nuncio.sessions` (ours).
#[derive(Debug)]
pub(crate) struct SessionRow<'a> {
    pub(crate) id: SessionUlid,
    pub(crate) principal: &'a str,
    pub(crate) state: &'static str,
    /// The jobs of the session that have not ended.
    pub(crate) jobs: u64,
    pub(crate) dialect: Dialect,
    pub(crate) last_seq: u64,
    /// When it can no longer be resumed, if it has no connection.
    pub(crate) lapses: Option<Time>,
}

/// The text of such a row.
pub(crate) fn session(row: &SessionRow<'_>) -> String {
    Object::with_capacity(256)
        .plain("session_id", row.id)
        .text("principal", row.principal)
        .plain("state", row.state)
        .value("jobs", row.jobs)
        .plain("dialect", row.dialect)
        .value("last_event_seq", row.last_seq)
        .opt_plain("resumable_until", row.lapses.map(Time::to_rfc3339))
        .close()
}

/// `x-vendor.nuncio.sessions` (ours), with its rows.
pub(crate) fn sessions(request_id: &str, dialect: Dialect, rows: &str, next: Option<impl fmt::Display>) -> String {
    page(request_id, dialect, "sessions", rows).opt_plain("next_cursor", next).close()
}

/// `job.event` (§8.2).
pub(crate) fn event(body: &Body, ts: &str) -> String {
    let mut out = String::with_capacity(body.json().len() + body.kind().len() + 64);
    // A kind has no character that needs an escape.
    for part in ["{\"kind\":\"", body.kind(), "\",\"ts\":\"", ts, "\",\"body\":", body.json(), "}"] {
        out.push_str(part);
    }
    out
}

/// The result of a job that succeeded.
pub(crate) enum Success<'a> {
    /// The JSON text of the result.
    Inline(&'a str),
    /// The JSON text of a string with the bytes of a result in base64, whose encoding is named beside it (ours).
    Base64(&'a str),
    /// The result was sent in chunks (§8.4).
    Streamed { result_id: &'a str, bytes: u64, summary: Option<&'a str> },
}

/// `job.result` of a success (§7.3, §8.4).
pub(crate) fn success(result: &Success<'_>, completed_at: &str) -> Terminal {
    let object = Object::new().pushed("final_status", |out| out.push_str("success"));
    let object = match result {
        Success::Inline(json) => object.json("result", json),
        Success::Base64(json) => object.json("result", json).plain("encoding", "base64"),
        Success::Streamed { result_id, bytes, summary } => {
            object.text("result_id", result_id).value("result_size", bytes).opt_text("summary", *summary)
        }
    };
    Terminal {
        status: FinalStatus::Success,
        kind: "job.result",
        payload: object.pushed("completed_at", |out| out.push_str(completed_at)).close().into(),
    }
}

/// `job.error` (§7.3).
pub(crate) fn failure(status: FinalStatus, fault: &Fault, completed_at: &str) -> Terminal {
    let payload = Object::new()
        .plain("final_status", status.as_str())
        .plain("code", fault.code.as_str())
        .text("message", &fault.message)
        .value("retryable", fault.code.retryable())
        .opt_json("details", fault.details.as_deref())
        .plain("completed_at", completed_at)
        .close();
    Terminal { status, kind: "job.error", payload: payload.into() }
}
