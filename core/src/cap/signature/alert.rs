//! Alerts about packets that were refused (spec/16): their content, and how many are sent.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use core::time::Duration;

use crate::cap::wire::alert::{AlertSeverity, SystemAlert};
use crate::cap::wire::codec::limits::DecodeLimits;
use crate::cap::wire::job::ErrorCode;
use crate::cap::wire::packet::BusPacket;
use crate::cap::wire::subject::{ComponentId, Subject};
use crate::time::Time;

/// How many alerts were sent lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    /// When the present window began.
    since: Time,
    sent: usize,
}

impl Alerts {
    /// Returns whether a further alert may be sent, and counts it.
    pub(crate) fn admit(&mut self, now: Time, window: Duration, max: usize) -> bool {
        if self.since.plus(window) <= now {
            *self = Alerts { since: now, sent: 0 };
        }
        let admits = self.sent < max;
        self.sent += usize::from(admits);
        admits
    }
}

/// A packet that was refused.
pub(crate) struct Refusal<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) bytes: &'a [u8],
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal<'_> {
    /// Returns the alert of a component about the packet, whose texts have at most some bytes.
    pub(crate) fn alert(self, source: &ComponentId, limits: &DecodeLimits, max: usize) -> SystemAlert {
        // The packet may be malformed, and what it says may be false.
        let packet = BusPacket::decode(self.bytes, limits).unwrap_or_default();
        let mut details = BTreeMap::from([(String::from("subject"), self.subject.to_string())]);
        if !packet.sender_id.is_empty() {
            details.insert(String::from("offending_sender"), cut(packet.sender_id, max));
        }
        let severity = severity(self.code);
        let name = |name: Option<&str>| name.map(String::from).unwrap_or_default();
        SystemAlert {
            level: name(severity.name()),
            message: cut(self.message, max),
            component: source.as_str().into(),
            code: name(self.code.name()),
            severity,
            error_code_enum: self.code,
            source_component: source.as_str().into(),
            details,
            trace_id: cut(packet.trace_id, max),
            ..SystemAlert::default()
        }
    }
}

fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}

/// Returns how serious an error is (spec/16); what is not listed there is ours.
fn severity(code: ErrorCode) -> AlertSeverity {
    match code {
        ErrorCode::PROTOCOL_SIGNATURE_INVALID | ErrorCode::PROTOCOL_SIGNATURE_MISSING => AlertSeverity::CRITICAL,
        ErrorCode::PROTOCOL_VERSION_MISMATCH | ErrorCode::PROTOCOL_MALFORMED_PACKET => AlertSeverity::ERROR,
        _ => AlertSeverity::WARNING,
    }
}
