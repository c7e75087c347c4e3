//! Restores the questions of jobs, and their answers (ours).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::arcp::runtime::Runtime;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::jobs::questions::Asked;
use crate::arcp::runtime::jobs::questions::state::QuestionState;
use crate::arcp::runtime::record::QuestionFact;
use crate::arcp::wire::question::{Answer, Outcome, Question, Settled};

/// The bytes of a name beyond those of a key: a mark, the place of a question without a key, or the digest of an operation.
const MAX_PLACE: usize = 72;

/// The payload of a job event.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Runtime {
    /// Restores what an event says about a question. Returns `None` if it makes no sense or exceeds a limit.
    pub(super) fn restore_question(&mut self, id: JobKey, fact: QuestionFact, payload: &[u8]) -> Option<()> {
        let payload: Payload<'_> = serde_json::from_slice(payload).ok()?;
        let body = payload.body.get();
        match fact {
            QuestionFact::Asked { name, until } => {
                let (number, question) = Question::read(body)?;
                let (limits, job) = (&self.config.limits, self.jobs.get(id)?);
                let (questions, run) = (job.questions(), job.restarts());
                let has_room = questions.len() < limits.questions_per_job
                    && questions.open() < limits.open_questions_per_job
                    && self.jobs.open_questions_of(&job.accepted().principal) < limits.open_questions_per_principal
                    && question.bytes() + name.len() <= limits.question_bytes.saturating_add(MAX_PLACE);
                if !has_room || number < questions.next() {
                    return None;
                }
                let asked = Asked::new(name, question.digest(), run, until, body);
                self.jobs.add_question(id, (number, asked), true, &mut self.timers);
                Some(())
            }
            QuestionFact::Settled => {
                let Settled { number, outcome } = Settled::read(body)?;
                if self.jobs.get(id)?.questions().get(number).is_none() {
                    // The journal of a job that has ended need not have its questions any more.
                    return Some(());
                }
                let transition: fn(&mut QuestionState) -> bool = match &outcome {
                    Outcome::Settled(Answer::Given { .. }) => QuestionState::answer,
                    Outcome::Settled(Answer::Default { .. }) => QuestionState::default,
                    Outcome::Settled(Answer::Expired) => QuestionState::expire,
                    Outcome::Withdrawn => QuestionState::withdraw,
                };
                let settled = self.jobs.settle_question(id, number, transition, outcome, &mut self.timers);
                settled.then_some(())
            }
        }
    }
}
