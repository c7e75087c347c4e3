//! The payloads that a client sends, as a runtime reads them.
//!
//! Reading is strict: a duplicate member, a missing one or one of the wrong type is refused. Unknown members are
//! ignored.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::{Feature, Features};
use crate::json::{Text, duplicate_member};

/// A `session.hello` (§6.2).
#[derive(Deserialize)]
pub(crate) struct Hello<'a> {
    #[serde(borrow)]
    pub(crate) client: Option<ClientInfo<'a>>,
    // The Ruby SDK names itself at the top level.
    #[serde(borrow)]
    pub(crate) client_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) auth: Option<Auth<'a>>,
    #[serde(borrow)]
    pub(crate) capabilities: Option<Capabilities<'a>>,
    #[serde(borrow)]
    pub(crate) resume: Option<Resume<'a>>,
    // The Java SDK resumes with these top-level members.
    #[serde(borrow)]
    pub(crate) session_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) resume_token: Option<Text<'a>>,
    pub(crate) last_event_seq: Option<Int>,
}

/// The `client` of a hello.
#[derive(Deserialize)]
pub(crate) struct ClientInfo<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
}

/// The `auth` of a hello or a resume (§6.1).
#[derive(Deserialize)]
pub(crate) struct Auth<'a> {
    #[serde(borrow)]
    pub(crate) scheme: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) token: Option<Text<'a>>,
}

/// The `capabilities` of a hello.
#[derive(Deserialize)]
pub(crate) struct Capabilities<'a> {
    #[serde(borrow)]
    features: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    agents: Option<&'a RawValue>,
}

impl Capabilities<'_> {
    /// Returns the features that the client names; unknown ones are ignored.
    pub(crate) fn features(&self) -> Features {
        self.features.iter().flatten().filter_map(|flag| Feature::parse(flag.as_str())).collect()
    }

    /// Returns the names of the features as they were written, in their order.
    pub(crate) fn named(&self) -> &[Text<'_>] {
        self.features.as_deref().unwrap_or_default()
    }

    /// Returns the `agents`, which some clients send.
    pub(crate) fn agents(&self) -> Option<&RawValue> {
        self.agents
    }
}

/// A `session.resume`, or the `resume` of a hello (§6.3).
#[derive(Deserialize)]
pub(crate) struct Resume<'a> {
    #[serde(borrow)]
    pub(crate) session_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) resume_token: Option<Text<'a>>,
    // The Ruby SDK's name of it.
    #[serde(borrow)]
    pub(crate) token: Option<Text<'a>>,
    pub(crate) last_event_seq: Int,
    #[serde(borrow)]
    pub(crate) auth: Option<Auth<'a>>,
}

impl<'a> Resume<'a> {
    /// Returns the resume token.
    ///
    /// # Errors
    ///
    /// `INVALID_REQUEST` if there is none.
    pub(crate) fn token(&self) -> Result<&Text<'a>, Fault> {
        self.resume_token.as_ref().or(self.token.as_ref()).ok_or_else(|| Fault::invalid("a resume needs resume_token"))
    }
}

/// A `session.ping` (§6.4).
#[derive(Deserialize)]
pub(crate) struct Ping<'a> {
    #[serde(borrow)]
    pub(crate) nonce: Text<'a>,
}

/// A `session.ack` (§6.5).
#[derive(Deserialize)]
pub(crate) struct Ack {
    pub(crate) last_processed_seq: Int,
}

/// A `session.list_jobs` (§6.6).
#[derive(Deserialize)]
pub(crate) struct ListJobs<'a> {
    #[serde(borrow)]
    pub(crate) filter: Option<ListFilter<'a>>,
    pub(crate) limit: Option<Int>,
    #[serde(borrow)]
    pub(crate) cursor: Option<Text<'a>>,
}

/// The `filter` of a `session.list_jobs`.
#[derive(Default, Deserialize)]
pub(crate) struct ListFilter<'a> {
    #[serde(borrow)]
    pub(crate) status: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(crate) agent: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) created_after: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) created_before: Option<Text<'a>>,
    #[serde(borrow, rename = "x-vendor.nuncio.ended_after")]
    pub(crate) ended_after: Option<Text<'a>>,
}

/// A `job.submit` (§7.1).
#[derive(Deserialize)]
pub(crate) struct Submit<'a> {
    #[serde(borrow)]
    pub(crate) agent: Text<'a>,
    // A `null` is a value of the user.
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) lease_request: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) lease_constraints: Option<Constraints<'a>>,
    #[serde(borrow)]
    pub(crate) idempotency_key: Option<Text<'a>>,
    pub(crate) max_runtime_sec: Option<Int>,
    #[serde(borrow)]
    pub(crate) parent_job_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) delegate_id: Option<Text<'a>>,
}

