//! Records in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use nuncio_core::caracal::{CoordinatorRecord, Secret};

use super::{Records, RecordsError};
use crate::io::sync::lock;

/// Records in memory, for tests of what a restarted coordinator does. Clones share their records.
#[derive(Clone, Default)]
pub struct MemoryRecords {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    records: BTreeMap<u64, CoordinatorRecord>,
    key: Option<Secret>,
}

impl MemoryRecords {
    /// Returns the number of records.
    pub fn count(&self) -> usize {
        lock(&self.held).records.len()
    }
}

impl Records for MemoryRecords {
    fn load(&mut self) -> Result<Vec<(u64, CoordinatorRecord)>, RecordsError> {
        Ok(lock(&self.held).records.iter().map(|(number, record)| (*number, record.clone())).collect())
    }

    fn commit(&mut self, records: &[(u64, CoordinatorRecord)]) -> Result<(), RecordsError> {
        lock(&self.held).records.extend(records.iter().cloned());
        Ok(())
    }

    fn keep_only(&mut self, needed: &[u64]) -> Result<(), RecordsError> {
        lock(&self.held).records.retain(|number, _| needed.binary_search(number).is_ok());
        Ok(())
    }

    fn signing_key(&mut self, new: Secret) -> Result<Secret, RecordsError> {
        Ok(lock(&self.held).key.get_or_insert(new).clone())
    }
}

impl std::fmt::Debug for MemoryRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryRecords").field("count", &self.count()).finish_non_exhaustive()
    }
}
