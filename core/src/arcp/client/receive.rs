//! Frames of the runtime, each handed to the method for its type.

use alloc::boxed::Box;
use alloc::string::String;

use bytes::Bytes;

use super::Client;
use super::deliver::Number;
use super::event::{ClientEvent, CloseReason, LostReason, RequestFailure};
use super::requests::Ask;
use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::error::ErrorCode;
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::reply::SESSIONS;
use crate::arcp::wire::reply::read::{self, EventFrame, Quote, RemoteFault, payload};
use crate::arcp::wire::status::STATUS;
use crate::time::Time;

impl Client {
    /// Takes one message that the transport received.
    ///
    /// The frame is [`Bytes`] because bodies and results are handed on as slices of it, without a copy. A driver that
    /// has only a `&[u8]` copies it once with [`Bytes::copy_from_slice`]. Ignored while no transport is up.
    pub fn handle_frame(&mut self, now: Time, frame: &Bytes) {
        self.advance(now);
        if !self.state.is_connected() {
            return;
        }
        if self.outbox.is_flooded(&self.config.limits) {
            self.close_transport(1008, "frames were handed in although their events are not taken");
            return self.lose(LostReason::Transport);
        }
        self.transport.received(self.now, self.outbox.clock().read(self.now));
        if frame.len() > self.config.limits.frame_bytes {
            return self.refused(1009, "too large", CloseReason::Protocol("a frame is larger than the limit"));
        }
        if core::str::from_utf8(frame).is_ok_and(|text| self.read(frame, text)) {
            self.transport.well_formed();
        } else if self.transport.malformed() > self.config.limits.bad_frames {
            self.refused(1002, "malformed", CloseReason::Protocol("too many frames are malformed"));
        }
        if self.outbox.clock().is_paused() {
            self.begin_unanswered();
        }
    }

    /// Reads a frame and returns whether it is well-formed. Events, the most frequent frames, are read in one pass.
    fn read(&mut self, frame: &Bytes, text: &str) -> bool {
        if let Some(event) = EventFrame::parse(text) {
            self.on_event(frame, &event);
            return true;
        }
        let Ok(envelope) = Envelope::parse(text) else { return false };
        let Some(kind) = &envelope.kind else { return false };
        match kind.as_str() {
            "session.welcome" => self.on_welcome(text, &envelope),
            "session.error" => self.on_error(frame, &envelope),
            kind if envelope.event_seq.is_none() => self.dispatch(kind, frame, &envelope, Number::NONE),
            kind => {
                // Some runtimes number every frame of a job, whatever its type.
                let Some(number) = self.arrive(envelope.session_id.as_ref(), envelope.event_seq) else { return true };
                self.dispatch(kind, frame, &envelope, number);
            }
        }
        self.flush();
        true
    }

    /// Hands a frame of the session to the method for its type.
    fn dispatch(&mut self, kind: &str, frame: &Bytes, envelope: &Envelope<'_>, number: Number) {
        match kind {
            "job.result" | "job.error" => self.on_terminal(frame, envelope, number),
            "job.accepted" => self.on_accepted(frame, envelope),
            "job.subscribed" => self.on_subscribed(frame, envelope),
            "job.cancelled" => self.on_cancelled(envelope),
            "session.jobs" => self.on_jobs(frame, envelope),
            "x-vendor.nuncio.answered" => self.on_answered(frame, envelope),
            "x-vendor.nuncio.questions" => self.on_questions(frame, envelope),
            SESSIONS => self.on_sessions(frame, envelope),
            STATUS => self.on_status(frame, envelope),
            "session.ping" => {
                let ping: read::Ping<'_> = payload(envelope);
                self.transport.pinged(ping.nonce.as_str().unwrap_or_default());
            }
            "session.closed" if self.state.is_closing() => self.closed(),
            "session.closed" => {
                self.close_transport(1000, "goodbye");
                self.lose(LostReason::Goodbye);
            }
            // A `session.pong` is a sign of life and nothing else. Unknown types are ignored (§5).
            _ => {}
        }
    }

    /// Takes a `session.error`: it refuses the session or a request, but never ends an accepted job.
    pub(super) fn on_error(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let error: read::Error<'_> = payload(envelope);
        let fault = error.fault(frame).unwrap_or_else(|| RemoteFault {
            code: String::from(ErrorCode::InternalError.as_str()),
            message: String::from("the runtime sent an error without a code"),
            retryable: false,
            details: None,
        });
        if self.state.is_greeting() {
            self.greeting_refused(fault);
        } else if self.state.is_closing() {
            self.goodbye_refused(envelope, &fault);
        } else if self.state.is_live() {
            self.request_refused(envelope, fault);
        }
    }

    /// Ends a closing client if this error answers its `session.close`, which some runtimes do not know.
    fn goodbye_refused(&mut self, envelope: &Envelope<'_>, fault: &RemoteFault) {
        let is_answer = match Quote::of(envelope).as_str().and_then(EnvelopeId::parse) {
            Some(id) => self.goodbye.as_ref().is_some_and(|goodbye| goodbye.is_answered_by(id)),
            None => fault.known() == Some(ErrorCode::InvalidRequest),
        };
        if is_answer {
            self.closed();
        }
    }

    /// Assigns an error in a live session to its request. One without a `request_id` belongs to the session if its code
    /// says so, and otherwise to the oldest unanswered request.
    fn request_refused(&mut self, envelope: &Envelope<'_>, fault: RemoteFault) {
        let quote = self.quote(envelope);
        let quoted = quote.as_deref();
        if let Some(id) = quoted.and_then(|id| self.requests.sent_as(id)) {
            return self.fail(id, RequestFailure::Refused(fault));
        }
        match fault.known() {
            Some(ErrorCode::HeartbeatLost) => {
                self.close_transport(1000, "the runtime heard nothing");
                return self.lose(LostReason::Heartbeat);
            }
            Some(ErrorCode::Unauthenticated) => return self.token_refused(fault),
            Some(ErrorCode::ResumeWindowExpired) => {
                return self.refused(1000, "refused", CloseReason::Refused(fault));
            }
            _ => {}
        }
        let oldest = self.requests.oldest(|request| request.ask != Ask::Unsubscribe).filter(|_| quoted.is_none());
        match oldest {
            Some(id) => self.fail(id, RequestFailure::Refused(fault)),
            None => self.emit(ClientEvent::Notice(Box::new(fault)), 0),
        }
    }
}
