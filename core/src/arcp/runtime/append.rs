//! Appends events of a job to the log of every session that watches it, and to the job's history (§8).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Runtime;
use super::host::{JobKey, SessionKey};
use super::jobs::job::Job;
use super::record::{Begun, First, JobEventRecord, QuestionFact, Record, Target};
use super::sessions::announcement::Announcement;
use super::sessions::elsewhere::Elsewhere;
use super::sessions::log::{Entry, frame_len};
use super::sessions::watches::Role;
use crate::arcp::wire::body::{Body, Meta};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::reply;
use crate::budget::Amount;

/// An upper bound of the bytes of an event frame with a body of `body` bytes.
pub(super) fn event_len(body: usize) -> usize {
    // Head: session, trace and job id; payload: kind and ts.
    frame_len("", body) + 160 + 320
}

/// What an event means beside its payload, which is recorded with it.
#[derive(Default)]
struct Facts {
    cost: Option<(Box<str>, Amount)>,
    begun: Option<Begun>,
    question: Option<QuestionFact>,
}

impl Runtime {
    /// Appends an event to the log of every watcher and to the job's history. `cost` is what it took from a budget.
    pub(super) fn append(&mut self, id: JobKey, body: &Body, cost: Option<(Box<str>, Amount)>) {
        self.append_with(id, body, None, Facts { cost, ..Facts::default() });
    }

    /// Like [`Runtime::append`], for the first event of a run. `begun` is given if the run may be repeated.
    pub(super) fn append_begin(&mut self, id: JobKey, body: &Body, begun: Option<Begun>) {
        self.append_with(id, body, None, Facts { begun, ..Facts::default() });
    }

    /// Like [`Runtime::append`], for an event whose owner is sent `secret` in place of `body`.
    pub(super) fn append_secret(&mut self, id: JobKey, body: &Body, secret: &Body) {
        self.append_with(id, body, Some(secret), Facts::default());
    }

    /// Like [`Runtime::append`], for an event about a question.
    pub(super) fn append_question(&mut self, id: JobKey, body: &Body, question: QuestionFact) {
        self.append_with(id, body, None, Facts { question: Some(question), ..Facts::default() });
    }

    fn append_with(&mut self, id: JobKey, body: &Body, secret: Option<&Body>, facts: Facts) {
        self.totals.events += 1;
        let payload: Bytes = reply::event(body, self.clock.text()).into();
        let secret: Option<Bytes> = secret.map(|body| reply::event(body, self.clock.text()).into());
        let needs = match body.meta {
            Meta::Progress => Features::NONE.with(Feature::Progress),
            Meta::Chunk(_) => Features::NONE.with(Feature::ResultChunk),
            Meta::Plain | Meta::ToolResult | Meta::Cost { .. } => Features::NONE,
        };
        let Some(ulid) = self.jobs.get(id).map(Job::ulid) else { return };
        let mut numbered = None;
        let mut to = Vec::new();
        for index in 0.. {
            let Some(key) = self.watcher(id, index) else { break };
            let Some(session) = self.sessions.get(key).filter(|session| session.is_shown_live(id)) else { continue };
            let owner = session.role(id) == Some(Role::Owner);
            // A later owner may not have negotiated credentials, and its connection may not be confidential.
            let trusted = owner && session.has(Feature::ProvisionedCredentials);
            // The owner's frames may be larger than those of a session that repeated its submit.
            let fits = owner || event_len(body.json().len()) <= self.frame_limit(Some(key));
            if !fits || session.features().intersection(needs) != needs {
                continue;
            }
            let (kind, payload) = session.dialect().numbered(ulid, "job.event", &payload);
            let shown = self.show(key, id, kind, payload, secret.clone().filter(|_| trusted));
            let Some(target) = shown else { continue };
            if owner {
                numbered = Some(target.seq);
            }
            if self.durability.is_kept() {
                to.push(target);
            }
        }
        let Some(job) = self.jobs.get_mut(id) else { return };
        let limits = self.memory.limits(&job.accepted().principal, &self.config.limits);
        job.number(numbered);
        let (trace_id, seq) = (job.accepted().trace_id, job.last_seq());
        let position = job.remember(needs, payload.clone(), &limits);
        if facts.begun.is_some() {
            job.begin_repeatable();
        }
        if needs.has(Feature::ResultChunk) {
            job.note_chunk();
        }
        self.record(|_| {
            let Facts { cost, begun, question } = facts;
            let record =
                JobEventRecord { job: ulid, trace_id, position, seq, needs, payload, cost, begun, question, to };
            Some(Record::JobEvent(record.into()))
        });
        for index in 0.. {
            let Some(key) = self.watcher(id, index) else { break };
            self.press(key);
        }
    }

