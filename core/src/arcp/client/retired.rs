//! The ids of jobs that are over for this client.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;

use crate::arcp::wire::ids::MAX_ID_BYTES;

/// The number of ids that are remembered.
const MAX_RETIRED: usize = 1_024;

/// The most recent ids of jobs that are over for this client. Late frames of them are dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Retired {
    oldest_first: VecDeque<Arc<str>>,
    ids: BTreeSet<Arc<str>>,
}

impl Retired {
    pub(super) fn add(&mut self, id: Arc<str>) {
        if id.len() > MAX_ID_BYTES || !self.ids.insert(id.clone()) {
            return;
        }
        self.oldest_first.push_back(id);
        if self.oldest_first.len() > MAX_RETIRED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        if self.ids.remove(id) {
            self.oldest_first.retain(|retired| &**retired != id);
        }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Returns an upper estimate of the memory held, in bytes.
    pub(super) fn bytes_held(&self) -> usize {
        self.oldest_first.len().saturating_mul(MAX_ID_BYTES)
    }
}