/// The `lease_constraints` of a submit (§9.5).
#[derive(Default, Deserialize)]
pub(crate) struct Constraints<'a> {
    #[serde(borrow)]
    pub(crate) expires_at: Option<Text<'a>>,
    // The Ruby SDK's bound of the budget.
    #[serde(borrow)]
    pub(crate) max_budget: Option<&'a RawValue>,
}

/// A `job.cancel` (§7.4).
#[derive(Deserialize)]
pub(crate) struct Cancel<'a> {
    #[serde(borrow)]
    pub(crate) job_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) reason: Option<Text<'a>>,
}

/// A `job.subscribe` (§7.6).
#[derive(Deserialize)]
pub(crate) struct Subscribe<'a> {
    #[serde(borrow)]
    pub(crate) job_id: Option<Text<'a>>,
    pub(crate) from_event_seq: Option<Int>,
    pub(crate) history: Option<bool>,
}

/// A `job.unsubscribe` (§7.6).
#[derive(Deserialize)]
pub(crate) struct Unsubscribe<'a> {
    #[serde(borrow)]
    pub(crate) job_id: Option<Text<'a>>,
}

/// An `x-vendor.nuncio.answer` (ours).
#[derive(Deserialize)]
pub(crate) struct AnswerQuestion<'a> {
    #[serde(borrow)]
    pub(crate) job_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) question_id: Text<'a>,
    // A `null` is a value.
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    pub(crate) value: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) note: Option<Text<'a>>,
}

/// An `x-vendor.nuncio.list_questions` (ours).
#[derive(Deserialize)]
pub(crate) struct ListQuestions<'a> {
    #[serde(borrow)]
    pub(crate) job_id: Option<Text<'a>>,
    pub(crate) limit: Option<Int>,
    #[serde(borrow)]
    pub(crate) cursor: Option<Text<'a>>,
}

/// An `x-vendor.nuncio.list_sessions` (ours).
#[derive(Deserialize)]
pub(crate) struct ListSessions<'a> {
    pub(crate) limit: Option<Int>,
    #[serde(borrow)]
    pub(crate) cursor: Option<Text<'a>>,
}

/// An `x-vendor.nuncio.read_status` (ours).
#[derive(Deserialize)]
pub(crate) struct ReadStatus {}

/// A `session.close` (§6.7).
#[derive(Deserialize)]
pub(crate) struct Close {
    #[expect(dead_code, reason = "only the shape is checked")]
    reason: Option<String>,
}

/// The `extensions` of a vendor's message, as far as they say whether it may be ignored (§5).
#[derive(Deserialize)]
pub(crate) struct Optional {
    #[serde(default)]
    pub(crate) optional: bool,
}

/// Reads a payload; an absent one counts as `{}`.
///
/// # Errors
///
/// `INVALID_REQUEST` for a malformed one.
pub(crate) fn decode<'a, T: Deserialize<'a>>(kind: &str, payload: Option<&'a RawValue>) -> Result<T, Fault> {
    let text = payload.map_or("{}", RawValue::get);
    if let Some(member) = duplicate_member(text) {
        return Err(Fault::invalid(alloc::format!("the payload of {kind} has the member {member:?} twice")));
    }
    serde_json::from_str(text).map_err(|error| shape_fault(kind, &error))
}

/// Reads a payload like [`decode`], for types that borrow nothing from it.
pub(crate) fn decode_owned<T: DeserializeOwned>(kind: &str, payload: Option<&RawValue>) -> Result<T, Fault> {
    decode(kind, payload)
}

fn shape_fault(kind: &str, error: &serde_json::Error) -> Fault {
    Fault::invalid(alloc::format!("the payload of {kind} is malformed: {}", blame(error)))
}

/// Returns what is wrong with a JSON text. The values in it are not quoted, because they may be secrets.
pub(crate) fn blame(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let without_values =
        ["missing field", "duplicate field", "the member", "the envelope", "an integer", "EOF", "expected"];
    if without_values.iter().any(|start| text.starts_with(start)) {
        return text;
    }
    let (line, column) = (error.line(), error.column());
    if error.is_data() {
        alloc::format!("a member has a value of the wrong type at line {line} column {column}")
    } else {
        alloc::format!("it is not valid JSON at line {line} column {column}")
    }
}

/// Returns the job id of the payload or, failing that, of the envelope.
///
/// # Errors
///
/// `INVALID_REQUEST` if there is none in either.
pub(crate) fn job_id<'a>(payload: Option<Text<'a>>, envelope: Option<&Text<'a>>) -> Result<Cow<'a, str>, Fault> {
    payload
        .or_else(|| envelope.cloned())
        .filter(|id| !id.as_str().is_empty())
        .map(|id| id.0)
        .ok_or_else(|| Fault::invalid("the message has no job_id"))
}
