//! The open questions that a principal may see: `x-vendor.nuncio.list_questions` (ours).

use alloc::string::String;

use super::Runtime;
use super::dispatch::Request;
use super::host::SessionKey;
use super::inquiries::{Listed, Place};
use super::policy::Access;
use super::reply::To;
use super::work;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::question::{QUESTIONS, question_number};
use crate::arcp::wire::{reply, request};
use crate::json::Text;

impl Runtime {
    /// Answers with a page of open questions, the oldest job first. It looks at no more of them than one turn allows, so
    /// that a page with a cursor may be short, or empty.
    pub(super) fn on_list_questions(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let query: request::ListQuestions<'_> = request::decode(request.kind, request.envelope.payload)?;
        let limit = self.page_limit(query.limit)?;
        let after = query.cursor.as_ref().map(cursor).transpose()?;
        let job = match &query.job_id {
            Some(named) => {
                let Some(id) = self.visible_here(key, request, named.as_str())? else { return Ok(()) };
                self.jobs.get(id).map(super::jobs::job::Job::ulid)
            }
            None => None,
        };
        let room = self.page_room(key);
        if job.is_none() {
            self.list_elsewhere(key, request, Listed::Questions, limit, room);
        }
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let (mut looked, most) = (0, (self.config.limits.turn_work / work::LISTED).max(1));
        let (mut rows, mut count, mut last, mut next) = (String::new(), 0, after, None);
        for (ulid, number) in self.jobs.questions_after(job, after) {
            if looked == most || count == limit {
                next = last;
                break;
            }
            looked += 1;
            let Some(job) = self.jobs.find(ulid).and_then(|id| self.jobs.get(id)) else { continue };
            let accepted = job.accepted();
            if let Some(asked) = job.questions().get(number)
                && self.access(session, accepted) == Access::Observed
            {
                let may_answer = self.may_answer_question(session.principal(), accepted, asked);
                let row = reply::question(accepted, session.form(), may_answer, asked.body());
                if count > 0 && rows.len() + row.len() > room {
                    next = last;
                    break;
                }
                if count > 0 {
                    rows.push(',');
                }
                rows.push_str(&row);
                count += 1;
            }
            last = Some((ulid, number));
        }
        let next = next.map(|(job, number)| Place::Question(job, number));
        let payload = reply::questions(request.id, session.dialect(), &rows, next);
        self.work.charge(looked * work::LISTED + rows.len() as u64 / work::FRAME_BYTES);
        if !self.merge_own(key, request.id, &payload) {
            self.reply(key, To { request_id: Some(request.id), job: None }, QUESTIONS, &payload);
        }
        Ok(())
    }
}

/// Reads a cursor: a job and a question of it.
fn cursor(text: &Text<'_>) -> Result<(JobUlid, u64), Fault> {
    let parts = text.as_str().split_once('.');
    let read = parts.and_then(|(job, question)| Some((JobUlid::parse(job)?, question_number(question)?)));
    read.ok_or_else(|| Fault::invalid("the cursor is not one that x-vendor.nuncio.questions gave"))
}
