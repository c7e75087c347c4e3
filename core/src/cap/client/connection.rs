//! The bus comes and goes.

use super::Client;
use super::output::ClientOutput;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Client {
    /// Notes that the bus is there, without the subscriptions of an earlier connection. The client subscribes, and sends all
    /// requests whose results are awaited, because it may have missed them: at once, and until something is heard of a job
    /// again after pauses that begin with [`ClientConfig::reconnected_after`](super::config::ClientConfig::reconnected_after).
    pub fn handle_connected(&mut self, now: Time) {
        self.advance(now);
        if core::mem::replace(&mut self.is_connected, true) {
            return;
        }
        for subject in [Subject::JobResult, Subject::JobProgress] {
            self.outputs.push_back(ClientOutput::Subscribe { subject });
        }
        for job in self.jobs.keys() {
            self.jobs.reconnect(job);
            self.publish_again(job);
        }
    }

    /// Notes that the bus is away. What was to be published and was not polled yet is dropped; it is sent again when the bus
    /// is back.
    pub fn handle_disconnected(&mut self, now: Time) {
        self.advance(now);
        self.is_connected = false;
        self.outputs.retain(|output| matches!(output, ClientOutput::Event(_)));
        for job in self.jobs.keys() {
            self.jobs.rest(job);
        }
    }
}
