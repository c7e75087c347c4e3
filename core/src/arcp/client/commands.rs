//! The commands of the application. They queue until the session is live, and while the transport is lost.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use super::Client;
use super::event::RequestFailure;
use super::jobs::Role;
use super::requests::{Ask, Request};
use super::session::Session;
use super::types::{ClientRefused, HandleId, RequestId};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::request::args::{ListQuery, SubmitArgs, Subscribe};
use crate::arcp::wire::request::write;
use crate::json::on_one_line;
use crate::time::Time;

/// The room that is left in a frame for the envelope: ids, names and punctuation.
const ENVELOPE_BYTES: usize = 1_024;

impl Client {
    /// Submits a job (§7.1). [`Accepted`](super::ClientEvent::Accepted) or
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) answers, with the same handle.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] for a malformed submit, a feature that was not negotiated, a limit, and a closed client.
    pub fn submit(&mut self, now: Time, args: &SubmitArgs<'_>) -> Result<HandleId, ClientRefused> {
        self.advance(now);
        let needs = args.check().map_err(invalid)?;
        self.check_session(needs)?;
        let key = match &args.idempotency_key {
            Some(key) => Cow::Borrowed(&**key),
            None => Cow::Owned(alloc::format!("auto-{}", ulid::Ulid(self.random.random_u128()))),
        };
        let request = Request {
            extensions: args.extensions.map(|json| Box::from(on_one_line(json.get()))),
            trace: args.trace_id,
            needs,
            ..Request::new(Ask::Submit(HandleId::default()), write::submit(args, &key))
        };
        self.check_room(&request, 0)?;
        self.check_handles()?;
        let handle = self.jobs.open(Role::Submit);
        let id = self.requests.add(Request { ask: Ask::Submit(handle), ..request });
        self.jobs.asked(handle, id);
        self.requests.enqueue(id);
        self.flush();
        Ok(handle)
    }

    /// Cancels a job (§7.4). [`Cancelled`](super::ClientEvent::Cancelled) or
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) answers.
    ///
    /// The cancel of a submit waits until the job is accepted. Only the session that submitted a job may cancel it.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] for a dead handle, a limit, and a closed client.
    pub fn cancel(&mut self, now: Time, handle: HandleId, reason: Option<&str>) -> Result<RequestId, ClientRefused> {
        self.advance(now);
        self.jobs.role(handle).ok_or(ClientRefused::Stale)?;
        let job = self.jobs.id(handle).cloned();
        let payload = job.as_ref().map_or_else(String::new, |job| write::cancel(job, reason));
        let is_accepted = job.is_some();
        let request = Request { job, ..Request::new(Ask::Cancel(handle), payload) };
        self.check_room(&request, reason.map_or(0, str::len))?;
        let id = self.requests.add(request);
        self.jobs.add_cancel(handle, id, reason.filter(|_| !is_accepted).map(Box::from));
        if is_accepted {
            self.requests.enqueue(id);
        }
        self.flush();
        Ok(id)
    }

    /// Asks for a page of jobs (§6.6). [`Jobs`](super::ClientEvent::Jobs) or
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) answers.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] if `list_jobs` was not negotiated, for a limit, and for a closed client.
    pub fn list(&mut self, now: Time, query: &ListQuery<'_>) -> Result<RequestId, ClientRefused> {
        self.advance(now);
        let needs = Features::NONE.with(Feature::ListJobs);
        self.check_session(needs)?;
        let request = Request { needs, ..Request::new(Ask::List, write::list_jobs(query)) };
        self.check_room(&request, 0)?;
        let id = self.requests.add(request);
        self.requests.enqueue(id);
        self.flush();
        Ok(id)
    }

    /// Subscribes to a job (§7.6). [`Subscribed`](super::ClientEvent::Subscribed) or
    /// [`RequestFailed`](super::ClientEvent::RequestFailed) answers, with the same handle.
    ///
    /// A replay for one handle also reaches the other handles that subscribe to the same job. If the answer is lost
    /// with the transport, the request is sent again after the resume, and the history can be received twice under new
    /// numbers.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] for a malformed job id, if `subscribe` was not negotiated, for a limit, and for a closed
    /// client.
    pub fn subscribe(&mut self, now: Time, job_id: &str, subscribe: Subscribe) -> Result<HandleId, ClientRefused> {
        self.advance(now);
        if !is_plain(job_id) {
            return Err(invalid("a job id must have 1 to 256 bytes that need no escapes"));
        }
        let needs = Features::NONE.with(Feature::Subscribe);
        self.check_session(needs)?;
        let request = Request {
            job: Some(Arc::from(job_id)),
            needs,
            ..Request::new(Ask::Subscribe(HandleId::default()), write::subscribe(job_id, subscribe))
        };
        self.check_room(&request, 0)?;
        self.check_handles()?;
        let handle = self.jobs.open(Role::Subscription);
        self.jobs.bind(handle, job_id);
        let id = self.requests.add(Request { ask: Ask::Subscribe(handle), ..request });
        self.jobs.asked(handle, id);
        self.requests.enqueue(id);
        self.flush();
        Ok(handle)
    }

    /// Ends a subscription (§7.6). Its handle is dead at once, and has no terminal event.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] for a dead handle and for one that is not a subscription.
    pub fn unsubscribe(&mut self, now: Time, handle: HandleId) -> Result<(), ClientRefused> {
        self.advance(now);
        match self.jobs.role(handle) {
            Some(Role::Subscription) => self.end_subscription(handle),
            Some(Role::Submit | Role::Child) => return Err(invalid("the job was submitted here, not subscribed to")),
            None => return Err(ClientRefused::Stale),
        }
        self.flush();
        Ok(())
    }

    /// Acknowledges all events up to `seq` or, without it, all events that the application has taken (§6.5).
    ///
    /// No more is acknowledged than was received, and nothing twice.
    ///
    /// # Errors
    ///
    /// [`ClientRefused`] if `ack` was not negotiated, and for a closed client.
    pub fn ack(&mut self, now: Time, seq: Option<u64>) -> Result<(), ClientRefused> {
        self.advance(now);
        self.check_session(Features::NONE.with(Feature::Ack))?;
        if let Some(session) = &mut self.session {
            let seq = seq.unwrap_or_else(|| self.outbox.taken_up_to(session.last_seq()));
            session.ack(seq);
        }
        self.flush();
        Ok(())
    }

    /// Stops following a handle: the application receives no more events of it, and its state is freed at the terminal
    /// message.
    ///
    /// A subscription ends, and a submit that was not sent yet is withdrawn. A dead handle is ignored.
    pub fn release(&mut self, now: Time, handle: HandleId) {
        self.advance(now);
        match self.jobs.release(handle) {
            Some((Role::Subscription, _)) => self.end_subscription(handle),
            Some((Role::Submit, Some(asked))) if !self.requests.was_sent(asked) => {
                self.fail(asked, RequestFailure::Closed);
            }
            Some((Role::Submit | Role::Child, _)) | None => {}
        }
        self.flush();
    }

    /// Ends a subscription. If the runtime knows of it and no other handle subscribes to the job, an unsubscribe is
    /// sent.
    fn end_subscription(&mut self, handle: HandleId) {
        let asked = self.jobs.unanswered(handle);
        let is_known = asked.is_none_or(|asked| self.requests.was_sent(asked));
        let job = self.jobs.id(handle).cloned();
        if let Some(closed) = self.close_handle(handle) {
            for cancel in closed.cancels {
                self.fail(cancel, RequestFailure::Closed);
            }
        }
        if let Some(asked) = asked {
            self.requests.remove(asked);
        }
        if let Some(job) = job.filter(|job| is_known && !self.jobs.is_subscribed(job)) {
            let payload = write::unsubscribe(&job);
            let request = self.requests.add(Request { job: Some(job), ..Request::new(Ask::Unsubscribe, payload) });
            self.requests.enqueue(request);
        }
    }

    /// Checks that the session has the features that a request needs. Before the first welcome they are not known; a
    /// request that needs others then fails at the welcome.
    pub(super) fn check_session(&self, needs: Features) -> Result<(), ClientRefused> {
        if self.state.is_ending() {
            return Err(ClientRefused::Closed);
        }
        let features = self.session.as_ref().map_or(self.config.features, Session::features);
        match needs.iter().find(|feature| !features.has(*feature)) {
            Some(feature) => Err(ClientRefused::NotNegotiated(feature.as_str())),
            None => Ok(()),
        }
    }

    /// Checks that there is room for a request, whose payload may grow by `more` bytes.
    pub(super) fn check_room(&self, request: &Request, more: usize) -> Result<(), ClientRefused> {
        if self.state.is_ending() {
            return Err(ClientRefused::Closed);
        }
        let limits = &self.config.limits;
        let bytes = request.text_bytes().saturating_add(more);
        let frame = bytes.saturating_add(ENVELOPE_BYTES);
        if frame > limits.frame_bytes {
            return Err(ClientRefused::TooLarge { bytes: frame, max: limits.frame_bytes });
        }
        if self.requests.len() >= limits.requests {
            return Err(ClientRefused::Limit { limit: "requests", max: limits.requests });
        }
        if self.requests.bytes_held().saturating_add(bytes) > limits.request_bytes {
            return Err(ClientRefused::Limit { limit: "request_bytes", max: limits.request_bytes });
        }
        Ok(())
    }

    /// Checks that there is room for a handle.
    fn check_handles(&self) -> Result<(), ClientRefused> {
        let max = self.config.limits.handles;
        if self.jobs.len() >= max {
            return Err(ClientRefused::Limit { limit: "handles", max });
        }
        Ok(())
    }
}

pub(super) fn invalid(sentence: &'static str) -> ClientRefused {
    ClientRefused::Invalid(Cow::Borrowed(sentence))
}
