//! Reads members of frames.

use serde_json::Value;

/// Returns the string at a JSON pointer, or an empty one if there is none.
pub(super) fn text<'a>(frame: &'a Value, pointer: &str) -> &'a str {
    frame.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the type of a frame.
pub(super) fn kind(frame: &Value) -> &str {
    text(frame, "/type")
}

/// Returns the job that a frame is about: the envelope says it, or else the payload.
pub(super) fn job_of(frame: &Value) -> &str {
    match text(frame, "/job_id") {
        "" => text(frame, "/payload/job_id"),
        id => id,
    }
}

/// Returns the error code of a frame, or an empty text.
pub(super) fn code(frame: &Value) -> &str {
    text(frame, "/payload/code")
}

/// Returns the type of a frame, and its error code if it has one: `job.error TIMEOUT`.
pub(super) fn named(frame: &Value) -> String {
    format!("{} {}", kind(frame), code(frame)).trim_end().to_owned()
}

/// Returns a JSON pointer as people write it: `payload.runtime.name`.
pub(super) fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

pub(super) fn seq(frame: &Value) -> Option<u64> {
    frame["event_seq"].as_u64()
}

/// Returns whether a frame ends a job.
pub(super) fn is_terminal(frame: &Value) -> bool {
    matches!(kind(frame), "job.result" | "job.error")
}

/// Returns whether a frame is an event of this job and kind.
pub(super) fn is_event(frame: &Value, job: &str, event: &str) -> bool {
    kind(frame) == "job.event" && job_of(frame) == job && text(frame, "/payload/kind") == event
}

/// Returns the first place where numbers do not follow each other from `first` on: the number that was due and the one that
/// came.
pub(super) fn gap<'a>(frames: impl IntoIterator<Item = &'a Value>, first: u64) -> Option<(u64, u64)> {
    let numbers = frames.into_iter().filter_map(seq);
    numbers.zip(first..).find(|(came, due)| came != due).map(|(came, due)| (due, came))
}

/// The error codes of the specification (§12).
pub(super) const CODES: [&str; 15] = [
    "PERMISSION_DENIED",
    "LEASE_SUBSET_VIOLATION",
    "JOB_NOT_FOUND",
    "DUPLICATE_KEY",
    "AGENT_NOT_AVAILABLE",
    "AGENT_VERSION_NOT_AVAILABLE",
    "CANCELLED",
    "TIMEOUT",
    "RESUME_WINDOW_EXPIRED",
    "HEARTBEAT_LOST",
    "LEASE_EXPIRED",
    "BUDGET_EXHAUSTED",
    "INVALID_REQUEST",
    "UNAUTHENTICATED",
    "INTERNAL_ERROR",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{dotted, gap, job_of, named};

    #[test]
    fn gaps_and_repetitions_are_found() {
        let frames = |numbers: &[u64]| numbers.iter().map(|n| json!({"event_seq": n})).collect::<Vec<_>>();
        assert_eq!(gap(&frames(&[1, 2, 3]), 1), None);
        assert_eq!(gap(&frames(&[1, 3]), 1), Some((2, 3)));
        assert_eq!(gap(&frames(&[1, 2, 2]), 1), Some((3, 2)));
        assert_eq!(gap(&frames(&[5, 6]), 5), None);
        assert_eq!(gap(&[json!({"type": "session.pong"})], 1), None, "what has no number does not count");
    }

    #[test]
    fn frames_and_members_are_named_for_people() {
        assert_eq!(named(&json!({"type": "job.error", "payload": {"code": "TIMEOUT"}})), "job.error TIMEOUT");
        assert_eq!(named(&json!({"type": "job.result", "payload": {}})), "job.result");
        assert_eq!(dotted("/payload/runtime/name"), "payload.runtime.name");
    }

    #[test]
    fn the_job_is_on_the_envelope_or_in_the_payload() {
        assert_eq!(job_of(&json!({"job_id": "a", "payload": {"job_id": "b"}})), "a");
        assert_eq!(job_of(&json!({"payload": {"job_id": "b"}})), "b");
    }
}
