//! What the application asks for.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::ask::{ClientRefused, HandleId, ListQuery, RequestId, Submit, Subscribe};
use super::requests::{Needs, Request, What};
use super::state::{State, Step};
use super::track::{Cancel, MAX_JOB_ID, Role, Track};
use super::{Client, CloseReason};
use crate::arcp::wire::feature::Feature;
use crate::json::Text;
use crate::json::{Object, on_one_line};

/// What a frame needs beside its payload, at most: ids, names and punctuation of the envelope.
const HEAD_BYTES: usize = 1_024;
/// The longest idempotency key (§7.2; ours).
const MAX_KEY: usize = 256;

/// Everything queues until the session is live, and over a lost transport.
impl Client {
    /// Submits a job. `Accepted` or `RequestFailed` answers with the same handle.
    pub fn submit(&mut self, now: crate::time::Time, submit: &Submit<'_>) -> Result<HandleId, ClientRefused> {
        self.clock(now);
        let needs = submit_needs(submit)?;
        self.check(&needs)?;
        let key = match &submit.idempotency_key {
            Some(key) if key.is_empty() || key.len() > MAX_KEY => {
                return Err(invalid("an idempotency key has 1 to 256 bytes"));
            }
            Some(key) => Cow::Borrowed(&**key),
            None => Cow::Owned(alloc::format!("auto-{}", ulid::Ulid(self.random.random_u128()))),
        };
        let extensions = match submit.extensions {
            Some(extensions) if !extensions.get().starts_with('{') => {
                return Err(invalid("extensions are a JSON object"));
            }
            extensions => extensions.map(|json| Box::from(on_one_line(json.get()))),
        };
        let request = Request {
            what: What::Submit(HandleId::default()),
            kind: "job.submit",
            payload: submit_payload(submit, &key),
            extensions,
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
        let payload = job.as_ref().map_or_else(String::new, |job| cancel_payload(job, reason));
        let (kind, what) = ("job.cancel", What::Cancel(handle));
        let waits = job.is_none();
        let request = Request { what, kind, payload, extensions: None, job, trace: None, needs: Needs::new() };
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
        let needs = Needs::from([Feature::ListJobs]);
        self.check(&needs)?;
        let request = Request {
            what: What::List,
            kind: "session.list_jobs",
            payload: list_payload(query),
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
        if !plain_id(job_id) {
            return Err(invalid("a job id has 1 to 256 bytes and needs no escapes"));
        }
        let needs = Needs::from([Feature::Subscribe]);
        self.check(&needs)?;
        let mut payload = Object::new().plain("job_id", job_id);
        if let Some(seq) = subscribe.from_event_seq {
            payload = payload.value("from_event_seq", seq);
        }
        let request = Request {
            what: What::Subscribe(HandleId::default()),
            kind: "job.subscribe",
            payload: payload.value("history", subscribe.history).close(),
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
        self.check(&Needs::from([Feature::Ack]))?;
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
            self.goodbye = Some(Object::new().opt_text("reason", reason).close());
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
    fn check(&self, needs: &Needs) -> Result<(), ClientRefused> {
        if matches!(self.state, State::Closing | State::Closed) {
            return Err(ClientRefused::Closed);
        }
        let features = self.session.as_ref().map_or(self.config.features, |session| session.features);
        match needs.iter().find(|feature| !features.has(**feature)) {
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
                payload: Object::new().plain("job_id", &id).close(),
                extensions: None,
                job: Some(id),
                trace: None,
                needs: Needs::new(),
            });
            self.requests.enqueue(request);
            self.flush();
        }
    }
}

fn invalid(sentence: &'static str) -> ClientRefused {
    ClientRefused::Invalid(Cow::Borrowed(sentence))
}

/// Whether an id can stand in an envelope as it is.
pub(super) fn plain_id(id: &str) -> bool {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    !id.is_empty() && id.len() <= MAX_JOB_ID && id.bytes().all(plain)
}

/// The payload of `job.cancel`: some runtimes look for the job here, some want a reason.
pub(super) fn cancel_payload(job: &str, reason: Option<&str>) -> String {
    Object::new().plain("job_id", job).text("reason", reason.unwrap_or("cancelled by the client")).close()
}

fn submit_payload(submit: &Submit<'_>, key: &str) -> String {
    let constraints =
        submit.expires_at.map(|expires_at| Object::new().plain("expires_at", expires_at.to_rfc3339()).close());
    let mut payload = Object::new()
        .text("agent", &submit.agent)
        .raw("input", submit.input)
        .raw("lease_request", submit.lease_request)
        .opt_json("lease_constraints", constraints.as_deref())
        .text("idempotency_key", key);
    if let Some(seconds) = submit.max_runtime_sec {
        payload = payload.value("max_runtime_sec", seconds);
    }
    payload
        .opt_text("parent_job_id", submit.parent_job_id.as_deref())
        .opt_text("delegate_id", submit.delegate_id.as_deref())
        .close()
}

/// What a submit uses of the negotiable features (§6.2).
fn submit_needs(submit: &Submit<'_>) -> Result<Needs, ClientRefused> {
    if submit.agent.is_empty() {
        return Err(invalid("a submit names an agent"));
    }
    if submit.max_runtime_sec == Some(0) {
        return Err(invalid("max_runtime_sec is at least 1"));
    }
    let mut needs = Needs::new();
    if submit.agent.contains('@') {
        needs.push(Feature::AgentVersions);
    }
    if submit.expires_at.is_some() {
        needs.push(Feature::LeaseExpiresAt);
    }
    if let Some(lease) = submit.lease_request {
        let namespaces = namespaces(lease).ok_or_else(|| invalid("lease_request is a JSON object"))?;
        for (namespace, feature) in [("cost.budget", Feature::CostBudget), ("model.use", Feature::ModelUse)] {
            if namespaces.iter().any(|name| name.as_str() == namespace) {
                needs.push(feature);
            }
        }
    }
    Ok(needs)
}

fn namespaces(lease: &RawValue) -> Option<Vec<Text<'_>>> {
    serde_json::from_str::<BTreeMap<Text<'_>, &RawValue>>(lease.get()).ok().map(|lease| lease.into_keys().collect())
}

fn list_payload(query: &ListQuery<'_>) -> String {
    let mut filter = Object::new();
    let mut filtered = false;
    if !query.status.is_empty() {
        let names: Vec<&str> = query.status.iter().map(|name| &**name).collect();
        filter = filter.json("status", &serde_json::to_string(&names).unwrap_or_default());
        filtered = true;
    }
    if let Some(agent) = &query.agent {
        filter = filter.text("agent", agent);
        filtered = true;
    }
    for (name, time) in [("created_after", query.created_after), ("created_before", query.created_before)] {
        if let Some(time) = time {
            filter = filter.plain(name, time.to_rfc3339());
            filtered = true;
        }
    }
    let mut payload = Object::new();
    if filtered {
        payload = payload.json("filter", &filter.close());
    }
    if let Some(limit) = query.limit {
        payload = payload.value("limit", limit);
    }
    payload.opt_text("cursor", query.cursor.as_deref()).close()
}
