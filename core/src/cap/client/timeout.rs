//! Handles deadlines that have passed.

use super::Client;
use super::output::{ClientEvent, ClientOutput, ClientTimer};
use crate::time::Time;

impl Client {
    /// Does what is due. Called early or for nothing, it changes nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        while let Some((timer, job)) = self.jobs.expired(self.clock.now()) {
            match timer {
                ClientTimer::Resubmit => {
                    self.jobs.resubmitted(job);
                    self.publish_again(job);
                }
                ClientTimer::Cancel => self.publish_cancel(job),
                ClientTimer::Wait => {
                    let unheard = self.jobs.unheard(job);
                    if self.jobs.end(job) {
                        self.outputs.push_back(ClientOutput::Event(ClientEvent::NoResult { job, unheard }));
                    }
                }
            }
        }
    }
}
