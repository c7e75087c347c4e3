//! Alerts about packets that were refused (spec/16).

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};

use super::Router;
use super::output::RefusedByRouter;
use crate::cap::wire::alert::{AlertSeverity, SystemAlert};
use crate::cap::wire::job::ErrorCode;
use crate::cap::wire::packet::BusPacket;
use crate::cap::wire::subject::Subject;

impl Router {
    /// Reports a packet that was refused, unless too many were lately.
    pub(super) fn alert(&mut self, subject: &Subject, bytes: &[u8], reason: &RefusedByRouter) {
        let code = reason.code();
        let (window, max) = (self.config.alert_window, self.config.limits.alerts);
        if !self.alerts.admit(self.now, window, max) {
            return;
        }
        // The packet may be malformed, and what it says may be false.
        let packet = BusPacket::decode(bytes, &self.config.reading.limits).unwrap_or_default();
        let mut details = BTreeMap::from([(String::from("subject"), subject.to_string())]);
        if !packet.sender_id.is_empty() {
            details.insert(String::from("offending_sender"), self.cut(packet.sender_id));
        }
        let severity = severity(code);
        let name = |name: Option<&str>| name.map(String::from).unwrap_or_default();
        let alert = SystemAlert {
            level: name(severity.name()),
            message: self.cut(alloc::format!("{reason}")),
            component: self.config.id.as_str().into(),
            code: name(code.name()),
            severity,
            error_code_enum: code,
            source_component: self.config.id.as_str().into(),
            details,
            trace_id: self.cut(packet.trace_id),
            ..SystemAlert::default()
        };
        let trace_id = alloc::format!("{:032x}", self.random.random_u128());
        if let Some(bytes) = self.outbox.seal(&self.config, self.now, &Subject::Alert, trace_id, alert) {
            self.outbox.send(Subject::Alert, bytes);
        }
    }

    /// Cuts a text that may be too long.
    pub(super) fn cut(&self, mut text: String) -> String {
        text.truncate(text.floor_char_boundary(self.config.limits.error_bytes));
        text
    }
}

/// Returns how serious an error is (spec/16); what is not listed there is ours.
fn severity(code: ErrorCode) -> AlertSeverity {
    match code {
        ErrorCode::PROTOCOL_SIGNATURE_INVALID | ErrorCode::PROTOCOL_SIGNATURE_MISSING => AlertSeverity::CRITICAL,
        ErrorCode::PROTOCOL_VERSION_MISMATCH | ErrorCode::PROTOCOL_MALFORMED_PACKET => AlertSeverity::ERROR,
        _ => AlertSeverity::WARNING,
    }
}
