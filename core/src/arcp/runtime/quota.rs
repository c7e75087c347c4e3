//! The quota that a principal has of the journal.

use alloc::sync::Arc;

use super::Runtime;
use super::host::{JobKey, Refused};
use super::record::Record;
use super::record::charge::Keeper;
use super::stored::Period;
use crate::arcp::wire::error::Fault;
use crate::time::micros;

/// Ended jobs that give way at once.
const AT_ONCE: usize = 64;

/// A principal has too many bytes in the journal, and no ended job that could give way.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuotaReached {
    max: u64,
}

const QUOTA: &str = "journal_bytes_per_principal";

impl From<QuotaReached> for Fault {
    fn from(reached: QuotaReached) -> Fault {
        Fault::limit(QUOTA, reached.max)
    }
}

impl From<QuotaReached> for Refused {
    fn from(reached: QuotaReached) -> Refused {
        Refused::Limit { limit: QUOTA, max: reached.max }
    }
}

impl Runtime {
    /// Stores a record, and charges its bytes to the session or job that it is about.
    pub(super) fn store(&mut self, record: Record) {
        if let Some((keeper, bytes)) = record.charge() {
            self.charge_stored(keeper, bytes);
        }
        self.outputs.store(record);
    }

    /// Charges the bytes of a record that is in the journal.
    pub(super) fn charge_stored(&mut self, keeper: Keeper, bytes: usize) {
        let period = self.period();
        match keeper {
            Keeper::Session(id) => {
                if let Some(key) = self.sessions.find(id) {
                    self.sessions.store(key, bytes as u64, period);
                }
            }
            Keeper::Job(id) => {
                if let Some(key) = self.jobs.find(id) {
                    self.jobs.store(key, bytes as u64, period);
                }
            }
        }
    }

    pub(super) fn period(&self) -> Period {
        Period { now: self.clock.now(), micros: micros(self.config.job_retention) }
    }

    /// Makes room in the journal for more records of a principal whose sessions and jobs have too many bytes there: its oldest
    /// ended jobs are removed. If it has none, more is refused.
    pub(super) fn make_journal_room(&mut self, principal: &Arc<str>) -> Result<(), QuotaReached> {
        if !self.durability.is_kept() {
            return Ok(());
        }
        let max = self.config.limits.journal_bytes_per_principal;
        for _ in 0..AT_ONCE {
            self.account();
            if self.memory.stored_of(principal) < max {
                break;
            }
            let Some(id) = self.jobs.oldest_ended_of(principal) else {
                return Err(QuotaReached { max });
            };
            self.evict_job(id);
        }
        Ok(())
    }

    /// As [`Runtime::make_journal_room`], for the principal of a job.
    pub(super) fn make_journal_room_for(&mut self, id: JobKey) -> Result<(), QuotaReached> {
        if !self.durability.is_kept() {
            return Ok(());
        }
        // What the job has stored may no longer count.
        match self.jobs.get_mut(id).map(|job| Arc::clone(&job.accepted().principal)) {
            Some(principal) => self.make_journal_room(&principal),
            None => Ok(()),
        }
    }
}
