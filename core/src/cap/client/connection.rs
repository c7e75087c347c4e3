//! Handles connections and disconnections of the bus.

use super::Client;
use super::output::ClientOutput;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Client {
    /// Notes that the bus is connected, without the subscriptions of an earlier connection. The client subscribes, and
    /// sends the requests of all unfinished jobs again, because it may have missed their results. It sends them at
    /// once, and then, until something is heard of a job, after pauses that begin with
    /// [`ClientConfig::reconnected_after`](super::config::ClientConfig::reconnected_after).
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

    /// Notes that the bus is disconnected. Packets that were not polled yet are dropped, and are sent again on the next
    /// connection.
    pub fn handle_disconnected(&mut self, now: Time) {
        self.advance(now);
        self.is_connected = false;
        self.outputs.retain(|output| matches!(output, ClientOutput::Event(_)));
        for job in self.jobs.keys() {
            self.jobs.rest(job);
        }
    }
}
