//! Frames of the client: the hello, signs of life, acknowledgements and requests, as far as the transport has credit.

use alloc::string::String;

use bytes::Bytes;

use super::Client;
use super::session::Session;
use crate::arcp::wire::envelope;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::{EnvelopeId, SessionUlid};
use crate::arcp::wire::request::write::{self, HelloForm};
use crate::time::Time;

impl Client {
    /// Reports that some frames of [`ClientOutput::Send`](super::ClientOutput::Send) were written, which returns their
    /// credit. Too high a number is harmless.
    pub fn handle_sent(&mut self, now: Time, frames: usize) {
        self.advance(now);
        self.outbox.sent(frames);
        self.flush();
    }

    /// Sends the hello, or the `session.resume` in its place, regardless of credit.
    ///
    /// Its form is that of the runtime, as far as a welcome has shown which one it is. A hello for one that is not known
    /// says everything in every form; its envelope names a session, because the Ruby SDK requires it.
    pub(super) fn send_hello(&mut self) {
        let form = self.session.as_ref().map_or(HelloForm::All, Session::hello);
        let resume = self.session.as_ref().and_then(Session::resume);
        let fresh = SessionUlid(self.random.random_u128());
        let head = match &self.session {
            _ if !form.names_session() => String::new(),
            Some(session) => envelope::head(&session.id(), None, None),
            None => envelope::head(&fresh, None, None),
        };
        let id = EnvelopeId::next(&mut self.random, self.now);
        self.transport.greeted(id);
        if let Some(resume) = resume.as_ref().filter(|_| form == HelloForm::Message) {
            let payload = write::resume(resume, self.config.token.expose());
            return self.outbox.send(envelope::frame(id, "session.resume", "", None, &[&payload]));
        }
        let payload = write::hello(&write::Hello {
            form,
            name: &self.config.name,
            version: &self.config.version,
            token: self.config.token.expose(),
            features: self.config.features,
            resume,
        });
        self.outbox.send(envelope::frame(id, "session.hello", &head, None, &[&payload]));
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
        let repeats = session.features().has(Feature::AcceptedReplay);
        self.requests.next(id, deadline, repeats, |request, id| {
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
