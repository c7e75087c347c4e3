//! Which request a frame answers.

use serde::Deserialize;

use super::maybe::{Maybe, payload};
use crate::arcp::wire::envelope::Envelope;
use crate::json::Text;

/// The members of a payload that quote the envelope id of a request. The Ruby SDK calls it `reply_to`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Quote<'a> {
    #[serde(borrow)]
    request_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    reply_to: Maybe<Text<'a>>,
}

impl<'a> Quote<'a> {
    /// Reads the quote from the payload of a frame.
    pub(crate) fn of(envelope: &Envelope<'a>) -> Quote<'a> {
        payload(envelope)
    }

    /// Returns the id that is quoted.
    pub(crate) fn as_str(&self) -> Option<&str> {
        self.request_id.as_str().or(self.reply_to.as_str())
    }
}
