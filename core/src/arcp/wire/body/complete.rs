//! Members that bodies must have although §8.2 does not ask for them: without them the readers of deployed clients die.

use alloc::string::String;

use crate::json::{Members, Object};

/// Returns the level of a `log` that clients know: `debug`, `info`, `warn` or `error`.
pub(super) fn level(level: &str) -> &'static str {
    let is = |names: &[&str]| names.iter().any(|name| level.eq_ignore_ascii_case(name));
    if is(&["debug", "trace"]) {
        "debug"
    } else if is(&["warn", "warning"]) {
        "warn"
    } else if is(&["error", "critical", "fatal", "alert", "emergency"]) {
        "error"
    } else {
        "info"
    }
}

/// Returns the complete form of a body that an agent wrote itself; `None` if it is complete already.
pub(super) fn complete(kind: &str, body: &str) -> Option<String> {
    match kind {
        "log" => known_level(body),
        "tool_call" => with_member(body, "args", "{}"),
        "tool_result" => with_retryable(body),
        _ => None,
    }
}

fn known_level(body: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(body).ok()?;
    let written = members.iter().find(|(name, _)| name.as_str() == "level").map(|(_, value)| value.get())?;
    let given: String = serde_json::from_str(written).ok()?;
    let known = level(&given);
    (known != given).then(|| replaced(&members, "level", &alloc::format!("\"{known}\"")))
}

fn with_retryable(body: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(body).ok()?;
    let error = members.iter().find(|(name, _)| name.as_str() == "error").map(|(_, value)| value.get())?;
    let complete = with_member(error, "retryable", "false")?;
    Some(replaced(&members, "error", &complete))
}

/// Returns an object with a member that it does not have; `None` if it has it, or is no object.
fn with_member(object: &str, name: &str, value: &str) -> Option<String> {
    let Members(members) = serde_json::from_str(object).ok()?;
    if members.iter().any(|(known, value)| known.as_str() == name && value.get() != "null") {
        return None;
    }
    let others = members.iter().filter(|(known, _)| known.as_str() != name);
    let object = others.fold(Object::new(), |object, (name, value)| object.named(name.as_str(), value.get()));
    Some(object.named(name, value).close())
}

/// Returns an object with another value of a member.
fn replaced(members: &[(crate::json::Text<'_>, &serde_json::value::RawValue)], name: &str, value: &str) -> String {
    let all =
        members.iter().map(|(known, old)| (known.as_str(), if known.as_str() == name { value } else { old.get() }));
    all.fold(Object::new(), |object, (name, value)| object.named(name, value)).close()
}
