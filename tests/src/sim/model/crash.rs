//! What a crash leaves behind: all committed records and some of the following ones, in order (ours).
//!
//! The surviving events are read from the records and compared with the predicted ones; the state of sessions, jobs,
//! keys and budgets then follows from them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use nuncio_core::arcp::{JobUlid, Record, SessionUlid};
use serde_json::{Value, json};

use super::super::lease::cents;
use super::{Ending, Entry, Interrupted, Model, State, rules};
use crate::world::Frame;

/// The state that the surviving records describe.
#[derive(Default)]
pub(in super::super) struct Recovered {
    opened: BTreeSet<String>,
    closed: BTreeSet<String>,
    accepted: BTreeSet<JobUlid>,
    ended: BTreeSet<JobUlid>,
    watching: HashSet<(String, JobUlid)>,
    /// The jobs whose requests are on record, those that began a run which may be repeated, and those that can only end.
    requested: BTreeSet<JobUlid>,
    begun: BTreeSet<JobUlid>,
    doomed: BTreeSet<JobUlid>,
    /// The agents of jobs that no other job has delegated.
    roots: HashMap<JobUlid, String>,
    /// The number of credential values of each job that are not revoked.
    values: HashMap<JobUlid, i32>,
    owners: HashMap<JobUlid, String>,
    /// The events of each job.
    events: HashMap<JobUlid, Vec<Entry>>,
    /// The frames of each job in each session.
    numbered: HashMap<(String, JobUlid), Vec<Entry>>,
}

impl Recovered {
    pub(in super::super) fn of(records: &[(u64, Record)]) -> Recovered {
        let mut left = Recovered::default();
        for (_, record) in records {
            left.note(record);
        }
        left
    }

    fn note(&mut self, record: &Record) {
        let session = record.session().as_ref().map(SessionUlid::to_string);
        match (record.kind(), session, record.job()) {
            ("session_opened", Some(session), _) => drop(self.opened.insert(session)),
            ("session_closed", Some(session), _) => {
                self.owners.retain(|_, owner| *owner != session);
                self.closed.insert(session);
            }
            ("watching", Some(session), Some(job)) => {
                let line: Value = serde_json::from_slice(&record.encode()).expect("a record is JSON");
                if line["role"] == "owner" {
                    self.owners.entry(job).or_insert_with(|| session.clone());
                }
                self.watching.insert((session, job));
            }
            ("job_accepted", _, Some(job)) => {
                let line: Value = serde_json::from_slice(&record.encode()).expect("a record is JSON");
                if line["parent"].is_null() {
                    self.roots.insert(job, line["agent"].as_str().expect("an agent").to_owned());
                }
                self.accepted.insert(job);
            }
            ("job_input", _, Some(job)) => drop(self.requested.insert(job)),
            ("job_doomed", _, Some(job)) => drop(self.doomed.insert(job)),
            ("credential_issued", _, Some(job)) => *self.values.entry(job).or_default() += 1,
            ("credential_revoked", _, Some(job)) => *self.values.entry(job).or_default() -= 1,
            ("job_ended", _, Some(job)) => drop(self.ended.insert(job)),
            ("job_event", _, Some(job)) => {
                let line: Value = serde_json::from_slice(&record.encode()).expect("a record is JSON");
                if record.begins_run() {
                    self.begun.insert(job);
                }
                let frame = json!({"type": "job.event", "payload": line["payload"]});
                self.events.entry(job).or_default().push(Entry::of(&Frame::parse(&frame.to_string())));
            }
            _ => {}
        }
        for target in record.targets() {
            let (_, text) = record.frame(target.session).expect("a target has a frame");
            let frame = Frame::parse(std::str::from_utf8(&text).expect("a frame is UTF-8"));
            let job = record.job().expect("an event belongs to a job");
            self.numbered.entry((target.session.to_string(), job)).or_default().push(Entry::of(&frame));
        }
    }

    /// Returns whether a job goes on after the restart, and whether it is run again.
    fn goes_on(&self, id: JobUlid, rerun: &[&str]) -> Option<bool> {
        let live = self.accepted.contains(&id) && !self.ended.contains(&id);
        let agent = self.roots.get(&id).filter(|_| live && !self.doomed.contains(&id))?;
        let keeps = self.values.get(&id).is_none_or(|values| *values == 0) && self.requested.contains(&id);
        let events = self.events.get(&id).map_or(&[][..], Vec::as_slice);
        if events.is_empty() {
            return keeps.then_some(false);
        }
        let whole = !events.iter().any(|event| matches!(event, Entry::Chunk { .. }));
        (keeps && whole && self.begun.contains(&id) && rerun.contains(&agent.as_str())).then_some(true)
    }

