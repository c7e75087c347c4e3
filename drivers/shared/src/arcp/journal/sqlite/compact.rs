//! Retention and compaction, one batch at a time.

use rusqlite::OptionalExtension as _;

use super::batch::{Batch, Draft, delete};
use super::convert::{fault, readable};
use super::database::Database;
use super::options::SqliteOptions;
use crate::arcp::journal::JournalError;
use crate::arcp::journal::retention::Retention;
use crate::io::clock::{micros, wall};

/// A pass over the file begins once it has grown by this many bytes, and by one part in `GROWTH_PART` of itself.
const GROWTH: u64 = 4 << 20;
const GROWTH_PART: u64 = 2;
/// Pages given back to the file system after a pass.
const VACUUM_PAGES: u32 = 4096;

/// The progress of the pass over the file.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// Bytes written since the last pass began.
    grown: u64,
    /// The last batch that was visited; `None` between two passes.
    at: Option<i64>,
}

/// The parts of a journal that a step works on.
pub(super) struct Compacted<'a> {
    pub(super) database: &'a mut Database,
    pub(super) retention: &'a mut Retention,
    pub(super) options: &'a SqliteOptions,
    /// Whether the file system has less free space than is to be left.
    pub(super) is_low: bool,
}

impl Compaction {
    /// Returns a compaction whose pass begins at the next step, even if the file has not grown.
    pub(super) fn begun() -> Compaction {
        Compaction { grown: 0, at: Some(i64::MIN) }
    }

    /// Notes that the file has grown by this many bytes.
    pub(super) fn grow(&mut self, bytes: u64) {
        self.grown = self.grown.saturating_add(bytes);
    }

    /// Visits the next batch, if a pass is under way or due. Returns whether there may be more to do.
    pub(super) fn step(&mut self, of: &mut Compacted<'_>) -> Result<bool, JournalError> {
        let at = match self.at {
            Some(at) => at,
            None if self.grown < GROWTH => return Ok(false),
            None => {
                if !of.is_over()? && self.grown < of.database.bytes()? / GROWTH_PART {
                    return Ok(false);
                }
                self.grown = 0;
                i64::MIN
            }
        };
        let sql = "SELECT first, at, sum, data FROM batches WHERE first > ?1 ORDER BY first LIMIT 1";
        let batch = of.database.connection().query_row(sql, [at], |row| Ok(Batch::of(row))).optional();
        let Some(batch) = batch.map_err(fault)?.transpose()? else {
            self.at = None;
            of.database.execute(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
            return Ok(false);
        };
        self.at = Some(batch.first);
        of.thin(&batch)?;
        Ok(true)
    }

    /// Makes space for a commit of some bytes: while the file is too large, visits up to twice as many batches as the commit adds.
    ///
    /// Errors: [`JournalError::Full`] if the file system has to be left alone, and the file has no space of its own.
    pub(super) fn make_room(
        &mut self,
        batches: usize,
        bytes: usize,
        of: &mut Compacted<'_>,
    ) -> Result<(), JournalError> {
        for _ in 0..=batches * 2 {
            if !of.is_over()? || !self.step(of)? {
                break;
            }
        }
        if of.is_low && of.database.unused()? <= bytes as u64 {
            return Err(JournalError::Full);
        }
        Ok(())
    }
}

impl Compacted<'_> {
    /// Whether the file is larger than it may be.
    fn is_over(&self) -> Result<bool, JournalError> {
        Ok(self.is_low
            || match self.options.max_bytes {
                Some(max) => self.database.bytes()? > max,
                None => false,
            })
    }

    /// Replaces a batch by one without the records that are no longer needed, if that saves a quarter of it.
    fn thin(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let fresh = !self.is_over()? && wall().since(batch.at) < micros(self.options.retain);
        let mut records = Vec::new();
        for line in batch.lines() {
            let (seq, text) = line?;
            // The rules for a record of a later version are not known here.
            let Some(record) = readable(text)? else { return Ok(()) };
            records.push((seq, record));
        }
        let mut draft = Draft::new(u64::try_from(batch.first).unwrap_or(0), batch.at);
        let (kept, removed) = self.retention.divide(records, fresh);
        for (seq, record) in &kept {
            draft.push(*seq, record);
        }
        if draft.len() > batch.data.len() / 4 * 3 {
            self.retention.put_back(&removed);
            return Ok(());
        }
        let replaced = self.replace(batch, draft, fresh);
        if replaced.is_err() {
            self.retention.put_back(&removed);
        }
        replaced
    }

    fn replace(&mut self, batch: &Batch, mut draft: Draft, fresh: bool) -> Result<(), JournalError> {
        if !fresh {
            draft.leave_histories();
        }
        let transaction = self.database.transaction()?;
        delete(&transaction, batch.first).map_err(fault)?;
        if !draft.is_empty() {
            draft.insert(&transaction).map_err(fault)?;
        }
        transaction.commit().map_err(fault)
    }
}
