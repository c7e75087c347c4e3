//! Submits by their idempotency keys (§7.2).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::{Accepted, Terminal};
use crate::digest::Digest;
use crate::time::Time;

/// A principal and the SHA-256 of the key it chose.
pub(super) type Key = (Arc<str>, Digest);

/// All records, by key and in the order of their jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct Idempotency {
    records: BTreeMap<Key, Record>,
    order: BTreeMap<JobUlid, Key>,
    /// Bytes held by the records whose job is no longer kept.
    bytes: usize,
}

/// The record of a submit with a key.
#[derive(Clone, Debug)]
pub(super) struct Record {
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
        self.records.get(key)
    }

    /// The hash of the key that a job was submitted with, and the digest of what was asked for.
    pub(super) fn key_of(&self, job: JobUlid) -> Option<(Digest, Digest)> {
        let key = self.order.get(&job)?;
        Some((key.1, self.records.get(key)?.fingerprint))
    }

    /// Returns the answer to a submit with a key.
    pub(super) fn accepted_of(&self, job: JobUlid) -> Option<Arc<Accepted>> {
        self.records.get(self.order.get(&job)?)?.accepted.clone()
    }

    /// Records a submit that the host is asked about.
    pub(super) fn begin(&mut self, key: Key, fingerprint: Digest, job: JobKey, ulid: JobUlid, at: Time) {
        self.order.insert(ulid, key.clone());
        let record =
            Record { fingerprint, job, ulid, at, accepted: None, ended: false, outlived: false, terminal: None };
        self.records.insert(key, record);
    }

    fn of(&mut self, job: JobUlid) -> Option<&mut Record> {
        self.records.get_mut(self.order.get(&job)?)
    }

    /// Notes that the host has accepted the job.
    pub(super) fn accept(&mut self, accepted: &Arc<Accepted>) {
        if let Some(record) = self.of(accepted.id) {
            record.accepted = Some(Arc::clone(accepted));
        }
    }

    /// Notes that the host has declined the job, whose key may be used again.
    pub(super) fn decline(&mut self, job: JobUlid) {
        if let Some(key) = self.order.remove(&job) {
            self.records.remove(&key);
        }
    }

    /// Notes that the job has ended.
    pub(super) fn end(&mut self, job: JobUlid) {
        if let Some(record) = self.of(job) {
            record.ended = true;
        }
    }

    /// Notes that the job is no longer kept. Its terminal is kept here, for submits that repeat the key.
    pub(super) fn outlive(&mut self, job: JobUlid, terminal: Option<Arc<Terminal>>) {
        let Some(record) = self.of(job) else { return };
        record.outlived = true;
        record.terminal = terminal;
        let held = record.held();
        self.bytes += held;
    }

    /// Forgets a record; the key may be used again. Returns whether its job had been accepted.
    pub(super) fn forget(&mut self, job: JobUlid) -> Option<bool> {
        let key = self.order.remove(&job)?;
        let record = self.records.remove(&key)?;
        if record.outlived {
            self.bytes = self.bytes.saturating_sub(record.held());
        }
        Some(record.accepted.is_some())
    }

    /// When the oldest record was made.
    pub(super) fn oldest_at(&self) -> Option<Time> {
        self.oldest().map(|(_, at)| at)
    }

    fn oldest(&self) -> Option<(JobUlid, Time)> {
        let (ulid, key) = self.order.first_key_value()?;
        self.records.get(key).map(|record| (*ulid, record.at))
    }

    fn oldest_ended(&self) -> Option<JobUlid> {
        let ended = |key: &Key| self.records.get(key).is_some_and(|record| record.ended);
        self.order.iter().find_map(|(ulid, key)| ended(key).then_some(*ulid))
    }

    /// Returns the record to remove, because there are too many or because it was made before `expired`.
    pub(super) fn surplus(&self, limits: &Limits, expired: impl Fn(Time) -> bool) -> Option<JobUlid> {
        if self.records.len() > limits.idempotency_records || self.bytes > limits.idempotency_bytes {
            self.oldest_ended()
        } else {
            self.oldest().filter(|(_, at)| expired(*at)).map(|(ulid, _)| ulid)
        }
    }

    /// Returns the record to remove if another one would exceed the limit: the oldest of an ended job, or the oldest of
    /// all.
    pub(super) fn displaced(&self, limits: &Limits) -> Option<JobUlid> {
        if self.records.len() < limits.idempotency_records.max(1) {
            return None;
        }
        self.oldest_ended().or_else(|| self.oldest().map(|(ulid, _)| ulid))
    }

    pub(super) fn held(&self) -> usize {
        self.bytes + self.records.len() * 160
    }
}
