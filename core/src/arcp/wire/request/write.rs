//! The payloads that a client sends, as JSON text.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::args::{ListQuery, QuestionQuery, SessionQuery, SubmitArgs, Subscribe};
use crate::arcp::wire::feature::Features;
use crate::json::Object;
use crate::time::Time;

/// A `session.hello` (§6.2), or the `session.resume` in its place (§6.3).
pub(crate) struct Hello<'a> {
    pub(crate) form: HelloForm,
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) token: &'a str,
    pub(crate) features: Features,
    pub(crate) resume: Option<Resume<'a>>,
}

/// How a hello names its client and resumes a session. The deployed runtimes read different members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelloForm {
    /// All members at once, for a runtime that is not known.
    All,
    /// `client{}` and `resume{session_id, resume_token, last_event_seq}`, as the specification says.
    Member,
    /// `client{}`, `resume_token` and `last_event_seq`: Java, C#.
    TopLevel,
    /// `client_name`, `client_version` and `resume{token, last_event_seq}`: Ruby.
    Token,
    /// `client{}`; a session is resumed by the message `session.resume`: F#.
    Message,
}

impl HelloForm {
    fn has_client(self) -> bool {
        self != HelloForm::Token
    }

    fn has_client_name(self) -> bool {
        matches!(self, HelloForm::All | HelloForm::Token)
    }

    /// Returns whether the envelope of a hello names the session: the Ruby SDK requires it.
    pub(crate) fn names_session(self) -> bool {
        matches!(self, HelloForm::All | HelloForm::Token)
    }

    fn has_top_level(self) -> bool {
        matches!(self, HelloForm::All | HelloForm::TopLevel)
    }

    /// Returns the `resume` of a hello in this form.
    fn member(self, resume: &Resume<'_>) -> Option<String> {
        if matches!(self, HelloForm::TopLevel | HelloForm::Message) {
            return None;
        }
        let object = if self == HelloForm::Token {
            Object::new()
        } else {
            Object::new().text("session_id", resume.session_id).text("resume_token", resume.token)
        };
        let object = if self == HelloForm::Member { object } else { object.text("token", resume.token) };
        Some(object.value("last_event_seq", resume.last_event_seq).close())
    }
}

/// What a hello says to resume a session (§6.3).
pub(crate) struct Resume<'a> {
    pub(crate) session_id: &'a str,
    pub(crate) token: &'a str,
    pub(crate) last_event_seq: u64,
}

/// `session.hello` (§6.2)
pub(crate) fn hello(hello: &Hello<'_>) -> String {
    let features = serde_json::to_string(&hello.features).unwrap_or_default();
    let capabilities = Object::new().json("encodings", "[\"json\"]").json("features", &features).close();
    let client = Object::new().text("name", hello.name).text("version", hello.version).close();
    let form = hello.form;
    let resume = hello.resume.as_ref().and_then(|resume| form.member(resume));
    let top_level = hello.resume.as_ref().filter(|_| form.has_top_level());
    Object::with_capacity(512)
        .opt_json("client", form.has_client().then_some(client.as_str()))
        .opt_text("client_name", form.has_client_name().then_some(hello.name))
        .opt_text("client_version", form.has_client_name().then_some(hello.version))
        .json("auth", &auth(hello.token))
        .json("capabilities", &capabilities)
        .opt_json("resume", resume.as_deref())
        .opt_text("resume_token", top_level.map(|resume| resume.token))
        .opt_value("last_event_seq", top_level.map(|resume| resume.last_event_seq))
        .close()
}

/// `session.resume` (§6.3)
pub(crate) fn resume(resume: &Resume<'_>, token: &str) -> String {
    Object::new()
        .text("session_id", resume.session_id)
        .text("resume_token", resume.token)
        .value("last_event_seq", resume.last_event_seq)
        .json("auth", &auth(token))
        .close()
}

fn auth(token: &str) -> String {
    Object::new().text("scheme", "bearer").text("token", token).close()
}

/// `session.ping` (§6.4)
pub(crate) fn ping(nonce: &str, now: Time) -> String {
    Object::new().plain("nonce", nonce).plain("sent_at", now.to_rfc3339()).close()
}

