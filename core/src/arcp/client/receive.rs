//! Frames of the runtime: the session's own messages, and the way to `deliver` and `answer`.

use alloc::boxed::Box;
use alloc::string::String;

use bytes::Bytes;

use super::event::{ClientEvent, CloseReason, LostReason, RequestFailure};
use super::liveness::Acks;
use super::requests::What;
use super::sequence::Sequence;
use super::state::{State, Step};
use super::types::Welcome;
use super::{Client, Session};
use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::error::ErrorCode;
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::reply::read::{self, EventFrame, RemoteFault, payload};
use crate::json::Text;
use crate::secret::Secret;
use crate::time::Time;

/// The longest heartbeat interval that is taken at its word, in seconds.
const MAX_INTERVAL: u64 = 86_400;

/// An envelope whose payload is not read yet.
pub(super) type Frame<'a> = Envelope<'a>;

/// Failed attempts after which a session that the runtime denies is given up.
const RESUME_ATTEMPTS: u32 = 8;

impl Client {
    /// Exactly one message came in. The frame is [`Bytes`] because event bodies and results are handed on as slices of
    /// it, without a copy; a driver that has only `&[u8]` copies once (`Bytes::copy_from_slice`).
    ///
    /// With no transport up it is ignored.
    pub fn handle_frame(&mut self, now: Time, frame: &Bytes) {
        self.clock(now);
        if !self.state.connected() {
            return;
        }
        if self.out.flooded(&self.config) {
            self.drop_transport(1008, "frames were handed in although nobody takes their events");
            return self.lose(LostReason::Transport);
        }
        self.live.received(self.now, self.out.clock.read(self.now));
        if frame.len() > self.config.frame_bytes {
            return self.refuse(1009, "too large", CloseReason::Protocol("a frame is larger than the limit"));
        }
        match core::str::from_utf8(frame) {
            Ok(text) if self.read(frame, text) => self.bad_frames = 0,
            Ok(_) | Err(_) => {
                self.bad_frames = self.bad_frames.saturating_add(1);
                if self.bad_frames > self.config.bad_frames {
                    self.refuse(1002, "malformed", CloseReason::Protocol("too many frames are malformed"));
                }
            }
        }
    }

    /// Reads a frame; false if it is no envelope. Events, the most frequent, are read in one pass.
    fn read(&mut self, frame: &Bytes, text: &str) -> bool {
        if let Some(event) = EventFrame::parse(text) {
            self.job_event(frame, &event, true);
            return true;
        }
        let Ok(envelope) = Frame::parse(text) else { return false };
        let Some(kind) = &envelope.kind else { return false };
        match kind.as_str() {
            "job.result" | "job.error" => self.terminal(frame, &envelope, true),
            "job.accepted" => self.accepted(frame, &envelope),
            "job.subscribed" => self.subscribed(frame, &envelope),
            "job.cancelled" => self.cancelled(&envelope),
            "session.jobs" => self.jobs(frame, &envelope),
            "session.welcome" => self.welcome(&envelope),
            "session.error" => self.error(frame, &envelope),
            "session.ping" => {
                let ping: read::Ping<'_> = payload(&envelope);
                self.owe_pong(ping.nonce.as_str().unwrap_or_default());
            }
            "session.closed" if self.state == State::Closing => {
                self.drop_transport(1000, "closed");
                self.done();
            }
            "session.closed" => {
                self.drop_transport(1000, "goodbye");
                self.lose(LostReason::Goodbye);
            }
            // `session.pong` is life and nothing else; unknown types are ignored (§5).
            _ => {}
        }
        self.flush();
        true
    }

