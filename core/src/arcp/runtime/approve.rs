//! Approval: operations that people decide about before a job does them (ours).
//!
//! ```text
//! authorize --marked--> Denied::NeedsApproval --approve--> a question --> Event::Answered --> authorize: allowed or refused
//! ```
//!
//! The decision is the answer to a question of the job. So it is on record, counts for every later check of the same
//! operation of the job, and is not asked for again after a restart.

use alloc::boxed::Box;

use super::Runtime;
use super::host::{Denied, JobKey, QuestionId};
use super::jobs::questions::Questions;
use crate::arcp::wire::question::{Decision, Question};
use crate::lease::Operation;
use crate::time::Time;

impl Runtime {
    /// Checks an operation of a running job as [`authorize`](Runtime::authorize) does, and asks people if it is one of
    /// [`Config::ask_first`](crate::arcp::Config::ask_first) and they have not decided yet. Returns the number of the
    /// question, or `None` if the operation is allowed already. After [`Event::Answered`](crate::arcp::Event::Answered) of
    /// that question, [`authorize`](Runtime::authorize) decides.
    ///
    /// Errors: [`Denied::Fault`] as [`authorize`](Runtime::authorize), with `PERMISSION_DENIED` if people have refused the
    /// operation or did not approve it in time, or if the question was withdrawn, and with a limit of questions;
    /// [`Denied::Blocked`]; [`Denied::NotRunning`].
    ///
    /// ```
    /// # use nuncio_core::arcp::{Denied, JobKey, Runtime};
    /// # use nuncio_core::lease::Operation;
    /// # use nuncio_core::time::Time;
    /// fn pay(runtime: &mut Runtime, now: Time, job: JobKey, operation: &Operation) -> Result<(), Denied> {
    ///     match runtime.approve(now, job, operation)? {
    ///         None => Ok(()),
    ///         // People have been asked: call `authorize` after `Event::Answered` of this question.
    ///         Some(_question) => Ok(()),
    ///     }
    /// }
    /// ```
    pub fn approve(&mut self, now: Time, job: JobKey, operation: &Operation) -> Result<Option<QuestionId>, Denied> {
        self.input(now, |this| {
            this.running(job).map_err(|_| Denied::NotRunning)?;
            match this.check_operation(job, operation) {
                Ok(()) => Ok(None),
                Err(Denied::NeedsApproval(operation)) => this.ask_approval(job, &operation).map(Some),
                Err(denied) => Err(denied),
            }
        })
    }

    /// Checks what people have decided about an operation, if they have to.
    pub(super) fn check_approval(&mut self, id: JobKey, operation: &Operation) -> Result<(), Denied> {
        if !self.needs_approval(operation) {
            return Ok(());
        }
        let Some(job) = self.jobs.get(id) else { return Err(Denied::NotRunning) };
        let asked = job.questions().named(&Questions::approval_name(operation));
        match asked.and_then(|(_, asked)| asked.outcome()).map(|outcome| Decision::of(operation, outcome)) {
            Some(Decision::Approved) => Ok(()),
            Some(Decision::Refused(fault)) => Err(Denied::Fault(fault)),
            None => Err(Denied::NeedsApproval(Box::new(operation.clone()))),
        }
    }

    /// Returns whether an operation is one that people decide about, or one for which it takes more than
    /// [`Limits::pattern_work`](crate::arcp::Limits::pattern_work) steps to find that out.
    fn needs_approval(&mut self, operation: &Operation) -> bool {
        if self.config.ask_first.is_empty() {
            return false;
        }
        let max = self.config.limits.pattern_work;
        let mut work = max;
        let is_marked = self.config.ask_first.covers_within(operation, &mut work);
        self.work.charge(max - work);
        is_marked != Some(false)
    }

    fn ask_approval(&mut self, id: JobKey, operation: &Operation) -> Result<QuestionId, Denied> {
        let Some(job) = self.jobs.get(id) else { return Err(Denied::NotRunning) };
        let name = Questions::approval_name(operation);
        if let Some((number, _)) = job.questions().named(&name) {
            return Ok(QuestionId(number));
        }
        let agent = job.accepted().agent_ref(true);
        let question = Question::approval(&agent, operation, self.config.approval_timeout);
        self.check_question(&question)?;
        Ok(self.pose(id, &question, name, None)?)
    }
}
