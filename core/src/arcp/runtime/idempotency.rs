//! Submits by their idempotency keys (§7.2).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::shares::{Room, Shares};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::{Accepted, Terminal};
use crate::digest::Digest;
use crate::time::Time;

/// The SHA-256 of a key, and the principal that chose it. The digest is first because it tells most keys apart.
pub(super) type Key = (Digest, Arc<str>);

/// All records, in the order of their jobs and by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Idempotency {
    records: BTreeMap<JobUlid, Record>,
    by_key: BTreeMap<Key, JobUlid>,
    /// Who holds them, with the bytes of those whose job is no longer kept.
    shares: Shares<JobUlid>,
    /// Those of ended jobs.
    ended: Shares<JobUlid>,
}

/// The record of a submit with a key.
#[derive(Clone, Debug)]
pub(super) struct Record {
    key: Key,
    fingerprint: Digest,
    job: JobKey,
    ulid: JobUlid,
    at: Time,
    /// The answer to the submit, once the host has answered.
    accepted: Option<Arc<Accepted>>,
    ended: bool,
    /// Whether the job is no longer kept. Its terminal is then kept here.
    outlived: bool,
    terminal: Option<Arc<Terminal>>,
}

impl Record {
    /// The digest of what was asked for.
    pub(super) fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    pub(super) fn job(&self) -> JobKey {
        self.job
    }

    pub(super) fn ulid(&self) -> JobUlid {
        self.ulid
    }

    /// The answer and the terminal of a job that is no longer kept.
    pub(super) fn outcome(&self) -> Option<(Arc<Accepted>, Arc<Terminal>)> {
        Some((Arc::clone(self.accepted.as_ref()?), Arc::clone(self.terminal.as_ref()?)))
    }

    fn held(&self) -> usize {
        self.accepted.as_ref().map_or(0, |accepted| accepted.held())
            + self.terminal.as_ref().map_or(0, |terminal| terminal.held())
    }
}

impl Idempotency {
    pub(super) fn find(&self, key: &Key) -> Option<&Record> {
        self.records.get(self.by_key.get(key)?)
    }

    /// The hash of the key that a job was submitted with, and the digest of what was asked for.
    pub(super) fn key_of(&self, job: JobUlid) -> Option<(Digest, Digest)> {
        let record = self.records.get(&job)?;
        Some((record.key.0, record.fingerprint))
    }

    /// Returns the answer to a submit with a key.
    pub(super) fn accepted_of(&self, job: JobUlid) -> Option<Arc<Accepted>> {
        self.records.get(&job)?.accepted.clone()
    }

    /// Records a submit that the host is asked about, in place of one with the same key.
    pub(super) fn begin(&mut self, key: Key, fingerprint: Digest, job: JobKey, ulid: JobUlid, at: Time) {
        if let Some(replaced) = self.by_key.get(&key).copied() {
            self.forget(replaced);
        }
        self.shares.set(&key.1, ulid, 0);
        self.by_key.insert(key.clone(), ulid);
        let record =
            Record { key, fingerprint, job, ulid, at, accepted: None, ended: false, outlived: false, terminal: None };
        self.records.insert(ulid, record);
    }

    /// Notes that the host has accepted the job.
    pub(super) fn accept(&mut self, accepted: &Arc<Accepted>) {
        if let Some(record) = self.records.get_mut(&accepted.id) {
            record.accepted = Some(Arc::clone(accepted));
        }
    }

    /// Notes that the host has declined the job, whose key may be used again.
    pub(super) fn decline(&mut self, job: JobUlid) {
        if let Some(record) = self.records.remove(&job) {
            self.by_key.remove(&record.key);
            self.shares.remove(&record.key.1, job);
        }
    }

    /// Notes that the job has ended.
    pub(super) fn end(&mut self, job: JobUlid) {
        if let Some(record) = self.records.get_mut(&job) {
            record.ended = true;
            self.ended.set(&record.key.1, job, 0);
        }
    }

