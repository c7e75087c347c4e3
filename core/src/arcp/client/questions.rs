//! Questions of agents (ours): answers to them, and lists of those that are open.

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Client;
use super::commands::invalid;
use super::event::ClientEvent;
use super::requests::{Ask, Request};
use super::types::{ClientRefused, RequestId};
use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::reply::read::{Answered, Questions, payload};
use crate::arcp::wire::request::args::QuestionQuery;
use crate::arcp::wire::request::write;
use crate::time::Time;

impl Client {
    /// Answers a question of a job (ours). [`Answered`](super::ClientEvent::Answered) or
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) follows.
    ///
    /// An answer that was lost with the transport is sent again after the resume; the runtime takes it once. A runtime
    /// other than Nuncio's refuses the request, or does not answer it.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] for a malformed job id, a limit, and a closed client.
    pub fn answer(
        &mut self,
        now: Time,
        job_id: &str,
        question_id: &str,
        value: &RawValue,
        note: Option<&str>,
    ) -> Result<RequestId, ClientRefused> {
        self.advance(now);
        if !is_plain(job_id) {
            return Err(invalid("a job id must have 1 to 256 bytes that need no escapes"));
        }
        let payload = write::answer(job_id, question_id, value, note);
        self.request(Request { job: Some(Arc::from(job_id)), ..Request::new(Ask::Answer, payload) })
    }

    /// Asks for a page of open questions (ours). [`Questions`](super::ClientEvent::Questions) or
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) answers.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] for a limit, and for a closed client.
    pub fn questions(&mut self, now: Time, query: &QuestionQuery<'_>) -> Result<RequestId, ClientRefused> {
        self.advance(now);
        self.request(Request::new(Ask::Questions, write::list_questions(query)))
    }

    pub(super) fn request(&mut self, request: Request) -> Result<RequestId, ClientRefused> {
        self.check_room(&request, 0)?;
        let id = self.requests.add(request);
        self.requests.enqueue(id);
        self.flush();
        Ok(id)
    }

    /// Takes an `x-vendor.nuncio.answered`: the runtime has taken an answer.
    pub(super) fn on_answered(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let answered: Answered<'_> = payload(envelope);
        let quote = self.quote(envelope);
        let Some(request) = self.answered_by(quote.as_deref(), |request| request.ask == Ask::Answer) else { return };
        let Some(answered) = answered.question(frame) else { return };
        self.requests.remove(request);
        self.emit(ClientEvent::Answered { request, answered: Box::new(answered) }, frame.len());
    }

    /// Takes an `x-vendor.nuncio.questions`: a page of open questions.
    pub(super) fn on_questions(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let questions: Questions<'_> = payload(envelope);
        let quote = self.quote(envelope);
        let Some(request) = self.answered_by(quote.as_deref(), |request| request.ask == Ask::Questions) else { return };
        self.requests.remove(request);
        let page = Box::new(questions.page(frame));
        self.emit(ClientEvent::Questions { request, page }, frame.len());
    }
}
