//! The end of a family of jobs (§10): each job ends after those below it.
//!
//! ```text
//! end_fault, end_success --> end_family --the jobs below it, deepest first, then the job--> done
//!                              |      ^
//!             the turn is over |      | take_turn
//!                              v      |
//!                            Rest::Family, and the job keeps how it ends
//! ```
//!
//! A job that keeps how it ends does nothing more, and takes no new jobs below it. `abort` and a restart do not wait for turns.

use super::Runtime;
use super::end::cancelled;
use super::host::JobKey;
use super::jobs::ending::JobEnd;
use super::jobs::job::Job;
use super::jobs::state::{Cause, JobState};
use super::unfinished::Rest;
use super::work;

impl Runtime {
    /// Ends the jobs below a job, each before the one above it, and then the job. What is too much for a turn is left to
    /// later ones.
    pub(super) fn end_family(&mut self, id: JobKey, ending: JobEnd) {
        let takes_turns = !matches!(ending, JobEnd::Fault(Cause::Aborted, _));
        if self.end_all_below(id, takes_turns) {
            self.end_alone(id, ending);
        } else {
            self.jobs.keep_ending(id, ending);
            self.leave_to_later_turn(Rest::Family(id));
        }
    }

    /// Goes on with the end of a family.
    pub(super) fn go_on_with_family(&mut self, id: JobKey) {
        if let Some(ending) = self.jobs.take_ending(id) {
            self.end_family(id, ending);
        }
    }

    /// Ends a job whose end waits for the jobs below it, without waiting for a turn.
    pub(super) fn end_family_now(&mut self, id: JobKey) {
        if let Some(ending) = self.jobs.take_ending(id) {
            self.end_all_below(id, false);
            self.end_alone(id, ending);
        }
    }

    /// Ends the jobs below a job. Returns false if some are left to later turns, which it does only if it `takes_turns`.
    fn end_all_below(&mut self, id: JobKey, takes_turns: bool) -> bool {
        while let Some(below) = self.jobs.first_to_end_below(id) {
            if takes_turns && self.is_input_long() {
                return false;
            }
            self.end_below(below);
        }
        true
    }

    /// Ends a job because one above it ends. A job that was about to end in another way ends so.
    fn end_below(&mut self, id: JobKey) {
        self.work.charge(work::ENDED);
        match self.jobs.get(id).map(Job::state) {
            Some(JobState::Asked) => self.drop_asked(id, cancelled()),
            Some(_) => {
                let parents = JobEnd::Fault(Cause::ParentEnded, cancelled());
                let ending = self.jobs.take_ending(id).unwrap_or(parents);
                self.end_alone(id, ending);
            }
            None => {}
        }
    }
}
