//! Liveness: pings, heartbeats, and peers that do not read (§6.4).

use alloc::string::String;

use super::Runtime;
use super::conns::silence::Silence;
use super::dispatch::Request;
use super::host::{ConnId, SessionKey};
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::request;
use crate::json::Object;

/// The maximum length of a nonce in bytes. It is repeated in the pong.
const MAX_NONCE: usize = 1024;

impl Runtime {
    pub(super) fn on_ping(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let ping: request::Ping<'_> = request::decode(request.kind, request.envelope.payload)?;
        if ping.nonce.as_str().len() > MAX_NONCE {
            return Err(Fault::invalid("a nonce has at most 1024 bytes"));
        }
        let payload =
            Object::new().text("ping_nonce", ping.nonce.as_str()).plain("received_at", self.clock.text()).close();
        self.reply_free(key, "session.pong", &payload);
        Ok(())
    }

    /// Checks the silence of a connection: pings it after one idle interval, and closes it after two silent ones.
    pub(super) fn heartbeat(&mut self, conn: ConnId) {
        let now = self.clock.now();
        let interval = self.config.heartbeat_secs() * 1_000_000;
        match self.conns.silence(conn, now, interval) {
            Silence::Dead => {
                let reason = "nothing was heard for two heartbeat intervals";
                self.refuse(conn, None, &Fault::new(ErrorCode::HeartbeatLost, reason));
                self.end_connection(conn, 1008, reason);
                return;
            }
            Silence::Ping => self.ping(conn),
            Silence::None => {}
        }
        self.conns.watch_heartbeat(conn, now, interval, &mut self.timers);
    }

    fn ping(&mut self, conn: ConnId) {
        let now = self.clock.now();
        let session = self.conns.session(conn).and_then(|key| self.sessions.get(key));
        let head = session.map_or("", |session| &**session.head());
        let mut nonce = String::from("p_");
        EnvelopeId::next(&mut self.random, now).push_to(&mut nonce);
        let payload = Object::new().plain("nonce", nonce).plain("sent_at", self.clock.text()).close();
        let id = EnvelopeId::next(&mut self.random, now);
        let frame = envelope::frame(id, "session.ping", head, None, &[&payload]);
        if let Some(open) = self.conns.get_mut(conn) {
            open.ping(frame);
            self.conns.touch(conn);
        }
    }

    /// Closes a connection that takes no frame for too long.
    pub(super) fn stalled(&mut self, conn: ConnId) {
        // A guest's frames are taken when the client of its session reads, whose connection has a deadline of its own.
        if !self.is_guest(conn)
            && self.conns.is_stalled(conn, self.clock.now(), self.config.stall_timeout, &mut self.timers)
        {
            self.cut(conn, 1008, "the peer does not read");
        }
    }
}
