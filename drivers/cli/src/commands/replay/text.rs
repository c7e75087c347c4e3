//! Frames as lines for people.

use std::borrow::Cow;

use nuncio_tokio::arcp::{EventKind, Json};
use serde::Deserialize;

use crate::output::{Clock, ShownEvent, Stream, event_line};
use crate::text::sanitize;

/// Makes lines of the frames of a session.
pub(super) struct Texts {
    clock: Clock,
    /// Whether the lines say which job they are about.
    names_jobs: bool,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    of: Cow<'a, str>,
    #[serde(borrow, default)]
    job_id: Option<Cow<'a, str>>,
    #[serde(default)]
    event_seq: Option<u64>,
    #[serde(borrow, default)]
    payload: Payload<'a>,
}

/// The members of payloads that are shown.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ts: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<&'a Json>,
    #[serde(borrow)]
    agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    accepted_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    final_status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    completed_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    result: Option<&'a Json>,
}

impl Texts {
    pub(super) fn new(timestamps: bool, names_jobs: bool) -> Texts {
        Texts { clock: Clock::new(timestamps), names_jobs }
    }

    /// Returns the line of a frame; `None` if it is none that is known, which is better shown as it is.
    pub(super) fn line(&mut self, frame: &str) -> Option<String> {
        let Frame { of, job_id, event_seq, payload } = serde_json::from_str(frame).ok()?;
        let job = job_id.as_deref().filter(|_| self.names_jobs);
        if let (Some(seq), Some(kind), Some(body)) = (event_seq, payload.kind.as_deref(), payload.body) {
            let (kind, ts) = (EventKind::parse(kind), payload.ts.as_deref().unwrap_or_default());
            let shown = ShownEvent { seq, of: job, kind: &kind, ts, body: body.get() };
            return Some(event_line(Stream::Stdout, &mut self.clock, shown));
        }
        let job_id = job_id.as_deref().unwrap_or_default();
        let text = match (&*of, event_seq, payload.final_status.as_deref()) {
            ("job.accepted", _, _) => {
                let time = self.clock.show(payload.accepted_at.as_deref());
                format!("{time}accepted {job_id} {}", payload.agent.as_deref().unwrap_or_default())
            }
            (_, Some(seq), Some(status)) => {
                let time = self.clock.show(payload.completed_at.as_deref());
                let fault = match (payload.code.as_deref(), payload.message.as_deref()) {
                    (Some(code), Some(message)) => format!(": {code}: {message}"),
                    _ => String::new(),
                };
                let result = payload.result.map(|result| format!(": {}", result.get())).unwrap_or_default();
                format!("{time}#{seq} {job_id} has ended: {status}{fault}{result}")
            }
            _ => return None,
        };
        Some(sanitize(&text).into_owned())
    }
}

/// Returns the kind of the event that a frame carries; `None` if it carries none.
pub(super) fn event_kind(frame: &[u8]) -> Option<String> {
    let frame: Frame<'_> = serde_json::from_slice(frame).ok()?;
    frame.payload.kind.filter(|_| frame.of == "job.event").map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::{Texts, event_kind};

    const EVENT: &str = r#"{"arcp":"1.1","id":"1","type":"job.event","job_id":"job_1","event_seq":2,"payload":
        {"kind":"log","ts":"2026-11-21T07:12:04.100Z","body":{"level":"warn","message":"red \u001b[31m"}}}"#;

    #[test]
    fn frames_become_lines() {
        console::set_colors_enabled(false);
        let accepted = r#"{"type":"job.accepted","job_id":"job_1","payload":{"agent":"echo","accepted_at":"2026-11-21T07:12:03.000Z"}}"#;
        let ended = r#"{"type":"job.error","job_id":"job_1","event_seq":3,"payload":
            {"final_status":"error","code":"INTERNAL_ERROR","message":"out of ink","completed_at":"2026-11-21T07:12:05.000Z"}}"#;
        let mut texts = Texts::new(false, true);
        let lines = [accepted, EVENT, ended].map(|frame| texts.line(frame).unwrap_or_default());
        assert_eq!(
            lines,
            [
                "+0.0s accepted job_1 echo",
                r"+1.1s #2 job_1: log warn: red \u{1b}[31m",
                "+2.0s #3 job_1 has ended: error: INTERNAL_ERROR: out of ink",
            ]
        );
        assert_eq!(texts.line(r#"{"type":"no.such","payload":null}"#), None);
        assert_eq!(texts.line("[]"), None);
        let mut full = Texts::new(true, false);
        assert_eq!(full.line(EVENT).unwrap_or_default(), r"2026-11-21T07:12:04.100Z #2 log warn: red \u{1b}[31m");
    }

    #[test]
    fn events_have_a_kind() {
        assert_eq!(event_kind(EVENT.as_bytes()).as_deref(), Some("log"));
        assert_eq!(event_kind(br#"{"type":"job.result","payload":{"kind":"log"}}"#), None);
    }
}
