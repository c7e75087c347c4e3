//! Questions of jobs, as all jobs count them (ours).

use alloc::vec::Vec;

use super::Jobs;
use super::questions::state::QuestionState;
use super::questions::{Asked, Questions};
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::timers::Timers;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::question::Outcome;

impl Jobs {
    /// Returns the open questions of the jobs of a principal.
    pub(in crate::arcp::runtime) fn open_questions_of(&self, principal: &str) -> usize {
        self.asking.of(principal)
    }

    /// Returns the open questions of all jobs.
    pub(in crate::arcp::runtime) fn open_questions(&self) -> usize {
        self.asking.len()
    }

    /// Returns the open questions of all jobs, or of one, after the last one that was looked at.
    pub(in crate::arcp::runtime) fn questions_after(
        &self,
        job: Option<JobUlid>,
        after: Option<(JobUlid, u64)>,
    ) -> impl Iterator<Item = (JobUlid, u64)> {
        self.asking.after(job, after)
    }

    /// Adds an open question to a job.
    pub(in crate::arcp::runtime) fn add_question(
        &mut self,
        id: JobKey,
        (number, asked): (u64, Asked),
        named: bool,
        timers: &mut Timers,
    ) {
        self.charges.mark(&mut self.table, id);
        let Some(job) = self.table.get_mut(id) else { return };
        job.questions_mut().add(number, asked, named, id, timers);
        self.asking.add(&job.accepted().principal, job.ulid(), number);
    }

    /// Ends an open question of a job. Returns whether it was open.
    pub(in crate::arcp::runtime) fn settle_question(
        &mut self,
        id: JobKey,
        number: u64,
        transition: fn(&mut QuestionState) -> bool,
        outcome: Outcome,
        timers: &mut Timers,
    ) -> bool {
        self.charges.mark(&mut self.table, id);
        let Some(job) = self.table.get_mut(id) else { return false };
        if !job.questions_mut().settle(number, transition, outcome, id, timers) {
            return false;
        }
        self.asking.remove(&job.accepted().principal, job.ulid(), number);
        true
    }

    /// Withdraws the open questions of a job that has ended or is left.
    pub(super) fn close_questions(
        &mut self,
        id: JobKey,
        end: fn(&mut Questions, JobKey, &mut Timers),
        timers: &mut Timers,
    ) {
        let Some(job) = self.table.get_mut(id) else { return };
        let open: Vec<u64> = job.questions().open_numbers().collect();
        end(job.questions_mut(), id, timers);
        for number in open {
            self.asking.remove(&job.accepted().principal, job.ulid(), number);
        }
    }
}
