//! The one event that carries a secret: the new value of a credential, which is never printed (§9.8.2).

use nuncio_tokio::arcp::{EventKind, Rotation};
use serde_json::{Value, json};

/// Returns the id of the credential whose new value an event may carry; empty if it cannot be read.
pub(super) fn rotated(kind: &EventKind, body: &str) -> Option<String> {
    let read = Rotation::read(kind, body).map(|rotation| rotation.credential_id);
    // A body that cannot be read may carry a value all the same.
    read.or_else(|| (*kind == EventKind::Status && body.contains("credential_rotated")).then(String::new))
}

/// Returns the body of such an event without the value. Runtimes have the value in different members, so nothing but the
/// id of the credential is kept.
pub(super) fn rotation(id: &str) -> Value {
    json!({"phase": "credential_rotated", "credential_id": id, "id": id, "value": "redacted"})
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::{rotated, rotation};
    use nuncio_tokio::arcp::EventKind;

    #[test]
    fn no_form_of_a_rotation_shows_the_value() {
        let bodies = [
            r#"{"phase":"credential_rotated","id":"c1","value":"s1"}"#,
            r#"{"phase":"credential_rotated","details":{"id":"c1","value":"s1"}}"#,
            r#"{"phase":"credential_rotated","credential_id":"c1","credential_value":"s1"}"#,
            r#"{"phase":"credential_rotated","message":"{\"id\":\"c1\",\"value\":\"s1\"}"}"#,
        ];
        for body in bodies {
            let id = rotated(&EventKind::Status, body).unwrap();
            assert_eq!(id, "c1", "{body}");
            assert!(!rotation(&id).to_string().contains("s1"), "{body}");
        }
        let broken = r#"{"phase":"credential_rotated","phase":"","value":"s1"}"#;
        assert_eq!(rotated(&EventKind::Status, broken).as_deref(), Some(""));
        assert_eq!(rotated(&EventKind::Status, r#"{"phase":"running"}"#), None);
    }
}
