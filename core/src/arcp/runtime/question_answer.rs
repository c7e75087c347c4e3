//! Answers of people to the questions of agents: `x-vendor.nuncio.answer` (ours).

use alloc::sync::Arc;

use super::Runtime;
use super::dispatch::Request;
use super::host::{JobKey, SessionKey};
use super::jobs::questions::Asked;
use super::jobs::questions::state::QuestionState;
use super::reply::To;
use super::sessions::session::Session;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::question::{
    ANSWERED, Answer, Outcome, Question, Settled, is_same_value, owned_json, question_number,
};
use crate::arcp::wire::{reply, request};

impl Runtime {
    /// Takes an answer. The first one wins, and is answered again if the same principal repeats it.
    pub(super) fn on_question_answer(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let given: request::AnswerQuestion<'_> = request::decode(request.kind, request.envelope.payload)?;
        if let (Some(inner), Some(outer)) = (&given.job_id, &request.envelope.job_id)
            && inner != outer
        {
            return Err(Fault::invalid("the message names two different jobs"));
        }
        let value = given.value.ok_or_else(|| Fault::invalid("the answer has no value"))?;
        let named = request::job_id(given.job_id, request.envelope.job_id.as_ref())?;
        let Some(id) = self.visible_here(key, request, &named)? else { return Ok(()) };
        let (Some(session), Some(job)) = (self.sessions.get(key), self.jobs.get(id)) else { return Ok(()) };
        let principal = Arc::clone(session.principal());
        let max = self.config.limits.answer_bytes;
        if value.get().len() + given.note.as_ref().map_or(0, |note| note.as_str().len()) > max {
            return Err(Fault::limit("answer_bytes", max as u64));
        }
        let number = question_number(given.question_id.as_str());
        let asked = number.and_then(|number| Some((number, job.questions().get(number)?)));
        let may_answer = match asked {
            Some((_, asked)) => self.may_answer_question(&principal, job.accepted(), asked),
            None => self.may_answer_questions(&principal, job.accepted()),
        };
        if !may_answer {
            let message = if self.may_answer_questions(&principal, job.accepted()) {
                "the principal that has submitted a job may not approve its operations here; another one has to"
            } else {
                "the policy does not let this principal answer the job's questions"
            };
            return Err(Fault::new(ErrorCode::PermissionDenied, message));
        }
        let Some((number, asked)) = asked else {
            return Err(refused("the job has asked no such question", "unknown"));
        };
        if asked.state() != QuestionState::Open {
            repeats(asked, value.get(), &principal)?;
            self.reply_answered(key, request.id, id, number);
            return Ok(());
        }
        let (_, question) = Question::read(asked.body()).ok_or_else(|| refused("the question is gone", "withdrawn"))?;
        question
            .accepts(value.get())
            .map_err(|why| refused(alloc::format!("the answer does not fit the question: {why}"), "invalid_value"))?;
        self.can_store()?;
        let value = owned_json(value.get()).ok_or_else(|| Fault::invalid("the answer is not valid JSON"))?;
        let note = given.note.map(|note| note.as_str().into());
        let outcome = Outcome::Settled(Answer::Given { value: value.into(), by: principal, note });
        let settled = Settled { number, outcome };
        self.answer_fits(id, &settled)?;
        self.settle_question(id, number, QuestionState::answer, settled.outcome);
        self.reply_answered(key, request.id, id, number);
        Ok(())
    }

    fn reply_answered(&mut self, key: SessionKey, request_id: &str, id: JobKey, number: u64) {
        let Some(job) = self.jobs.get(id) else { return };
        let Some(outcome) = job.questions().get(number).and_then(Asked::outcome) else { return };
        let dialect = self.sessions.get(key).map(Session::dialect).unwrap_or_default();
        let payload = reply::answered(request_id, dialect, job.ulid(), number, outcome);
        self.reply(key, To { request_id: Some(request_id), job: Some(id) }, ANSWERED, &payload);
    }
}

/// Refuses an answer to a question that is not open, unless it repeats the one that counts.
fn repeats(asked: &Asked, value: &str, principal: &str) -> Result<(), Fault> {
    match asked.outcome() {
        Some(Outcome::Settled(Answer::Given { value: given, by, .. })) => {
            if **by == *principal && !crate::json::too_deep(value) && is_same_value(given.get(), value) {
                return Ok(());
            }
            Err(refused("the question was answered before", "answered"))
        }
        Some(Outcome::Settled(Answer::Default { .. })) => {
            Err(refused("the question has expired, and its default counts", "expired"))
        }
        Some(Outcome::Settled(Answer::Expired)) => Err(refused("the question has expired", "expired")),
        Some(Outcome::Withdrawn) => Err(refused("the agent no longer asks the question", "withdrawn")),
        None => Err(refused("the job has ended without an answer", "withdrawn")),
    }
}

/// An `INVALID_REQUEST` with a reason for programs among the details.
fn refused(message: impl Into<alloc::borrow::Cow<'static, str>>, reason: &str) -> Fault {
    Fault::invalid(message).with_detail("question", reason)
}
