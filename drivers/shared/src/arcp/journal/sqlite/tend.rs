//! Retention and compaction, one batch at a time.

use rusqlite::OptionalExtension as _;

use super::batch::{Batch, Draft, delete};
use super::{JournalError, SqliteJournal, fault, readable};
use crate::io::clock::{micros, wall};

/// The file is looked through once it has grown by this much, and by this part of itself.
const GROWTH: u64 = 4 << 20;
const GROWTH_PART: u64 = 2;
/// Pages given back to the system after a look.
const VACUUM_PAGES: u32 = 4096;

/// How far a look through the file has come.
#[derive(Debug, Default)]
pub(super) struct Tending {
    /// Bytes written since the last look began.
    grown: u64,
    /// The last batch that was looked at.
    at: Option<i64>,
}

impl Tending {
    /// Looks through the file however little it has grown.
    pub(super) fn now() -> Tending {
        Tending { grown: 0, at: Some(i64::MIN) }
    }

    pub(super) fn grown(&mut self, bytes: u64) {
        self.grown = self.grown.saturating_add(bytes);
    }
}

impl SqliteJournal {
    pub(super) fn tend_a_little(&mut self) -> Result<bool, JournalError> {
        let at = match self.tending.at {
            Some(at) => at,
            None if self.tending.grown < GROWTH => return Ok(false),
            None => {
                if !self.is_over()? && self.tending.grown < self.bytes()? / GROWTH_PART {
                    return Ok(false);
                }
                self.tending.grown = 0;
                i64::MIN
            }
        };
        let sql = "SELECT first, at, sum, data FROM batches WHERE first > ?1 ORDER BY first LIMIT 1";
        let batch = self.db.query_row(sql, [at], |row| Ok(Batch::of(row))).optional().map_err(fault)?;
        let Some(batch) = batch.transpose()? else {
            self.tending.at = None;
            let vacuum = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
            self.db.execute_batch(&vacuum).map_err(fault)?;
            return Ok(false);
        };
        self.tending.at = Some(batch.first);
        self.thin(&batch)?;
        Ok(true)
    }

    /// Lets go of more than a commit of so many batches brings, as long as the file is too large.
    pub(super) fn make_room(&mut self, batches: usize) -> Result<(), JournalError> {
        for _ in 0..=batches * 2 {
            if !self.is_over()? || !self.tend_a_little()? {
                break;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> Result<bool, JournalError> {
        Ok(match self.options.max_bytes {
            Some(max) => self.bytes()? > max,
            None => false,
        })
    }

    /// Writes a batch anew without what nobody needs, if that is a good part of it.
    fn thin(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let fresh = !self.is_over()? && wall().since(batch.at) < micros(self.options.retain);
        let mut draft = Draft::new(u64::try_from(batch.first).unwrap_or(0), batch.at);
        let mut gone = Vec::new();
        for line in batch.lines() {
            let (seq, text) = line?;
            match readable(text)? {
                Some(record) if !self.living.needs(seq, &record, fresh) => gone.push(record),
                Some(record) => draft.push(seq, &record),
                // Of a later version: nobody here knows who needs it.
                None => return Ok(()),
            }
        }
        if draft.len() > batch.data.len() / 4 * 3 {
            return Ok(());
        }
        if !fresh {
            draft.leave_histories();
        }
        let transaction = self.db.transaction().map_err(fault)?;
        delete(&transaction, batch.first).map_err(fault)?;
        if !draft.is_empty() {
            draft.insert(&transaction).map_err(fault)?;
        }
        transaction.commit().map_err(fault)?;
        for record in &gone {
            self.living.gone(record);
        }
        Ok(())
    }
}
