//! Decides which records are still needed, by the retention rules of [`Record`].

mod families;
mod present;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nuncio_core::arcp::{JobUlid, Record, SessionUlid};

use families::Families;
use present::{Parts, Present};

/// The number of answered submits that are remembered for a session.
const SUBMITS: usize = 1_024;

/// A summary of a journal's records that decides which of them may be removed.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    sessions: BTreeMap<SessionUlid, OpenSession>,
    jobs: BTreeMap<JobUlid, KeptJob>,
    /// The number of values of each credential that were issued and not revoked.
    issued: BTreeMap<(JobUlid, String), u32>,
    /// Jobs whose provisioner was asked for credentials and has not answered.
    asked: BTreeSet<JobUlid>,
    families: Families,
    over: Over,
    present: Present,
}

/// Credentials that have ended but whose first record is still in the journal. The record of the end has to stay until that
/// one is removed, or they would be restored as if they were valid.
#[derive(Debug, Default)]
struct Over {
    /// The number of values of each credential whose issue is in the journal, revoked or not.
    issued: BTreeMap<(JobUlid, String), u32>,
    asked: BTreeSet<JobUlid>,
}

#[derive(Debug, Default)]
struct OpenSession {
    acked: u64,
    highest: u64,
    /// The numbers of the last record of each kind.
    token: u64,
    detached: u64,
    elsewhere: u64,
    ack: u64,
    /// The jobs whose events it has received.
    jobs: BTreeMap<JobUlid, Shown>,
    /// The numbers of the last records of answered submits, the oldest first.
    submits: VecDeque<u64>,
}

/// The numbers of the last records about a session and a job.
#[derive(Debug, Default)]
struct Shown {
    /// An event or terminal that the session has received.
    event: u64,
    watching: u64,
    /// A record that makes the session the owner.
    owner: u64,
    /// A record that begins a history.
    from: u64,
    unwatched: u64,
}

#[derive(Debug, Default)]
struct KeptJob {
    keyed: bool,
    forgotten: bool,
    /// The number of the record of its last event, and that event's position.
    last: u64,
    position: Option<u64>,
    ended: bool,
    /// The numbers of its request, and of the last of its notes, of its events that begin a run and of its chunks.
    input: u64,
    note: u64,
    begun: u64,
    chunk: u64,
    /// Open sessions that have received its events.
    sessions: BTreeSet<SessionUlid>,
}

