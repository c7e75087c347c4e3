//! The messages between nuncio and a program: JSON objects, one per line, on the program's stdout and stdin. No IO.
//!
//! `agents.md`, which `nuncio serve --help` prints, describes them for authors of programs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_core::lease::Operation;
use nuncio_tokio::arcp::{Body, ChildOutcome, Delegation, ErrorCode, Failure, Fault, Json, Output};
use serde::{Deserialize, Deserializer, Serialize};

/// The `id` of a question, which its answers repeat.
pub(crate) type Id = Option<Box<Json>>;

/// A line of a program's stdout.
#[derive(Debug)]
pub(crate) enum Message {
    /// Text that is not a JSON object, which becomes a log event.
    Text(String),
    Event(Body),
    Result(Box<Json>),
    Chunk(Chunk),
    Failure(Failure),
    Authorize(Id, Question),
    Delegate(Id, Box<Delegation>),
    /// A JSON object that is not a message, and why.
    Invalid(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) cap: String,
    pub(crate) target: String,
}

/// Parses a line; `None` for an empty one.
pub(crate) fn parse(line: &[u8]) -> Option<Message> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if !text.starts_with('{') || serde_json::from_str::<&Json>(text).is_err() {
        return Some(Message::Text(text.to_owned()));
    }
    let members = serde_json::from_str(text).map_err(|error| without_position(&error));
    Some(members.and_then(message).unwrap_or_else(Message::Invalid))
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    kind: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    body: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    result: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    chunk: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    error: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    authorize: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    delegate: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a Json>,
}

/// Deserializes `null` as a member that is present.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de Json>, D::Error> {
    <&Json>::deserialize(deserializer).map(Some)
}

fn message(members: Members<'_>) -> Result<Message, String> {
    let Members { kind, body, result, chunk, error, authorize, delegate, id } = members;
    match (kind, body, result, chunk, error, authorize, delegate, id) {
        (Some(kind), Some(body), None, None, None, None, None, None) => {
            let kind: String = member("kind", kind)?;
            if kind == "delegate" {
                return Err("write {\"delegate\": {...}} to delegate, not an event".to_owned());
            }
            Body::raw(&kind, body).map(Message::Event).map_err(|refused| refused.to_string())
        }
        (None, None, Some(result), None, None, None, None, None) => Ok(Message::Result(result.to_owned())),
        (None, None, None, Some(chunk), None, None, None, None) => {
            member("chunk", chunk).and_then(chunk_of).map(Message::Chunk)
        }
        (None, None, None, None, Some(error), None, None, None) => {
            member("error", error).map(|error: RawFailure| Message::Failure(error.into()))
        }
        (None, None, None, None, None, Some(question), None, id) => {
            member("authorize", question).map(|question| Message::Authorize(id.map(Json::to_owned), question))
        }
        (None, None, None, None, None, None, Some(delegate), id) => {
            let delegation = member("delegate", delegate).map(delegation)?;
            Ok(Message::Delegate(id.map(Json::to_owned), Box::new(delegation)))
        }
        _ => Err("a message has kind and body, or one of result, chunk, error, authorize and delegate; the last two \
                  may also have an id"
            .to_owned()),
    }
}

fn member<'a, T: Deserialize<'a>>(name: &str, json: &'a Json) -> Result<T, String> {
    serde_json::from_str(json.get()).map_err(|error| format!("{name}: {}", without_position(&error)))
}

/// An error without its line and column, which are useless in a message of one line.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "write a string, or {\"base64\": \"...\"}")]
enum RawChunk {
    Text(String),
    Bytes { base64: String },
}

