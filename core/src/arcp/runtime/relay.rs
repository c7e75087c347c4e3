//! Jobs of other runtimes of the host: requests about them, and their events (ours). `guest.rs` has the side of the runtime
//! that has the job.
//!
//! ```text
//!  subscribe, cancel, answer: a job that is not here --.
//!  list_jobs, list_questions: jobs of others as well --+-> Event::Relay -> the other runtimes
//!  list_sessions: all sessions, for an operator -------'
//!                                                                               |
//!  an answer  -> one of all, or pages merged -> the client      <- handle_relayed
//!  an event   -> the session's log, as it has room -> Event::RelayTaken
//! ```

use alloc::sync::Arc;

use bytes::Bytes;

use super::Runtime;
use super::access::unknown_job;
use super::asked::Asked;
use super::conns::conn::Conn;
use super::conns::replies::Reply;
use super::dispatch::Request;
use super::event::Event;
use super::host::{ConnId, JobKey, SessionKey};
use super::inquiries::{Gathering, Inquiry, Listed, Page, Progress, unreadable};
use super::record::Record;
use super::sessions::announcement::Announcement;
use super::sessions::elsewhere::{Arrival, Arrived, Elsewhere, Watched};
use super::sessions::session::Session;
use crate::arcp::wire::body::{Body, SUBSCRIPTION_DROPPED};
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::{EnvelopeId, JobUlid, SessionUlid};
use crate::arcp::wire::job::About;
use crate::arcp::wire::question::QUESTIONS;
use crate::arcp::wire::relayed::{Relayed, SILENCE};
use crate::arcp::wire::reply::{self, SESSIONS};
use crate::json::Object;
use crate::time::Time;

impl Runtime {
    /// Hands in a frame that another runtime has sent to the guest of a session ([`Runtime::open_guest`]). `from` is the number
    /// of that runtime among those of the host, the same at every call. The frame counts as sent once
    /// [`Event::RelayTaken`] follows, at once or when the session's client has read enough.
    pub fn handle_relayed(&mut self, now: Time, from: u32, session: SessionUlid, frame: &Bytes) {
        self.input(now, |this| {
            let Some(key) = this.sessions.find(session) else { return };
            this.work.charge(super::work::FRAME + frame.len() as u64 / super::work::FRAME_BYTES);
            // Runtimes of one host send text, and have the same limits.
            let text = core::str::from_utf8(frame).ok().filter(|text| text.len() <= this.frame_limit(Some(key)));
            let relayed = text.and_then(Relayed::read);
            let arrived = match relayed {
                Some(Relayed::Numbered { about, kind, payload }) => {
                    Some((about, Arrived::Frame(kind, frame.slice_ref(payload.as_bytes()))))
                }
                Some(Relayed::Dropped { about }) => Some((about, Arrived::Dropped)),
                Some(Relayed::Answer { request_id, kind, about, payload }) => {
                    let payload = frame.slice_ref(payload.as_bytes());
                    this.answered_elsewhere(key, from, request_id.as_str(), kind, about, &payload)
                }
                Some(Relayed::Refusal { request_id, fault }) => {
                    let timers = &mut this.timers;
                    let progress = this.inquiries.answered(key, Some(from), request_id.as_str(), Err(fault), timers);
                    this.inquiry_proceeds(key, progress, None);
                    None
                }
                None => None,
            };
            match arrived {
                Some((about, kind)) => {
                    this.sessions.arrive(key, Arrival { from, about, kind });
                    this.take_arrivals(key);
                }
                None => this.event(Event::RelayTaken { session, from }),
            }
        });
    }

    /// Reports that another runtime has closed the connection of a session's guest there. The session's subscriptions to its
    /// jobs end.
    pub fn handle_guest_lost(&mut self, now: Time, from: u32, session: SessionUlid) {
        self.input(now, |this| {
            let Some(key) = this.sessions.find(session) else { return };
            let timers = &mut this.timers;
            if let Some(inquiry) = this.inquiries.close(key, timers) {
                this.inquiry_proceeds(key, Progress::Refused(inquiry, unreadable()), None);
            }
            this.drop_elsewhere(key, Some(from));
        });
    }

    /// Returns whether the other runtimes of the host may have jobs that a session may see.
    fn looks_elsewhere(&self, key: SessionKey) -> bool {
        let Some(session) = self.sessions.get(key).filter(|session| !session.is_guest()) else { return false };
        let principal = session.principal();
        self.config.shards > 1 && (self.sees_all(principal) || self.config.policy.shows_others(principal))
    }