impl Retention {
    /// Notes a record. Records are noted in the order of their numbers.
    pub(crate) fn observe(&mut self, seq: u64, record: &Record) {
        self.present.add(record);
        match record {
            Record::SessionOpened(_) => {
                if let Some(session) = record.session() {
                    self.sessions.entry(session).or_default();
                }
            }
            Record::SessionToken(_) => self.update(record, |session| session.token = seq),
            Record::SessionDetached { .. } => self.update(record, |session| session.detached = seq),
            Record::WatchingElsewhere { .. } => self.update(record, |session| session.elsewhere = seq),
            Record::Acknowledged { seq: acked, .. } => self.update(record, |session| {
                session.ack = seq;
                session.acked = session.acked.max(*acked);
                session.highest = session.highest.max(*acked);
            }),
            Record::SessionClosed { session } => {
                let open = self.sessions.remove(session);
                for job in open.map(|open| open.jobs).unwrap_or_default().into_keys() {
                    if let Some(kept) = self.jobs.get_mut(&job) {
                        kept.sessions.remove(session);
                    }
                }
            }
            Record::Watching(watching) => {
                self.show(record, |shown| {
                    if watching.is_shown() {
                        shown.watching = seq;
                    }
                    if watching.is_owner() {
                        shown.owner = seq;
                    }
                    if watching.begins_history() {
                        shown.from = seq;
                    }
                });
                if watching.answers_submit() {
                    self.update(record, |session| session.answered(seq));
                }
            }
            Record::Unwatched { .. } => self.show(record, |shown| {
                *shown = Shown { watching: 0, from: 0, unwatched: seq, ..*shown };
            }),
            Record::JobAccepted(_) => {
                if let Some(job) = record.job() {
                    self.jobs.entry(job).or_insert(KeptJob { keyed: record.is_keyed(), ..KeptJob::default() });
                    if let Some(parent) = record.parent() {
                        self.families.adopt(job, parent);
                    }
                }
            }
            Record::JobInput(_) => self.keep(record, |job| job.input = seq),
            Record::JobNoted { .. } => self.keep(record, |job| job.note = seq),
            Record::JobEnded(_) => {
                self.keep(record, |job| job.ended = true);
                if let Some(job) = record.job() {
                    self.families.end(job);
                }
            }
            Record::JobForgotten { job } => {
                if let Some(kept) = self.jobs.get_mut(job) {
                    let sessions = std::mem::take(&mut kept.sessions);
                    *kept = KeptJob { keyed: kept.keyed, forgotten: true, ..KeptJob::default() };
                    for session in sessions {
                        if let Some(open) = self.sessions.get_mut(&session) {
                            open.jobs.remove(job);
                        }
                    }
                    self.drop_job(*job);
                }
            }
            Record::KeyForgotten { job } => {
                if let Some(kept) = self.jobs.get_mut(job) {
                    kept.keyed = false;
                    self.drop_job(*job);
                }
            }
            _ => self.observe_credential(record),
        }
        self.observe_event(seq, record);
    }

    fn observe_credential(&mut self, record: &Record) {
        match record {
            Record::CredentialsAsked { job } => {
                self.asked.insert(*job);
                self.over.asked.insert(*job);
            }
            Record::CredentialsAnswered { job } => {
                self.asked.remove(job);
            }
            Record::CredentialIssued { job, id } => {
                *self.issued.entry((*job, id.clone())).or_default() += 1;
                *self.over.issued.entry((*job, id.clone())).or_default() += 1;
            }
            Record::CredentialRevoked { job, id } => {
                let key = (*job, id.clone());
                if let Some(values) = self.issued.get_mut(&key) {
                    *values -= 1;
                    if *values == 0 {
                        self.issued.remove(&key);
                    }
                }
            }
            _ => {}
        }
    }

    /// Notes the numbers of an event.
    fn observe_event(&mut self, seq: u64, record: &Record) {
        let mut job = record.job().and_then(|id| Some((id, self.jobs.get_mut(&id).filter(|job| !job.forgotten)?)));
        if let (Some((id, job)), Some((position, _))) = (&mut job, record.position()) {
            job.last = seq;
            job.position = Some(position);
            if record.begins_run() {
                job.begun = seq;
                self.families.begin(*id);
            }
            if record.is_chunk() {
                job.chunk = seq;
            }
        }
        for target in record.targets() {
            if let Some(session) = self.sessions.get_mut(&target.session) {
                session.highest = session.highest.max(target.seq);
                if let Some((id, job)) = &mut job {
                    job.sessions.insert(target.session);
                    session.jobs.entry(*id).or_default().event = seq;
                }
            }
        }
    }

    /// Notes a record about a session and a job.
    fn show(&mut self, record: &Record, change: impl FnOnce(&mut Shown)) {
        let (Some(session), Some(job)) = (record.session(), record.job()) else { return };
        let kept = self.jobs.get_mut(&job).filter(|kept| !kept.forgotten);
        if let (Some(open), Some(kept)) = (self.sessions.get_mut(&session), kept) {
            kept.sessions.insert(session);
            change(open.jobs.entry(job).or_default());
        }
    }

    /// Notes a record about a job.
    fn keep(&mut self, record: &Record, change: impl FnOnce(&mut KeptJob)) {
        if let Some(job) = record.job().and_then(|job| self.jobs.get_mut(&job)).filter(|job| !job.forgotten) {
            change(job);
        }
    }

