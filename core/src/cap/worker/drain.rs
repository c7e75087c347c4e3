//! Draining a worker: it takes no more jobs, and finishes the jobs that it has.

use super::Worker;
use super::output::{WorkerEvent, WorkerOutput};
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Worker {
    /// Drains the worker. It announces that it no longer serves any topic, unsubscribes from its topics, and finishes
    /// its jobs, including waiting ones. It emits [`WorkerEvent::Drained`] once no result waits for the bus. A request
    /// that still arrives fails and can be tried on another worker.
    pub fn drain(&mut self, now: Time) {
        self.input(now, |this| {
            if this.phase.drain() && this.is_subscribed() {
                this.shake_hands();
                for topic in &this.config.topics {
                    this.outbox.push(WorkerOutput::Unsubscribe { subject: Subject::Topic(topic.clone()) });
                }
            }
        });
    }

    /// Ends a drain once no job is left.
    pub(super) fn end_drain(&mut self) {
        if self.jobs.is_idle() && self.outbox.unsent() == 0 && self.phase.empty() {
            if self.is_subscribed() {
                self.outbox.push(WorkerOutput::Unsubscribe { subject: Subject::Direct(self.config.id.clone()) });
            }
            if self.outbox.is_connected() {
                self.outbox.push(WorkerOutput::Unsubscribe { subject: Subject::JobCancel });
            }
            self.presence.stop(&mut self.timers);
            self.outbox.event(WorkerEvent::Drained);
        }
    }
}
