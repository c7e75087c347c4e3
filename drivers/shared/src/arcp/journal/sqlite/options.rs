//! How a journal is kept in a file.

use std::time::Duration;

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// The end of the process and of the machine: every commit waits for the disk.
    #[default]
    Full,
    /// The end of the process. When the machine loses power, the last moments may be missing, but nothing before the
    /// first record that is missing.
    Normal,
}

/// How a journal is kept in a file.
#[derive(Clone, Copy, Debug)]
pub struct SqliteOptions {
    /// What a commit survives. Default: [`Sync::Full`].
    pub sync: Sync,
    /// How long events are kept for sessions that have not acknowledged them and for subscriptions. Default: 24 h.
    pub retain: Duration,
    /// The number of bytes in use beyond which the oldest events are removed before their time. Records that are not
    /// events stay, and so do events that a restart needs. No commit fails because of this limit, so that nothing that was
    /// accepted is lost; how many jobs and sessions there are is limited by the configuration. Default: no limit.
    pub max_bytes: Option<u64>,
    /// The bytes of the file system that are left free: below, the oldest events are removed before their time, and what does
    /// not fit into the space that they leave fails as [`JournalError::Full`](crate::arcp::journal::JournalError::Full). Default: 0.
    pub min_free: u64,
}

impl Default for SqliteOptions {
    fn default() -> SqliteOptions {
        SqliteOptions { sync: Sync::Full, retain: Duration::from_hours(24), max_bytes: None, min_free: 0 }
    }
}