    /// Returns the numbers of jobs that are run again, and of those that go on and had not run.
    pub(in super::super) fn going_on(&self, rerun: &[&str]) -> (usize, usize) {
        let going: Vec<bool> = self.accepted.iter().filter_map(|id| self.goes_on(*id, rerun)).collect();
        let again = going.iter().filter(|again| **again).count();
        (again, going.len() - again)
    }

    /// Returns the number of jobs that were accepted and have not ended.
    pub(in super::super) fn running(&self) -> usize {
        self.accepted.difference(&self.ended).count()
    }
}

/// Returns the length of the predicted prefix that the surviving entries match.
fn match_prefix(predicted: &[(usize, Entry)], left: &[Entry], what: &str) -> usize {
    let mut at = 0;
    for entry in left {
        loop {
            let (_, expected) =
                predicted.get(at).unwrap_or_else(|| panic!("journal: {what} has {entry:?}, which nothing predicts"));
            at += 1;
            if expected.agrees(entry) {
                break;
            }
            assert!(expected.may_be_left_out(), "journal: {what} has {entry:?} and not {expected:?}");
        }
    }
    at
}

impl Model {
    /// The runtime is being stopped.
    pub(in super::super) fn stop(&mut self) {
        self.stopping = true;
    }

    /// The runtime has stopped: jobs that go on after a restart have not ended, and all others have.
    pub(in super::super) fn stopped(&mut self, before: &Recovered, rerun: &[&str]) {
        self.stopping = false;
        for (id, job) in &self.jobs {
            let goes_on = before.goes_on(*id, rerun).is_some();
            rules::a_stop_ends_what_does_not_go_on(job, goes_on);
        }
    }

    /// The runtime crashed: only what the surviving records describe remains. Returns the number of lost jobs.
    pub(in super::super) fn crashed(&mut self, left: &Recovered, rerun: &[&str]) -> usize {
        self.source = None;
        self.subscribing = None;
        self.resubmitted = None;
        self.orphans.clear();
        self.sessions.append(&mut self.closed_sessions);
        self.sessions.retain(|name, _| left.opened.contains(name) && !left.closed.contains(name));
        let before = self.jobs.len();
        self.jobs.retain(|id, _| left.accepted.contains(id));
        let jobs = &self.jobs;
        rules::no_acknowledged_job_is_lost(self.accepted_sent.iter().copied().filter(|id| !jobs.contains_key(id)));
        self.keys.retain(|_, record| left.accepted.contains(&record.job));
        self.cut_histories(left);
        self.check_taken();
        self.choose(left, rerun);
        self.cut_watches(left);
        self.count_budgets();
        before - self.jobs.len()
    }

    fn cut_histories(&mut self, left: &Recovered) {
        for (id, job) in self.jobs.iter_mut().filter(|(id, _)| !left.ended.contains(*id)) {
            let placed: Vec<_> = job.history.iter().cloned().enumerate().collect();
            let events = left.events.get(id).map_or(&[][..], Vec::as_slice);
            job.history.truncate(match_prefix(&placed, events, &job.id));
            job.interrupted = Some(Interrupted::Ends);
            job.planned = None;
            job.ending = None;
            job.state = if job.grace.is_some() { State::Cancelling } else { State::Pending };
        }
    }

    /// Decides which jobs go on.
    fn choose(&mut self, left: &Recovered, rerun: &[&str]) {
        for (id, job) in self.jobs.iter_mut().filter(|(id, _)| !left.ended.contains(*id)) {
            let going = left.goes_on(*id, rerun);
            let bound = job.parent.is_some() || left.doomed.contains(id) || left.values.get(id).is_some_and(|n| *n > 0);
            let lost = !bound && job.history.is_empty() && going.is_none() && self.accepted_sent.contains(id);
            rules::accepted_jobs_go_on(*id, job, lost);
            let Some(again) = going else { continue };
            rules::accepted_jobs_go_on(*id, job, self.cancelled_sent.contains(id));
            job.interrupted = Some(Interrupted::GoesOn);
            job.state = State::Pending;
            // A runtime takes the wall clock to show the time of its start.
            job.over = job.expires_at;
            (job.grace, job.doomed) = (None, false);
            (job.chunks, job.bytes, job.closed_stream) = (0, 0, false);
            job.collected.clear();
            job.owner = left.owners.get(id).cloned();
            if again {
                job.restarts += 1;
            } else {
                job.started = None;
            }
        }
    }

