//! The fingerprint of a hello, by which the client's SDK is recognised.
//!
//! A client's name proves nothing, because applications set it. The form of the envelope's id, together with some members,
//! identifies the SDK; its API gives an application no way to change them.

use serde::Deserialize;
use serde::de::IgnoredAny;
use ulid::Ulid;

use crate::arcp::wire::feature::ACCEPTED_REPLAY;
use crate::arcp::wire::request::Hello;
use crate::json::Text;

/// The form of an envelope id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdForm {
    /// A ULID: 26 characters of Crockford's base 32.
    Ulid,
    /// `msg_` and a ULID.
    PrefixedUlid,
    /// A UUID of version 7.
    Uuid7,
    /// Any other text.
    Other,
}

impl IdForm {
    fn of(id: &str) -> IdForm {
        match id.strip_prefix("msg_") {
            Some(ulid) if is_ulid(ulid) => IdForm::PrefixedUlid,
            None if is_ulid(id) => IdForm::Ulid,
            None if is_uuid7(id) => IdForm::Uuid7,
            _ => IdForm::Other,
        }
    }
}

fn is_ulid(text: &str) -> bool {
    text.len() == ulid::ULID_LEN && Ulid::from_string(text).is_ok()
}

fn is_uuid7(text: &str) -> bool {
    let mut parts = text.split('-');
    let fits = [8, 4, 4, 4, 12].into_iter().enumerate().all(|(index, len)| {
        parts.next().is_some_and(|part| {
            part.len() == len
                && part.bytes().all(|byte| byte.is_ascii_hexdigit())
                && (index != 2 || part.starts_with('7'))
        })
    });
    fits && parts.next().is_none()
}

/// What is decisive in a hello.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a frame")]
pub(crate) struct Fingerprint {
    pub(super) id: IdForm,
    /// Whether the envelope has a `timestamp`.
    pub(super) timestamp: bool,
    /// Whether the payload has a `client`.
    pub(super) client: bool,
    /// Whether the payload has a `client_name`.
    pub(super) client_name: bool,
    /// Whether the capabilities name agents.
    pub(super) agents: bool,
    /// Whether the capabilities have `"agents": []`.
    pub(super) empty_agents: bool,
    /// Whether there are two features or more, in ascending order.
    pub(super) sorted_features: bool,
    /// Whether the features have [`ACCEPTED_REPLAY`].
    pub(super) accepted_replay: bool,
}

impl Fingerprint {
    /// Takes the fingerprint of a hello. `frame` is its text, from which the payload was read.
    pub(crate) fn of(id: &str, frame: &str, hello: &Hello<'_>) -> Fingerprint {
        let capabilities = hello.capabilities.as_ref();
        let features = capabilities.map_or(&[][..], |capabilities| capabilities.named());
        Fingerprint {
            id: IdForm::of(id),
            timestamp: has_timestamp(frame),
            client: hello.client.is_some(),
            client_name: hello.client_name.is_some(),
            agents: capabilities.is_some_and(|capabilities| capabilities.agents().is_some()),
            empty_agents: capabilities
                .and_then(|capabilities| capabilities.agents())
                .is_some_and(|agents| serde_json::from_str::<[(); 0]>(agents.get()).is_ok()),
            sorted_features: features.len() > 1 && features.is_sorted_by(|one, two| one.as_str() < two.as_str()),
            accepted_replay: features.iter().map(Text::as_str).any(|feature| feature == ACCEPTED_REPLAY),
        }
    }
}

/// Returns whether an envelope has a `timestamp`, which no other code reads.
fn has_timestamp(frame: &str) -> bool {
    #[derive(Deserialize)]
    struct Stamp {
        timestamp: Option<IgnoredAny>,
    }
    serde_json::from_str::<Stamp>(frame).is_ok_and(|stamp| stamp.timestamp.is_some())
}
