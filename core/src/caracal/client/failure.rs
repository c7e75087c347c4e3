//! Handles failed attempts, and calls that end without an answer.

use core::time::Duration;

use super::Client;
use super::calls::Purpose;
use super::event::{CallFailure, CallId, ClientEvent, ClientOutput, EndReason, RequestId, TransportFailure};
use super::retry::{self, Verdict};
use crate::caracal::wire::answer::edge::Revoked;
use crate::caracal::wire::answer::fault::CoordinatorFault;
use crate::caracal::wire::answer::retry_after;
use crate::caracal::wire::call::Call;
use crate::caracal::wire::ids::SessionId;
use crate::time::{Time, micros};

impl Client {
    /// Reports that a request has no response. A report of an attempt that was given up is ignored.
    pub fn handle_failure(&mut self, now: Time, id: RequestId, failure: TransportFailure) {
        self.advance(now);
        if self.calls.under_way(id.call) == Some(id) {
            self.attempt_failed(id.call, failure);
        }
        self.flush();
    }

    pub(super) fn attempt_failed(&mut self, call: CallId, failure: TransportFailure) {
        let Some(entry) = self.calls.get(call) else { return };
        let verdict = retry::failed(&self.config, entry, failure);
        self.carry_out(call, verdict, None, CallFailure::Unreachable);
    }

    pub(super) fn attempt_refused(&mut self, call: CallId, fault: CoordinatorFault, retry_after: Option<&str>) {
        let Some(entry) = self.calls.get(call) else { return };
        // The edge is unknown because an earlier attempt has revoked it.
        if matches!(entry.call(), Call::Revoke { .. }) && entry.is_uncertain() && fault.status == 404 {
            self.calls.finish(call, &mut self.timers);
            return self.emit(ClientEvent::Revoked { call, revoked: Revoked::default() });
        }
        if matches!(entry.purpose(), Purpose::Heartbeat) && is_gone(&fault) {
            let session = entry.session().cloned();
            self.calls.finish(call, &mut self.timers);
            return session.into_iter().for_each(|session| self.lose(&session, EndReason::LeaseLost));
        }
        let verdict = retry::refused(&self.config, entry, &fault);
        let delay = retry_after.and_then(|value| retry_after::delay(value, self.clock.wall()));
        self.carry_out(call, verdict, delay, CallFailure::Refused(fault));
    }

    fn carry_out(&mut self, call: CallId, verdict: Verdict, asked: Option<Duration>, failure: CallFailure) {
        let Some(entry) = self.calls.get(call) else { return };
        match verdict {
            Verdict::Refresh => {
                self.tokens.reject(entry.token());
                let at = self.clock.now().plus_micros(self.random.below(micros(retry::REFRESH_JITTER)));
                self.calls.refresh(call, at, &mut self.timers);
            }
            Verdict::Repeat { uncertain } => {
                let delay = match asked {
                    Some(asked) => retry_after::capped(asked, self.config.retry_after_limit),
                    None => micros(retry::delay(entry)),
                };
                let at = self.clock.now().plus_micros(delay).plus_micros(self.random.below(micros(retry::JITTER)));
                self.calls.repeat(call, at, uncertain, &mut self.timers);
            }
            Verdict::Fail => self.fail(call, failure),
            Verdict::Uncertain => self.fail(call, CallFailure::Uncertain),
        }
    }

    /// Ends a call without an answer.
    pub(super) fn fail(&mut self, call: CallId, why: CallFailure) {
        let Some(entry) = self.calls.finish(call, &mut self.timers) else { return };
        match (entry.purpose(), entry.session()) {
            (Purpose::Asked | Purpose::SpawningForEdge(_), _) => self.emit(ClientEvent::Failed { call, why }),
            (Purpose::Edge(child), _) => {
                let session = child.clone();
                self.emit(ClientEvent::Failed { call, why });
                let lease = self.sessions.terminate(&session, &mut self.timers);
                self.add(Call::Terminate { session, lease }, Purpose::Cleanup);
            }
            (Purpose::Heartbeat, Some(session)) => {
                self.sessions.missed(session, self.clock.now(), &mut self.random, &mut self.timers);
            }
            // The session ends with its lifetime.
            (Purpose::Cleanup | Purpose::Heartbeat, _) => {}
        }
    }

    /// Ends all calls that wait for a token.
    pub(super) fn fail_without_token(&mut self) {
        if self.tokens.fail(&mut self.timers) {
            for call in self.calls.ready() {
                let uncertain = self.calls.get(call).is_some_and(super::calls::Entry::is_uncertain);
                self.fail(call, if uncertain { CallFailure::Uncertain } else { CallFailure::NoToken });
            }
        }
    }

    /// Ends a session that has ended without a call of this client, and the calls that act for it. Those under way may
    /// have been carried out.
    pub(super) fn lose(&mut self, session: &SessionId, why: EndReason) {
        if !self.sessions.forget(session, &mut self.timers) {
            return;
        }
        let acts =
            |call: &Call| !matches!(call, Call::AcquireLease { .. } | Call::Inbound { .. } | Call::Terminate { .. });
        for call in self.calls.matching(|entry| acts(entry.call()) && entry.session() == Some(session)) {
            let under_way = self.calls.under_way(call);
            let uncertain = self.calls.get(call).is_some_and(super::calls::Entry::is_uncertain);
            if let Some(id) = under_way {
                self.outputs.push_back(ClientOutput::Abort(id));
            }
            let certain = under_way.is_none() && !uncertain;
            self.fail(call, if certain { CallFailure::LeaseLost } else { CallFailure::Uncertain });
        }
        self.emit(ClientEvent::Ended { session: session.clone(), why });
    }
}

/// Returns whether the answer to a heartbeat says that the lease is not this client's any more.
fn is_gone(fault: &CoordinatorFault) -> bool {
    fault.status == 404 || (fault.status == 409 && !fault.is("session_suspended"))
}