    /// Notes that the job is no longer kept. Its terminal is kept here, for submits that repeat the key.
    pub(super) fn outlive(&mut self, job: JobUlid, terminal: Option<Arc<Terminal>>) {
        let Some(record) = self.records.get_mut(&job) else { return };
        record.outlived = true;
        record.terminal = terminal;
        self.shares.set(&record.key.1, job, record.held());
    }

    /// Forgets a record; the key may be used again. Returns whether its job had been accepted.
    pub(super) fn forget(&mut self, job: JobUlid) -> Option<bool> {
        let record = self.records.remove(&job)?;
        let (_, holder) = &record.key;
        self.by_key.remove(&record.key);
        self.shares.remove(holder, job);
        self.ended.remove(holder, job);
        Some(record.accepted.is_some())
    }

    /// When the oldest record was made.
    pub(super) fn oldest_at(&self) -> Option<Time> {
        self.oldest().map(|(_, at)| at)
    }

    fn oldest(&self) -> Option<(JobUlid, Time)> {
        self.records.first_key_value().map(|(ulid, record)| (*ulid, record.at))
    }

    /// Returns the record to remove, because its principal or all hold too many, or because it was made before `expired`.
    /// The principal that holds most gives way, with its oldest record of an ended job.
    pub(super) fn surplus(&self, limits: &Limits, expired: impl Fn(Time) -> bool) -> Option<JobUlid> {
        let all = Room { entries: limits.idempotency_records, bytes: limits.idempotency_bytes };
        let each =
            Room { entries: limits.idempotency_records_per_principal, bytes: limits.idempotency_bytes_per_principal };
        match self.shares.gives_way(all, each) {
            Some(holder) => self.ended.places(holder).next(),
            None => self.oldest().filter(|(_, at)| expired(*at)).map(|(ulid, _)| ulid),
        }
    }

    /// Returns the record to remove if another one of a principal would exceed a limit: of the principal itself if it has too
    /// many, or else of the one that has most. It is the oldest of an ended job, or the oldest of all.
    pub(super) fn displaced(&self, principal: &str, limits: &Limits) -> Option<JobUlid> {
        let holder = if self.shares.of(principal).entries >= limits.idempotency_records_per_principal.max(1) {
            principal
        } else if self.records.len() >= limits.idempotency_records.max(1) {
            self.shares.most_entries()?
        } else {
            return None;
        };
        self.ended.places(holder).next().or_else(|| self.shares.places(holder).next())
    }

    pub(super) fn held(&self) -> usize {
        self.shares.held().bytes + self.records.len() * 320
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn key(principal: &str, number: u32) -> Key {
        (crate::digest::sha256(&number.to_be_bytes()), Arc::from(principal))
    }

    #[test]
    fn keys_of_120_000_jobs_of_one_principal_take_none_of_another() {
        let (mut all, limits) = (Idempotency::default(), Limits::default());
        let mut ulid = 0;
        let mut run = |all: &mut Idempotency, principal: &str, number: u32| {
            ulid += 1;
            let key = key(principal, number);
            while let Some(displaced) = all.displaced(&key.1, &limits) {
                all.forget(displaced);
            }
            all.begin(key, [0; 32], JobKey::default(), JobUlid(ulid), Time(0));
            all.end(JobUlid(ulid));
            JobUlid(ulid)
        };
        let theirs: Vec<JobUlid> = (0..50).map(|number| run(&mut all, "b", number)).collect();
        for number in 0..120_000 {
            run(&mut all, "a", number);
        }
        for (number, job) in (0..).zip(&theirs) {
            assert_eq!(all.find(&key("b", number)).map(Record::ulid), Some(*job));
        }
        assert_eq!(all.records.len(), limits.idempotency_records);
        assert!(all.find(&key("a", 119_999)).is_some());
        assert!(all.find(&key("a", 0)).is_none(), "its own oldest gave way");
    }
}