    /// Divides records into those that have to stay and those that may be removed, which it notes as removed. `fresh` says
    /// that they are young enough to be replayed to sessions and subscriptions.
    pub(crate) fn divide(&mut self, records: Vec<(u64, Record)>, fresh: bool) -> (Vec<(u64, Record)>, Vec<Record>) {
        let (mut kept, mut removed) = (records, Vec::new());
        loop {
            let needed = |(seq, record): &(u64, Record)| self.needs(*seq, record, fresh);
            let (stay, go): (Vec<_>, Vec<_>) = kept.into_iter().partition(needed);
            kept = stay;
            if go.is_empty() {
                return (kept, removed);
            }
            // Without these, others may no longer be needed.
            for (_, record) in go {
                self.remove(&record);
                removed.push(record);
            }
        }
    }

    fn needs(&self, seq: u64, record: &Record, fresh: bool) -> bool {
        let session = || record.session().and_then(|session| self.sessions.get(&session));
        let job = || record.job().and_then(|job| self.jobs.get(&job));
        match record {
            Record::SessionOpened(_) => {
                session().is_some() || self.parts_of_session(record).is_some_and(|p| p.others > 0)
            }
            Record::SessionToken(_) => session().is_some_and(|session| session.token == seq),
            Record::SessionDetached { .. } => session().is_some_and(|session| session.detached == seq),
            Record::WatchingElsewhere { .. } => session().is_some_and(|session| session.elsewhere == seq),
            Record::Acknowledged { .. } => session().is_some_and(|session| session.ack == seq),
            Record::SessionClosed { .. } => self.parts_of_session(record).is_some_and(|parts| parts.begins > 0),
            Record::CredentialsAnswered { job } => self.over.asked.contains(job),
            // A client can subscribe any number of times; only the last of these records counts.
            Record::Watching(_) => session().is_some_and(|session| {
                let shown = self.shown(record);
                let last = shown.is_some_and(|shown| [shown.watching, shown.owner, shown.from].contains(&seq));
                last || (job().is_some() && session.submits.contains(&seq))
            }),
            Record::Unwatched { .. } => self.shown(record).is_some_and(|shown| seq == shown.unwatched),
            Record::JobAccepted(_) => {
                let parts = self.parts_of_job(record);
                let is_sent = |(session, seq): &(SessionUlid, u64)| self.owes(*session, *seq, fresh);
                let is_read = parts.is_some_and(|parts| parts.others > 0 || parts.ended_in.iter().any(is_sent));
                is_read || job().is_some() || self.is_counted(record)
            }
            Record::JobDoomed { .. } => job().is_some(),
            Record::JobInput(_) => job().is_some_and(|job| job.input == seq && job.may_run()),
            Record::JobNoted { .. } => job().is_some_and(|job| job.note == seq && !job.ended),
            Record::JobForgotten { .. } | Record::KeyForgotten { .. } => {
                job().is_some() || self.parts_of_job(record).is_some_and(|parts| parts.begins > 0 || parts.ends > 0)
            }
            Record::JobEnded(_) => {
                let is_begun = self.parts_of_job(record).is_some_and(|parts| parts.begins > 0);
                is_begun || job().is_some() || self.is_counted(record) || self.is_owed(record, fresh)
            }
            Record::JobEvent(_) => {
                let kept = job().is_some_and(|job| {
                    let repeated = !job.ended && (job.begun == seq || job.chunk == seq);
                    let asks = !job.ended && record.is_question();
                    !job.forgotten && (fresh || job.last == seq || repeated || asks)
                });
                kept || (record.has_cost() && self.is_counted(record))
                    || self.is_owed(record, fresh)
                    || self.is_last(seq, record)
            }
            Record::SessionEvent(_) => self.is_owed(record, fresh) || self.is_last(seq, record),
            Record::CredentialsAsked { job } => self.asked.contains(job),
            Record::CredentialIssued { job, id } => self.issued.contains_key(&(*job, id.clone())),
            Record::CredentialRevoked { job, id } => {
                let key = (*job, id.clone());
                self.issued.contains_key(&key) || self.over.issued.contains_key(&key)
            }
            // The rules for a kind of a later version are not known.
            _ => true,
        }
    }

