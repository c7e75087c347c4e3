//! What the application asks for.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use super::requests::{Request, What};
use super::state::{State, Step};
use super::track::{Cancel, Role, Track};
use super::types::{ClientRefused, HandleId, RequestId};
use super::{Client, CloseReason};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::is_plain;
use crate::arcp::wire::request::write::{self, ListQuery, Submit, Subscribe};
use crate::json::on_one_line;

/// What a frame needs beside its payload, at most: ids, names and punctuation of the envelope.
const HEAD_BYTES: usize = 1_024;

/// Everything queues until the session is live, and over a lost transport.
impl Client {
    /// Submits a job. `Accepted` or `RequestFailed` answers with the same handle.
    pub fn submit(&mut self, now: crate::time::Time, submit: &Submit<'_>) -> Result<HandleId, ClientRefused> {
        self.clock(now);
        let needs = submit.check().map_err(invalid)?;
        self.check(needs)?;
        let key = match &submit.idempotency_key {
            Some(key) => Cow::Borrowed(&**key),
            None => Cow::Owned(alloc::format!("auto-{}", ulid::Ulid(self.random.random_u128()))),
        };
        let request = Request {
            what: What::Submit(HandleId::default()),
            kind: "job.submit",
            payload: write::submit(submit, &key),
            extensions: submit.extensions.map(|json| Box::from(on_one_line(json.get()))),
            job: None,
            trace: submit.trace_id,
            needs,
        };
        self.ask_for_handle(Role::Submit, request)
    }

    /// Asks for a job to be cancelled (§7.4); before it is accepted, the cancel waits. `Cancelled` or `RequestFailed`
    /// answers. Only the session that submitted a job may cancel it.
    pub fn cancel(
        &mut self,
        now: crate::time::Time,
        handle: HandleId,
        reason: Option<&str>,
    ) -> Result<RequestId, ClientRefused> {
        self.clock(now);
        let track = self.tracks.handles.get(handle).ok_or(ClientRefused::Stale)?;
        let job = match track.role {
            Role::Submit if track.asked.is_some() => None,
            Role::Submit | Role::Subscribe | Role::Child => self.tracks.id(handle).cloned(),
        };
        let payload = job.as_ref().map_or_else(String::new, |job| write::cancel(job, reason));
        let (kind, what) = ("job.cancel", What::Cancel(handle));
        let waits = job.is_none();
        let request = Request { what, kind, payload, extensions: None, job, trace: None, needs: Features::NONE };
        self.room(&request, reason.map_or(0, str::len))?;
        let id = self.requests.add(request);
        if let Some(track) = self.tracks.handles.get_mut(handle) {
            track.cancels.push(Cancel { request: id, reason: reason.filter(|_| waits).map(Box::from) });
        }
        if !waits {
            self.requests.enqueue(id);
            self.flush();
        }
        Ok(id)
    }

    /// Asks for a page of jobs (§6.6). `Jobs` or `RequestFailed` answers.
    pub fn list(&mut self, now: crate::time::Time, query: &ListQuery<'_>) -> Result<RequestId, ClientRefused> {
        self.clock(now);
        let needs = Features::NONE.with(Feature::ListJobs);
        self.check(needs)?;
        let request = Request {
            what: What::List,
            kind: "session.list_jobs",
            payload: write::list_jobs(query),
            extensions: None,
            job: None,
            trace: None,
            needs,
        };
        self.room(&request, 0)?;
        let id = self.requests.add(request);
        self.requests.enqueue(id);
        self.flush();
        Ok(id)
    }

    /// Watches a job (§7.6). `Subscribed` or `RequestFailed` answers with the same handle.
    ///
    /// A replay for one handle also reaches other handles that subscribe to the same job and have not ended. If the
    /// answer is lost with the transport, the request is repeated after the resume, and the history may come twice,
    /// under new numbers.
    pub fn subscribe(
        &mut self,
        now: crate::time::Time,
        job_id: &str,
        subscribe: Subscribe,
    ) -> Result<HandleId, ClientRefused> {
        self.clock(now);
        if !is_plain(job_id) {
            return Err(invalid("a job id has 1 to 256 bytes and needs no escapes"));
        }
        let needs = Features::NONE.with(Feature::Subscribe);
        self.check(needs)?;
        let request = Request {
            what: What::Subscribe(HandleId::default()),
            kind: "job.subscribe",
            payload: write::subscribe(job_id, subscribe),
            extensions: None,
            job: Some(Arc::from(job_id)),
            trace: None,
            needs,
        };
        self.ask_for_handle(Role::Subscribe, request)
    }

    /// Ends a subscription (§7.6); its handle is dead at once and has no terminal.
    pub fn unsubscribe(&mut self, now: crate::time::Time, handle: HandleId) -> Result<(), ClientRefused> {
        self.clock(now);
        match self.tracks.handles.get(handle).map(|track| track.role) {
            Some(Role::Subscribe) => self.end_subscription(handle),
            Some(Role::Submit | Role::Child) => return Err(invalid("the job was submitted here, not subscribed to")),
            None => return Err(ClientRefused::Stale),
        }
        Ok(())
    }

