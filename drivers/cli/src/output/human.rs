//! The output for people: events, outcomes and changes of the connection as text.

use std::borrow::Cow;

use nuncio_tokio::arcp::{ErrorCode, EventKind, FinalStatus, Json, LostReason, Outcome, Product, SessionEvent};
use serde::Deserialize;

use super::redact;

/// Characters of an event that are shown on a line; `--json` shows all of them.
const MAX_CHARS: usize = 400;

/// An event's body as text. A body that does not have the shape of its kind is shown as JSON.
pub(super) fn event(kind: &EventKind, body: &str) -> String {
    if let Some(id) = redact::rotated(kind, body) {
        return format!("credential_rotated {id}");
    }
    let text = match kind {
        EventKind::Log => log(body),
        EventKind::Thought => read::<Thought<'_>>(body).map(|thought| thought.text.into_owned()),
        EventKind::ToolCall => tool_call(body),
        EventKind::ToolResult => tool_result(body),
        EventKind::Status => status(body),
        EventKind::Metric => metric(body),
        EventKind::ArtifactRef => artifact(body),
        EventKind::Delegate => read::<Delegate<'_>>(body).map(|delegate| match delegate.delegate_id {
            Some(id) => format!("{} as {id}", delegate.agent),
            None => delegate.agent.into_owned(),
        }),
        EventKind::Progress => progress(body),
        EventKind::Other(kind) if &**kind == "x-vendor.nuncio.question" => question(body),
        EventKind::Other(kind) if &**kind == "x-vendor.nuncio.answered" => answered(body),
        EventKind::ResultChunk | EventKind::Other(_) => None,
    };
    shortened(&text.unwrap_or_else(|| body.to_owned()))
}

/// A `progress` event as text.
pub(crate) fn progress(body: &str) -> Option<String> {
    let Progress { current, total, units, message } = read(body)?;
    let of = total.map(|total| format!("/{}", total.get())).unwrap_or_default();
    let units = units.map(|units| format!(" {units}")).unwrap_or_default();
    let message = message.map(|message| format!(", {message}")).unwrap_or_default();
    Some(format!("{}{of}{units}{message}", current.get()))
}

/// The share of the work that a `progress` event says is done, from 0 to 1, if it gives a total.
pub(super) fn fraction(body: &str) -> Option<f64> {
    let progress: Progress<'_> = read(body)?;
    let total: f64 = progress.total?.get().parse().ok()?;
    let current: f64 = progress.current.get().parse().ok()?;
    (total > 0.0).then(|| (current / total).clamp(0.0, 1.0))
}

/// The currency and amount of a `cost.budget.remaining` metric (§9.6).
pub(super) fn remaining(body: &str) -> Option<(String, String)> {
    let metric: Metric<'_> = read(body)?;
    (metric.name == "cost.budget.remaining")
        .then(|| Some((metric.unit?.into_owned(), metric.value.get().to_owned())))?
}

/// How a job ended, as the end of a sentence that starts with the job, and after which time.
pub(super) fn outcome(outcome: &Outcome, took: Option<String>) -> String {
    let verb = match outcome.status {
        FinalStatus::Success => "succeeded",
        FinalStatus::Error => "failed",
        FinalStatus::Cancelled => "was cancelled",
        FinalStatus::TimedOut => "timed out",
    };
    let summary = outcome.summary.as_ref().map(|summary| format!(": {summary}")).unwrap_or_default();
    let why = match &outcome.fault {
        // The verb says it.
        Some(fault) if outcome.status == FinalStatus::Cancelled && fault.code == ErrorCode::Cancelled.as_str() => {
            String::new()
        }
        Some(fault) => format!(": {fault}"),
        None => String::new(),
    };
    let unknown = match outcome.result {
        Product::Unknown => "; the runtime no longer has its result",
        Product::None | Product::Inline(_) | Product::Streamed { .. } => "",
    };
    let took = took.map(|took| format!(" after {took}")).unwrap_or_default();
    format!("{verb}{took}{summary}{why}{unknown}")
}