/// `session.pong` (§6.4)
pub(crate) fn pong(nonce: &str, now: Time) -> String {
    Object::new().text("ping_nonce", nonce).plain("received_at", now.to_rfc3339()).close()
}

/// `session.ack` (§6.5)
pub(crate) fn ack(seq: u64) -> String {
    Object::new().value("last_processed_seq", seq).close()
}

/// `session.list_jobs` (§6.6)
pub(crate) fn list_jobs(query: &ListQuery<'_>) -> String {
    let filtered = !query.status.is_empty()
        || query.agent.is_some()
        || query.created_after.is_some()
        || query.created_before.is_some();
    let filter = filtered.then(|| {
        let names: Vec<&str> = query.status.iter().map(|name| &**name).collect();
        let status = (!names.is_empty()).then(|| serde_json::to_string(&names).unwrap_or_default());
        Object::new()
            .opt_json("status", status.as_deref())
            .opt_text("agent", query.agent.as_deref())
            .opt_plain("created_after", query.created_after.map(Time::to_rfc3339))
            .opt_plain("created_before", query.created_before.map(Time::to_rfc3339))
            .close()
    });
    Object::new()
        .opt_json("filter", filter.as_deref())
        .opt_value("limit", query.limit)
        .opt_text("cursor", query.cursor.as_deref())
        .close()
}

/// `session.close` (§6.7)
pub(crate) fn close(reason: Option<&str>) -> String {
    Object::new().opt_text("reason", reason).close()
}

/// `job.submit` (§7.1). Some runtimes refuse one without an `input`.
pub(crate) fn submit(args: &SubmitArgs<'_>, idempotency_key: &str) -> String {
    let constraints = args.expires_at.map(|at| Object::new().plain("expires_at", at.to_rfc3339()).close());
    Object::new()
        .text("agent", &args.agent)
        .json("input", args.input.map_or("null", RawValue::get))
        .raw("lease_request", args.lease_request)
        .opt_json("lease_constraints", constraints.as_deref())
        .text("idempotency_key", idempotency_key)
        .opt_value("max_runtime_sec", args.max_runtime_sec)
        .opt_text("parent_job_id", args.parent_job_id.as_deref())
        .opt_text("delegate_id", args.delegate_id.as_deref())
        .close()
}

/// `job.cancel` (§7.4). Some runtimes look for the job in the payload, and some require a reason.
pub(crate) fn cancel(job_id: &str, reason: Option<&str>) -> String {
    Object::new().plain("job_id", job_id).text("reason", reason.unwrap_or("cancelled by the client")).close()
}

/// `job.subscribe` (§7.6)
pub(crate) fn subscribe(job_id: &str, subscribe: Subscribe) -> String {
    Object::new()
        .plain("job_id", job_id)
        .opt_value("from_event_seq", subscribe.from_event_seq)
        .value("history", subscribe.history)
        .close()
}

/// `job.unsubscribe` (§7.6)
pub(crate) fn unsubscribe(job_id: &str) -> String {
    Object::new().plain("job_id", job_id).close()
}

/// `x-vendor.nuncio.answer` (ours)
pub(crate) fn answer(job_id: &str, question_id: &str, value: &RawValue, note: Option<&str>) -> String {
    Object::with_capacity(value.get().len() + 128)
        .plain("job_id", job_id)
        .text("question_id", question_id)
        .json("value", value.get())
        .opt_text("note", note)
        .close()
}

/// `x-vendor.nuncio.list_questions` (ours)
pub(crate) fn list_questions(query: &QuestionQuery<'_>) -> String {
    Object::new()
        .opt_text("job_id", query.job_id.as_deref())
        .opt_value("limit", query.limit)
        .opt_text("cursor", query.cursor.as_deref())
        .close()
}

/// `x-vendor.nuncio.list_sessions` (ours)
pub(crate) fn list_sessions(query: &SessionQuery<'_>) -> String {
    Object::new().opt_value("limit", query.limit).opt_text("cursor", query.cursor.as_deref()).close()
}
