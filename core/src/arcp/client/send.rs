//! What goes out, and when: as the transport's credit lasts, signs of life first.

use alloc::boxed::Box;
use alloc::string::String;

use bytes::Bytes;

use super::state::State;
use super::{Client, Session};
use crate::arcp::wire::envelope;
use crate::arcp::wire::ids::EnvelopeId;
use crate::json::Object;

/// Pings of the runtime that wait to be answered; of more, the oldest are forgotten.
const PONGS: usize = 16;
/// The longest nonce that is kept for an answer.
const NONCE: usize = 1_024;

impl Client {
    pub(super) fn send_hello(&mut self) {
        let config = &self.config;
        let features = serde_json::to_string(&config.features).unwrap_or_default();
        let capabilities = Object::new().json("encodings", "[\"json\"]").json("features", &features).close();
        let client = Object::new().text("name", &config.name).text("version", &config.version).close();
        let auth = Object::new().text("scheme", "bearer").text("token", config.token.expose()).close();
        let resume = self.session.as_ref().and_then(resume);
        let payload = Object::with_capacity(512)
            .json("client", &client)
            .json("auth", &auth)
            .json("capabilities", &capabilities)
            .opt_json("resume", resume.as_deref())
            .close();
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
            let payload = Object::new().text("ping_nonce", &nonce).plain("received_at", now.to_rfc3339()).close();
            let id = EnvelopeId::next(&mut self.random, now);
            return self.control(id, "session.pong", &payload);
        }
        if self.ping {
            self.ping = false;
            let nonce = self.random.token("p_");
            let payload = Object::new().plain("nonce", nonce).plain("sent_at", now.to_rfc3339()).close();
            let id = EnvelopeId::next(&mut self.random, now);
            return self.control(id, "session.ping", &payload);
        }
        if let Some(seq) = self.session.as_mut().and_then(|session| session.acks.send()) {
            let payload = Object::new().value("last_processed_seq", seq).close();
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

/// `resume` of a hello (§6.3): the last number received, and the newest token.
fn resume(session: &Session) -> Option<String> {
    let token = session.token.as_ref()?;
    let resume = Object::new()
        .text("session_id", &session.id)
        .text("resume_token", token.expose())
        .value("last_event_seq", session.seq.resume_from());
    Some(resume.close())
}
