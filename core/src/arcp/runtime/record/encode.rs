//! Writing records: one line of JSON each.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;

use super::{
    JobAccepted, JobEnded, JobEventRecord, JobInput, QuestionFact, Record, SessionEventRecord, SessionOpened, Target,
    Watching,
};
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::{EnvelopeId, JobUlid};
use crate::budget::Budget;
use crate::digest::Digest;
use crate::json::{Object, push_json_str};
use crate::trace::TraceId;

impl Record {
    /// Returns the record as one line of JSON without its line break: `{"v":1,"t":"job_event",…}`. Payloads have the same
    /// text as in frames.
    pub fn encode(&self) -> Vec<u8> {
        let payload = if let Record::JobEvent(event) = self {
            event.payload.len()
        } else if let Record::JobInput(request) = self {
            request.input.as_ref().map_or(0, |input| input.len())
        } else {
            0
        };
        let object = Object::with_capacity(400 + payload).value("v", Record::VERSION).plain("t", self.kind());
        let object = match self {
            Record::SessionOpened(record) => opened(object, record),
            Record::SessionToken(record) => {
                let object = object.plain("session", record.session).plain("newest", digest(&record.newest));
                object.opt_plain("proved", record.proved.as_ref().map(digest))
            }
            Record::SessionDetached { session, at, goodbye } => {
                flag(object.plain("session", session).value("at", at.0), "goodbye", *goodbye)
            }
            Record::SessionClosed { session } => object.plain("session", session),
            Record::Acknowledged { session, seq } => object.plain("session", session).value("seq", seq),
            Record::JobAccepted(record) => accepted(object, record),
            Record::JobInput(record) => input(object, record),
            Record::JobNoted { job, note } => object.plain("job", job).plain("note", STANDARD_NO_PAD.encode(note)),
            Record::Watching(record) => watching(object, record),
            Record::Unwatched { session, job } => object.plain("session", session).plain("job", job),
            Record::WatchingElsewhere { session, jobs } => {
                object.plain("session", session).json("jobs", &elsewhere(jobs))
            }
            Record::JobEvent(record) => job_event(object, record),
            Record::SessionEvent(record) => session_event(object, record),
            Record::JobDoomed { job, cancelled } => object.plain("job", job).value("cancelled", cancelled),
            Record::JobEnded(record) => ended(object, record),
            Record::JobForgotten { job }
            | Record::KeyForgotten { job }
            | Record::CredentialsAsked { job }
            | Record::CredentialsAnswered { job } => object.plain("job", job),
            Record::CredentialIssued { job, id } | Record::CredentialRevoked { job, id } => {
                object.plain("job", job).text("id", id)
            }
        };
        object.close().into_bytes()
    }
}