fn chunk_of(chunk: RawChunk) -> Result<Chunk, String> {
    match chunk {
        RawChunk::Text(text) => Ok(Chunk::Text(text)),
        RawChunk::Bytes { base64 } => {
            STANDARD.decode(base64).map(Chunk::Bytes).map_err(|error| format!("chunk: not valid Base64: {error}"))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFailure {
    #[serde(default = "internal_error")]
    code: String,
    message: String,
    details: Option<Box<Json>>,
}

fn internal_error() -> String {
    ErrorCode::InternalError.as_str().to_owned()
}

impl From<RawFailure> for Failure {
    fn from(raw: RawFailure) -> Failure {
        let failure = Failure::custom(raw.code, raw.message);
        match raw.details {
            Some(details) => failure.with_details(&details),
            None => failure,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDelegation {
    agent: String,
    delegate_id: Option<String>,
    input: Option<Box<Json>>,
    lease_request: Option<Box<Json>>,
    lease_constraints: Option<Box<Json>>,
}

fn delegation(raw: RawDelegation) -> Delegation {
    let mut delegation = Delegation::new(raw.agent);
    if let Some(id) = raw.delegate_id {
        delegation = delegation.delegate_id(id);
    }
    if let Some(input) = raw.input {
        delegation = delegation.input(&input);
    }
    if let Some(lease) = raw.lease_request {
        delegation = delegation.lease(&lease);
    }
    if let Some(constraints) = raw.lease_constraints {
        delegation = delegation.lease_constraints(&constraints);
    }
    delegation
}

/// An answer to a program, which is one line.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    authorize: Option<Decision<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegate: Option<Delegated<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<Invalid<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Json>,
}

#[derive(Debug, Serialize)]
struct Decision<'a> {
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Delegated<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem<'a>>,
}

#[derive(Debug, Serialize)]
struct Outcome<'a> {
    job_id: &'a str,
    final_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem<'a>>,
}

#[derive(Debug, Serialize)]
struct Problem<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Json>,
}

#[derive(Debug, Serialize)]
struct Invalid<'a> {
    line: u64,
    reason: &'a str,
}

impl<'a> Problem<'a> {
    fn of(fault: &'a Fault) -> Problem<'a> {
        let details = fault.details.as_deref().and_then(|details| serde_json::from_str(details).ok());
        Problem { code: fault.code.as_str(), message: &fault.message, details }
    }
}

impl Answer<'_> {
    fn line(&self) -> String {
        // Cannot fail: these are strings, numbers and JSON that was parsed before.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// Allows an operation, on the canonical form of its target.
pub(crate) fn allowed(id: &Id, operation: &Operation) -> String {
    let decision = Decision { allowed: true, target: Some(operation.target()), code: None, reason: None };
    Answer { authorize: Some(decision), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn denied(id: &Id, fault: &Fault) -> String {
    let (code, reason) = (Some(fault.code.as_str()), Some(&*fault.message));
    let decision = Decision { allowed: false, target: None, code, reason };
    Answer { authorize: Some(decision), id: id.as_deref(), ..Answer::default() }.line()
}

/// Confirms a delegation. The child's [`outcome`] follows later.
pub(crate) fn delegated(id: &Id, job_id: &str) -> String {
    let delegate = Delegated { job_id: Some(job_id), error: None };
    Answer { delegate: Some(delegate), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn not_delegated(id: &Id, fault: &Fault) -> String {
    let delegate = Delegated { job_id: None, error: Some(Problem::of(fault)) };
    Answer { delegate: Some(delegate), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn outcome(id: &Id, job_id: &str, outcome: &ChildOutcome) -> String {
    let outcome = Outcome {
        job_id,
        final_status: outcome.status.as_str(),
        result: outcome.result().and_then(|result| serde_json::from_str(result).ok()),
        error: outcome.fault.as_ref().map(Problem::of),
    };
    one_line(&Answer { outcome: Some(outcome), id: id.as_deref(), ..Answer::default() }.line())
}

pub(crate) fn invalid(line: u64, reason: &str) -> String {
    Answer { invalid: Some(Invalid { line, reason }), ..Answer::default() }.line()
}

/// The job's input as the first line of stdin.
pub(crate) fn input(input: Option<&Json>) -> String {
    one_line(input.map_or("null", Json::get))
}

/// JSON on one line. Line breaks occur only between tokens of JSON, where a space means the same.
fn one_line(json: &str) -> String {
    let mut line = json.trim_end().replace(['\n', '\r'], " ");
    line.push('\n');
    line
}

/// How a program says that its job ends, before the program itself ends.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    result: Option<Box<Json>>,
    failure: Option<Failure>,
    streamed: bool,
}

impl Ending {
    pub(crate) fn result(&mut self, result: Box<Json>) -> Result<(), &'static str> {
        if self.streamed {
            return Err("the result is already being streamed as chunks");
        }
        if self.result.is_some() {
            return Err("the result was already given; the first one counts");
        }
        self.result = Some(result);
        Ok(())
    }

    pub(crate) fn chunk(&mut self) -> Result<(), &'static str> {
        if self.result.is_some() {
            return Err("the result was already given as a whole");
        }
        self.streamed = true;
        Ok(())
    }

    pub(crate) fn failure(&mut self, failure: Failure) -> Result<(), &'static str> {
        if self.failure.is_some() {
            return Err("the error was already given; the first one counts");
        }
        self.failure = Some(failure);
        Ok(())
    }

    /// How the job ends, after the program has ended with this status.
    pub(crate) fn conclude(self, success: bool, status: &str, details: &impl Serialize) -> Result<Output, Failure> {
        match (self.failure, success) {
            (Some(failure), _) => Err(failure),
            (None, false) => {
                Err(Failure::internal(format!("the program of the agent ended with {status}")).with_details(details))
            }
            (None, true) if self.streamed => Ok(Output::Streamed { summary: None }),
            (None, true) => Ok(Output::Inline(self.result.unwrap_or_else(|| Json::NULL.to_owned()))),
        }
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
