//! Answers to requests, and to which request they belong.
//!
//! An answer quotes the envelope id of its request, in its payload or as its own envelope id. Some runtimes quote none;
//! their answers belong to the oldest request of the kind (`core/docs/arcp.md`, "The client").

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Client;
use super::event::ClientEvent;
use super::jobs::Role;
use super::requests::{Ask, Request};
use super::types::{HandleId, RequestId};
use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::reply::read::{self, Accepted, Quote, Subscribed, payload};
use crate::arcp::wire::request::write;
use crate::json::Text;

impl Client {
    /// Returns the envelope id of the request that a frame quotes: in its payload, or as its own id as the runtimes of
    /// the Java and F# SDKs do.
    pub(super) fn quote(&self, envelope: &Envelope<'_>) -> Option<String> {
        let quote = Quote::of(envelope);
        let own = || envelope.id.as_ref().map(Text::as_str).filter(|id| self.requests.knows(id));
        quote.as_str().or_else(own).map(String::from)
    }

    /// Returns the request that a frame answers: the one that it quotes or, from a runtime that does not name requests,
    /// the oldest `wanted` one.
    pub(super) fn answered_by(&self, quoted: Option<&str>, wanted: impl Fn(&Request) -> bool) -> Option<RequestId> {
        match quoted {
            Some(quoted) => self.requests.sent_as(quoted).filter(|id| self.requests.get(*id).is_some_and(wanted)),
            None if self.peer().names_requests => None,
            None => self.requests.oldest(wanted),
        }
    }

    /// Takes a `job.accepted`: a submit was accepted, a job was delegated, or the runtime repeats one of them after a
    /// resume.
    pub(super) fn on_accepted(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let grant: read::Grant<'_> = payload(envelope);
        let on_envelope = envelope.job_id.as_ref().map(Text::as_str);
        let Some(job_id) = grant.job_id.as_str().or(on_envelope).filter(|id| is_plain(id)) else { return };
        let quote = self.quote(envelope);
        let quoted = quote.as_deref();
        let is_child = grant.is_delegated() && quoted.is_none();
        let is_submit = |request: &Request| matches!(request.ask, Ask::Submit(_));
        let request = if is_child { None } else { self.answered_by(quoted, is_submit) };
        let accepted = Box::new(grant.accepted(frame, job_id, envelope.trace_id.as_ref()));
        let bytes = frame.len();

        if let Some(Ask::Submit(handle)) = request.and_then(|id| self.requests.remove(id)).map(|request| request.ask) {
            self.submit_accepted(handle, accepted, bytes);
        } else if let Some(job) = self.jobs.find(job_id) {
            let followers: Vec<HandleId> = self.jobs.followers(job).collect();
            for handle in followers {
                if !accepted.credentials.is_empty() {
                    let credentials = accepted.credentials.clone();
                    self.emit(ClientEvent::Credentials { handle, credentials }, bytes);
                }
            }
        } else if is_child && self.jobs.len() < self.config.limits.handles {
            let parent = grant.parent_job_id.as_str().and_then(|parent| self.jobs.find(parent));
            let parent = parent.and_then(|parent| self.jobs.followers(parent).next());
            let handle = self.jobs.open(Role::Child);
            self.jobs.bind(handle, job_id);
            self.follow(job_id);
            self.emit(ClientEvent::Child { handle, parent, accepted }, bytes);
        } else if quoted.is_some() && self.requests.oldest(is_submit).is_some() {
            // This may answer a submit that was sent several times, quoting an id that is no longer remembered. The
            // events of the job stay held until the last copy is answered.
            return;
        } else {
            // The submit was given up, or there is no room for another child.
            self.held.take(job_id);
            return self.jobs.retire(job_id);
        }
        self.release_held(job_id);
    }

    /// Accepts a submit, and sends the cancels that waited for that.
    fn submit_accepted(&mut self, handle: HandleId, accepted: Box<Accepted>, bytes: usize) {
        let job_id: Arc<str> = Arc::from(accepted.job_id.as_str());
        self.jobs.answered(handle);
        self.jobs.bind(handle, &job_id);
        if !self.jobs.is_released(handle) {
            self.emit(ClientEvent::Accepted { handle, accepted }, bytes);
        }
        self.follow(&job_id);
        for (request, reason) in self.jobs.take_cancels(handle) {
            let payload = write::cancel(&job_id, reason.as_deref());
            self.requests.complete(request, job_id.clone(), payload);
        }
    }

