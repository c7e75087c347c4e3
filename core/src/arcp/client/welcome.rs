//! The answer to a hello: a welcome or a refusal (§6.1–§6.3).

use alloc::boxed::Box;

use super::Client;
use super::event::{ClientEvent, CloseReason, LostReason, RequestFailure};
use super::peer::Peer;
use super::session::Session;
use super::types::Welcome;
use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::error::ErrorCode;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::reply::read::{self, RemoteFault, payload};
use crate::json::Text;
use crate::secret::Secret;

/// The longest heartbeat interval that is accepted, in seconds.
const MAX_HEARTBEAT_SECS: u64 = 86_400;

/// The number of failed attempts after which a session whose resume is denied is given up.
const MAX_RESUME_ATTEMPTS: u32 = 8;

impl Client {
    /// Takes a `session.welcome`: the session is open or resumed.
    pub(super) fn on_welcome(&mut self, text: &str, envelope: &Envelope<'_>) {
        if !self.state.is_greeting() {
            return;
        }
        let welcome: read::Welcome<'_> = payload(envelope);
        let on_envelope = envelope.session_id.as_ref().map(Text::as_str).filter(|id| !id.is_empty());
        let Some(id) = on_envelope.or(welcome.session_id.as_str()).filter(|id| is_plain(id)) else {
            return self.refused(1002, "malformed", CloseReason::Protocol("the welcome names no session"));
        };
        let resumed = self.session.is_some();
        let id_of_answer = envelope.id.as_ref().map_or("", Text::as_str);
        let peer = Peer::recognise(text, envelope, &welcome, self.transport.is_hello(id_of_answer));
        if let Some(session) = self.session.as_mut().filter(|session| session.id() != id) {
            const SENTENCE: &str = "not the session that was to be resumed";
            if !session.replaced() {
                return self.refused(1000, SENTENCE, CloseReason::SessionReplaced);
            }
            self.close_transport(1000, SENTENCE);
            return self.lose(LostReason::Replaced);
        }
        self.state.welcome();
        self.refused_token = None;
        let features = welcome.features().intersection(self.config.features);
        let session = self.session.get_or_insert_with(|| Session::new(id, features));
        session.welcome(features, welcome.resume_token.owned().map(Secret::new), peer);
        let features = session.features();
        let heartbeat = welcome.heartbeat_interval_sec.value().filter(|_| features.has(Feature::Heartbeat));
        let heartbeat = heartbeat.map(|seconds| seconds.clamp(1, MAX_HEARTBEAT_SECS));
        let interval = heartbeat.map(|seconds| seconds.saturating_mul(1_000_000));
        self.transport.welcome(interval, self.now, self.outbox.clock().read(self.now));
        let event = ClientEvent::Welcome(Box::new(Welcome {
            session_id: id.into(),
            resumed,
            features,
            agents: welcome.agents(),
            heartbeat_interval_sec: heartbeat.and_then(|seconds| u32::try_from(seconds).ok()),
            resume_window_sec: welcome.resume_window_sec.value(),
            runtime_name: welcome.runtime_name(),
            runtime_version: welcome.runtime_version(),
        }));
        self.emit(event, envelope.payload.map_or(0, |payload| payload.get().len()));
        self.silence.welcomed(self.read_time());
        if resumed && !peer.streams_after_resume {
            self.subscribe_again();
        }
        self.fail_unnegotiated(features);
    }

    /// Fails the requests that were queued before the welcome and need a feature that was not negotiated.
    fn fail_unnegotiated(&mut self, features: Features) {
        for id in self.requests.ids() {
            let needs = self.requests.get(id).map_or(Features::NONE, |request| request.needs);
            if let Some(missing) = needs.iter().find(|feature| !features.has(*feature)) {
                self.fail(id, RequestFailure::NotNegotiated(missing.as_str()));
            }
        }
    }

    /// Tries again, or closes the client, after the runtime has answered the hello with an error.
    pub(super) fn greeting_refused(&mut self, fault: RemoteFault) {
        // A runtime that has begun another session, and does not know `session.resume` either.
        if fault.known() == Some(ErrorCode::InvalidRequest) && self.session.as_ref().is_some_and(Session::is_replaced) {
            return self.refused(1000, "refused", CloseReason::SessionReplaced);
        }
        if fault.known() == Some(ErrorCode::Unauthenticated) {
            return self.token_refused(fault);
        }
        let is_temporary = match fault.known() {
            Some(ErrorCode::InternalError) | None => fault.retryable,
            Some(ErrorCode::HeartbeatLost) => true,
            // The runtime of the Python SDK denies a resume as long as it has not noticed that the old connection is
            // gone.
            Some(ErrorCode::PermissionDenied) => self.session.is_some() && self.state.attempt() < MAX_RESUME_ATTEMPTS,
            Some(_) => false,
        };
        if is_temporary {
            self.close_transport(1000, "refused for now");
            self.lose(LostReason::Refused(fault));
        } else {
            self.refused(1000, "refused", CloseReason::Refused(fault));
        }
    }
}
