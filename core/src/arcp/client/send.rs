//! Frames of the client: the hello, signs of life, acknowledgements and requests, as far as the transport has credit.

use bytes::Bytes;

use super::Client;
use super::session::Session;
use crate::arcp::wire::envelope;
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::request::write;
use crate::time::Time;

impl Client {
    /// Reports that some frames of [`ClientOutput::Send`](super::ClientOutput::Send) were written, which returns their
    /// credit. Too high a number is harmless.
    pub fn handle_sent(&mut self, now: Time, frames: usize) {
        self.advance(now);
        self.outbox.sent(frames);
        self.flush();
    }

    /// Sends the hello, regardless of credit.
    pub(super) fn send_hello(&mut self) {
        let payload = write::hello(&write::Hello {
            name: &self.config.name,
            version: &self.config.version,
            token: self.config.token.expose(),
            features: self.config.features,
            resume: self.session.as_ref().and_then(Session::resume),
        });
        let id = EnvelopeId::next(&mut self.random, self.now);
        self.outbox.send(envelope::frame(id, "session.hello", "", None, &[&payload]));
    }

    /// Sends whatever may be sent now. Every input ends with this.
    pub(super) fn flush(&mut self) {
        while (self.state.is_live() || self.state.is_closing()) && self.outbox.has_credit(&self.config.limits) {
            let Some(frame) = self.next_frame() else { return };
            self.outbox.send(frame);
            self.transport.sent(self.now);
        }
    }

    /// Returns the next frame to send: signs of life first, then the acknowledgement, then requests.
    fn next_frame(&mut self) -> Option<Bytes> {
        let session = self.session.as_mut()?;
        let (now, random) = (self.now, &mut self.random);
        if let Some(nonce) = self.transport.next_pong() {
            let id = EnvelopeId::next(random, now);
            return Some(control(session, id, "session.pong", &write::pong(&nonce, now)));
        }
        if self.transport.next_ping() {
            let payload = write::ping(&random.token("p_"), now);
            let id = EnvelopeId::next(random, now);
            return Some(control(session, id, "session.ping", &payload));
        }
        if let Some(seq) = session.next_ack() {
            let id = EnvelopeId::next(random, now);
            return Some(control(session, id, "session.ack", &write::ack(seq)));
        }
        if let Some(goodbye) = &mut self.goodbye
            && let Some((id, payload)) = goodbye.next(|| EnvelopeId::next(random, now))
        {
            return Some(control(session, id, "session.close", &payload));
        }
        if !self.state.is_live() || !self.requests.is_queued() {
            return None;
        }
        let id = EnvelopeId::next(random, now);
        let deadline = self.outbox.clock().read(now).plus(self.config.request_timeout);
        self.requests.next(id, deadline, |request| {
            let trace = request.trace.as_ref().map(|trace| trace as &dyn core::fmt::Display);
            let job = request.job.as_ref().map(|job| job as &dyn core::fmt::Display);
            let head = envelope::head(&session.id(), trace, job);
            let (kind, payload) = (request.ask.message_type(), &*request.payload);
            match &request.extensions {
                Some(extensions) => envelope::frame(id, kind, &head, None, &[payload, ",\"extensions\":", extensions]),
                None => envelope::frame(id, kind, &head, None, &[payload]),
            }
        })
    }
}

/// Returns a frame of the session itself.
fn control(session: &Session, id: EnvelopeId, kind: &str, payload: &str) -> Bytes {
    envelope::frame(id, kind, &envelope::head(&session.id(), None, None), None, &[payload])
}
