//! Records in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use nuncio_core::cap::{RecordKind, RouterRecord};

use super::{Records, RecordsError};
use crate::io::sync::lock;

/// The records of one job, and of the worker of the same id, each with its number.
type Rows = BTreeMap<RecordKind, (u64, RouterRecord)>;

/// Records in memory, for tests of what a restarted router does. Clones share their records.
#[derive(Clone, Debug, Default)]
pub struct MemoryRecords {
    rows: Arc<Mutex<BTreeMap<String, Rows>>>,
}

impl MemoryRecords {
    /// Returns the number of jobs that have records.
    pub fn jobs(&self) -> usize {
        let is_job = |rows: &&Rows| rows.keys().any(|kind| !kind.is_of_worker());
        lock(&self.rows).values().filter(is_job).count()
    }
}

impl Records for MemoryRecords {
    fn load(&mut self) -> Result<Vec<(u64, RouterRecord)>, RecordsError> {
        let mut all: Vec<_> = lock(&self.rows).values().flat_map(|rows| rows.values().cloned()).collect();
        all.sort_by_key(|(number, _)| *number);
        Ok(all)
    }

    fn commit(&mut self, records: &[(u64, RouterRecord)]) -> Result<(), RecordsError> {
        let mut all = lock(&self.rows);
        for (number, record) in records {
            let rows = all.entry(record.job_id().to_owned()).or_default();
            rows.retain(|kind, _| !record.replaces(*kind));
            if !record.kind().is_removal() {
                rows.insert(record.kind(), (*number, record.clone()));
            }
            if rows.is_empty() {
                all.remove(record.job_id());
            }
        }
        Ok(())
    }
}
