//! How jobs start and how they end (core/docs/arcp.md §7).

use std::collections::{BTreeMap, BTreeSet};

use nuncio_core::arcp::JobUlid;
use nuncio_core::time::Time;
use serde_json::{Value, json};

use super::super::lease::{Counter, amounts};
use super::{
    CANCEL_GRACE, EXPIRY_GRACE, Ending, Entry, Interrupted, Job, KeyRecord, Model, Source, State, Watch, rules,
};
use crate::world::SECOND;

impl Model {
    /// A session sent `job.submit` (§7.1, §7.2).
    pub(in super::super) fn submit(&mut self, session: &str, payload: &Value) {
        let Some(submitter) = self.sessions.get(session) else { return };
        let key = payload["idempotency_key"].as_str().map(|key| (submitter.principal.clone(), key.to_owned()));
        if let Some(record) = key.and_then(|key| self.keys.get(&key)).cloned() {
            if record.params == params(payload) {
                self.resubmitted = Some((session.to_owned(), record.job));
            }
            return;
        }
        self.source = Some(Source::Submit { session: session.to_owned(), payload: payload.clone() });
    }

    /// A submit with a known key was not refused. A refusal would mean that there was no room for the answer.
    pub(super) fn submitted_again(&mut self, session: &str, id: JobUlid) {
        let job = self.job_mut(id);
        if job.state == State::Asked {
            job.waiters.push(session.to_owned());
            return;
        }
        if let Some(ending) = job.ending.clone() {
            // The terminal is sent again under a new number.
            let place = job.history.len().saturating_sub(1);
            let watch = self.watch_mut(session, id);
            watch.expected.push((place, Entry::End(ending)));
            return;
        }
        if job.owner.is_none() {
            job.owner = Some(session.to_owned());
        }
        let watch = self.watch_mut(session, id);
        watch.live = true;
        watch.subscriber = false;
    }

    pub(in super::super) fn request(&mut self, source: Source) {
        self.source = Some(source);
    }

    /// The host is asked about a new job (§7.2).
    pub(in super::super) fn submitted(&mut self, id: JobUlid) {
        let source = rules::every_job_is_requested(self.source.take(), id);
        let job = match &source {
            Source::Submit { session, payload } => self.of_submit(session, payload),
            Source::Child { parent, delegate_id, agent, lease, expires_at } => {
                Job { agent: agent.clone(), ..self.of_parent(*parent, delegate_id, lease, *expires_at) }
            }
        };
        if let (Some(key), Source::Submit { payload, .. }) = (&job.key, &source) {
            let record = KeyRecord { job: id, params: params(payload) };
            let before = self.keys.insert(key.clone(), record);
            rules::a_key_runs_one_job(before.as_ref(), &key.1);
        }
        let job = Job { id: id.to_string(), ..job };
        self.jobs.insert(id, job);
    }

    fn of_submit(&mut self, session: &str, payload: &Value) -> Job {
        let submitter = &self.sessions[session];
        let lease = payload.get("lease_request").cloned().unwrap_or_else(|| json!({}));
        let key = payload["idempotency_key"].as_str().map(|key| (submitter.principal.clone(), key.to_owned()));
        let expires_at = payload["lease_constraints"]["expires_at"].as_str().and_then(Time::parse_rfc3339);
        let mut job = Job::new(&submitter.principal, lease, expires_at, submitter.features.clone());
        payload["agent"].as_str().unwrap_or_default().clone_into(&mut job.agent);
        job.owner = Some(session.to_owned());
        job.waiters.push(session.to_owned());
        job.key = key;
        job.max_runtime = payload["max_runtime_sec"].as_u64();
        job
    }

    fn of_parent(&mut self, parent: JobUlid, delegate_id: &str, lease: &Value, expires_at: Option<Time>) -> Job {
        let above = self.job_mut(parent).clone();
        rules::no_child_lease_outlives_its_parents(expires_at, &above);
        let mut job =
            Job::new(&above.principal, lease.clone(), expires_at.or(above.expires_at), above.features.clone());
        job.owner = above.owner;
        job.parent = Some(parent);
        job.delegate_id = Some(delegate_id.to_owned());
        if let Some(budget) = &job.budget {
            self.set_aside(parent, budget);
        }
        job
    }

