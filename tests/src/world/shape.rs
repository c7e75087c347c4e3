//! Rules about the shape of a single frame.

use nuncio_core::arcp::ErrorCode;
use serde_json::Value;

use super::frame::Frame;

pub(super) fn nulls(frame: &Frame) {
    let nullable: &[&str] = match frame.kind() {
        "session.jobs" => &["next_cursor"],
        "job.subscribed" => &["parent_job_id"],
        "job.result" => &["result", "output"],
        // The answer to a question is any JSON value.
        "x-vendor.nuncio.answered" => &["value"],
        _ => &[],
    };
    for (name, value) in frame.payload().as_object().expect("an object") {
        assert!(!value.is_null() || nullable.contains(&name.as_str()), "{name} is null: {frame:?}");
    }
    for job in frame.payload()["jobs"].as_array().into_iter().flatten() {
        for (name, value) in job.as_object().expect("an object") {
            assert!(!value.is_null() || name == "parent_job_id", "{name} is null: {frame:?}");
        }
    }
}

pub(super) fn timestamps(frame: &Frame) {
    let members = ["accepted_at", "completed_at", "ts", "sent_at", "received_at", "created_at", "submitted_at"];
    let jobs = frame.payload()["jobs"].as_array().into_iter().flatten();
    for place in jobs.chain([frame.payload()]) {
        for member in members {
            if let Some(time) = place.get(member) {
                let time = time.as_str().unwrap_or_default();
                assert!(is_timestamp(time), "{member} is not an RFC 3339 time with milliseconds and Z: {frame:?}");
            }
        }
    }
}

pub(super) fn error(frame: &Frame) {
    fault(frame);
    if let Some(request) = frame.payload().get("request_id") {
        assert!(request.as_str().is_some_and(|request| !request.is_empty()), "{frame:?}");
    }
}

pub(super) fn fault(frame: &Frame) {
    let payload = frame.payload();
    let code = payload["code"].as_str().and_then(ErrorCode::parse);
    let code = code.unwrap_or_else(|| panic!("the code is not one of the 15: {frame:?}"));
    assert_eq!(payload["retryable"], code == ErrorCode::InternalError, "{frame:?}");
    assert!(payload["message"].as_str().is_some_and(|message| !message.is_empty()), "{frame:?}");
    let details = payload.get("details").map(Value::as_object);
    let some = details.is_none_or(|details| details.is_some_and(|details| !details.is_empty()));
    assert!(some, "details must be a non-empty object or absent: {frame:?}");
}

/// Returns whether the text is `prefix` and an upper-case Crockford ULID.
pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|ulid| {
        ulid.len() == 26 && ulid.bytes().all(|byte| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&byte))
    })
}

fn is_timestamp(text: &str) -> bool {
    let shape: String = text.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}
