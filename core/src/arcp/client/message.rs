//! What a runtime sends, read generously: a member of an unexpected type counts as absent (core/docs/arcp.md,
//! "The client").

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::value::{AgentInfo, JobPage, JobRow, Raw, RemoteFault};
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::job::FinalStatus;
use crate::json::{Text, present};
use crate::trace::TraceId;

/// A member that is absent unless it can be read.
#[derive(Clone, Debug)]
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Maybe<T> {
        Maybe(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Maybe(serde_json::from_str(raw.get()).ok()))
    }
}

impl Maybe<Text<'_>> {
    pub(super) fn owned(&self) -> Option<String> {
        self.0.as_ref().map(|text| text.as_str().to_string())
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        self.0.as_ref().map(Text::as_str)
    }

    pub(super) fn trace(&self) -> Option<TraceId> {
        TraceId::parse_lenient(self.as_str()?)
    }
}

impl Maybe<Int> {
    pub(super) fn value(&self) -> Option<u64> {
        self.0.map(|Int(value)| value)
    }
}

/// A part of a frame as bytes: the frame's own, or a copy where an escape had to be resolved.
pub(super) fn slice(frame: &Bytes, part: &str) -> Bytes {
    let start = (part.as_ptr() as usize).wrapping_sub(frame.as_ptr() as usize);
    match start.checked_add(part.len()) {
        Some(end) if end <= frame.len() => frame.slice(start..end),
        _ => Bytes::copy_from_slice(part.as_bytes()),
    }
}

/// Raw JSON as a slice of its frame.
pub(super) fn raw(frame: &Bytes, part: &RawValue) -> Raw {
    Raw(slice(frame, part.get()))
}

pub(super) fn some_raw(frame: &Bytes, part: Option<&RawValue>) -> Option<Raw> {
    part.filter(|part| part.get() != "null").map(|part| raw(frame, part))
}

/// `job.event`, the most frequent frame: of head and payload only what is needed, in one pass.
#[derive(Debug, Deserialize)]
pub(super) struct EventFrame<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) job_id: Option<Text<'a>>,
    #[serde(default)]
    pub(super) event_seq: Option<Int>,
    #[serde(borrow, default)]
    pub(super) payload: Option<EventPayload<'a>>,
}

impl<'a> EventFrame<'a> {
    /// The frame, if it is a `job.event`.
    pub(super) fn parse(text: &'a str) -> Option<EventFrame<'a>> {
        let frame: EventFrame<'a> = serde_json::from_str(text).ok()?;
        frame.kind.as_ref().is_some_and(|kind| kind.as_str() == "job.event").then_some(frame)
    }
}

/// The payload of `job.event`.
#[derive(Debug, Deserialize)]
pub(super) struct EventPayload<'a> {
    #[serde(borrow, default)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) ts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) body: Option<&'a RawValue>,
}

/// `session.welcome`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WelcomePayload<'a> {
    #[serde(borrow)]
    pub(super) session_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) runtime: Maybe<RuntimeInfo<'a>>,
    #[serde(borrow)]
    pub(super) resume_token: Maybe<Text<'a>>,
    pub(super) resume_window_sec: Maybe<Int>,
    pub(super) heartbeat_interval_sec: Maybe<Int>,
    #[serde(borrow)]
    pub(super) capabilities: Maybe<Capabilities<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RuntimeInfo<'a> {
    #[serde(borrow)]
    pub(super) name: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) version: Maybe<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Capabilities<'a> {
    #[serde(borrow)]
    features: Maybe<Vec<Maybe<Text<'a>>>>,
    #[serde(borrow)]
    agents: Maybe<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AgentPayload<'a> {
    #[serde(borrow)]
    name: Maybe<Text<'a>>,
    #[serde(borrow)]
    versions: Maybe<Vec<Maybe<Text<'a>>>>,
    #[serde(borrow, rename = "default")]
    default_version: Maybe<Text<'a>>,
}

impl Capabilities<'_> {
    /// The runtime's features, not intersected: some runtimes repeat all of theirs.
    pub(super) fn features(&self) -> Features {
        let names = self.features.0.iter().flatten();
        names.filter_map(|name| Feature::parse(name.as_str()?)).collect()
    }

    /// The agents, as plain names or with versions.
    pub(super) fn agents(&self) -> Vec<AgentInfo> {
        self.agents.0.iter().flatten().filter_map(|entry| agent(entry.get())).collect()
    }
}

fn agent(json: &str) -> Option<AgentInfo> {
    if let Ok(name) = serde_json::from_str::<Text<'_>>(json) {
        return Some(AgentInfo { name: name.0.into_owned(), versions: Vec::new(), default: None });
    }
    let rich: AgentPayload<'_> = serde_json::from_str(json).ok()?;
    Some(AgentInfo {
        name: rich.name.owned()?,
        versions: rich.versions.0.iter().flatten().filter_map(Maybe::owned).collect(),
        default: rich.default_version.owned(),
    })
}

