//! The one event that carries a secret: the new value of a credential, which is never printed (§9.8.2).

use nuncio_tokio::arcp::EventKind;
use serde_json::Value;

/// Returns whether an event may carry a credential's new value.
pub(super) fn is_rotation(kind: &EventKind, body: &str) -> bool {
    *kind == EventKind::Status && body.contains("credential_rotated")
}

/// The body of such an event without the value.
pub(super) fn rotation(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(value) = body.get_mut("value") {
        *value = Value::from("redacted");
    }
    body
}
