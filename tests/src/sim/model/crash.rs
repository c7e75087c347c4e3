//! What a crash leaves behind: all that was committed, and of what came after it the beginning (ours).
//!
//! Which events are left is read from the records, one by one, and compared with what was foretold; what becomes of
//! sessions, jobs, keys and budgets then follows from that.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use nuncio_core::arcp::{JobUlid, Record, SessionId};
use serde_json::{Value, json};

use super::super::lease::cents;
use super::{Ending, Entry, Model, State};
use crate::world::Frame;

/// What a journal still says.
#[derive(Default)]
pub(in super::super) struct Left {
    opened: BTreeSet<String>,
    closed: BTreeSet<String>,
    accepted: BTreeSet<JobUlid>,
    ended: BTreeSet<JobUlid>,
    watching: HashSet<(String, JobUlid)>,
    /// The events of each job.
    events: HashMap<JobUlid, Vec<Entry>>,
    /// The frames of each job in each session.
    numbered: HashMap<(String, JobUlid), Vec<Entry>>,
}

impl Left {
    pub(in super::super) fn of(records: &[(u64, Record)]) -> Left {
        let mut left = Left::default();
        for (_, record) in records {
            left.note(record);
        }
        left
    }

    fn note(&mut self, record: &Record) {
        let session = record.session().as_ref().map(SessionId::to_string);
        match (record.kind(), session, record.job()) {
            ("session_opened", Some(session), _) => drop(self.opened.insert(session)),
            ("session_closed", Some(session), _) => drop(self.closed.insert(session)),
            ("watching", Some(session), Some(job)) => drop(self.watching.insert((session, job))),
            ("job_accepted", _, Some(job)) => drop(self.accepted.insert(job)),
            ("job_ended", _, Some(job)) => drop(self.ended.insert(job)),
            ("job_event", _, Some(job)) => {
                let line: Value = serde_json::from_slice(&record.encode()).expect("a record is JSON");
                let frame = json!({"type": "job.event", "payload": line["payload"]});
                self.events.entry(job).or_default().push(Entry::of(&Frame::parse(&frame.to_string())));
            }
            _ => {}
        }
        for target in record.targets() {
            let (_, text) = record.frame(target.session).expect("a target has a frame");
            let frame = Frame::parse(std::str::from_utf8(&text).expect("a frame is UTF-8"));
            let job = record.job().expect("an event is of a job");
            self.numbered.entry((target.session.to_string(), job)).or_default().push(Entry::of(&frame));
        }
    }

    /// Jobs that were accepted and have not ended.
    pub(in super::super) fn running(&self) -> usize {
        self.accepted.difference(&self.ended).count()
    }
}

/// How much of what was foretold these are.
fn matched(foretold: &[(usize, Entry)], left: &[Entry], what: &str) -> usize {
    let mut at = 0;
    for entry in left {
        loop {
            let (_, expected) = foretold.get(at).unwrap_or_else(|| panic!("journal: {what} has {entry:?} beyond all"));
            at += 1;
            if expected.agrees(entry) {
                break;
            }
            assert!(expected.may_be_left_out(), "journal: {what} has {entry:?} instead of {expected:?}");
        }
    }
    at
}

impl Model {
    /// The runtime is gone, and this is left of what it knew; how many jobs nobody knows any more.
    pub(in super::super) fn crashed(&mut self, left: &Left) -> usize {
        self.source = None;
        self.asking = None;
        self.again = None;
        self.orphans.clear();
        self.sessions.append(&mut self.gone);
        self.sessions.retain(|name, _| left.opened.contains(name) && !left.closed.contains(name));
        let before = self.jobs.len();
        self.jobs.retain(|id, _| left.accepted.contains(id));
        let jobs = &self.jobs;
        let forgotten = self.shown.iter().find(|id| !jobs.contains_key(*id));
        assert!(forgotten.is_none(), "journal: {forgotten:?} was acknowledged and is forgotten");
        self.keys.retain(|_, record| left.accepted.contains(&record.job));
        self.cut_histories(left);
        self.cut_watches(left);
        self.count_budgets();
        before - self.jobs.len()
    }

