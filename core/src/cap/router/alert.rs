//! Alerts about packets that were refused (spec/16).

use alloc::string::String;

use super::Router;
use super::output::RefusedByRouter;
use crate::cap::signature::alert::Refusal;
use crate::cap::wire::subject::Subject;

impl Router {
    /// Reports a packet that was refused, unless too many were lately.
    pub(super) fn alert(&mut self, subject: &Subject, bytes: &[u8], reason: &RefusedByRouter) {
        let limits = &self.config.limits;
        if !self.alerts.admit(self.clock.now(), self.config.alert_window, limits.alerts) {
            return;
        }
        let refusal = Refusal { subject, bytes, code: reason.code(), message: alloc::format!("{reason}") };
        let alert = refusal.alert(&self.config.id, &self.config.reading.limits, limits.error_bytes);
        let trace_id = alloc::format!("{:032x}", self.random.random_u128());
        if let Some(bytes) = self.seal(&Subject::Alert, &trace_id, alert) {
            self.outbox.send(Subject::Alert, bytes);
        }
    }

    /// Cuts a text that may be too long.
    pub(super) fn cut(&self, mut text: String) -> String {
        text.truncate(text.floor_char_boundary(self.config.limits.error_bytes));
        text
    }
}