    /// Acknowledges all events up to `seq`, or all that were taken (§6.5). Never more than was received; a number that
    /// was acknowledged before sends nothing.
    pub fn ack(&mut self, now: crate::time::Time, seq: Option<u64>) -> Result<(), ClientRefused> {
        self.clock(now);
        self.check(Features::NONE.with(Feature::Ack))?;
        if let Some(session) = &mut self.session {
            let last = session.seq.last();
            session.acks.want(seq.unwrap_or_else(|| self.out.processed(last)).min(last));
            self.flush();
        }
        Ok(())
    }

    /// The application no longer follows the handle: its events are dropped, its state is freed at the terminal. A
    /// subscription is ended, a submit that was not sent yet is not sent. A dead handle is fine.
    pub fn release(&mut self, now: crate::time::Time, handle: HandleId) {
        self.clock(now);
        let Some(track) = self.tracks.handles.get_mut(handle) else { return };
        track.released = true;
        track.stream = None;
        match (track.role, track.asked) {
            (Role::Subscribe, _) => self.end_subscription(handle),
            (Role::Submit, Some(asked)) if !self.requests.was_sent(asked) => {
                self.fail(asked, super::RequestFailure::Closed);
            }
            (Role::Submit | Role::Child, _) => {}
        }
    }

    /// Says goodbye (§6.7), waits for the answer at most [`ClientConfig::close_timeout`](super::ClientConfig), then
    /// closes the transport. Unanswered requests fail at once; accepted jobs go on without this client. `Closed` is
    /// the last event.
    pub fn close(&mut self, now: crate::time::Time, reason: Option<&str>) {
        self.clock(now);
        let connected = self.state.connected();
        if !self.step(Step::Close) {
            return;
        }
        if self.state == State::Closing {
            self.fail_all();
            self.goodbye = Some(write::close(reason));
            self.closing = Some(self.now.plus_micros(self.config.close_timeout));
            self.flush();
            return;
        }
        if connected {
            self.drop_transport(1000, "closed");
        }
        self.finish(CloseReason::Asked);
    }

    /// Whether the session has what a request needs; before the first welcome this shows when it is sent.
    fn check(&self, needs: Features) -> Result<(), ClientRefused> {
        if matches!(self.state, State::Closing | State::Closed) {
            return Err(ClientRefused::Closed);
        }
        let features = self.session.as_ref().map_or(self.config.features, |session| session.features);
        match needs.iter().find(|feature| !features.has(*feature)) {
            Some(feature) => Err(ClientRefused::NotNegotiated(feature.as_str())),
            None => Ok(()),
        }
    }

    /// Whether there is room for one more request.
    fn room(&self, request: &Request, more: usize) -> Result<(), ClientRefused> {
        if matches!(self.state, State::Closing | State::Closed) {
            return Err(ClientRefused::Closed);
        }
        let extensions = request.extensions.as_ref().map_or(0, |text| text.len());
        let bytes = request.payload.len().saturating_add(extensions).saturating_add(more);
        let frame = bytes.saturating_add(HEAD_BYTES);
        if frame > self.config.frame_bytes {
            return Err(ClientRefused::TooLarge { bytes: frame, max: self.config.frame_bytes });
        }
        if self.requests.len() >= self.config.requests {
            return Err(ClientRefused::Limit { limit: "requests", max: self.config.requests });
        }
        if self.requests.bytes().saturating_add(bytes) > self.config.request_bytes {
            return Err(ClientRefused::Limit { limit: "request_bytes", max: self.config.request_bytes });
        }
        Ok(())
    }

    fn ask_for_handle(&mut self, role: Role, mut request: Request) -> Result<HandleId, ClientRefused> {
        self.room(&request, 0)?;
        if self.tracks.handles.len() >= self.config.handles {
            return Err(ClientRefused::Limit { limit: "handles", max: self.config.handles });
        }
        let handle = self.tracks.handles.insert(Track::new(role));
        request.what = match role {
            Role::Subscribe => What::Subscribe(handle),
            Role::Submit | Role::Child => What::Submit(handle),
        };
        if let Some(job) = &request.job {
            self.tracks.bind(handle, job);
        }
        let id = self.requests.add(request);
        if let Some(track) = self.tracks.handles.get_mut(handle) {
            track.asked = Some(id);
        }
        self.requests.enqueue(id);
        self.flush();
        Ok(handle)
    }

    /// Forgets a subscription, and tells the runtime if it knows of it and no other handle needs it.
    fn end_subscription(&mut self, handle: HandleId) {
        let Some(track) = self.tracks.handles.get(handle) else { return };
        let (job, asked) = (track.job, track.asked);
        let known = asked.is_none_or(|asked| self.requests.was_sent(asked));
        let id = self.tracks.id(handle).cloned();
        if let Some(track) = self.tracks.remove(handle) {
            for cancel in track.cancels {
                self.fail(cancel.request, super::RequestFailure::Closed);
            }
        }
        if let Some(asked) = asked {
            self.requests.remove(asked);
        }
        if let Some(id) = id
            && known
            && !job.is_some_and(|job| self.tracks.subscribed(job))
        {
            let request = self.requests.add(Request {
                what: What::Unsubscribe,
                kind: "job.unsubscribe",
                payload: write::unsubscribe(&id),
                extensions: None,
                job: Some(id),
                trace: None,
                needs: Features::NONE,
            });
            self.requests.enqueue(request);
            self.flush();
        }
    }
}

fn invalid(sentence: &'static str) -> ClientRefused {
    ClientRefused::Invalid(Cow::Borrowed(sentence))
}