/// `job.result` and `job.error`: any `final_status` in either.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TerminalPayload<'a> {
    #[serde(borrow)]
    pub(super) job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    final_status: Maybe<Text<'a>>,
    #[serde(borrow, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) result_id: Maybe<Text<'a>>,
    pub(super) result_size: Maybe<Int>,
    #[serde(borrow)]
    pub(super) summary: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) completed_at: Maybe<Text<'a>>,
}

impl TerminalPayload<'_> {
    pub(super) fn status(&self, kind: &str, fault: Option<&RemoteFault>) -> FinalStatus {
        match self.final_status.as_str() {
            Some("success") => FinalStatus::Success,
            Some("error") => FinalStatus::Error,
            Some("cancelled") => FinalStatus::Cancelled,
            Some("timed_out") => FinalStatus::TimedOut,
            Some(_) | None => match fault.map(|fault| fault.code.as_str()) {
                Some("CANCELLED") => FinalStatus::Cancelled,
                Some("TIMEOUT") => FinalStatus::TimedOut,
                Some(_) => FinalStatus::Error,
                None if kind == "job.error" => FinalStatus::Error,
                None => FinalStatus::Success,
            },
        }
    }

    /// The inline result: `result`, or `output` as some runtimes call it.
    pub(super) fn inline(&self, frame: &Bytes) -> Option<Raw> {
        self.result.or(self.output).map(|result| raw(frame, result))
    }
}

/// The error members of `session.error` and of terminals.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorPayload<'a> {
    #[serde(borrow)]
    pub(super) request_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    code: Maybe<Text<'a>>,
    #[serde(borrow)]
    message: Maybe<Text<'a>>,
    retryable: Maybe<bool>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

impl ErrorPayload<'_> {
    /// The fault, if there is a code.
    pub(super) fn fault(&self, frame: &Bytes) -> Option<RemoteFault> {
        Some(RemoteFault {
            code: self.code.owned()?,
            message: self.message.owned().unwrap_or_default(),
            retryable: self.retryable.0.unwrap_or_default(),
            details: some_raw(frame, self.details),
        })
    }

    /// Whether this is a refusal to reuse the key that `job` was submitted with.
    pub(super) fn duplicates(&self, job: &str) -> bool {
        #[derive(Deserialize)]
        struct Existing<'a> {
            #[serde(borrow)]
            existing_job_id: Text<'a>,
        }
        let existing = self.details.and_then(|json| serde_json::from_str::<Existing<'_>>(json.get()).ok());
        self.code.as_str() == Some("DUPLICATE_KEY") && existing.is_some_and(|it| it.existing_job_id.as_str() == job)
    }
}

/// `session.jobs`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobsPayload<'a> {
    #[serde(borrow)]
    pub(super) request_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    jobs: Maybe<Vec<Maybe<RowPayload<'a>>>>,
    #[serde(borrow)]
    next_cursor: Maybe<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RowPayload<'a> {
    #[serde(borrow)]
    job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    agent: Maybe<Text<'a>>,
    #[serde(borrow)]
    status: Maybe<Text<'a>>,
    #[serde(borrow)]
    lease: Option<&'a RawValue>,
    #[serde(borrow)]
    parent_job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    created_at: Maybe<Text<'a>>,
    #[serde(borrow)]
    submitted_at: Maybe<Text<'a>>,
    #[serde(borrow)]
    trace_id: Maybe<Text<'a>>,
    last_event_seq: Maybe<Int>,
}

impl JobsPayload<'_> {
    pub(super) fn page(&self, frame: &Bytes) -> JobPage {
        let rows = self.jobs.0.iter().flatten().filter_map(|row| row.0.as_ref());
        let jobs = rows.filter_map(|row| {
            Some(JobRow {
                job_id: row.job_id.owned()?,
                agent: row.agent.owned().unwrap_or_default(),
                status: row.status.owned().unwrap_or_default(),
                lease: some_raw(frame, row.lease),
                parent_job_id: row.parent_job_id.owned(),
                created_at: row.created_at.owned().or_else(|| row.submitted_at.owned()),
                trace_id: row.trace_id.trace(),
                last_event_seq: row.last_event_seq.value(),
            })
        });
        JobPage { jobs: jobs.collect(), next_cursor: self.next_cursor.owned().filter(|cursor| !cursor.is_empty()) }
    }
}

/// `session.ping`, `job.cancelled`: the members that matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NotePayload<'a> {
    #[serde(borrow)]
    pub(super) nonce: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) request_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) job_id: Maybe<Text<'a>>,
}
