//! What goes out, and when: as the transport's credit lasts, signs of life first.

use alloc::boxed::Box;

use bytes::Bytes;

use super::Client;
use super::state::State;
use crate::arcp::wire::envelope;
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::request::write;

/// Pings of the runtime that wait to be answered; of more, the oldest are forgotten.
const PONGS: usize = 16;
/// The longest nonce that is kept for an answer.
const NONCE: usize = 1_024;

impl Client {
    pub(super) fn send_hello(&mut self) {
        let resume = self.session.as_ref().and_then(|session| {
            Some(write::Resume {
                session_id: &session.id,
                token: session.token.as_ref()?.expose(),
                last_event_seq: session.seq.resume_from(),
            })
        });
        let payload = write::hello(&write::Hello {
            name: &self.config.name,
            version: &self.config.version,
            token: self.config.token.expose(),
            features: self.config.features,
            resume,
        });
        let id = EnvelopeId::next(&mut self.random, self.now);
        self.out.send(envelope::frame(id, "session.hello", "", None, &[&payload]));
    }

    /// Keeps a ping's nonce for its pong.
    pub(super) fn owe_pong(&mut self, nonce: &str) {
        if nonce.len() > NONCE {
            return;
        }
        if self.pongs.len() == PONGS {
            self.pongs.pop_front();
        }
        self.pongs.push_back(Box::from(nonce));
    }

    /// Sends what may be sent now.
    pub(super) fn flush(&mut self) {
        while matches!(self.state, State::Live | State::Closing) && self.out.credit(&self.config) {
            let Some(frame) = self.next_frame() else { return };
            self.out.send(frame);
            self.live.sent(self.now);
        }
    }

    fn next_frame(&mut self) -> Option<Bytes> {
        let now = self.now;
        if let Some(nonce) = self.pongs.pop_front() {
            let payload = write::pong(&nonce, now);
            let id = EnvelopeId::next(&mut self.random, now);
            return self.control(id, "session.pong", &payload);
        }
        if self.ping {
            self.ping = false;
            let nonce = self.random.token("p_");
            let payload = write::ping(&nonce, now);
            let id = EnvelopeId::next(&mut self.random, now);
            return self.control(id, "session.ping", &payload);
        }
        if let Some(seq) = self.session.as_mut().and_then(|session| session.acks.send()) {
            let payload = write::ack(seq);
            let id = EnvelopeId::next(&mut self.random, now);
            return self.control(id, "session.ack", &payload);
        }
        if let Some(payload) = self.goodbye.take() {
            let id = EnvelopeId::next(&mut self.random, now);
            self.close_id = Some(id);
            return self.control(id, "session.close", &payload);
        }
        if self.state != State::Live || !self.requests.waiting() {
            return None;
        }
        let session = self.session.as_ref()?;
        let id = EnvelopeId::next(&mut self.random, now);
        let deadline = self.out.clock.read(now).plus_micros(self.config.request_timeout);
        self.requests.send(id, deadline, |request| {
            let trace = request.trace.as_ref().map(|trace| trace as &dyn core::fmt::Display);
            let job = request.job.as_ref().map(|job| job as &dyn core::fmt::Display);
            let head = envelope::head(&session.id, trace, job);
            match &request.extensions {
                Some(extensions) => {
                    envelope::frame(id, request.kind, &head, None, &[&request.payload, ",\"extensions\":", extensions])
                }
                None => envelope::frame(id, request.kind, &head, None, &[&request.payload]),
            }
        })
    }

    fn control(&self, id: EnvelopeId, kind: &str, payload: &str) -> Option<Bytes> {
        let session = self.session.as_ref()?;
        Some(envelope::frame(id, kind, &envelope::head(&session.id, None, None), None, &[payload]))
    }
}