    /// Notes that a record was removed.
    fn remove(&mut self, record: &Record) {
        self.present.remove(record);
        match record {
            Record::CredentialsAsked { job } => {
                self.over.asked.remove(job);
            }
            Record::CredentialIssued { job, id } => {
                let key = (*job, id.clone());
                if let Some(values) = self.over.issued.get_mut(&key) {
                    *values -= 1;
                    if *values == 0 {
                        self.over.issued.remove(&key);
                    }
                }
            }
            _ => {}
        }
    }

    /// Notes that removed records stay.
    #[cfg(feature = "sqlite")]
    pub(crate) fn put_back(&mut self, removed: &[Record]) {
        for record in removed {
            self.present.add(record);
            match record {
                Record::CredentialsAsked { job } => {
                    self.over.asked.insert(*job);
                }
                Record::CredentialIssued { job, id } => *self.over.issued.entry((*job, id.clone())).or_default() += 1,
                _ => {}
            }
        }
    }

    fn parts_of_session(&self, record: &Record) -> Option<&Parts> {
        self.present.sessions.get(&record.session()?)
    }

    fn parts_of_job(&self, record: &Record) -> Option<&Parts> {
        self.present.jobs.get(&record.job()?)
    }

    /// The position of the last event of a job that is kept.
    #[cfg(feature = "sqlite")]
    pub(crate) fn last_position(&self, job: JobUlid) -> Option<u64> {
        self.jobs.get(&job)?.position
    }

    /// Whether an open session may still be sent the event, or its numbering continues after it.
    fn is_owed(&self, record: &Record, fresh: bool) -> bool {
        record.targets().iter().any(|target| self.owes(target.session, target.seq, fresh))
    }

    fn owes(&self, session: SessionUlid, seq: u64, fresh: bool) -> bool {
        let session = self.sessions.get(&session);
        session.is_some_and(|session| seq == session.highest || (fresh && seq > session.acked))
    }

    /// Whether this is the last event of a job that an open session has received.
    fn is_last(&self, seq: u64, record: &Record) -> bool {
        let Some(job) = record.job() else { return false };
        record.targets().iter().any(|target| {
            let shown = self.sessions.get(&target.session).and_then(|session| session.jobs.get(&job));
            shown.is_some_and(|shown| shown.event == seq)
        })
    }

    /// Whether the budget of a job that may be run again is known from this record.
    fn is_counted(&self, record: &Record) -> bool {
        record.job().is_some_and(|job| self.families.has(job))
    }

    fn shown(&self, record: &Record) -> Option<&Shown> {
        self.sessions.get(&record.session()?)?.jobs.get(&record.job()?)
    }

    fn update(&mut self, record: &Record, change: impl FnOnce(&mut OpenSession)) {
        if let Some(session) = record.session().and_then(|session| self.sessions.get_mut(&session)) {
            change(session);
        }
    }

    fn drop_job(&mut self, job: JobUlid) {
        if self.jobs.get(&job).is_some_and(|kept| kept.forgotten && !kept.keyed) {
            self.jobs.remove(&job);
        }
    }
}

impl KeptJob {
    /// Whether it may have to be run after a restart.
    fn may_run(&self) -> bool {
        !self.ended && self.chunk == 0 && (self.position.is_none() || self.begun > 0)
    }
}

impl OpenSession {
    fn answered(&mut self, seq: u64) {
        self.submits.push_back(seq);
        if self.submits.len() > SUBMITS {
            self.submits.pop_front();
        }
    }
}