fn elsewhere(jobs: &[(JobUlid, TraceId)]) -> String {
    let rows = jobs.iter().map(|(job, trace)| Object::new().plain("job", job).plain("trace", trace).close());
    alloc::format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

fn opened(object: Object, record: &SessionOpened) -> Object {
    let object = object
        .plain("session", record.session)
        .text("principal", &record.principal)
        .json("features", &features(record.features))
        .plain("token", digest(&record.token))
        .value("at", record.at.0);
    flag(dialect(object, record.dialect), "stdio", record.stdio)
}

fn accepted(object: Object, record: &JobAccepted) -> Object {
    let job = &record.accepted;
    let object = object
        .plain("job", job.id)
        .text("principal", &job.principal)
        .text("agent", &job.agent)
        .opt_text("version", job.version.as_deref())
        .json("lease", &job.lease.to_json())
        .json("features", &features(record.features))
        .plain("trace", job.trace_id)
        .value("created_at", job.created_at.0)
        .value("at", job.accepted_at.0)
        .opt_plain("owner", record.owner)
        .opt_plain("parent", job.parent)
        .opt_text("delegate_id", job.delegate_id.as_deref())
        .opt_json("expires_at", job.expires_at.map(|at| alloc::format!("{}", at.0)).as_deref())
        .opt_json("budget", job.budget.as_ref().map(Budget::to_json_numbers).as_deref());
    let object = match &record.key {
        Some((key, asked)) => object.plain("key", digest(key)).plain("asked", digest(asked)),
        None => object,
    };
    flag(object, "small_chunks", record.small_chunks)
}

fn input(object: Object, record: &JobInput) -> Object {
    let object = object.plain("job", record.job).opt_json("input", record.input.as_deref());
    count(object.opt_json("extensions", record.extensions.as_deref()), "max_runtime_secs", record.max_runtime_secs)
}

fn watching(object: Object, record: &Watching) -> Object {
    let object = object
        .plain("session", record.session)
        .plain("job", record.job)
        .opt_plain("role", record.role.map(crate::arcp::runtime::sessions::watches::Role::as_str))
        .opt_text("request_id", record.request_id.as_deref())
        .opt_plain("announced", record.announced.map(envelope));
    count(object, "from", record.from)
}

fn job_event(object: Object, record: &JobEventRecord) -> Object {
    let mut object = object
        .plain("job", record.job)
        .plain("trace", record.trace_id)
        .value("position", record.position)
        .value("seq", record.seq);
    if record.needs != Features::NONE {
        object = object.json("needs", &features(record.needs));
    }
    if let Some((unit, amount)) = &record.cost {
        object = object.text("unit", unit).value("cost", amount);
    }
    if let Some(begun) = &record.begun {
        object = object.value("since", begun.since.0).value("restarts", begun.restarts);
    }
    object = match &record.question {
        Some(QuestionFact::Asked { name, until }) => {
            count(object.text("asked", name), "until", until.map(|until| until.0))
        }
        Some(QuestionFact::Settled) => object.value("settled", true),
        None => object,
    };
    object.json("to", &targets(&record.to)).json("payload", text(&record.payload))
}

fn session_event(object: Object, record: &SessionEventRecord) -> Object {
    let object = object.plain("job", record.job).plain("trace", record.trace_id).plain("kind", record.kind);
    count(object, "position", record.position).json("to", &target(&record.to)).json("payload", text(&record.payload))
}

fn ended(object: Object, record: &JobEnded) -> Object {
    object
        .plain("job", record.job)
        .plain("trace", record.trace_id)
        .value("at", record.at.0)
        .plain("status", record.status.as_str())
        .plain("kind", record.kind)
        .value("seq", record.seq)
        .json("to", &targets(&record.to))
        .json("payload", text(&record.payload))
}

fn targets(to: &[Target]) -> String {
    let mut out = String::with_capacity(2 + to.len() * 160);
    out.push('[');
    for (index, one) in to.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&target(one));
    }
    out.push(']');
    out
}

fn target(to: &Target) -> String {
    let object = Object::new().plain("session", to.session).value("seq", to.seq).plain("id", envelope(to.id));
    let object = match &to.first {
        Some(first) => {
            object.plain("announced", envelope(first.id)).opt_text("request_id", first.request_id.as_deref())
        }
        None => object,
    };
    dialect(object, to.dialect).close()
}

fn dialect(object: Object, dialect: Dialect) -> Object {
    if dialect == Dialect::SPEC { object } else { object.plain("dialect", dialect) }
}

fn flag(object: Object, name: &'static str, value: bool) -> Object {
    if value { object.value(name, true) } else { object }
}

fn count(object: Object, name: &'static str, value: Option<impl Display>) -> Object {
    match value {
        Some(value) => object.value(name, value),
        None => object,
    }
}

fn features(features: Features) -> String {
    let mut out = String::from("[");
    for feature in features.iter().map(Feature::as_str) {
        if out.len() > 1 {
            out.push(',');
        }
        push_json_str(&mut out, feature);
    }
    out.push(']');
    out
}

fn envelope(id: EnvelopeId) -> String {
    let mut out = String::with_capacity(26);
    id.push_to(&mut out);
    out
}

fn digest(digest: &Digest) -> String {
    STANDARD_NO_PAD.encode(digest)
}

/// Payloads were made from text.
fn text(payload: &Bytes) -> &str {
    core::str::from_utf8(payload).unwrap_or("{}")
}