    fn watcher(&self, id: JobKey, index: usize) -> Option<SessionKey> {
        self.jobs.get(id)?.watchers().get(index).copied()
    }

    /// Numbers a frame of a job into one session's log. The caller records it, then calls [`Runtime::press`]. `None` if there is
    /// nothing to record: a guest is not on record.
    pub(super) fn show(
        &mut self,
        key: SessionKey,
        id: JobKey,
        kind: &'static str,
        payload: Bytes,
        secret: Option<Bytes>,
    ) -> Option<Target> {
        let session = self.sessions.get_mut(key)?;
        let head = session.watch_head(id)?;
        let (announcement, guest) = (session.take_announcement(id), session.is_guest());
        self.number(key, kind, head, payload, secret, announcement).filter(|_| !guest)
    }

    /// Numbers a frame of a job for this session alone, and records it.
    pub(super) fn show_alone(
        &mut self,
        key: SessionKey,
        id: JobKey,
        kind: &'static str,
        payload: &Bytes,
        position: Option<u64>,
    ) {
        let Some(accepted) = self.jobs.get(id).map(|job| Arc::clone(job.accepted())) else { return };
        if let Some(to) = self.show(key, id, kind, payload.clone(), None) {
            self.record_shown(accepted.about(), kind, payload, position, to);
            self.press(key);
        }
    }

    /// Numbers a frame into a session's log. `announcement` precedes it on every new connection.
    pub(super) fn number(
        &mut self,
        key: SessionKey,
        kind: &'static str,
        head: Arc<str>,
        payload: Bytes,
        secret: Option<Bytes>,
        announcement: Option<Box<Announcement>>,
    ) -> Option<Target> {
        let id = EnvelopeId::next(&mut self.random, self.clock.now());
        let session = self.sessions.get_mut(key)?;
        // A `job.subscribed` is not on record, because the client can ask for it again.
        let accepted = announcement.as_deref().filter(|announcement| announcement.subscription().is_none());
        let first = accepted.map(|a| First { id: a.id, request_id: a.request_id.clone() });
        // The next store is the record of an event; the record of a terminal may come after others.
        let after = if kind == "job.event" { self.outputs.stored() + 1 } else { u64::MAX };
        let entry = Entry { id, kind, head, payload, secret, announcement, after };
        let limits = self.memory.limits(session.principal(), &self.config.limits);
        let seq = session.number(entry, &limits);
        let target = Target { session: session.id(), seq, id, first, dialect: session.dialect() };
        self.touch(key);
        Some(target)
    }

    /// Emits a back-pressure event to a session that acknowledges and is far behind (§6.5): in its own stream only, under
    /// its most recent live job.
    pub(super) fn press(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(lag) = session.back_pressure(&self.config.limits) else { return };
        // It cannot be placed in a subscription whose replay is not finished.
        let live = session.watched_live().filter_map(|id| Some((id, self.jobs.get(id)?)));
        let live = live.filter(|(_, job)| job.state().is_live());
        let newest = live.max_by_key(|(_, job)| Job::ulid(job)).map(|(id, job)| (id, job.accepted().about()));
        let elsewhere = session.elsewhere().and_then(Elsewhere::newest);
        if newest.is_none() && elsewhere.is_none() {
            return;
        }
        self.totals.back_pressure += 1;
        let message = alloc::format!("{lag} events are not acknowledged; acknowledge what you have processed");
        let body = Body::status_unchecked("back_pressure", Some(&message));
        let payload: Bytes = reply::event(&body, self.clock.text()).into();
        let (shown, about) = match (newest, elsewhere) {
            (Some((id, about)), _) => (self.show(key, id, "job.event", payload.clone(), None), about),
            (None, Some((about, head))) => (self.number(key, "job.event", head, payload.clone(), None, None), about),
            (None, None) => return,
        };
        if let Some(to) = shown {
            self.record_shown(about, "job.event", &payload, None, to);
        }
    }
}
