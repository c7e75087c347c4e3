//! Agents as state within the event loop: each is an iterator of steps, which the loop takes one at a time.

use std::time::Duration;

use nuncio_core::arcp::{AgentSpec, Body, JobFailure, JobView, Json, Number};
use nuncio_core::time::Time;
use serde_json::{Value, json, value::to_raw_value};

/// What an agent does next.
pub(crate) enum Step {
    Emit(Body),
    Sleep(Duration),
    Finish(Box<Json>),
    Fail(JobFailure),
}

pub(crate) type Steps = Box<dyn Iterator<Item = Step>>;

/// A job that an agent works on.
pub(crate) struct Work {
    pub(crate) steps: Steps,
    /// A step that found the log full. It is repeated when the log has space again.
    pub(crate) next: Option<Step>,
    /// When the agent continues without being woken.
    pub(crate) due: Option<Time>,
}

impl Work {
    pub(crate) fn new(steps: Steps, now: Time) -> Work {
        Work { steps, next: None, due: Some(now) }
    }
}

/// Returns the agents that this program offers, which are some of the interop agents.
pub(crate) fn offered() -> Vec<AgentSpec> {
    let versions = vec!["1.0.0".to_owned(), "2.0.0".to_owned()];
    let plain = ["echo", "slow", "progress", "fail", "flood"].map(AgentSpec::new);
    plain.into_iter().chain([AgentSpec { versions, ..AgentSpec::new("ver") }]).collect()
}

/// Returns the steps of a job. A missing input counts as `{}`.
pub(crate) fn steps(job: &JobView<'_>) -> Steps {
    let input: Value = job.input.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null);
    let number = |name: &str, default: u64| input.get(name).and_then(Value::as_u64).unwrap_or(default);
    match job.agent {
        "echo" => {
            let echoed = job.input.map_or("null", |input| input.get());
            let answer = Json::from_string(format!(r#"{{"echoed":{echoed}}}"#)).map_or_else(|_| broken(), Step::Finish);
            Box::new([Step::Emit(Body::log("info", "echo started", None)), answer].into_iter())
        }
        "slow" => {
            let (ticks, pause) = (number("ticks", 100), Duration::from_millis(number("tick_ms", 50)));
            let tick = move |at| [progress(at, ticks, "ticks", None), Step::Sleep(pause)];
            Box::new((0..ticks).flat_map(tick).chain([finish(&json!({ "ticks": ticks }))]))
        }
        "progress" => {
            let n = number("n", 5);
            let step = move |at| progress(at, n, "steps", Some(&format!("step {at}")));
            Box::new((0..=n).map(step).chain([finish(&json!({ "n": n }))]))
        }
        "flood" => {
            let (n, size) = (number("n", 100), usize::try_from(number("size", 10)).unwrap_or(usize::MAX));
            let filler = "x".repeat(size.min(1 << 20));
            let line = move |at| Step::Emit(Body::log("debug", &format!("{filler}{at}"), None));
            Box::new((0..n).map(line).chain([finish(&json!({ "n": n }))]))
        }
        "fail" => {
            let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
            let code = text("code").filter(|_| text("throw").is_none());
            let message = text("message").unwrap_or_else(|| "requested failure".to_owned());
            Box::new(std::iter::once(code.map_or_else(broken, |code| failure(code, message))))
        }
        _ => {
            let ran = format!("{}@{}", job.agent, job.version.unwrap_or_default());
            Box::new(std::iter::once(finish(&json!({ "ran": ran }))))
        }
    }
}

/// Returns the steps of a cancelled job.
pub(crate) fn cancelled() -> Steps {
    Box::new(std::iter::once(failure("CANCELLED".to_owned(), "the job was cancelled".to_owned())))
}

fn progress(at: u64, total: u64, units: &str, message: Option<&str>) -> Step {
    Body::progress(&Number::from(at), Some(&Number::from(total)), Some(units), message)
        .map_or_else(|_| broken(), Step::Emit)
}

fn finish(result: &Value) -> Step {
    to_raw_value(result).map_or_else(|_| broken(), Step::Finish)
}

fn broken() -> Step {
    failure("INTERNAL_ERROR".to_owned(), "the agent broke".to_owned())
}

fn failure(code: String, message: String) -> Step {
    Step::Fail(JobFailure { code, message, details: None })
}
