//! Slots of agents that several runtimes of a host share (ours): the host lends each to one of them at a time.
//!
//! ```text
//!  a job waits for a slot  -> Event::SlotWanted -> the host lends one -> lend_slot -> the job runs
//!  its job ends            -> Event::SlotFreed  -> the host lends it to the runtime that has waited the longest
//! ```

use alloc::boxed::Box;

use super::Runtime;
use super::event::Event;
use super::host::JobKey;
use super::jobs::job::Job;
use crate::time::Time;

impl Runtime {
    /// Answers [`Event::SlotWanted`]: one more job of this agent may run here. If no job waits for it any more, the slot is given
    /// back with [`Event::SlotFreed`].
    pub fn lend_slot(&mut self, now: Time, agent: &str) {
        self.input(now, |this| match this.agents.borrow(agent) {
            Some(job) => this.run(job),
            None => this.event(Event::SlotFreed { agent: agent.into() }),
        });
    }

    /// Asks the host for a slot for a job that waits, if it lends them.
    pub(super) fn want_slot(&mut self, job: JobKey) {
        let agent = self.jobs.get(job).map(Job::accepted).map(|accepted| &accepted.agent);
        if let Some(agent) = agent.filter(|agent| self.agents.borrows(agent)).cloned() {
            self.event(Event::SlotWanted { agent });
        }
    }

    /// Frees the slot of a job that has ended.
    pub(super) fn free_slot(&mut self, agent: &str) {
        self.agents.release(agent);
        if self.agents.borrows(agent) {
            self.event(Event::SlotFreed { agent: Box::from(agent) });
        }
    }
}
