//! The lines that nuncio writes to a program's stdin. No IO.

use nuncio_core::arcp::wire::lines::append_line;
use nuncio_core::lease::Operation;
use nuncio_core::surrogates;
use nuncio_tokio::arcp::{self, ChildOutcome, Fault, Json};
use serde::Serialize;

use super::protocol::Id;

/// An answer to a program, which is one line.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    authorize: Option<Decision<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegate: Option<Delegated<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserve: Option<Reserved<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<Asked<'a>>,
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
    /// The number of the reservation that was asked for with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation: Option<u64>,
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
struct Reserved<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem<'a>>,
}

/// The answer of people, or why they were not asked.
#[derive(Debug, Default, Serialize)]
struct Asked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
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
        one_line(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// Allows an operation, on the canonical form of its target, for which an amount may be reserved.
pub(crate) fn allowed(id: &Id, operation: &Operation, reservation: Option<u64>) -> String {
    let target = Some(operation.target());
    let decision = Decision { allowed: true, target, reservation, code: None, reason: None };
    Answer { authorize: Some(decision), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn denied(id: &Id, fault: &Fault) -> String {
    let (code, reason) = (Some(fault.code.as_str()), Some(&*fault.message));
    let decision = Decision { allowed: false, target: None, reservation: None, code, reason };
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

/// Tells the program what people have answered.
pub(crate) fn answered(id: &Id, answer: &arcp::Answer) -> String {
    let outcome = match answer {
        arcp::Answer::Given { .. } => "answered",
        arcp::Answer::Default { .. } => "default",
        arcp::Answer::Expired => "expired",
    };
    let value = answer.value().map(surrogates::whole);
    let (value, by, note) = (value.as_deref(), answer.by(), answer.note());
    let ask = Asked { outcome: Some(outcome), value, by, note, error: None };
    Answer { ask: Some(ask), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn not_asked(id: &Id, fault: &Fault) -> String {
    let ask = Asked { error: Some(Problem::of(fault)), ..Asked::default() };
    Answer { ask: Some(ask), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn reserved(id: &Id, number: u64) -> String {
    let reserve = Reserved { reservation: Some(number), error: None };
    Answer { reserve: Some(reserve), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn not_reserved(id: &Id, fault: &Fault) -> String {
    let reserve = Reserved { reservation: None, error: Some(Problem::of(fault)) };
    Answer { reserve: Some(reserve), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn outcome(id: &Id, job_id: &str, outcome: &ChildOutcome) -> String {
    let result = outcome.result().and_then(|result| serde_json::from_str(result).ok()).map(surrogates::whole);
    let outcome = Outcome {
        job_id,
        final_status: outcome.status.as_str(),
        result: result.as_deref(),
        error: outcome.fault.as_ref().map(Problem::of),
    };
    Answer { outcome: Some(outcome), id: id.as_deref(), ..Answer::default() }.line()
}

pub(crate) fn invalid(line: u64, reason: &str) -> String {
    Answer { invalid: Some(Invalid { line, reason }), ..Answer::default() }.line()
}

/// The job's input as the first line of stdin. Half of a character, which many languages cannot read, becomes U+FFFD.
pub(crate) fn input(input: Option<&Json>) -> String {
    one_line(surrogates::whole(input.unwrap_or(Json::NULL)).get())
}

/// JSON on one line, whatever the program takes for the end of a line.
pub(crate) fn one_line(json: &str) -> String {
    let mut line = Vec::new();
    append_line(json.trim_end().as_bytes(), &mut line);
    String::from_utf8_lossy(&line).into_owned()
}
