//! Batches: records that were committed together.

use std::collections::BTreeMap;

use lz4_flex::block::{compress_prepend_size, decompress, uncompressed_size};
use nuncio_core::arcp::{JobUlid, Record, SessionUlid};
use nuncio_core::time::Time;
use rusqlite::{Connection, Row, params};
use sha2::{Digest as _, Sha256};

use super::convert::{fault, signed};
use crate::arcp::journal::JournalError;

/// Larger commits are split into several batches, so that reading a few events reads little else.
const MAX_RECORDS: usize = 256;
const MAX_BYTES: usize = 128 << 10;
/// A batch holds at most one record more than `MAX_BYTES`, so a batch that claims to be larger than this is damaged.
const MAX_TEXT: usize = 256 << 20;

/// One row of `batches`.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) first: i64,
    pub(super) at: Time,
    pub(super) data: Vec<u8>,
}

/// The first and last event of a session or job in a batch.
#[derive(Debug)]
struct Span {
    low: u64,
    high: u64,
    low_number: u64,
    high_number: u64,
}

/// A batch to be written.
#[derive(Debug)]
pub(super) struct Draft {
    first: u64,
    last: u64,
    at: Time,
    data: Vec<u8>,
    records: usize,
    sessions: BTreeMap<SessionUlid, Span>,
    jobs: BTreeMap<JobUlid, Span>,
}

impl Batch {
    /// Reads a row of `batches`.
    ///
    /// Errors: [`JournalError::Damaged`] if it is not what was written.
    pub(super) fn of(row: &Row<'_>) -> Result<Batch, JournalError> {
        let read =
            || Ok::<_, rusqlite::Error>((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get(3)?));
        let (first, at, known, data): (i64, i64, i64, Vec<u8>) = read().map_err(fault)?;
        let damaged = || JournalError::Damaged(format!("the records from {first} on are not what was written"));
        if sum(&data) != known {
            return Err(damaged());
        }
        let (size, packed) = uncompressed_size(&data).map_err(|_| damaged())?;
        if size > MAX_TEXT {
            return Err(damaged());
        }
        let data = decompress(packed, size).map_err(|_| damaged())?;
        Ok(Batch { first, at: Time(u64::try_from(at).unwrap_or(0)), data })
    }

    /// Returns the numbers and texts of the records.
    pub(super) fn lines(&self) -> impl Iterator<Item = Result<(u64, &[u8]), JournalError>> {
        let lines = self.data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| {
            let numbered = line.iter().position(|byte| *byte == b'\t').and_then(|tab| line.split_at_checked(tab));
            numbered
                .and_then(|(number, record)| Some((std::str::from_utf8(number).ok()?.parse().ok()?, record.get(1..)?)))
                .ok_or_else(|| JournalError::Damaged(format!("the batch {} has no number in a line", self.first)))
        })
    }

    /// Splits records into batches.
    pub(super) fn cut(records: &[(u64, Record)], at: Time) -> Vec<Draft> {
        let mut drafts: Vec<Draft> = Vec::new();
        for (seq, record) in records {
            let full = drafts.last().is_none_or(Draft::is_full);
            if full {
                drafts.push(Draft::new(*seq, at));
            }
            if let Some(draft) = drafts.last_mut() {
                draft.push(*seq, record);
            }
        }
        drafts
    }
}

impl Draft {
    pub(super) fn new(first: u64, at: Time) -> Draft {
        let (data, sessions, jobs) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Draft { first, last: first, at, data, records: 0, sessions, jobs }
    }