    /// Returns the job that a request names. `None` if it is not here, and the other runtimes are asked.
    pub(super) fn visible_here(
        &mut self,
        key: SessionKey,
        request: &Request<'_>,
        named: &str,
    ) -> Result<Option<JobKey>, Fault> {
        match self.visible(key, named) {
            Ok(id) => Ok(Some(id)),
            Err(_) => self.ask_elsewhere(key, request).map(|()| None),
        }
    }

    /// Asks the other runtimes about a job that is not here.
    ///
    /// Errors: `JOB_NOT_FOUND` if they have none that the session may see.
    pub(super) fn ask_elsewhere(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        if !self.looks_elsewhere(key) {
            return Err(unknown_job());
        }
        self.inquire(key, request, Gathering::First, 0);
        Ok(())
    }

    /// Asks the other runtimes for their pages of a listing, which are merged with the one of this runtime.
    /// Returns whether there are any.
    pub(super) fn list_elsewhere(
        &mut self,
        key: SessionKey,
        request: &Request<'_>,
        listed: Listed,
        limit: u64,
        room: usize,
    ) -> bool {
        let looks = self.looks_elsewhere(key);
        if looks {
            self.inquire(key, request, Gathering::pages(listed, limit, room), 1);
        }
        looks
    }

    /// Relays a request, unless it was relayed and the client sends it again on another connection. Until it is answered, nothing
    /// more is read from its connection. `own` is the number of answers of this runtime.
    fn inquire(&mut self, key: SessionKey, request: &Request<'_>, gathering: Gathering, own: usize) {
        let others = usize::try_from(self.config.shards).unwrap_or(usize::MAX).saturating_sub(1);
        let asked = Asked::of(request.envelope);
        let relayed = self.inquiries.move_to(key, request.conn, request.id, &asked);
        if !relayed {
            let inquiry = Inquiry::new(request.conn, request.id, asked, gathering, others + own);
            let until = self.clock.now().plus(self.config.relay_timeout);
            self.inquiries.open(key, inquiry, until, &mut self.timers);
        }
        if self.conns.get_mut(request.conn).is_some_and(Conn::begin_inquiry) {
            self.outputs.not_reading(request.conn);
        }
        if !relayed {
            self.relay(key, request.text);
        }
    }

