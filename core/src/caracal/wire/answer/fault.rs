//! Refusals of a coordinator: a status and a code, in the two shapes of the two generations (§1.1).

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use serde::Deserialize;

use super::parse;
use crate::json::Text;

/// The longest text of a refusal that is kept, in bytes (ours).
const MAX_TEXT_BYTES: usize = 512;

/// A refusal of a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorFault {
    /// The status of the response.
    pub status: u16,
    /// The code, such as `agent_not_found`, if the body has one.
    pub code: Option<Box<str>>,
    /// A sentence for people, if the body has one (`error_description`, `message` or `detail`). At most 512 bytes are
    /// kept.
    pub message: Option<Box<str>>,
    /// The id under which the coordinator logged the request, if the body has one.
    pub request_id: Option<Box<str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    error: Option<Text<'a>>,
    #[serde(borrow)]
    error_description: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    #[serde(borrow)]
    detail: Option<Text<'a>>,
    #[serde(borrow, rename = "requestId", alias = "request_id")]
    request_id: Option<Text<'a>>,
}

impl CoordinatorFault {
    /// Reads a refusal. A body that cannot be read leaves the status alone.
    pub(crate) fn read(status: u16, body: &[u8]) -> CoordinatorFault {
        let body: Body<'_> = parse(body).unwrap_or_default();
        let kept = |text: Option<Text<'_>>| text.map(|text| excerpt(text.as_str()));
        CoordinatorFault {
            status,
            code: kept(body.error),
            message: kept(body.error_description.or(body.message).or(body.detail)),
            request_id: kept(body.request_id),
        }
    }

    pub(super) const fn answer(&self) -> Answer<'_> {
        Answer(self)
    }

    /// Returns whether the code is this one.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Returns whether the answer to a termination says that the session has ended already, or that it is no longer the
    /// client's to end.
    pub(crate) fn is_terminated(&self) -> bool {
        const ENDED: [&str; 6] = [
            "already_terminated",
            "agent_not_live",
            "session_not_live",
            "session_not_found_or_not_active",
            "session_lease_fenced",
            "session_subject_inactive",
        ];
        self.status == 404 || (self.status == 409 && ENDED.into_iter().any(|code| self.is(code)))
    }
}

fn excerpt(text: &str) -> Box<str> {
    let mut out = String::new();
    for char in text.chars() {
        if out.len().saturating_add(char.len_utf8()) > MAX_TEXT_BYTES {
            break;
        }
        out.push(char);
    }
    out.into()
}

impl fmt::Display for CoordinatorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the coordinator answered {}", self.answer())
    }
}

/// Displays a refusal without saying who has answered, for messages about another service.
pub(super) struct Answer<'a>(&'a CoordinatorFault);

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer(CoordinatorFault { status, code, message, .. }) = self;
        fmt::Display::fmt(status, f)?;
        if let Some(code) = code {
            write!(f, " {}", code.escape_debug())?;
        }
        if let Some(message) = message {
            write!(f, ": {}", message.escape_debug())?;
        }
        Ok(())
    }
}

impl core::error::Error for CoordinatorFault {}
