//! What follows every input: waiting jobs are sent, old jobs are forgotten, and changes are recorded.

use super::Router;
use super::record::{Body, RecordKind, RouterRecord};
use crate::time::{Time, micros};

impl Router {
    /// Handles one input: dispatches it once, then flushes once.
    pub(super) fn input<R>(&mut self, now: Time, handle: impl FnOnce(&mut Router) -> R) -> R {
        self.clock.advance(now);
        let result = handle(self);
        self.dispatch_waiting();
        let before = self.clock.now().0.checked_sub(micros(self.config.retention)).map(Time);
        self.jobs.forget(before, &self.config.limits);
        self.record();
        self.outbox.commit();
        result
    }

    /// Makes a record of every job that has changed.
    fn record(&mut self) {
        let (changed, forgotten) = (self.jobs.take_changed(), self.jobs.take_forgotten());
        if !self.config.records {
            return;
        }
        for key in changed {
            if let Some(job) = self.jobs.touch(key) {
                self.outbox.store(job.record(&self.clock));
            }
        }
        for id in forgotten {
            self.outbox.store(RouterRecord::new(RecordKind::Forgotten, &id, Body::default()));
        }
    }

    /// Notes that the records up to a number are durable.
    pub fn handle_stored(&mut self, now: Time, upto: u64) {
        self.clock.advance(now);
        self.outbox.durable(upto);
    }
}
