//! The event that carries the new value of a credential (§9.8.2).

use alloc::string::String;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::EventKind;
use super::maybe::Maybe;
use crate::json::Text;
use crate::secret::Secret;

/// A credential that has a new value (§9.8.2): a `status` event of the phase `credential_rotated`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotation {
    /// The id of the credential; empty if the runtime does not name it.
    pub credential_id: String,
    /// The new value. It is absent where the runtime has redacted it.
    pub value: Option<Secret>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Maybe<Text<'a>>,
    #[serde(borrow)]
    message: Maybe<Text<'a>>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    #[serde(borrow)]
    fields: Option<&'a RawValue>,
}

/// The names that the deployed runtimes give to the two members.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Members<'a> {
    #[serde(borrow)]
    id: Maybe<Text<'a>>,
    #[serde(borrow)]
    credential_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    value: Maybe<Text<'a>>,
    #[serde(borrow)]
    credential_value: Maybe<Text<'a>>,
}

impl Rotation {
    /// Reads the body of an event. Returns `None` if it is not the `status` of a rotated credential.
    ///
    /// The members are in the body itself, in its `details` or `fields`, or in the JSON text of its `message`.
    pub fn read(kind: &EventKind, body: &str) -> Option<Rotation> {
        if *kind != EventKind::Status {
            return None;
        }
        let status: Status<'_> = serde_json::from_str(body).ok()?;
        if status.phase.as_str() != Some("credential_rotated") {
            return None;
        }
        let nested = [status.details.map(RawValue::get), status.fields.map(RawValue::get), status.message.as_str()];
        let mut rotation = Rotation { credential_id: String::new(), value: None };
        for json in core::iter::once(Some(body)).chain(nested).flatten() {
            let Ok(members) = serde_json::from_str::<Members<'_>>(json) else { continue };
            if rotation.credential_id.is_empty() {
                rotation.credential_id = members.credential_id.owned().or(members.id.owned()).unwrap_or_default();
            }
            if rotation.value.is_none() {
                rotation.value = members.value.owned().or(members.credential_value.owned()).map(Secret::new);
            }
        }
        Some(rotation)
    }
}