/// A change of the connection; `None` for the first connection and the end of the session.
pub(super) fn session(event: &SessionEvent) -> Option<String> {
    match event {
        SessionEvent::Live(welcome) if welcome.resumed => Some("connection restored, session resumed".to_owned()),
        SessionEvent::Lost(LostReason::Transport) => Some("connection lost, reconnecting".to_owned()),
        SessionEvent::Lost(reason) => Some(format!("connection lost ({reason}), reconnecting")),
        // Before the first attempts there is no pause. Those before this one may have succeeded, and been lost again.
        SessionEvent::Reconnecting { after, .. } if !after.is_zero() => {
            Some(format!("still not connected; the next attempt starts in {:.1} s", after.as_secs_f64()))
        }
        SessionEvent::Gap { from, to } => {
            Some(format!("events {from} to {to} are lost, because the runtime no longer has them"))
        }
        SessionEvent::Notice(fault) => Some(format!("the runtime reports an error: {fault}")),
        SessionEvent::Live(_) | SessionEvent::Reconnecting { .. } | SessionEvent::Over(_) => None,
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a str) -> Option<T> {
    serde_json::from_str(body).ok()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}

/// A space and the JSON, or nothing.
fn suffix(value: Option<&Json>) -> String {
    value.map(|value| format!(" {}", value.get())).unwrap_or_default()
}

fn log(body: &str) -> Option<String> {
    let Log { level, message, attributes } = read(body)?;
    Some(format!("{level}: {message}{}", suffix(attributes)))
}

fn tool_call(body: &str) -> Option<String> {
    let ToolCall { tool, args, call_id } = read(body)?;
    let call_id = call_id.map(|id| format!(" ({id})")).unwrap_or_default();
    Some(format!("{tool}{}{call_id}", suffix(args)))
}

fn tool_result(body: &str) -> Option<String> {
    let ToolResult { call_id, result, error } = read(body)?;
    let call_id = call_id.map(|id| format!("({id})")).unwrap_or_default();
    Some(match error {
        Some(Fault { code, message }) => format!("{call_id} failed: {code}: {message}"),
        None => format!("{call_id}{}", suffix(result)),
    })
}

/// Returns whether a `tool_result` carries an error.
pub(super) fn is_error(body: &str) -> bool {
    read::<ToolResult<'_>>(body).is_some_and(|result| result.error.is_some())
}

fn status(body: &str) -> Option<String> {
    let Status { phase, message } = read(body)?;
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    Some(format!("{phase}{message}"))
}

fn metric(body: &str) -> Option<String> {
    let Metric { name, value, unit, dimensions } = read(body)?;
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    Some(format!("{name} {}{unit}{}", value.get(), suffix(dimensions)))
}

fn question(body: &str) -> Option<String> {
    let Question { question_id, prompt, choices } = read(body)?;
    let choices = choices.map(|choices| format!(" ({})", choices.join(" | "))).unwrap_or_default();
    Some(format!("{question_id}: {prompt}{choices}"))
}

fn answered(body: &str) -> Option<String> {
    let Answered { question_id, outcome, value, by, note } = read(body)?;
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    Some(format!("{question_id} {outcome}{}{by}{note}", suffix(value)))
}

fn artifact(body: &str) -> Option<String> {
    let Artifact { uri, content_type, byte_size } = read(body)?;
    let kind = content_type.map(|kind| format!(" {kind}")).unwrap_or_default();
    let size = byte_size.map(|size| format!(", {size} bytes")).unwrap_or_default();
    Some(format!("{uri}{kind}{size}"))
}

#[derive(Deserialize)]
struct Log<'a> {
    level: Cow<'a, str>,
    message: Cow<'a, str>,
    #[serde(borrow)]
    attributes: Option<&'a Json>,
}

#[derive(Deserialize)]
struct Thought<'a> {
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(alias = "name")]
    tool: Cow<'a, str>,
    #[serde(borrow, alias = "arguments")]
    args: Option<&'a Json>,
    #[serde(alias = "tool_call_id")]
    call_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ToolResult<'a> {
    #[serde(alias = "tool_call_id")]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "output")]
    result: Option<&'a Json>,
    error: Option<Fault<'a>>,
}

#[derive(Deserialize)]
struct Fault<'a> {
    code: Cow<'a, str>,
    message: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Status<'a> {
    phase: Cow<'a, str>,
    message: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Metric<'a> {
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a Json,
    unit: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "dims")]
    dimensions: Option<&'a Json>,
}

#[derive(Deserialize)]
struct Question<'a> {
    question_id: Cow<'a, str>,
    prompt: Cow<'a, str>,
    choices: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Answered<'a> {
    question_id: Cow<'a, str>,
    outcome: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<&'a Json>,
    by: Option<Cow<'a, str>>,
    note: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Artifact<'a> {
    uri: Cow<'a, str>,
    #[serde(alias = "media_type")]
    content_type: Option<Cow<'a, str>>,
    #[serde(alias = "size_bytes")]
    byte_size: Option<u64>,
}

#[derive(Deserialize)]
struct Progress<'a> {
    #[serde(borrow)]
    current: &'a Json,
    #[serde(borrow)]
    total: Option<&'a Json>,
    units: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Delegate<'a> {
    agent: Cow<'a, str>,
    delegate_id: Option<Cow<'a, str>>,
}