    fn cut_histories(&mut self, left: &Left) {
        for (id, job) in self.jobs.iter_mut().filter(|(id, _)| !left.ended.contains(*id)) {
            let placed: Vec<_> = job.history.iter().cloned().enumerate().collect();
            let events = left.events.get(id).map_or(&[][..], Vec::as_slice);
            job.history.truncate(matched(&placed, events, &job.id));
            job.interrupted = true;
            job.planned = None;
            job.ending = None;
            job.state = if job.grace.is_some() { State::Cancelling } else { State::Pending };
        }
    }

    fn cut_watches(&mut self, left: &Left) {
        for (name, session) in &mut self.sessions {
            let acked = session.acked;
            session.watches.retain(|id, watch| {
                let Some(job) = self.jobs.get(id) else { return false };
                let key = (name.clone(), *id);
                let numbered = left.numbered.get(&key);
                if numbered.is_none() && !left.watching.contains(&key) {
                    assert_eq!(watch.seen, 0, "journal: {name} was shown {} and it is forgotten", job.id);
                    return false;
                }
                let told = numbered.map_or(&[][..], Vec::as_slice);
                let dropped = watch.subscriber && told.iter().any(|entry| entry.is_phase("subscription_dropped"));
                watch.loose |= dropped || (watch.subscriber && watch.answered < watch.decided);
                if watch.loose {
                    return true;
                }
                let told: Vec<Entry> =
                    told.iter().filter(|entry| !(acked && entry.is_phase("back_pressure"))).cloned().collect();
                let at = matched(&watch.expected, &told, &job.id);
                assert!(watch.seen <= at, "journal: {name} was shown more of {} than is left", job.id);
                let rest = watch.expected.split_off(at);
                if watch.subscriber {
                    // History that was still to be shown.
                    watch.expected.extend(rest.into_iter().filter(|(place, _)| *place < job.history.len()));
                }
                watch.live = job.interrupted;
                true
            });
        }
    }

    /// What was spent and set aside, from the events that are left.
    fn count_budgets(&mut self) {
        for counter in self.jobs.values_mut().flat_map(|job| job.budget.iter_mut()).flat_map(BTreeMap::values_mut) {
            counter.spent = 0;
            counter.aside = 0;
        }
        let ids: Vec<JobUlid> = self.jobs.keys().copied().collect();
        // Children come after their parents.
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
                let budget = self.purse(id, &unit).and_then(|purse| self.job_mut(purse).budget.as_mut());
                if let Some(counter) = budget.and_then(|budget| budget.get_mut(&unit)) {
                    counter.spent += cost;
                }
            }
        }
        let ids: Vec<JobUlid> = self.jobs.keys().copied().collect();
        for id in ids.into_iter().rev() {
            let job = &self.jobs[&id];
            let (Some(parent), Some(budget), live) = (job.parent, job.budget.clone(), job.interrupted) else {
                continue;
            };
            let Some(ours) = self.job_mut(parent).budget.as_mut() else { continue };
            for (unit, child) in budget {
                let counter = ours.get_mut(&unit).expect("it was set aside from there");
                if live {
                    counter.aside += child.granted;
                } else {
                    counter.spent += child.granted - child.remaining();
                }
            }
        }
    }

    /// How a job ends that was not at its end: as it was told that it would, or by the restart.
    pub(super) fn interrupted(&mut self, id: JobUlid, status: &str, code: &str) -> Ending {
        let promised = self.promised.contains(&id);
        let job = self.job_mut(id);
        job.interrupted = false;
        let fine = match (status, code) {
            ("error", "INTERNAL_ERROR") => !promised,
            ("cancelled", "CANCELLED") => job.grace.is_some(),
            ("error", "LEASE_EXPIRED") => job.doomed && !promised,
            _ => false,
        };
        assert!(fine, "restart: {} ended as {status} {code}, {:?}, promised {promised}", job.id, job.state);
        if code == "INTERNAL_ERROR" {
            return Ending::Restarted;
        }
        Ending::Fault { status: status.to_owned(), code: code.to_owned() }
    }

    /// Everything that was not at its end is now.
    pub(in super::super) fn restarted(&self) {
        let left = self.jobs.values().find(|job| job.interrupted || job.state != State::Ended);
        assert!(left.is_none(), "restart: {left:?} has not ended");
    }

    /// `job.accepted` has left the runtime.
    pub(in super::super) fn shown(&mut self, name: &str) {
        self.shown.extend(self.named(name));
    }

    /// `job.cancelled` has left the runtime.
    pub(in super::super) fn promised(&mut self, name: &str) {
        self.promised.extend(self.named(name));
    }
}