    fn is_full(&self) -> bool {
        self.records >= MAX_RECORDS || self.data.len() >= MAX_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    pub(super) fn push(&mut self, seq: u64, record: &Record) {
        self.records += 1;
        self.last = seq;
        self.data.extend_from_slice(seq.to_string().as_bytes());
        self.data.push(b'\t');
        self.data.extend_from_slice(&record.encode());
        self.data.push(b'\n');
        for target in record.targets() {
            widen(&mut self.sessions, target.session, target.seq, target.seq);
        }
        if let (Some(job), Some((position, number))) = (record.job(), record.position()) {
            widen(&mut self.jobs, job, position, number);
        }
    }

    /// Removes the batch from the histories of its jobs. The events that are left in it are kept for other reasons, and no
    /// history can be read from them.
    pub(super) fn leave_histories(&mut self) {
        self.jobs.clear();
    }

    /// Writes the batch, and returns its number of bytes.
    pub(super) fn insert(&self, db: &Connection) -> rusqlite::Result<u64> {
        let first = signed(self.first);
        let at = signed(self.at.0);
        let packed = compress_prepend_size(&self.data);
        db.prepare_cached("INSERT INTO batches (first, last, at, sum, data) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![first, signed(self.last), at, sum(&packed), packed])?;
        for (session, span) in &self.sessions {
            // A number that is used twice is damage; the first use counts.
            db.prepare_cached("INSERT OR IGNORE INTO session_spans VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                session.to_string(),
                signed(span.low),
                signed(span.high),
                first
            ])?;
        }
        for (job, span) in &self.jobs {
            db.prepare_cached("INSERT OR IGNORE INTO job_spans VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
                job.to_string(),
                signed(span.low),
                signed(span.high),
                signed(span.low_number),
                signed(span.high_number),
                first
            ])?;
        }
        Ok(packed.len() as u64)
    }
}

fn sum(data: &[u8]) -> i64 {
    Sha256::digest(data).first_chunk().copied().map_or(0, i64::from_be_bytes)
}

fn widen<I: Ord>(spans: &mut BTreeMap<I, Span>, id: I, at: u64, number: u64) {
    let span = spans.entry(id).or_insert(Span { low: at, high: at, low_number: number, high_number: number });
    span.low = span.low.min(at);
    span.high = span.high.max(at);
    span.low_number = span.low_number.min(number);
    span.high_number = span.high_number.max(number);
}

/// Deletes a batch.
pub(super) fn delete(db: &Connection, first: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM session_spans WHERE batch = ?1")?.execute([first])?;
    db.prepare_cached("DELETE FROM job_spans WHERE batch = ?1")?.execute([first])?;
    db.prepare_cached("DELETE FROM batches WHERE first = ?1")?.execute([first])?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use nuncio_core::arcp::JobUlid;

    use super::*;

    fn batches(records: &[Record]) -> Vec<usize> {
        let numbered: Vec<(u64, Record)> = (1..).zip(records.iter().cloned()).collect();
        let drafts = Batch::cut(&numbered, Time(0));
        let firsts: Vec<u64> = drafts.iter().map(|draft| draft.first).collect();
        assert!(firsts.is_sorted() && drafts.last().is_none_or(|draft| draft.last == records.len() as u64));
        drafts.iter().map(|draft| draft.records).collect()
    }

    /// A batch is read as a whole, so it has a bounded number of records and, but for its last record, of bytes.
    #[test]
    fn a_batch_is_full_of_many_records_or_of_many_bytes() {
        let job = JobUlid::parse("job_01KRHD2GP0AW1PQQZEEHMZNQES").unwrap();
        let small = Record::KeyForgotten { job };
        let id = "x".repeat(MAX_BYTES / 4);
        let large = Record::CredentialRevoked { job, id };
        assert_eq!(batches(&[]), [0; 0]);
        assert_eq!(batches(&vec![small.clone(); 2 * MAX_RECORDS + 1]), [MAX_RECORDS, MAX_RECORDS, 1]);
        assert_eq!(batches(&vec![large.clone(); 9]), [4, 4, 1]);
        assert_eq!(batches(&[large.clone(), large.clone(), large.clone(), small.clone(), large, small]), [5, 1]);
    }
}
