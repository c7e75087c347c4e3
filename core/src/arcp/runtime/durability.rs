//! How much of the journal is durable, and the agents that wait for it.

use alloc::collections::BTreeSet;

use crate::arcp::runtime::config::{Config, Journaling};
use crate::arcp::runtime::host::JobKey;

/// The minimum number of waiting stores at which the journal counts as stalled.
const FAR_BEHIND: u64 = 1_024;

/// The last store that the host reported as durable, and what depends on it.
#[derive(Clone, Debug)]
pub(super) struct Durability {
    journaling: Journaling,
    /// The number of waiting stores above which agents wait.
    window: u64,
    durable: u64,
    /// The host reported that the journal cannot be written.
    paused: bool,
    /// Jobs whose agents wait for the journal.
    waiting: BTreeSet<JobKey>,
}

impl Durability {
    pub(super) fn new(config: &Config) -> Durability {
        let (journaling, window) = (config.journal, config.limits.store_window);
        Durability { journaling, window, durable: 0, paused: false, waiting: BTreeSet::new() }
    }

    /// Whether sessions and jobs are recorded at all.
    pub(super) fn is_kept(&self) -> bool {
        self.journaling.is_kept()
    }

    /// Whether the journal can be asked for events that are no longer in memory.
    pub(super) fn is_readable(&self) -> bool {
        self.journaling == Journaling::Readable
    }

    /// Returns whether agents have to wait because too many stores are not durable yet.
    pub(super) fn is_behind(&self, stored: u64) -> bool {
        self.is_kept() && stored - self.durable >= self.window.max(1)
    }

    /// Returns whether requests that have to be stored are refused: the journal cannot be written, or it is further
    /// behind than agents alone could cause. Without this limit, a client that resumes repeatedly would make the
    /// backlog grow without bound.
    pub(super) fn is_stuck(&self, stored: u64) -> bool {
        let far = self.window.saturating_mul(2).max(FAR_BEHIND);
        self.paused || (self.is_kept() && stored - self.durable >= far)
    }

    /// The number of the last store that is durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn proceed(&mut self) {
        self.paused = false;
    }

    /// Notes that a job's agent waits for the journal.
    pub(super) fn wait(&mut self, job: JobKey) {
        self.waiting.insert(job);
    }

    /// Notes that the stores up to `seq` are durable, and returns the jobs that may go on. Half of the window has to be
    /// free before agents wake, so that they do not wake for every commit.
    pub(super) fn reached(&mut self, seq: u64, stored: u64) -> BTreeSet<JobKey> {
        self.durable = self.durable.max(seq.min(stored));
        if stored - self.durable <= self.window / 2 { core::mem::take(&mut self.waiting) } else { BTreeSet::new() }
    }
}
