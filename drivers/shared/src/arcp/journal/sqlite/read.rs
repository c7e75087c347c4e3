//! Reads a journal one commit at a time, and summarises its contents.

use std::collections::{HashMap, HashSet};

use nuncio_core::arcp::{FinalStatus, JobUlid, Record, SessionUlid};
use nuncio_core::time::Time;
use rusqlite::{OptionalExtension as _, params};

use super::batch::Batch;
use super::convert::{fault, readable, signed};
use super::journal::SqliteJournal;
use crate::arcp::journal::JournalError;

/// Records that were committed together.
#[derive(Clone, Debug)]
pub struct Committed {
    /// When they were committed.
    pub at: Time,
    /// The number of the last one, for the next [`SqliteJournal::after`].
    pub last: u64,
    /// The records with their numbers, without those of a kind that a later version has added.
    pub records: Vec<(u64, Record)>,
}

/// A summary of the sessions, jobs and credentials in a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalContents {
    /// Sessions that are connected or can be resumed, also those that their clients have closed.
    pub sessions: u64,
    /// Jobs that have not ended. If their server is gone, the next one ends them.
    pub jobs_unfinished: u64,
    /// Ended jobs that are not forgotten, in the order of [`JournalContents::ended`].
    jobs_ended: [u64; 4],
    /// Events and terminals.
    pub events: u64,
    /// When the oldest of them was committed.
    pub oldest_event: Option<Time>,
    /// Values of credentials that were issued and not revoked.
    pub credentials_unrevoked: u64,
    /// Jobs whose provisioner was asked for credentials and has not answered. It may have issued some.
    pub credentials_unanswered: u64,
}

impl JournalContents {
    /// Returns the number of jobs that have ended with this status (§7.3) and are not forgotten.
    pub fn ended(&self, status: FinalStatus) -> u64 {
        let [success, error, cancelled, timed_out] = self.jobs_ended;
        match status {
            FinalStatus::Success => success,
            FinalStatus::Error => error,
            FinalStatus::Cancelled => cancelled,
            FinalStatus::TimedOut => timed_out,
        }
    }
}

impl SqliteJournal {
    /// Returns the records after this number that were committed together, or `None` if there are none yet. No lock is
    /// held between two calls, so a slow reader does not delay the server.
    pub fn after(&self, number: u64) -> Result<Option<Committed>, JournalError> {
        // The batch that contains the next number, or else the first one that begins after it.
        let sql = "SELECT first, at, sum, data, last FROM batches WHERE first >= coalesce(
                (SELECT first FROM (SELECT first, last FROM batches WHERE first <= ?1 ORDER BY first DESC LIMIT 1)
                 WHERE last > ?1), ?1 + 1)
             ORDER BY first LIMIT 1";
        let mut statement = self.database.connection().prepare_cached(sql).map_err(fault)?;
        let row = statement.query_row([signed(number)], |row| Ok((Batch::of(row), row.get::<_, i64>(4)?)));
        let Some((batch, last)) = row.optional().map_err(fault)? else { return Ok(None) };
        let batch = batch?;
        // Even if a row is damaged, the next call has to return a later one.
        let last = u64::try_from(last.max(batch.first)).unwrap_or(number).max(number + 1);
        let mut committed = Committed { at: batch.at, last, records: Vec::new() };
        for line in batch.lines() {
            let (seq, record) = line?;
            if seq > number
                && let Some(record) = readable(record)?
            {
                committed.records.push((seq, record));
            }
        }
        Ok(Some(committed))
    }

    /// Whether the event before this position is in the journal, with at most this number.
    pub(super) fn is_begun_at(&self, job: JobUlid, position: u64, number: u64) -> Result<bool, JournalError> {
        let sql = "SELECT 1 FROM job_spans WHERE job = ?1 AND high + 1 = ?2 AND high_number <= ?3";
        let before = self.database.connection().query_row(
            sql,
            params![job.to_string(), signed(position), signed(number)],
            |_| Ok(()),
        );
        Ok(before.optional().map_err(fault)?.is_some())
    }

    /// Whether events of a job are missing after the first one with a greater number.
    pub(super) fn has_gaps(&self, job: JobUlid, number: u64) -> Result<bool, JournalError> {
        let sql = "SELECT max(high), max(low > before + 1) FROM (
                SELECT low, high, lag(high) OVER (ORDER BY low) AS before FROM job_spans
                WHERE job = ?1 AND high_number > ?2)";
        let (end, gaps): (Option<i64>, Option<bool>) = self
            .database
            .connection()
            .query_row(sql, params![job.to_string(), signed(number)], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(fault)?;
        let cut = self.retention.last_position(job).is_some_and(|last| end != Some(signed(last)));
        Ok(cut || gaps == Some(true))
    }

    /// Reads the whole journal and summarises it.
    pub fn contents(&self) -> Result<JournalContents, JournalError> {
        let mut counting = Counting::default();
        let mut at = 0;
        while let Some(committed) = self.after(at)? {
            at = committed.last;
            for (_, record) in &committed.records {
                counting.note(record, committed.at);
            }
        }
        Ok(counting.finish())
    }
}

#[derive(Default)]
struct Counting {
    sessions: HashSet<SessionUlid>,
    jobs: HashMap<JobUlid, Option<FinalStatus>>,
    credentials: HashMap<(JobUlid, String), u64>,
    asked: HashSet<JobUlid>,
    contents: JournalContents,
}

impl Counting {
    fn note(&mut self, record: &Record, at: Time) {
        if !record.targets().is_empty() {
            self.contents.events += 1;
            self.contents.oldest_event.get_or_insert(at);
        }
        match record {
            Record::SessionOpened(_) => {
                self.sessions.extend(record.session());
            }
            Record::SessionClosed { session } => {
                self.sessions.remove(session);
            }
            Record::JobAccepted(_) => {
                self.jobs.extend(record.job().map(|job| (job, None)));
            }
            Record::JobEnded(_) => {
                if let Some(status) = record.job().and_then(|job| self.jobs.get_mut(&job)) {
                    *status = record.final_status();
                }
            }
            Record::JobForgotten { job } => {
                self.jobs.remove(job);
            }
            Record::CredentialsAsked { job } => {
                self.asked.insert(*job);
            }
            Record::CredentialsAnswered { job } => {
                self.asked.remove(job);
            }
            Record::CredentialIssued { job, id } => *self.credentials.entry((*job, id.clone())).or_default() += 1,
            Record::CredentialRevoked { job, id } => {
                if let Some(values) = self.credentials.get_mut(&(*job, id.clone())) {
                    *values = values.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    fn finish(self) -> JournalContents {
        let count = |status: FinalStatus| self.jobs.values().filter(|ended| **ended == Some(status)).count() as u64;
        let of = [FinalStatus::Success, FinalStatus::Error, FinalStatus::Cancelled, FinalStatus::TimedOut];
        JournalContents {
            sessions: self.sessions.len() as u64,
            jobs_unfinished: self.jobs.values().filter(|ended| ended.is_none()).count() as u64,
            jobs_ended: of.map(count),
            credentials_unrevoked: self.credentials.values().sum(),
            credentials_unanswered: self.asked.len() as u64,
            ..self.contents
        }
    }
}