    /// Answers a subscribe that the client sends again, because it has lost its connection, if the answer is there. Returns
    /// whether it is.
    pub(super) fn subscribed_again(&mut self, key: SessionKey, request: &Request<'_>, job: JobUlid) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        if session.move_answer(job, request.id, request.conn) {
            return true;
        }
        let Some((id, payload)) = session.answer_again(job, request.id) else { return false };
        let after = session.last_seq();
        let about = self.watched_elsewhere(key, job).map(|watched| About { job, trace_id: watched.trace_id });
        self.pass_on_as(id, key, request.id, "job.subscribed", about, text_of(&payload), after);
        true
    }

    fn relay(&mut self, key: SessionKey, text: &str) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.goes_elsewhere();
        let guest = session.guest();
        self.event(Event::Relay { guest, frame: Bytes::copy_from_slice(text.as_bytes()) });
    }

    /// Relays the end of a subscription to a job that is not here.
    pub(super) fn unsubscribe_elsewhere(&mut self, key: SessionKey, request: &Request<'_>, job: JobUlid) {
        if self.unwatch_elsewhere(key, job) {
            self.relay(key, request.text);
        }
    }

    fn answered_elsewhere(
        &mut self,
        key: SessionKey,
        from: u32,
        request_id: &str,
        kind: &'static str,
        about: Option<About>,
        payload: &Bytes,
    ) -> Option<(About, Arrived)> {
        let text = text_of(payload);
        let is_open = self.inquiries.is_open(key, request_id);
        let progress = self.inquiries.answered(key, Some(from), request_id, Ok(text), &mut self.timers);
        let Some(about) = about.filter(|_| kind == "job.subscribed") else {
            self.inquiry_proceeds(key, progress, Some((kind, about, text)));
            return None;
        };
        // A subscription counts even if the connection that has asked for it is gone, but not once it was refused.
        if !is_open && !self.expects(key, about.job) {
            self.end_subscription(key, about);
            return None;
        }
        // What has arrived of an earlier subscription to the job goes before the answer.
        let conn = if let Progress::Counts(inquiry) = &progress { Some(inquiry.conn) } else { None };
        self.inquiry_proceeds(key, progress, None);
        Some((about, Arrived::Subscribed(conn, request_id.into(), payload.clone())))
    }

    /// Takes the page of this runtime, if it is to be merged with others. Returns whether it is.
    pub(super) fn merge_own(&mut self, key: SessionKey, request_id: &str, payload: &str) -> bool {
        if !self.inquiries.merges(key, request_id) {
            return false;
        }
        let progress = self.inquiries.answered(key, None, request_id, Ok(payload), &mut self.timers);
        self.inquiry_proceeds(key, progress, None);
        true
    }

    /// Answers a request if all answers are there that it depends on. `answer` is the last one.
    fn inquiry_proceeds(&mut self, key: SessionKey, progress: Progress, answer: Option<(&str, Option<About>, &str)>) {
        let (Progress::Counts(inquiry) | Progress::Refused(inquiry, _) | Progress::Merged(inquiry, ..)) = &progress
        else {
            return;
        };
        let conn = inquiry.conn;
        if self.conns.get_mut(conn).is_some_and(Conn::end_inquiry) {
            self.outputs.reading(conn);
        }
        // A client that has resumed on another connection asks again.
        if self.sessions.get(key).and_then(Session::conn) != Some(conn) {
            return;
        }
        match progress {
            Progress::Missing => {}
            Progress::Refused(inquiry, fault) => {
                self.refuse_request(conn, Some(&inquiry.request_id), &inquiry.asked, &fault);
            }
            Progress::Counts(inquiry) => {
                if let Some((kind, about, payload)) = answer.filter(|(kind, ..)| *kind != SILENCE) {
                    self.pass_on(key, &inquiry.request_id, kind, about, payload);
                }
            }
            Progress::Merged(inquiry, listed, page) => self.send_page(key, &inquiry.request_id, listed, &page),
        }
        self.conns.touch(conn);
    }

    fn send_page(&mut self, key: SessionKey, request_id: &str, listed: Listed, page: &Page) {
        let Some(dialect) = self.sessions.get(key).map(Session::dialect) else { return };
        let (kind, payload) = match listed {
            Listed::Jobs => ("session.jobs", reply::jobs(request_id, dialect, &page.rows, page.next)),
            Listed::Questions => (QUESTIONS, reply::questions(request_id, dialect, &page.rows, page.next)),
            Listed::Sessions => (SESSIONS, reply::sessions(request_id, dialect, &page.rows, page.next)),
        };
        self.pass_on(key, request_id, kind, None, &payload);
    }

    /// Sends an answer that does not depend on records of this runtime.
    fn pass_on(&mut self, key: SessionKey, request_id: &str, kind: &str, about: Option<About>, payload: &str) {
        let own = EnvelopeId::next(&mut self.random, self.clock.now());
        self.pass_on_as(own, key, request_id, kind, about, payload, 0);
    }

    /// Sends such an answer with an id of its own, after an event.
    #[expect(clippy::too_many_arguments, reason = "they are the members of the frame")]
    fn pass_on_as(
        &mut self,
        own: EnvelopeId,
        key: SessionKey,
        request_id: &str,
        kind: &str,
        about: Option<About>,
        payload: &str,
        after: u64,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(conn) = session.conn() else { return };
        let head: Arc<str> = match about {
            Some(about) => envelope::head(&session.id(), Some(&about.trace_id), Some(&about.job)).into(),
            None => Arc::clone(session.head()),
        };
        let id = session.dialect().reply_id(own, Some(request_id));
        self.queue(conn, Reply::answer(envelope::reply(id, kind, &head, payload)).following(after));
    }

    /// Refuses a request that another runtime has not answered in time.
    pub(super) fn inquiry_lapsed(&mut self, key: SessionKey) {
        if let Some(inquiry) = self.inquiries.close(key, &mut self.timers) {
            self.inquiry_proceeds(key, Progress::Refused(inquiry, unreadable()), None);
        }
    }

    /// Ends a subscription that another runtime has begun too late.
    fn end_subscription(&mut self, key: SessionKey, about: About) {
        let own = EnvelopeId::next(&mut self.random, self.clock.now());
        let Some(session) = self.sessions.get(key) else { return };
        let payload = Object::new().plain("job_id", about.job).close();
        let frame = envelope::frame(own, "job.unsubscribe", session.head(), None, &[&payload]);
        let guest = session.guest();
        self.event(Event::Relay { guest, frame });
    }

    /// Whether a session watches a job of another runtime, or will once it has taken what has arrived.
    fn expects(&self, key: SessionKey, job: JobUlid) -> bool {
        self.sessions.get(key).and_then(Session::elsewhere).is_some_and(|all| all.expects(job))
    }

    /// Returns what a session knows of a job of another runtime that it watches.
    pub(super) fn watched_elsewhere(&self, key: SessionKey, job: JobUlid) -> Option<&Watched> {
        self.sessions.get(key).and_then(Session::elsewhere).and_then(|all| all.watched(job))
    }

    fn watch_elsewhere(&mut self, key: SessionKey, about: About, from: u32) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.watch_elsewhere(about, Some(from));
        self.record_elsewhere(key);
    }

    fn unwatch_elsewhere(&mut self, key: SessionKey, job: JobUlid) -> bool {
        let ends = self.sessions.get_mut(key).is_some_and(|session| session.unwatch_elsewhere(job));
        if ends {
            self.record_elsewhere(key);
        }
        ends
    }

    /// Records which jobs of other runtimes a session watches.
    fn record_elsewhere(&mut self, key: SessionKey) {
        self.record(|this| {
            let session = this.sessions.get(key)?;
            let jobs = session.elsewhere().map(Elsewhere::jobs).unwrap_or_default();
            Some(Record::WatchingElsewhere { session: session.id(), jobs })
        });
    }

    /// Takes frames that have arrived into the log of their session, as long as it has a connection and room for them, and they can
    /// be stored. A history would fill the log of a session without a connection.
    pub(super) fn take_arrivals(&mut self, key: SessionKey) {
        while !self.is_stuck()
            && let Some(session) = self.sessions.get(key).filter(|session| session.conn().is_some())
            && !session.is_behind(self.config.limits.send_window)
        {
            let id = session.id();
            let Some(Arrival { from, about, kind }) = self.sessions.take_arrival(key) else { return };
            match kind {
                Arrived::Frame(kind, payload) => self.show_elsewhere(key, about, kind, &payload),
                Arrived::Subscribed(conn, request_id, payload) => {
                    self.watch_elsewhere(key, about, from);
                    self.subscribed_elsewhere(key, conn, &request_id, about, &payload);
                }
                Arrived::Dropped => drop(self.unwatch_elsewhere(key, about.job)),
            }
            self.event(Event::RelayTaken { session: id, from });
        }
    }

    /// Sends the answer to a subscribe, after all events that were numbered before.
    fn subscribed_elsewhere(
        &mut self,
        key: SessionKey,
        conn: Option<ConnId>,
        request_id: &str,
        about: About,
        payload: &Bytes,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let (after, conn) = (session.last_seq(), conn.filter(|conn| session.conn() == Some(*conn)));
        let epoch = if conn.is_some() { session.epoch() } else { 0 };
        let id = EnvelopeId::next(&mut self.random, self.clock.now());
        if let Some(conn) = conn {
            self.pass_on_as(id, key, request_id, "job.subscribed", Some(about), text_of(payload), after);
            self.conns.touch(conn);
        }
        if let Some(session) = self.sessions.get_mut(key) {
            let announcement = Announcement::subscribed(id, request_id, payload.clone(), epoch);
            session.announce_elsewhere(about.job, announcement.into());
        }
    }

    /// Takes what has arrived while nothing could be stored.
    pub(super) fn take_all_arrivals(&mut self) {
        for key in self.sessions.arriving() {
            self.take_arrivals(key);
        }
    }

    /// Numbers a frame of a job of another runtime for a session that watches it.
    fn show_elsewhere(&mut self, key: SessionKey, about: About, kind: &'static str, payload: &Bytes) {
        let watched = self.watched_elsewhere(key, about.job);
        // The session has unsubscribed in the meantime.
        let Some(head) = watched.map(|watched| Arc::clone(&watched.head)) else { return };
        let announcement =
            self.sessions.get_mut(key).and_then(|session| session.take_announcement_elsewhere(about.job));
        if let Some(to) = self.number(key, kind, head, payload.clone(), None, announcement) {
            self.record_shown(about, kind, payload, None, to);
        }
        if kind != "job.event" {
            self.unwatch_elsewhere(key, about.job);
        }
        self.press(key);
    }

    /// Ends the subscriptions of a session to jobs of a runtime, each with a last event.
    pub(super) fn drop_elsewhere(&mut self, key: SessionKey, from: Option<u32>) {
        let jobs = self.sessions.get(key).and_then(Session::elsewhere).map(|all| all.jobs_of(from)).unwrap_or_default();
        if jobs.is_empty() {
            return;
        }
        let body = Body::status_unchecked(
            SUBSCRIPTION_DROPPED,
            Some("the part of the runtime that has the job was restarted; subscribe again with history to go on"),
        );
        let payload = Bytes::from(reply::event(&body, self.clock.text()));
        for job in jobs {
            if let Some(trace_id) = self.watched_elsewhere(key, job).map(|watched| watched.trace_id) {
                self.show_elsewhere(key, About { job, trace_id }, "job.event", &payload);
            }
            if let Some(session) = self.sessions.get_mut(key) {
                session.unwatch_elsewhere(job);
            }
        }
        self.record_elsewhere(key);
    }
}

/// The text of a payload that has arrived as text.
fn text_of(payload: &Bytes) -> &str {
    core::str::from_utf8(payload).unwrap_or_default()
}