    fn welcome(&mut self, envelope: &Frame<'_>) {
        if self.state != State::Greeting {
            return;
        }
        let welcome: read::Welcome<'_> = payload(envelope);
        let on_envelope = envelope.session_id.as_ref().map(Text::as_str).filter(|id| !id.is_empty());
        let Some(id) = on_envelope.or(welcome.session_id.as_str()).filter(|id| is_plain(id)) else {
            return self.refuse(1002, "malformed", CloseReason::Protocol("the welcome names no session"));
        };
        let resumed = self.session.is_some();
        if self.session.as_ref().is_some_and(|session| session.id != id) {
            return self.refuse(1000, "not the session that was to be resumed", CloseReason::SessionReplaced);
        }
        let token = welcome.resume_token.owned().map(Secret::new);
        let features = welcome.features().intersection(self.config.features);
        let session = self.session.get_or_insert_with(|| Session {
            id: String::from(id),
            token: None,
            features,
            taken_up: false,
            inherited: false,
            seq: Sequence::default(),
            acks: Acks::default(),
        });
        if core::mem::take(&mut session.taken_up) {
            session.features = features;
        }
        session.token = token.or(session.token.take());
        let features = session.features;
        let interval = welcome.heartbeat_interval_sec.value().filter(|_| features.has(Feature::Heartbeat));
        let interval = interval.map(|seconds| seconds.clamp(1, MAX_INTERVAL));
        self.step(Step::Welcome);
        self.greeting = None;
        self.attempt = 0;
        let heard = self.out.clock.read(self.now);
        self.live.start(interval.map(|seconds| seconds.saturating_mul(1_000_000)), self.now, heard);
        let event = ClientEvent::Welcome(Box::new(Welcome {
            session_id: String::from(id),
            resumed,
            features,
            agents: welcome.agents(),
            heartbeat_interval_sec: interval.and_then(|seconds| u32::try_from(seconds).ok()),
            resume_window_sec: welcome.resume_window_sec.value(),
            runtime_name: welcome.runtime_name(),
            runtime_version: welcome.runtime_version(),
        }));
        self.emit(event, envelope.payload.map_or(0, |payload| payload.get().len()));
        self.fail_unnegotiated();
    }

    /// What was queued before the welcome, and cannot be sent after it.
    fn fail_unnegotiated(&mut self) {
        let Some(features) = self.session.as_ref().map(|session| session.features) else { return };
        for id in self.requests.ids() {
            let needs = self.requests.get(id).map_or(Features::NONE, |request| request.needs);
            if let Some(missing) = needs.iter().find(|feature| !features.has(*feature)) {
                self.fail(id, RequestFailure::NotNegotiated(missing.as_str()));
            }
        }
    }

    /// `session.error`: of a request, or of the session; never of an accepted job.
    fn error(&mut self, frame: &Bytes, envelope: &Frame<'_>) {
        let error: read::Error<'_> = payload(envelope);
        let fault = error.fault(frame).unwrap_or_else(|| RemoteFault {
            code: String::from(ErrorCode::InternalError.as_str()),
            message: String::from("the runtime sent an error without a code"),
            retryable: false,
            details: None,
        });
        match self.state {
            State::Greeting => self.greeting_refused(fault),
            State::Closing => {
                let id = error.request_id.as_str().and_then(crate::arcp::wire::ids::EnvelopeId::parse);
                let ours = id.is_some() && id == self.close_id;
                if ours || (id.is_none() && fault.known() == Some(ErrorCode::InvalidRequest)) {
                    self.drop_transport(1000, "closed");
                    self.done();
                }
            }
            State::Live => self.live_error(&error, fault),
            State::Idle | State::Lost | State::Closed => {}
        }
    }

    fn greeting_refused(&mut self, fault: RemoteFault) {
        let again = match fault.known() {
            Some(ErrorCode::InternalError) | None => fault.retryable,
            Some(ErrorCode::HeartbeatLost) => true,
            // The Python SDK's runtime says so, too, as long as it has not noticed that the old connection is gone.
            Some(ErrorCode::PermissionDenied) => self.session.is_some() && self.attempt < RESUME_ATTEMPTS,
            Some(_) => false,
        };
        if again {
            self.drop_transport(1000, "refused for now");
            self.lose(LostReason::Refused(fault));
        } else {
            self.refuse(1000, "refused", CloseReason::Refused(fault));
        }
    }

    fn live_error(&mut self, error: &read::Error<'_>, fault: RemoteFault) {
        let named = error.request_id.as_str();
        if let Some(id) = named.and_then(|id| self.requests.by_envelope(id)) {
            return self.fail(id, RequestFailure::Refused(fault));
        }
        match fault.known() {
            Some(ErrorCode::HeartbeatLost) => {
                self.drop_transport(1000, "the runtime heard nothing");
                return self.lose(LostReason::Heartbeat);
            }
            Some(ErrorCode::Unauthenticated | ErrorCode::ResumeWindowExpired) => {
                return self.refuse(1000, "refused", CloseReason::Refused(fault));
            }
            _ => {}
        }
        let oldest = self.requests.oldest(|request| request.what != What::Unsubscribe).filter(|_| named.is_none());
        match oldest {
            Some(id) => self.fail(id, RequestFailure::Refused(fault)),
            None => self.emit(ClientEvent::Notice(Box::new(fault)), 0),
        }
    }
}
