//! The failure of requests, and the end of handles.

use alloc::boxed::Box;

use super::Client;
use super::event::{ClientEvent, RequestFailure};
use super::jobs::ClosedHandle;
use super::requests::Ask;
use super::types::{HandleId, Outcome, OutcomeSource, RequestId};
use crate::arcp::wire::job::FinalStatus;

impl Client {
    /// Fails a request. It is reported to the application, unless that has released the handle.
    pub(super) fn fail(&mut self, id: RequestId, why: RequestFailure) {
        let Some(request) = self.requests.remove(id) else { return };
        let mut released = false;
        match request.ask {
            Ask::Subscribe(handle) if self.jobs.has_begun(handle) => {
                return self.fail_begun(handle, request.job.as_deref().unwrap_or_default(), why);
            }
            Ask::Submit(handle) | Ask::Subscribe(handle) => {
                if let Some(closed) = self.close_handle(handle) {
                    released = closed.released;
                    for cancel in closed.cancels {
                        self.fail(cancel, why.clone());
                    }
                }
            }
            Ask::Cancel(handle) => {
                self.jobs.remove_cancel(handle, id);
                if let RequestFailure::Refused(_) = why {
                    self.jobs.cancel_refused(handle);
                }
            }
            Ask::Survey => self.on_survey_failed(),
            Ask::Inquire(job) => self.on_inquiry_failed(job, why.clone()),
            Ask::List | Ask::Answer | Ask::Questions | Ask::Sessions | Ask::Status | Ask::Unsubscribe => {}
        }
        if let Some(request) = request.ask.failed(id).filter(|_| !released) {
            self.emit(ClientEvent::RequestFailed { request, why: Box::new(why) }, 0);
        }
    }

    /// Ends a subscription that has begun, because the runtime refuses it. One that is not answered at all goes on: its events
    /// have shown that the runtime knows of it.
    fn fail_begun(&mut self, handle: HandleId, job_id: &str, why: RequestFailure) {
        let fault = match why {
            RequestFailure::Refused(fault) => Some(fault),
            RequestFailure::NotNegotiated(_) | RequestFailure::TooLarge { .. } => None,
            RequestFailure::TimedOut => {
                return match self.jobs.answered(handle) {
                    Some(outcome) => self.end_handle(handle, outcome, 0),
                    None => self.follow(job_id),
                };
            }
            RequestFailure::Closed => return,
        };
        self.end_without_terminal(handle, FinalStatus::Error, OutcomeSource::Dropped, fault);
    }

    /// Closes a handle, and forgets when its job was heard of if no other handle follows it.
    pub(super) fn close_handle(&mut self, handle: HandleId) -> Option<ClosedHandle> {
        let closed = self.jobs.close(handle)?;
        if let Some(job) = closed.job {
            self.silence.forget(job);
        }
        Some(closed)
    }

    /// Fails every request, because the client is closed.
    pub(super) fn fail_all(&mut self) {
        for id in self.requests.ids() {
            self.fail(id, RequestFailure::Closed);
        }
    }

    /// Ends a handle whose job has ended. Its cancels are answered by that, and the terminal event is its last one.
    pub(super) fn end_handle(&mut self, handle: HandleId, outcome: Box<Outcome>, bytes: usize) {
        let Some(closed) = self.close_handle(handle) else { return };
        for request in closed.cancels {
            if self.requests.remove(request).is_some() {
                self.emit(ClientEvent::Cancelled { request, handle, acknowledged: false }, 0);
            }
        }
        if !closed.released {
            let before = self.before(outcome.seq);
            let event = ClientEvent::Terminal { handle, outcome };
            self.outbox.event(&self.config.limits, self.now, event, before, bytes);
        }
    }
}
