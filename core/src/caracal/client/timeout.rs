//! Handles deadlines that have passed.

use super::calls::Purpose;
use super::event::{CallId, ClientOutput, ClientTimer, TransportFailure};
use super::{Client, Closing};
use crate::caracal::wire::call::Call;
use crate::time::Time;

impl Client {
    /// Acts on all deadlines that have passed. A call that comes early does nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        while let Some((timer, key)) = self.timers.expired(self.clock.now()) {
            match timer {
                ClientTimer::Request => self.unanswered(CallId(key)),
                ClientTimer::Retry => self.calls.due(CallId(key), &mut self.timers),
                ClientTimer::Token => self.fail_without_token(),
                ClientTimer::Heartbeat => self.beat(key),
                ClientTimer::Session => {
                    if let Some((session, why)) = self.sessions.lapsed(key) {
                        self.lose(&session, why);
                    }
                }
            }
        }
        self.flush();
    }

    fn unanswered(&mut self, call: CallId) {
        if let Some(id) = self.calls.under_way(call) {
            self.outputs.push_back(ClientOutput::Abort(id));
            self.attempt_failed(call, TransportFailure::Lost);
        }
    }

    fn beat(&mut self, number: u64) {
        if let Some((session, lease)) = self.sessions.beat(number, &mut self.timers)
            && self.closing == Closing::Open
        {
            self.add(Call::Heartbeat { session, lease }, Purpose::Heartbeat);
        }
    }
}
