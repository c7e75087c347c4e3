//! The end of a session that its application closes (§6.7).

use alloc::string::String;

use crate::arcp::wire::ids::EnvelopeId;
use crate::time::Time;

/// The `session.close` of a closing client.
#[derive(Clone, Debug)]
pub(super) struct Goodbye {
    /// The payload, until it was sent.
    payload: Option<String>,
    /// The envelope id, once it was sent.
    id: Option<EnvelopeId>,
    /// When the answer is overdue.
    due: Time,
}

impl Goodbye {
    pub(super) fn new(payload: String, due: Time) -> Goodbye {
        Goodbye { payload: Some(payload), id: None, due }
    }

    /// Returns when the answer is overdue.
    pub(super) fn due(&self) -> Time {
        self.due
    }

    /// Returns the payload if it was not sent yet, with the new envelope id that it is sent under.
    pub(super) fn next(&mut self, new_id: impl FnOnce() -> EnvelopeId) -> Option<(EnvelopeId, String)> {
        let payload = self.payload.take()?;
        let id = new_id();
        self.id = Some(id);
        Some((id, payload))
    }

    /// Returns whether an error that quotes `request_id` answers this.
    pub(super) fn is_answered_by(&self, request_id: EnvelopeId) -> bool {
        self.id == Some(request_id)
    }
}
