//! Events of a job: checked, numbered into every session that watches it, kept for those that will (§8).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Runtime;
use crate::arcp::runtime::host::{JobId, Refused, SessionKey};
use crate::arcp::runtime::job::{JobEvent, Past};
use crate::arcp::runtime::log::{Announcement, Entry, frame_len};
use crate::arcp::runtime::record::{First, JobEventRecord, Record, Target};
use crate::arcp::runtime::session::Role;
use crate::arcp::wire::body::{Body, Meta};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::reply;
use crate::budget::{Amount, Budget};
use crate::time::Time;

impl Runtime {
    /// Emits an event of a running job. `Ok` means accepted, not yet delivered.
    ///
    /// Errors: [`Refused::Blocked`] while a session that may not lose it has no room (repeat after
    /// [`Event::Unblocked`](crate::arcp::Event)); [`Refused::TooLarge`], [`Refused::NotNegotiated`],
    /// [`Refused::Invalid`] for what may not be sent; [`Refused::Terminal`], [`Refused::NotRunning`], [`Refused::Stale`].
    pub fn emit(&mut self, now: Time, job: JobId, body: &Body) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            match &body.meta {
                Meta::Chunk(chunk) => this.emit_chunk(job, body, chunk),
                Meta::Cost { unit, amount } => this.emit_cost(job, body, unit, amount.as_ref().ok()),
                Meta::ToolResult => {
                    this.room(job, 1, body.json().len())?;
                    this.append(job, body, None);
                    // §9.5: the agent has heard that its lease is over.
                    if this.jobs.get(job).is_some_and(|job| job.expired) {
                        this.end_expired(job, JobEvent::Expire);
                    }
                    Ok(())
                }
                Meta::Plain | Meta::Progress => {
                    this.room(job, 1, body.json().len())?;
                    this.append(job, body, None);
                    Ok(())
                }
            }
        })
    }

    fn emit_cost(&mut self, id: JobId, body: &Body, unit: &str, amount: Option<&Amount>) -> Result<(), Refused> {
        let Some(holder) = self.purse(id, unit) else {
            self.room(id, 1, body.json().len())?;
            self.append(id, body, None);
            return Ok(());
        };
        let Some(amount) = amount else {
            return Err(Refused::Invalid(Cow::Borrowed("the cost is no amount that can be counted exactly")));
        };
        self.room(id, 2, body.json().len() + 256)?;
        let budget = self.jobs.get_mut(holder).and_then(|job| job.budget.as_mut());
        let spent = budget.map_or(Ok(None), |budget| budget.spend(unit, *amount));
        let remaining = spent
            .map_err(|_| Refused::Invalid(Cow::Borrowed("the cost cannot be counted: the sum would not be exact")))?;
        let counted = remaining.is_some().then(|| (unit.into(), *amount));
        self.append_costing(id, body, None, counted);
        if let Some(remaining) = remaining {
            self.append(id, &Body::budget_remaining(unit, &remaining), None);
        }
        Ok(())
    }

    /// Tells a family's parent what remains of its budget, where its watchers have room for it (ours).
    pub(super) fn show_remaining(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(id).filter(|job| job.state.is_running()) else { return };
        let bodies: Vec<Body> = job
            .budget
            .iter()
            .flat_map(Budget::remaining)
            .map(|(currency, remaining)| Body::budget_remaining(currency.as_str(), &remaining))
            .collect();
        for body in bodies {
            if self.has_room(id, 1, 256) {
                self.append(id, &body, None);
            }
        }
    }

    /// The job's agent may act.
    pub(super) fn running(&self, id: JobId) -> Result<(), Refused> {
        let job = self.jobs.get(id).ok_or(Refused::Stale)?;
        if job.tail.is_some() {
            Err(Refused::Terminal)
        } else if job.state.is_running() {
            Ok(())
        } else if job.state.final_status().is_none() {
            Err(Refused::NotRunning)
        } else {
            Err(Refused::Terminal)
        }
    }

    /// Bytes of the largest frame a job's owner takes.
    pub(super) fn frame_limit(&self, owner: Option<SessionKey>) -> usize {
        match owner.and_then(|key| self.sessions.get(key)) {
            Some(session) if session.stdio => self.config.limits.stdio_frame_bytes.min(self.config.limits.frame_bytes),
            _ => self.config.limits.frame_bytes,
        }
    }

    /// The length of an event frame of a job with a body of so many bytes, at most.
    pub(super) fn event_len(body: usize) -> usize {
        // Head: session, trace and job id; payload: kind and ts.
        frame_len("", body) + 160 + 320
    }

    /// Makes sure that so many events may be appended: an agent waits for the sessions that may not lose them, and a
    /// subscription that would make it wait ends (§7.6).
    pub(super) fn room(&mut self, id: JobId, events: usize, bytes: usize) -> Result<(), Refused> {
        let Some(job) = self.jobs.get(id) else { return Err(Refused::Stale) };
        let max = self.frame_limit(job.owner);
        if Runtime::event_len(bytes) > max {
            return Err(Refused::TooLarge { bytes: Runtime::event_len(bytes), max });
        }
        let mut full = Vec::new();
        let mut slow = None;
        for key in &job.watchers {
            let Some(session) = self.sessions.get(*key) else { continue };
            let Some(watch) = session.watches.get(&id).filter(|watch| watch.cursor.is_none()) else { continue };
            let fits = Runtime::event_len(bytes) <= self.frame_limit(Some(*key));
            if fits && self.session_has_room(*key, events, bytes) {
                continue;
            }
            if watch.role == Role::Subscriber {
                slow.get_or_insert_with(Vec::new).push(*key);
            } else if fits {
                full.push(*key);
            }
        }
        if !full.is_empty() {
            self.block(id, &full);
            return Err(Refused::Blocked);
        }
        if self.behind() {
            if let Some(job) = self.jobs.get_mut(id) {
                job.blocked = true;
            }
            self.unstored.insert(id);
            return Err(Refused::Blocked);
        }
        for key in slow.into_iter().flatten() {
            self.drop_subscription(key, id);
        }
        Ok(())
    }

    /// Notes that an agent waits for room in these sessions' logs.
    fn block(&mut self, id: JobId, full: &[SessionKey]) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if !job.blocked {
            self.totals.blocked += 1;
        }
        job.blocked = true;
        for key in full {
            if let Some(session) = self.sessions.get_mut(*key) {
                session.blocked.insert(id);
            }
        }
    }

    fn has_room(&self, id: JobId, events: usize, bytes: usize) -> bool {
        self.jobs.get(id).is_some_and(|job| job.watchers.iter().all(|key| self.session_has_room(*key, events, bytes)))
    }

    pub(super) fn session_has_room(&self, key: SessionKey, events: usize, bytes: usize) -> bool {
        let Some(session) = self.sessions.get(key) else { return true };
        let (unwritten, unwritten_bytes) = session.log.unwritten();
        session.conn.is_none()
            || unwritten == 0
            || (unwritten + events <= session.emit_room(self.config.limits.log_events)
                && unwritten_bytes.saturating_add(bytes) <= self.config.limits.log_bytes)
    }

    /// Appends an event to the log of every watcher and to the job's history. `secret` is the owner's version of it.
    pub(super) fn append(&mut self, id: JobId, body: &Body, secret: Option<&Body>) {
        self.append_costing(id, body, secret, None);
    }

    /// The same for an event that took something from a budget.
    fn append_costing(&mut self, id: JobId, body: &Body, secret: Option<&Body>, cost: Option<(Box<str>, Amount)>) {
        self.totals.events += 1;
        let payload: Bytes = reply::event(body, self.stamp()).into();
        let secret: Option<Bytes> = secret.map(|body| reply::event(body, self.stamp()).into());
        let needs = match body.meta {
            Meta::Progress => Features::NONE.with(Feature::Progress),
            Meta::Chunk(_) => Features::NONE.with(Feature::ResultChunk),
            Meta::Plain | Meta::ToolResult | Meta::Cost { .. } => Features::NONE,
        };
        let mut numbered = None;
        let mut to = Vec::new();
        for index in 0.. {
            let Some(key) = self.jobs.get(id).and_then(|job| job.watchers.get(index)).copied() else { break };
            let Some(session) = self.sessions.get(key) else { continue };
            let Some(watch) = session.watches.get(&id) else { continue };
            let owner = watch.role == Role::Owner;
            // A later owner may not have negotiated credentials, and be on a connection that others can listen to.
            let trusted = owner && session.features.has(Feature::ProvisionedCredentials);
            if watch.cursor.is_some() || session.features.intersection(needs) != needs {
                continue;
            }
            // The owner's frames may be larger than those of a session that repeated its submit.
            if !owner && Runtime::event_len(body.json().len()) > self.frame_limit(Some(key)) {
                continue;
            }
            let shown = self.show(key, id, "job.event", payload.clone(), secret.clone().filter(|_| trusted));
            let Some(target) = shown else { continue };
            if owner {
                numbered = Some(target.seq);
            }
            if self.config.journal.is_kept() {
                to.push(target);
            }
        }
        let (max_events, max_bytes) = (self.config.limits.history_events, self.config.limits.history_bytes);
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.last_seq = match numbered {
            // A later owner's numbers may be smaller than what was counted before it came.
            Some(seq) => seq.max(job.last_seq + 1),
            None if job.owner.is_some() => job.last_seq,
            None => job.last_seq + 1,
        };
        let (seq, position) = (job.last_seq, job.history.end());
        let (ulid, trace_id) = (job.accepted.id, job.accepted.trace_id);
        job.history.push(Past { seq, needs, payload: payload.clone() }, max_events, max_bytes);
        self.journal(|_| {
            let record = JobEventRecord { job: ulid, trace_id, position, seq, needs, payload, cost, to };
            Some(Record::JobEvent(record.into()))
        });
        for index in 0.. {
            let Some(key) = self.jobs.get(id).and_then(|job| job.watchers.get(index)).copied() else { break };
            self.press(key);
            self.touch_session(key);
        }
    }

    /// Numbers a frame of a job into one session's log. Who numbers journals, then asks [`Runtime::press`].
    pub(super) fn show(
        &mut self,
        key: SessionKey,
        id: JobId,
        kind: &'static str,
        payload: Bytes,
        secret: Option<Bytes>,
    ) -> Option<Target> {
        let session = self.sessions.get_mut(key)?;
        let watch = session.watches.get_mut(&id)?;
        let head = Arc::clone(&watch.head);
        let accepted = watch.announcement.take();
        self.number(key, kind, head, payload, secret, accepted)
    }

    pub(super) fn number(
        &mut self,
        key: SessionKey,
        kind: &'static str,
        head: Arc<str>,
        payload: Bytes,
        secret: Option<Bytes>,
        accepted: Option<Box<Announcement>>,
    ) -> Option<Target> {
        let id = EnvelopeId::next(&mut self.random, self.now);
        let (max_events, max_bytes) = (self.config.limits.log_events, self.config.limits.log_bytes);
        let session = self.sessions.get_mut(key)?;
        let live = session.conn.is_some();
        let first = accepted.as_deref().map(|a| First { id: a.id, request_id: a.request_id.clone() });
        // The next store is the record of an event; those of terminals may come after others.
        let after = if kind == "job.event" { self.stored + 1 } else { u64::MAX };
        let entry = Entry { id, kind, head, payload, secret, accepted, after };
        let seq = session.log.push(entry, live, max_events, max_bytes);
        Some(Target { session: session.id, seq, id, first, python: session.python })
    }

    /// Tells a session that acks that it is far behind (§6.5): in its own stream only, under its most recent live job.
    pub(super) fn press(&mut self, key: SessionKey) {
        let threshold = self.config.limits.back_pressure;
        let Some(session) = self.sessions.get_mut(key) else { return };
        if !session.log.back_pressure(threshold) {
            return;
        }
        // A subscription whose replay is still to come has no place for it.
        let shown = session.watches.iter().filter(|(_, watch)| watch.cursor.is_none());
        let live = shown.filter_map(|(id, _)| Some((*id, self.jobs.get(*id).filter(|job| job.state.is_live())?)));
        let Some((id, job)) = live.max_by_key(|(_, job)| job.accepted.id) else { return };
        let accepted = Arc::clone(&job.accepted);
        self.totals.back_pressure += 1;
        let lag = self.sessions.get(key).and_then(|session| session.log.lag()).unwrap_or(0);
        let message = alloc::format!("{lag} events are not acknowledged; acknowledge what you have processed");
        let body = Body::status_unchecked("back_pressure", Some(&message));
        let payload: Bytes = reply::event(&body, self.stamp()).into();
        if let Some(to) = self.show(key, id, "job.event", payload.clone(), None) {
            self.journal_shown(&accepted, "job.event", &payload, None, to);
        }
    }

    /// Appends the next event of a subscription's history, if one may be shown now.
    pub(super) fn refill(&mut self, key: SessionKey) -> bool {
        let (now, window) = (self.now, self.config.limits.send_window);
        let Some(session) = self.sessions.get(key) else { return false };
        if session.conn.is_some() && session.log.unwritten().0 >= window {
            return false;
        }
        let ready = session.replaying.iter().find_map(|id| {
            let cursor = session.watches.get(id)?.cursor?;
            (cursor.not_before <= now && !cursor.asked).then_some((*id, cursor.at))
        });
        let Some((id, at)) = ready else { return false };
        let features = session.features;
        let Some(job) = self.jobs.get(id) else {
            self.unwatch(key, id);
            return true;
        };
        match job.history.at(at) {
            Err(()) if self.replays() && session.conn.is_some() => self.fetch_history(key, id, at),
            // It goes on with the next connection.
            Err(()) if self.replays() => return false,
            Err(()) => self.drop_subscription(key, id),
            Ok(Some(past)) if Runtime::event_len(past.payload.len()) > self.frame_limit(Some(key)) => {
                self.drop_subscription(key, id);
            }
            Ok(Some(past)) => {
                let shown = features.intersection(past.needs) == past.needs;
                let payload = past.payload.clone();
                let cursor = self.sessions.get_mut(key).and_then(|s| s.watches.get_mut(&id)?.cursor.as_mut());
                if let Some(cursor) = cursor {
                    cursor.at = at + 1;
                }
                if shown {
                    self.show_alone(key, id, "job.event", &payload, Some(at));
                }
            }
            Ok(None) => match &job.terminal {
                Some(terminal) => {
                    let (kind, payload) = self.terminal_for(key, terminal);
                    self.show_alone(key, id, kind, &payload, None);
                    self.unwatch(key, id);
                }
                None => {
                    if let Some(session) = self.sessions.get_mut(key) {
                        session.replaying.remove(&id);
                        if let Some(watch) = session.watches.get_mut(&id) {
                            watch.cursor = None;
                        }
                    }
                }
            },
        }
        true
    }

    /// Numbers a frame of a job that only this session is shown now.
    pub(super) fn show_alone(
        &mut self,
        key: SessionKey,
        id: JobId,
        kind: &'static str,
        payload: &Bytes,
        position: Option<u64>,
    ) {
        let Some(accepted) = self.jobs.get(id).map(|job| Arc::clone(&job.accepted)) else { return };
        if let Some(to) = self.show(key, id, kind, payload.clone(), None) {
            self.journal_shown(&accepted, kind, payload, position, to);
            self.press(key);
        }
    }

    /// Ends a subscription that would make an agent wait, with a last event under its job (§7.6).
    pub(super) fn drop_subscription(&mut self, key: SessionKey, id: JobId) {
        let body = Body::status_unchecked(
            "subscription_dropped",
            Some("this session does not keep up with the job; subscribe again with history to go on"),
        );
        let payload = Bytes::from(reply::event(&body, self.stamp()));
        self.show_alone(key, id, "job.event", &payload, None);
        self.journal_unwatched(key, id);
        self.unwatch(key, id);
        self.touch_session(key);
    }

    /// The session is not shown the job any more.
    pub(super) fn unwatch(&mut self, key: SessionKey, id: JobId) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.watches.remove(&id);
            session.replaying.remove(&id);
            session.blocked.remove(&id);
        }
        if let Some(job) = self.jobs.get_mut(id) {
            job.watchers.retain(|watcher| *watcher != key);
        }
    }
}
