//! What a program says on its stdout, and what it is answered on its stdin: one JSON object a line. No IO.
//!
//! `agents.md`, which `nuncio serve --help` shows, is the description for those who write such programs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_core::lease::Operation;
use nuncio_tokio::arcp::{Body, ChildOutcome, Delegation, ErrorCode, Failure, Fault, Json, Output};
use serde::{Deserialize, Deserializer, Serialize};

/// What a program may choose to have echoed in the answers to a question.
pub(super) type Id = Option<Box<Json>>;

/// One line of a program's stdout.
#[derive(Debug)]
pub(super) enum Said {
    /// No JSON object: a log event.
    Text(String),
    Event(Body),
    Result(Box<Json>),
    Chunk(Piece),
    Failure(Failure),
    Authorize(Id, Asked),
    Delegate(Id, Box<Delegation>),
    /// A JSON object that means nothing, and why.
    Invalid(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) cap: String,
    pub(super) target: String,
}

/// Reads a line; `None` for an empty one.
pub(super) fn read(line: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if !text.starts_with('{') || serde_json::from_str::<&Json>(text).is_err() {
        return Some(Said::Text(text.to_owned()));
    }
    let members = serde_json::from_str(text).map_err(|error| plain(&error));
    Some(members.and_then(understand).unwrap_or_else(Said::Invalid))
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

/// A member that is `null` is there, too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de Json>, D::Error> {
    <&Json>::deserialize(deserializer).map(Some)
}

fn understand(members: Members<'_>) -> Result<Said, String> {
    let Members { kind, body, result, chunk, error, authorize, delegate, id } = members;
    match (kind, body, result, chunk, error, authorize, delegate, id) {
        (Some(kind), Some(body), None, None, None, None, None, None) => {
            let kind: String = member("kind", kind)?;
            if kind == "delegate" {
                return Err("a delegation is asked for with {\"delegate\": {...}}, which is checked".to_owned());
            }
            Body::raw(&kind, body).map(Said::Event).map_err(|refused| refused.to_string())
        }
        (None, None, Some(result), None, None, None, None, None) => Ok(Said::Result(result.to_owned())),
        (None, None, None, Some(chunk), None, None, None, None) => {
            member("chunk", chunk).and_then(piece).map(Said::Chunk)
        }
        (None, None, None, None, Some(error), None, None, None) => {
            member("error", error).map(|error: Gaveup| Said::Failure(error.into()))
        }
        (None, None, None, None, None, Some(asked), None, id) => {
            member("authorize", asked).map(|asked| Said::Authorize(id.map(Json::to_owned), asked))
        }
        (None, None, None, None, None, None, Some(asked), id) => {
            let delegation = member("delegate", asked).and_then(delegation)?;
            Ok(Said::Delegate(id.map(Json::to_owned), Box::new(delegation)))
        }
        _ => Err("a line holds kind and body, or one of result, chunk, error, authorize and delegate; the last two \
                  may have an id"
            .to_owned()),
    }
}

fn member<'a, T: Deserialize<'a>>(name: &str, json: &'a Json) -> Result<T, String> {
    serde_json::from_str(json.get()).map_err(|error| format!("{name}: {}", plain(&error)))
}

/// Line and column are of no use where everything is on one line.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "it is a string, or an object with base64 text")]
enum Chunk {
    Text(String),
    Bytes { base64: String },
}