    /// The host has accepted the job.
    pub(in super::super) fn accepted(&mut self, id: JobUlid, now: Time) {
        let open: BTreeSet<String> = self.sessions.keys().cloned().collect();
        let offset = self.wall_offset;
        let job = self.job_mut(id);
        job.state = State::Pending;
        job.accepted_at = now;
        job.over = job.expires_at.map(|at| machine_time(at, offset));
        let waiters = std::mem::take(&mut job.waiters);
        job.owner = job.owner.take().filter(|owner| open.contains(owner));
        if job.owner.is_none() {
            job.owner = waiters.iter().find(|waiter| open.contains(*waiter)).cloned();
        }
        let (owner, parent, own) = (job.owner.clone(), job.parent, job.budget.is_some());
        for session in owner.into_iter().chain(waiters).filter(|session| open.contains(session)) {
            self.watch_mut(&session, id).live = true;
        }
        if let (Some(parent), true) = (parent, own) {
            self.show_remaining(parent);
        }
    }

    /// The wall clock was set: leases may be over earlier, but never later (§9.5, §14).
    pub(in super::super) fn set_wall(&mut self, now: Time, offset: i64) {
        self.wall_offset = offset;
        for job in self.jobs.values_mut().filter(|job| job.state != State::Ended) {
            if let (Some(at), Some(over)) = (job.expires_at, job.over) {
                job.over = Some(over.min(machine_time(at, offset).max(now)));
            }
        }
    }

    /// The agent starts (§7.3).
    pub(in super::super) fn started(&mut self, id: JobUlid, now: Time) {
        let job = self.job_mut(id);
        rules::only_pending_jobs_start(job);
        job.state = State::Running;
        job.started.get_or_insert(now);
        let phase = if job.restarts > 0 { "restarted" } else { "running" };
        self.append(id, Entry::event("status", json!({"phase": phase})));
    }

    /// A session sent `job.cancel` (§7.4). A job without an owner may be cancelled by every session of its principal, and every
    /// job by an operator.
    pub(in super::super) fn cancel(&mut self, session: &str, name: &str, now: Time) {
        let Some(id) = self.named(name) else { return };
        let job = &self.jobs[&id];
        let may = match &job.owner {
            Some(owner) => owner == session,
            None => self.sessions.get(session).is_some_and(|session| session.principal == job.principal),
        };
        if (may || self.is_operated(session)) && job.state != State::Asked {
            self.cancel_family(id, now);
        }
    }

    fn cancel_family(&mut self, id: JobUlid, now: Time) {
        let job = self.job_mut(id);
        if matches!(job.state, State::Cancelling | State::Ended) {
            return;
        }
        // A pending job ends at once, without a grace period.
        job.grace = Some(if job.state == State::Pending { now } else { now.plus_micros(CANCEL_GRACE) });
        job.state = State::Cancelling;
        for child in self.children(id) {
            // A child that the host was only asked about is dropped.
            if self.jobs[&child].state != State::Asked {
                self.cancel_family(child, now);
            }
        }
    }

    pub(in super::super) fn children(&self, id: JobUlid) -> Vec<JobUlid> {
        let children = self.jobs.iter().filter(|(_, job)| job.parent == Some(id) && job.state != State::Ended);
        children.map(|(child, _)| *child).collect()
    }

    /// The agent is asked to stop.
    pub(in super::super) fn asked_to_stop(&self, id: JobUlid) {
        let job = &self.jobs[&id];
        rules::only_the_owner_cancels(job, matches!(job.state, State::Cancelling | State::Ended));
    }

    /// The agent returned or failed.
    pub(in super::super) fn returned(&mut self, id: JobUlid, ending: Ending) {
        self.job_mut(id).planned = Some(ending);
    }

    pub(in super::super) fn doom(&mut self, id: JobUlid) {
        self.job_mut(id).doomed = true;
    }

