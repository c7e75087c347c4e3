//! The progress of a client: frames that were written to it, and events that it has acknowledged (§6.5).

use super::Runtime;
use super::dispatch::Request;
use super::event::Timer;
use super::host::{ConnId, SessionKey};
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::request;
use crate::time::Time;

impl Runtime {
    /// Reports that the driver has written a number of frames to the socket, which returns their credit. Late reports, and
    /// reports of more than was sent, are ignored.
    pub fn handle_sent(&mut self, now: Time, conn: ConnId, frames: usize) {
        self.input(now, |this| {
            let now = this.clock.now();
            let Some(open) = this.conns.get_mut(conn) else { return };
            let written = open.written(frames, now);
            if let Some(key) = open.session()
                && let Some(session) = this.sessions.get_mut(key)
            {
                if let Some(delay) = session.dialect().row().subscription_delay.filter(|_| written.subscribed) {
                    let at = now.plus_micros(delay);
                    session.start_replays(at);
                    this.timers.arm(at, Timer::Subscription, key);
                }
                if let Some(seq) = written.seq {
                    session.written(seq);
                    this.unblock(key);
                }
            }
            this.conns.touch(conn);
        });
    }

    pub(super) fn on_ack(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let ack: request::Ack = request::decode_owned(request.kind, request.envelope.payload)?;
        let Some(session) = self.sessions.get_mut(key).filter(|session| session.has(Feature::Ack)) else {
            return Ok(());
        };
        session.acknowledge(ack.last_processed_seq.0, &self.config.limits);
        let stride = (self.config.limits.log_events as u64 / 16).clamp(1, 256);
        self.record_ack(key, stride);
        self.unblock(key);
        Ok(())
    }
}