fn piece(chunk: Chunk) -> Result<Piece, String> {
    match chunk {
        Chunk::Text(text) => Ok(Piece::Text(text)),
        Chunk::Bytes { base64 } => {
            STANDARD.decode(base64).map(Piece::Bytes).map_err(|error| format!("chunk: it is no base64: {error}"))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gaveup {
    #[serde(default = "internal_error")]
    code: String,
    message: String,
    details: Option<Box<Json>>,
}

fn internal_error() -> String {
    ErrorCode::InternalError.as_str().to_owned()
}

impl From<Gaveup> for Failure {
    fn from(gaveup: Gaveup) -> Failure {
        let failure = Failure::new(gaveup.code, gaveup.message);
        match gaveup.details {
            Some(details) => failure.with_details(&details),
            None => failure,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    agent: String,
    delegate_id: Option<String>,
    input: Option<Box<Json>>,
    lease_request: Option<Box<Json>>,
    lease_constraints: Option<Box<Json>>,
}

fn delegation(wanted: Wanted) -> Result<Delegation, String> {
    let mut delegation = Delegation::new(wanted.agent);
    if let Some(id) = wanted.delegate_id {
        delegation = delegation.delegate_id(id);
    }
    let set = |delegation: Delegation| -> Result<Delegation, serde_json::Error> {
        let mut delegation = delegation;
        if let Some(input) = wanted.input {
            delegation = delegation.input(&input)?;
        }
        if let Some(lease) = wanted.lease_request {
            delegation = delegation.lease(&lease)?;
        }
        if let Some(constraints) = wanted.lease_constraints {
            delegation = delegation.lease_constraints(&constraints)?;
        }
        Ok(delegation)
    };
    set(delegation).map_err(|error| format!("delegate: {}", plain(&error)))
}

/// What a program is told, as one line with its end.
#[derive(Debug, Default, Serialize)]
pub(super) struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    authorize: Option<Verdict<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegate: Option<Delegated<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Came<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<Invalid<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Json>,
}

#[derive(Debug, Serialize)]
struct Verdict<'a> {
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
struct Came<'a> {
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
        // Strings, numbers and JSON that was read before always serialise.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// The lease allows it: act on this very target.
pub(super) fn allowed(id: &Id, operation: &Operation) -> String {
    let verdict = Verdict { allowed: true, target: Some(operation.target()), code: None, reason: None };
    Answer { authorize: Some(verdict), id: id.as_deref(), ..Answer::default() }.line()
}

pub(super) fn denied(id: &Id, fault: &Fault) -> String {
    let (code, reason) = (Some(fault.code.as_str()), Some(&*fault.message));
    let verdict = Verdict { allowed: false, target: None, code, reason };
    Answer { authorize: Some(verdict), id: id.as_deref(), ..Answer::default() }.line()
}

/// The child is there; its [`outcome`] comes later.
pub(super) fn delegated(id: &Id, job_id: &str) -> String {
    let delegate = Delegated { job_id: Some(job_id), error: None };
    Answer { delegate: Some(delegate), id: id.as_deref(), ..Answer::default() }.line()
}

pub(super) fn not_delegated(id: &Id, fault: &Fault) -> String {
    let delegate = Delegated { job_id: None, error: Some(Problem::of(fault)) };
    Answer { delegate: Some(delegate), id: id.as_deref(), ..Answer::default() }.line()
}

pub(super) fn outcome(id: &Id, job_id: &str, outcome: &ChildOutcome) -> String {
    let came = Came {
        job_id,
        final_status: outcome.status.as_str(),
        result: outcome.result().and_then(|result| serde_json::from_str(result).ok()),
        error: outcome.fault.as_ref().map(Problem::of),
    };
    one_line(&Answer { outcome: Some(came), id: id.as_deref(), ..Answer::default() }.line())
}

pub(super) fn invalid(line: u64, reason: &str) -> String {
    Answer { invalid: Some(Invalid { line, reason }), ..Answer::default() }.line()
}

/// The input as a program reads it. JSON has line breaks only where a space says the same.
pub(super) fn input(input: Option<&Json>) -> String {
    one_line(input.map_or("null", Json::get))
}

fn one_line(json: &str) -> String {
    let mut line = json.trim_end().replace(['\n', '\r'], " ");
    line.push('\n');
    line
}

/// What a program has said of its end, before it ends.
#[derive(Debug, Default)]
pub(super) struct Ending {
    result: Option<Box<Json>>,
    failure: Option<Failure>,
    streamed: bool,
}

impl Ending {
    pub(super) fn result(&mut self, result: Box<Json>) -> Result<(), &'static str> {
        if self.streamed {
            return Err("the result is streamed already, by chunks");
        }
        if self.result.is_some() {
            return Err("the result was given before; the first one counts");
        }
        self.result = Some(result);
        Ok(())
    }

    pub(super) fn chunk(&mut self) -> Result<(), &'static str> {
        if self.result.is_some() {
            return Err("the result was given before, as a whole");
        }
        self.streamed = true;
        Ok(())
    }

    pub(super) fn failure(&mut self, failure: Failure) -> Result<(), &'static str> {
        if self.failure.is_some() {
            return Err("the error was given before; the first one counts");
        }
        self.failure = Some(failure);
        Ok(())
    }

    /// How the job ends, now that the program has.
    pub(super) fn conclude(self, success: bool, status: &str, details: &impl Serialize) -> Result<Output, Failure> {
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
