//! A journal in memory.

use std::sync::{Arc, Mutex};

use nuncio_core::arcp::{Record, ReplayRange};

use super::retention::Retention;
use super::{Assigned, Journal, JournalError, Replayed, Shard};
use crate::io::sync::lock;

/// A journal in memory, for tests and for servers that are stopped and started again within one process. Clones share
/// their records, which one server at a time may use.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    records: Arc<Mutex<Records>>,
}

#[derive(Debug, Default)]
struct Records {
    all: Vec<(u64, Record)>,
    retention: Retention,
    shard: Option<Shard>,
    /// The number of records after the last compaction.
    compacted: usize,
}

impl MemoryJournal {
    /// Returns a journal without records.
    pub fn new() -> MemoryJournal {
        MemoryJournal::default()
    }

    /// Returns a copy of the journal, as a crash at this moment would leave it.
    pub fn snapshot(&self) -> MemoryJournal {
        let copy = MemoryJournal::new();
        lock(&copy.records).shard = lock(&self.records).shard;
        for (seq, record) in &lock(&self.records).all {
            lock(&copy.records).push(*seq, record.clone());
        }
        copy
    }

    /// Returns the records with their numbers.
    pub fn records(&self) -> Vec<(u64, Record)> {
        lock(&self.records).all.clone()
    }
}

impl Journal for MemoryJournal {
    fn assign(&mut self, shard: Shard) -> Result<Assigned, JournalError> {
        let assigned = shard.check(self.shard()?)?;
        lock(&self.records).shard = Some(shard);
        Ok(assigned)
    }

    fn shard(&self) -> Result<Option<Shard>, JournalError> {
        let records = lock(&self.records);
        Ok(records.shard.or((!records.all.is_empty()).then_some(Shard::ONLY)))
    }

    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
        for (seq, record) in self.records() {
            if !each(seq, record) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
        let mut all = lock(&self.records);
        for (seq, record) in records {
            all.push(*seq, record.clone());
        }
        Ok(())
    }

    fn replay(&mut self, range: &ReplayRange, max_events: usize, max_bytes: usize) -> Result<Replayed, JournalError> {
        let records = lock(&self.records);
        let mut answer = Answer::new(*range, max_events, max_bytes);
        for (_, record) in &records.all {
            if !answer.take(record) {
                break;
            }
        }
        Ok(answer.finish())
    }

    fn compact_step(&mut self) -> Result<bool, JournalError> {
        let mut records = lock(&self.records);
        // A pass reads all records, so it waits until there are twice as many as after the last pass.
        if records.all.len() > 1024 + 2 * records.compacted {
            let Records { all, retention, compacted, .. } = &mut *records;
            (*all, _) = retention.divide(std::mem::take(all), true);
            *compacted = all.len();
        }
        Ok(false)
    }
}

impl Records {
    fn push(&mut self, seq: u64, record: Record) {
        self.retention.observe(seq, &record);
        self.all.push((seq, record));
    }
}

/// Collects the answer to a [`ReplayRange`] from records in their order.
#[derive(Debug)]
pub(super) struct Answer {
    range: ReplayRange,
    max_events: usize,
    max_bytes: usize,
    bytes: usize,
    records: Vec<Record>,
    /// The position of the last event before the range that was seen.
    before: Option<u64>,
    /// Whether no event is missing before the first one of the range.
    whole: bool,
}

impl Answer {
    pub(super) fn new(range: ReplayRange, max_events: usize, max_bytes: usize) -> Answer {
        Answer { range, max_events, max_bytes, bytes: 0, records: Vec::new(), before: None, whole: false }
    }

    /// Adds a record if it is in the range. Returns false once the answer is full.
    pub(super) fn take(&mut self, record: &Record) -> bool {
        let wanted = match self.range {
            ReplayRange::Session { session, after, before } => {
                let target = record.targets().iter().find(|target| target.session == session);
                target.is_some_and(|target| target.seq > after && target.seq < before)
            }
            ReplayRange::Job { job, position, after } => {
                match record.position().filter(|_| record.job() == Some(job)) {
                    Some((at, number)) if at >= position && number > after => {
                        self.whole |= self.records.is_empty() && (at == position || follows(self.before, at));
                        true
                    }
                    Some((at, _)) => {
                        self.before = self.before.max(Some(at));
                        false
                    }
                    None => false,
                }
            }
        };
        if !wanted {
            return true;
        }
        let bytes = record.targets().len() * 100 + record.payload_len();
        if self.records.len() >= self.max_events || (self.bytes >= self.max_bytes && !self.records.is_empty()) {
            return false;
        }
        self.bytes += bytes;
        self.records.push(record.clone());
        true
    }

    /// Returns the position of the first event if an event may be missing before it.
    #[cfg(feature = "sqlite")]
    pub(super) fn in_doubt(&self) -> Option<u64> {
        self.records.first().filter(|_| !self.whole)?.position().map(|(at, _)| at)
    }

    /// Sets whether no event is missing before the first one.
    #[cfg(feature = "sqlite")]
    pub(super) fn settle(&mut self, whole: bool) {
        self.whole = whole;
    }

    pub(super) fn finish(self) -> Replayed {
        let job = matches!(self.range, ReplayRange::Job { .. });
        Replayed { records: self.records, truncated: job && !self.whole }
    }
}

fn follows(before: Option<u64>, at: u64) -> bool {
    before.is_some_and(|before| before.checked_add(1) == Some(at))
}