    fn cut_watches(&mut self, left: &Recovered) {
        for (name, session) in &mut self.sessions {
            let acked = session.acked;
            session.watches.retain(|id, watch| {
                let Some(job) = self.jobs.get(id) else { return false };
                let key = (name.clone(), *id);
                let numbered = left.numbered.get(&key);
                if numbered.is_none() && !left.watching.contains(&key) {
                    rules::no_sent_event_is_lost(name, job, watch.sent, 0);
                    return false;
                }
                let told = numbered.map_or(&[][..], Vec::as_slice);
                let dropped = watch.subscriber && told.iter().any(|entry| entry.is_phase("subscription_dropped"));
                watch.unpredictable |= dropped || (watch.subscriber && watch.answered < watch.decided);
                if watch.unpredictable {
                    return true;
                }
                let told: Vec<Entry> =
                    told.iter().filter(|entry| !(acked && entry.is_phase("back_pressure"))).cloned().collect();
                let at = match_prefix(&watch.expected, &told, &job.id);
                rules::no_sent_event_is_lost(name, job, watch.sent, at);
                let rest = watch.expected.split_off(at);
                if watch.subscriber {
                    // History that was still to be replayed.
                    watch.expected.extend(rest.into_iter().filter(|(place, _)| *place < job.history.len()));
                }
                watch.live = job.interrupted.is_some();
                true
            });
        }
    }

    /// Recomputes what was spent and set aside from the surviving events.
    fn count_budgets(&mut self) {
        for counter in self.jobs.values_mut().flat_map(|job| job.budget.iter_mut()).flat_map(BTreeMap::values_mut) {
            counter.spent = 0;
            counter.set_aside = 0;
            counter.reserved = 0;
        }
        for job in self.jobs.values_mut() {
            job.reservations.clear();
        }
        let ids: Vec<JobUlid> = self.jobs.keys().copied().collect();
        // Children are counted before their parents.
        for id in ids.into_iter().rev() {
            let mut costs = Vec::new();
            for entry in &self.jobs[&id].history {
                if let Entry::Event { kind, body } = entry
                    && kind == "metric"
                {
                    costs.push((
                        body["unit"].as_str().unwrap_or_default().to_owned(),
                        cents(&body["value"].to_string()).unwrap_or(0),
                    ));
                }
            }
            for (unit, cost) in costs {
                let budget = self.payer(id, &unit).and_then(|payer| self.job_mut(payer).budget.as_mut());
                if let Some(counter) = budget.and_then(|budget| budget.get_mut(&unit)) {
                    counter.spent += cost;
                }
            }
        }
        let ids: Vec<JobUlid> = self.jobs.keys().copied().collect();
        for id in ids.into_iter().rev() {
            let job = &self.jobs[&id];
            let (Some(parent), Some(budget), live) = (job.parent, job.budget.clone(), job.interrupted.is_some()) else {
                continue;
            };
            let Some(ours) = self.job_mut(parent).budget.as_mut() else { continue };
            for (unit, child) in budget {
                let counter = ours.get_mut(&unit).expect("the child's amounts were set aside from its parent's");
                if live {
                    counter.set_aside += child.granted;
                } else {
                    counter.spent += child.granted - child.remaining();
                }
            }
        }
    }

    /// Returns the outcome of a job that a crash interrupted.
    pub(super) fn interrupted(&mut self, id: JobUlid, status: &str, code: &str) -> Ending {
        let cancelled = self.cancelled_sent.contains(&id);
        let job = self.job_mut(id);
        job.interrupted = None;
        rules::an_interrupted_job_keeps_its_end(job, status, code, cancelled);
        if code == "INTERNAL_ERROR" {
            return Ending::Restarted;
        }
        Ending::Fault { status: status.to_owned(), code: code.to_owned() }
    }

    /// The runtime was restored: every job that was interrupted has ended or goes on.
    pub(in super::super) fn restarted(&mut self) {
        rules::every_interrupted_job_ends(self.jobs.values());
        for job in self.jobs.values_mut() {
            job.interrupted = None;
        }
    }

    /// `job.accepted` was sent.
    pub(in super::super) fn accepted_sent(&mut self, name: &str) {
        self.accepted_sent.extend(self.named(name));
    }

    /// `job.cancelled` was sent.
    pub(in super::super) fn cancelled_sent(&mut self, name: &str) {
        self.cancelled_sent.extend(self.named(name));
    }
}