    /// The terminal: by a cause that there was, and the first one (§7.3, §7.4, §9.5).
    pub(in super::super) fn ended(&mut self, id: JobUlid, status: &str, code: Option<&str>, now: Time) {
        let is_stopping = self.stopping;
        let job = self.job_mut(id);
        rules::a_job_ends_once(job);
        let code = code.unwrap_or_default().to_owned();
        if job.state == State::Asked {
            self.declined(id, &code);
            return;
        }
        if job.interrupted == Some(Interrupted::Ends) {
            let ending = self.interrupted(id, status, &code);
            self.conclude(id, ending);
            return;
        }
        let planned = job.planned.take();
        let cancelling = job.state == State::Cancelling;
        let expired = job.over.is_some_and(|at| now >= at && (job.doomed || now >= at.plus_micros(EXPIRY_GRACE)));
        let ran = job.started.zip(job.max_runtime);
        let ran_out = ran.is_some_and(|(started, seconds)| now >= started.plus_micros(seconds * SECOND));
        let ending = Ending::Fault { status: status.to_owned(), code: code.clone() };
        let (caused, ending) = match (status, &*code) {
            // A job that was bound to end ends so.
            ("cancelled", "CANCELLED") if is_stopping && cancelling => (true, ending),
            ("error", "LEASE_EXPIRED") if is_stopping && job.doomed => (true, ending),
            ("error", "INTERNAL_ERROR") if is_stopping => (!cancelling && !job.doomed, ending),
            ("cancelled", "CANCELLED") => {
                let own = cancelling && (planned.is_some() || job.grace.is_some_and(|at| now >= at));
                if !own {
                    rules::only_the_owner_cancels(job, job.parent.is_some());
                    self.orphans.push(id);
                }
                (true, ending)
            }
            ("success", _) => {
                let success = planned.filter(|planned| !matches!(planned, Ending::Fault { .. }));
                (!cancelling && !job.doomed && success.is_some(), success.unwrap_or(ending))
            }
            ("timed_out", "TIMEOUT") => (!cancelling && !job.doomed && ran_out, ending),
            ("error", "LEASE_EXPIRED") => (!cancelling && expired, ending),
            _ => (!cancelling && !job.doomed && planned.as_ref() == Some(&ending), ending),
        };
        rules::every_end_has_a_cause(&self.jobs[&id], caused, status, &code);
        self.conclude(id, ending);
    }

    fn conclude(&mut self, id: JobUlid, ending: Ending) {
        rules::children_end_before_their_parent(&self.jobs[&id], &self.children(id));
        self.append(id, Entry::End(ending.clone()));
        let job = self.job_mut(id);
        job.state = State::Ended;
        job.ending = Some(ending);
        self.release_all(id);
        for session in self.sessions.values_mut() {
            if let Some(watch) = session.watches.get_mut(&id) {
                watch.live = false;
            }
        }
        self.leave_family(id);
    }

    fn declined(&mut self, id: JobUlid, code: &str) {
        let job = self.job_mut(id);
        job.state = State::Ended;
        let (parent, delegate_id) = (job.parent, job.delegate_id.clone());
        if let Some(key) = job.key.take() {
            self.keys.remove(&key);
        }
        self.leave_family(id);
        if let (Some(parent), Some(call)) = (parent.filter(|parent| self.runs(*parent)), delegate_id) {
            self.append(parent, Entry::Refused { call, code: code.to_owned() });
        }
    }

    pub(super) fn watch_mut(&mut self, session: &str, id: JobUlid) -> &mut Watch {
        let session = self.sessions.get_mut(session).expect("a session of the model");
        session.watches.entry(id).or_default()
    }
}

/// Returns when the wall clock will show a time.
fn machine_time(wall: Time, offset: i64) -> Time {
    Time(wall.0.saturating_sub_signed(offset))
}

impl Job {
    fn new(principal: &str, lease: Value, expires_at: Option<Time>, features: BTreeSet<String>) -> Job {
        let full = |granted| Counter { granted, ..Counter::default() };
        let budget = amounts(&lease).map(|list| list.into_iter().map(|(unit, cents)| (unit, full(cents))));
        Job {
            id: String::new(),
            principal: principal.to_owned(),
            agent: String::new(),
            owner: None,
            state: State::Asked,
            budget: budget.map(BTreeMap::from_iter),
            reservations: BTreeMap::new(),
            lease,
            expires_at,
            over: None,
            parent: None,
            features,
            delegate_id: None,
            key: None,
            max_runtime: None,
            accepted_at: Time(0),
            started: None,
            grace: None,
            doomed: false,
            interrupted: None,
            restarts: 0,
            waiters: Vec::new(),
            history: Vec::new(),
            planned: None,
            ending: None,
            chunks: 0,
            bytes: 0,
            collected: String::new(),
            closed_stream: false,
        }
    }
}

/// Returns the parameters by which two submits with the same key are compared (§7.2).
fn params(payload: &Value) -> Value {
    let names =
        ["agent", "input", "lease_request", "lease_constraints", "max_runtime_sec", "parent_job_id", "delegate_id"];
    // An empty lease is the same as none; a `null` input is the same as none.
    let given = |name: &&str| payload.get(*name).filter(|value| **value != json!({}) || *name == "input");
    names.iter().map(|name| given(name).cloned().unwrap_or(Value::Null)).collect()
}
