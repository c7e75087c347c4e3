//! Questions that agents ask people (ours): they are asked once, and expire.
//!
//! ```text
//! ask --> x-vendor.nuncio.question --> question_answer.rs, expire_questions --> x-vendor.nuncio.answered, Event::Answered
//! ```

use alloc::boxed::Box;

use super::Runtime;
use super::append::event_len;
use super::event::Event;
use super::host::{JobKey, QuestionId, Refused};
use super::jobs::job::Job;
use super::jobs::questions::state::QuestionState;
use super::jobs::questions::{Asked, Place, Questions};
use super::record::QuestionFact;
use crate::arcp::wire::body::Body;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::question::{Answer, Outcome, Question, Settled, owned_json};
use crate::time::Time;

impl Runtime {
    /// Asks people a question for a running job. [`Event::Answered`] answers, with the number that this returns, unless the
    /// job ends before. The clients that watch the job see the question and the answer as events.
    ///
    /// A question that the job has asked before under the same [key](Question::key), in this run or in one that a restart
    /// has interrupted, is not asked again: if it has an answer, that comes at once. If an earlier run has asked
    /// something else under the key, that question is withdrawn and this one is asked.
    ///
    /// Errors: [`Refused::Invalid`] for a question that cannot be asked, and for a key that this run has used for another
    /// one; [`Refused::Limit`] for `question_bytes`, `questions_per_job`, `open_questions_per_job` and
    /// `open_questions_per_principal`, and for the bytes that its principal or all principals hold; and otherwise as
    /// [`Runtime::emit`].
    ///
    /// ```
    /// # use nuncio_core::arcp::{JobKey, Question, Refused, Runtime};
    /// # use nuncio_core::time::Time;
    /// fn confirm(runtime: &mut Runtime, now: Time, job: JobKey) -> Result<(), Refused> {
    ///     let question = Question::new("Send the mail to 312 customers?").choices(["send", "do not send"]);
    ///     let number = runtime.ask(now, job, &question)?;
    ///     // Event::Answered { job, question: number, answer } follows.
    ///     # let _ = number;
    ///     Ok(())
    /// }
    /// ```
    pub fn ask(&mut self, now: Time, job: JobKey, question: &Question) -> Result<QuestionId, Refused> {
        self.input(now, |this| {
            this.running(job)?;
            this.check_question(question)?;
            let Some(of) = this.jobs.get(job) else { return Err(Refused::Stale) };
            let (questions, run, named) = (of.questions(), of.restarts(), question.name().is_some());
            let (name, digest) = (questions.name(question), question.digest());
            match questions.place(&name, &digest, run) {
                Place::Taken => {
                    Err(Refused::Invalid("the job has asked another question under this key in this run".into()))
                }
                Place::Known(number) => {
                    let answer = questions.get(number).and_then(Asked::outcome).and_then(Outcome::answer).cloned();
                    if let Some(of) = this.jobs.get_mut(job) {
                        of.questions_mut().ask_again(number, run, named);
                    }
                    if let Some(answer) = answer {
                        this.event(Event::Answered { job, question: QuestionId(number), answer });
                    }
                    Ok(QuestionId(number))
                }
                Place::New(replaced) => this.pose(job, question, name, replaced),
            }
        })
    }

    /// Asks a question that was not asked before under its name, in place of the one of that number.
    pub(super) fn pose(
        &mut self,
        job: JobKey,
        question: &Question,
        name: Box<str>,
        replaced: Option<u64>,
    ) -> Result<QuestionId, Refused> {
        self.question_room(job, question)?;
        let Some(of) = self.jobs.get(job) else { return Err(Refused::Stale) };
        let (number, run, now) = (of.questions().next(), of.restarts(), self.clock.now());
        // A deadline that cannot be written never passes.
        let until = question.time_limit().map(|limit| now.plus(limit));
        let until = until.filter(|until| *until <= Time::LATEST_WRITTEN);
        let expires_at = until.map(|until| self.clock.offset().wall(until).min(Time::LATEST_WRITTEN));
        let body = Body::question(question, number, expires_at);
        self.room(job, 2, body.json().len() + 64)?;
        if let Some(replaced) = replaced {
            self.settle_question(job, replaced, QuestionState::withdraw, Outcome::Withdrawn);
        }
        let named = !Questions::is_place(&name);
        let asked = Asked::new(name.clone(), question.digest(), run, until, body.json());
        self.jobs.add_question(job, (number, asked), named, &mut self.timers);
        self.append_question(job, &body, QuestionFact::Asked { name, until });
        Ok(QuestionId(number))
    }