    /// Takes a `job.subscribed`: a subscription has begun.
    pub(super) fn on_subscribed(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let grant: read::Grant<'_> = payload(envelope);
        let on_envelope = envelope.job_id.as_ref().map(Text::as_str);
        let job_id = grant.job_id.as_str().or(on_envelope).unwrap_or_default();
        let is_subscribe = |request: &Request| {
            let subscribes = matches!(request.ask, Ask::Subscribe(_) | Ask::Inquire(_));
            subscribes && request.job.as_deref().is_some_and(|job| job == job_id)
        };
        let request = self.answered_by(self.quote(envelope).as_deref(), is_subscribe);
        let Some(request) = request.and_then(|id| self.requests.remove(id)) else { return };
        let status = grant.current_status.as_str().and_then(FinalStatus::parse_lenient);
        if let Ask::Inquire(job) = request.ask {
            return self.on_inquired(job, status);
        }
        let Ask::Subscribe(handle) = request.ask else { return };
        let outcome = self.jobs.answered(handle);
        if !self.jobs.has_begun(handle) {
            let subscribed = Box::new(grant.subscribed(frame, job_id, envelope.trace_id.as_ref()));
            self.emit(ClientEvent::Subscribed { handle, subscribed }, frame.len());
        }
        if let Some(outcome) = outcome {
            self.end_handle(handle, outcome, frame.len());
        } else if let Some(status) = status.filter(|_| !self.peer().ends_every_job) {
            let due = self.read_time().plus(self.config.terminal_timeout);
            self.jobs.owe(handle, status, due);
        } else {
            self.follow(job_id);
        }
    }

    /// Begins the unanswered subscriptions that have received events. Nothing more is read until the application takes events,
    /// which it can only do once it knows of the subscription.
    pub(super) fn begin_unanswered(&mut self) {
        let mut begun = Vec::new();
        for handle in self.requests.subscriptions() {
            begun.extend(self.jobs.begin(handle).map(|job| (handle, Subscribed::unanswered(job))));
        }
        for (handle, subscribed) in begun {
            self.emit(ClientEvent::Subscribed { handle, subscribed: Box::new(subscribed) }, 0);
        }
    }

    /// Takes a `job.cancelled`: a cancel has reached the runtime.
    pub(super) fn on_cancelled(&mut self, envelope: &Envelope<'_>) {
        let cancelled: read::Cancelled<'_> = payload(envelope);
        let on_envelope = envelope.job_id.as_ref().map(Text::as_str);
        let quote = self.quote(envelope);
        let quoted = quote.as_deref();
        let job_id = cancelled.job_id.as_str().or(on_envelope);
        let is_cancel = |request: &Request| {
            let of_job = quoted.is_some() || request.job.as_deref().is_some_and(|job| Some(job) == job_id);
            matches!(request.ask, Ask::Cancel(_)) && of_job
        };
        let Some(request) = self.answered_by(quoted, is_cancel) else { return };
        let Some(Ask::Cancel(handle)) = self.requests.remove(request).map(|request| request.ask) else { return };
        self.jobs.remove_cancel(handle, request);
        self.emit(ClientEvent::Cancelled { request, handle, acknowledged: true }, 0);
    }

    /// Takes a `session.jobs`: a page of jobs.
    pub(super) fn on_jobs(&mut self, frame: &Bytes, envelope: &Envelope<'_>) {
        let jobs: read::Jobs<'_> = payload(envelope);
        let is_list = |request: &Request| matches!(request.ask, Ask::List | Ask::Survey);
        let Some(request) = self.answered_by(self.quote(envelope).as_deref(), is_list) else { return };
        let Some(request_ask) = self.requests.remove(request).map(|request| request.ask) else { return };
        if request_ask == Ask::Survey {
            return self.on_survey(jobs.page(frame));
        }
        let page = Box::new(jobs.page(frame));
        self.emit(ClientEvent::Jobs { request, page }, frame.len());
    }
}
