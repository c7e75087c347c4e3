//! Alerts about packets that were refused (spec/16).

use super::Worker;
use super::output::RefusedPacket;
use crate::cap::signature::alert::Refusal;
use crate::cap::signature::rejection::{ProfileFault, Rejection};
use crate::cap::wire::subject::Subject;

impl Worker {
    /// Reports a packet that was refused, unless too many were lately.
    pub(super) fn alert(&mut self, subject: &Subject, bytes: &[u8], reason: &RefusedPacket) {
        let Some(code) = reason.code().filter(|_| !is_of_others(subject, reason)) else { return };
        let limits = &self.config.limits;
        if !self.outbox.is_connected() || !self.alerts.admit(self.clock.now(), self.config.alert_window, limits.alerts)
        {
            return;
        }
        let refusal = Refusal { subject, bytes, code, message: alloc::format!("{reason}") };
        let alert = refusal.alert(&self.config.id, &self.config.reading.limits, limits.error_bytes);
        let trace_id = alloc::format!("{:032x}", self.random.random_u128());
        self.outbox.publish(Subject::Alert, trace_id, alert);
    }
}

/// Whether a packet is for others: every worker hears every cancellation, also those that a router takes from clients.
fn is_of_others(subject: &Subject, reason: &RefusedPacket) -> bool {
    let is_unknown = matches!(
        reason,
        RefusedPacket::Rejected(
            Rejection::UnknownKey(_) | Rejection::Profile(ProfileFault::Sender | ProfileFault::Tenant)
        )
    );
    is_unknown && *subject == Subject::JobCancel
}
