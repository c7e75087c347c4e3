//! Handles connections and disconnections of the bus.

use alloc::vec::Vec;

use super::Router;
use super::output::RouterJob;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Router {
    /// Notes that the bus is connected, without the subscriptions of an earlier connection. The router subscribes,
    /// publishes the packets that were made in the meantime, and asks workers for the results that it may have missed.
    pub fn handle_connected(&mut self, now: Time) {
        self.input(now, |this| {
            if !this.outbox.connect() {
                return;
            }
            for subject in [
                Subject::JobSubmit,
                Subject::JobResult,
                Subject::JobProgress,
                Subject::JobCancel,
                Subject::Heartbeat,
                Subject::Handshake,
            ] {
                this.outbox.subscribe(subject);
            }
            if this.trust.is_some() {
                this.outbox.subscribe(Subject::TrustChallenge);
                this.outbox.subscribe(Subject::TrustAuthenticate);
            }
            this.outbox.publish_unsent();
            this.acquainted = this.clock.now().plus(this.config.heartbeat_interval);
            let until = this.clock.now().plus(this.config.worker_timeout());
            this.workers.spare(until, &mut this.timers);
            let jobs: Vec<RouterJob> = this.jobs.keys().collect();
            for job in jobs {
                // Signs may have been missed.
                this.await_report(job);
                this.resend(job);
            }
            this.queue.wake_all();
        });
    }

    /// Notes that the bus is away. Jobs are sent when it is back; results are kept until then.
    pub fn handle_disconnected(&mut self, now: Time) {
        self.input(now, |this| {
            this.outbox.disconnect();
            this.workers.pardon(&mut this.timers);
        });
    }
}