    pub(super) fn check_question(&self, question: &Question) -> Result<(), Refused> {
        let max = self.config.limits.question_bytes;
        if question.bytes() > max {
            return Err(Refused::Limit { limit: "question_bytes", max: max as u64 });
        }
        question.check().map_err(Refused::Invalid)
    }

    /// Checks that a job may have another open question, and that its principal may hold the question and an answer.
    fn question_room(&self, id: JobKey, question: &Question) -> Result<(), Refused> {
        let (limits, Some(job)) = (&self.config.limits, self.jobs.get(id)) else { return Err(Refused::Stale) };
        let (questions, of_principal) = (job.questions(), self.jobs.open_questions_of(&job.accepted().principal));
        for (held, limit, max) in [
            (questions.len(), "questions_per_job", limits.questions_per_job),
            (questions.open(), "open_questions_per_job", limits.open_questions_per_job),
            (of_principal, "open_questions_per_principal", limits.open_questions_per_principal),
        ] {
            if held >= max {
                return Err(Refused::Limit { limit, max: max as u64 });
            }
        }
        let asked = question.bytes().saturating_add(limits.answer_bytes);
        let held = self.memory.of(&job.accepted().principal).saturating_add(asked);
        if held > limits.bytes_per_principal {
            return Err(Refused::Limit { limit: "bytes_per_principal", max: limits.bytes_per_principal as u64 });
        }
        if self.memory.all().saturating_add(asked) > limits.bytes && held > self.memory.share(limits) {
            return Err(Refused::Limit { limit: "bytes", max: limits.bytes as u64 });
        }
        Ok(())
    }

    /// Ends the questions of a job whose deadline has passed.
    pub(super) fn expire_questions(&mut self, id: JobKey) {
        let now = self.clock.now();
        if let Some(job) = self.jobs.get_mut(id) {
            job.questions_mut().passed();
        }
        while let Some((number, default)) = self.jobs.get(id).and_then(|job| {
            let number = job.questions().overdue(now)?;
            let asked = job.questions().get(number).and_then(|asked| Question::read(asked.body()));
            let default = asked.as_ref().and_then(|(_, question)| question.default_json()).and_then(owned_json);
            Some((number, default))
        }) {
            let (transition, answer): (fn(&mut QuestionState) -> bool, Answer) = match default {
                Some(value) => (QuestionState::default, Answer::Default { value: value.into() }),
                None => (QuestionState::expire, Answer::Expired),
            };
            if !self.settle_question(id, number, transition, Outcome::Settled(answer)) {
                return;
            }
        }
    }

    /// Ends an open question: the watchers see how, and the agent gets the answer. Returns whether it was open.
    pub(super) fn settle_question(
        &mut self,
        id: JobKey,
        number: u64,
        transition: fn(&mut QuestionState) -> bool,
        outcome: Outcome,
    ) -> bool {
        if !self.jobs.settle_question(id, number, transition, outcome.clone(), &mut self.timers) {
            return false;
        }
        let settled = Settled { number, outcome };
        self.append_question(id, &Body::answered(&settled), QuestionFact::Settled);
        if let Outcome::Settled(answer) = settled.outcome {
            self.event(Event::Answered { job: id, question: QuestionId(number), answer });
        }
        true
    }

    /// Checks that the event of an answer fits a frame of the job's owner.
    pub(super) fn answer_fits(&self, id: JobKey, settled: &Settled) -> Result<(), Fault> {
        let max = self.frame_limit(self.jobs.get(id).and_then(Job::owner));
        if event_len(settled.body().len()) > max {
            return Err(Fault::limit("frame_bytes", max as u64));
        }
        Ok(())
    }
}
