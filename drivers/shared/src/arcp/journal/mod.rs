//! Journals: records that outlive the process of a server, so that its sessions and jobs do.

mod health;
mod memory;
mod orders;
mod retention;
#[cfg(feature = "sqlite")]
mod sqlite;
pub(crate) mod worker;

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use nuncio_core::arcp::{AgentSpec, Config, Refused, Runtime};
use nuncio_core::time::Time;

pub use health::JournalHealth;
pub use memory::MemoryJournal;
pub use nuncio_core::arcp::{Record, RecordError, ReplayRange, Restored};
pub(crate) use orders::{Order, Orders, Replay};
#[cfg(feature = "sqlite")]
pub use sqlite::{Committed, DiskSpace, JournalContents, JournalStats, SqliteJournal, SqliteOptions, Sync};

/// A place where the records of a server are kept. [`MemoryJournal`] and `SqliteJournal` (feature `sqlite`) are the
/// journals of this crate.
///
/// A server calls its journal from one thread, which the journal may block: frames and events that depend on a record wait
/// until it is committed, and everything else goes on. Records are numbered, and the numbers continue after a restart.
/// Loading a journal gives every committed record, except those that the [rules of retention](Record) allow to be removed.
///
/// ```
/// use nuncio_shared::arcp::journal::{Journal, JournalError, MemoryJournal, Record, ReplayRange, Replayed};
///
/// /// Counts the commits of another journal.
/// struct Counted {
///     journal: MemoryJournal,
///     commits: u64,
/// }
///
/// impl Journal for Counted {
///     fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError> {
///         self.journal.load(each)
///     }
///
///     fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError> {
///         self.commits += 1;
///         self.journal.commit(records)
///     }
///
///     fn replay(&mut self, range: &ReplayRange, events: usize, bytes: usize) -> Result<Replayed, JournalError> {
///         self.journal.replay(range, events, bytes)
///     }
/// }
/// ```
pub trait Journal: Send + 'static {
    /// Notes of which shard the records are. It is called at every start of a server, before the records are loaded.
    ///
    /// By default, a journal cannot be one of several.
    ///
    /// Errors: [`JournalError::OtherShard`] if the journal has records of another shard, or of another number of shards.
    fn assign(&mut self, shard: Shard) -> Result<Assigned, JournalError> {
        if shard == Shard::ONLY {
            return Ok(Assigned::Again);
        }
        Err(JournalError::Io(NOT_OF_SEVERAL.to_owned()))
    }

    /// Returns the shard whose records the journal has, or `None` if it is new. Nothing is changed. It is called before
    /// [`assign`](Journal::assign), of journals of several shards.
    fn shard(&self) -> Result<Option<Shard>, JournalError> {
        Err(JournalError::Io(NOT_OF_SEVERAL.to_owned()))
    }

    /// Calls `each` with every record, in the order of their numbers, until it returns false.
    fn load(&mut self, each: &mut dyn FnMut(u64, Record) -> bool) -> Result<(), JournalError>;

    /// Makes records durable, all of them or none. After an error the server calls it again with the same and later
    /// records, and refuses new work until it succeeds.
    fn commit(&mut self, records: &[(u64, Record)]) -> Result<(), JournalError>;

    /// Reads the first records of a range: at most `max_events`, and no further ones once they have `max_bytes`.
    fn replay(&mut self, range: &ReplayRange, max_events: usize, max_bytes: usize) -> Result<Replayed, JournalError>;

    /// Checks that the journal is still there, every few seconds while nothing is committed.
    fn probe(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    /// Returns the number of bytes that the journal takes, for metrics, or `None` if that is not known.
    fn bytes(&self) -> Option<u64> {
        None
    }

    /// Returns how far the journal may grow. It is asked every few seconds, on the thread of the journal.
    fn room(&self) -> JournalRoom {
        JournalRoom::default()
    }

    /// Removes some of the records that are no longer needed, in a few milliseconds. Returns whether more can be removed
    /// right away.
    fn compact_step(&mut self) -> Result<bool, JournalError> {
        Ok(false)
    }
}

const NOT_OF_SEVERAL: &str = "a journal of this kind cannot be one of several";

/// One of the shards of a server: [`ServerBuilder::shards`](crate::arcp::ServerBuilder::shards).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0 on.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Shard {
    /// The shard of a server that has no other.
    pub const ONLY: Shard = Shard { number: 0, of: 1 };

    /// Returns whether a journal that has the records of `found`, if any, can have those of this shard.
    fn check(self, found: Option<Shard>) -> Result<Assigned, JournalError> {
        match found {
            None => Ok(Assigned::New),
            Some(found) if found == self => Ok(Assigned::Again),
            Some(found) => Err(JournalError::OtherShard { found, wanted: self }),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shard {} of {}", u64::from(self.number) + 1, self.of)
    }
}

/// Whether a journal was one of a shard before. From [`Journal::assign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// It was new.
    New,
    /// It was one of this shard.
    Again,
}

/// How far a journal may grow. From [`Journal::room`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalRoom {
    /// The bytes above which it deletes its oldest events, if there is a limit.
    pub max_bytes: Option<u64>,
    /// The bytes that its disk has left, if they are known.
    pub free_bytes: Option<u64>,
}

impl JournalRoom {
    /// Returns how far two journals may grow, which are taken to be on one disk.
    fn and(self, other: JournalRoom) -> JournalRoom {
        JournalRoom {
            max_bytes: self.max_bytes.zip(other.max_bytes).map(|(ours, theirs)| ours.saturating_add(theirs)),
            free_bytes: self.free_bytes.zip(other.free_bytes).map(|(ours, theirs)| ours.min(theirs)),
        }
    }
}

/// The answer to a [`ReplayRange`].
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// The first records of the range, in their order.
    pub records: Vec<Record>,
    /// Whether records before the first one were removed.
    pub truncated: bool,
}

/// Why a journal cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// A process has the journal open.
    #[error("the journal {0}")]
    Locked(JournalHolder),
    /// A process is reading or compacting the file for longer than a few seconds.
    #[error("another process is using the file of the journal")]
    Busy,
    /// The disk is full, or has less free space than is to be left.
    #[error("the disk of the journal is full")]
    Full,
    /// The file was not closed, and its write-ahead log is missing.
    #[error(
        "the journal {0} is not whole: it was in use, and its write-ahead log {0}-wal is missing; copy both files, or make the copy with nuncio journal backup"
    )]
    Incomplete(String),
    /// There is a log of the journal, and not the file that it belongs to.
    #[error(
        "the journal {file} is missing, although its log {log} is there; put the journal back beside its log, or move the log away to begin a new journal"
    )]
    Orphaned {
        /// The path of the journal.
        file: String,
        /// The path of the log.
        log: String,
    },
    /// The file is no longer where it was opened.
    #[error("the journal {0} was deleted, moved or replaced while it was in use")]
    Gone(String),
    /// Another program has written to the file.
    #[error("another program has written to the journal: {0}")]
    Foreign(String),
    /// The file is damaged, or is not a journal.
    #[error(
        "the file is damaged, or is not a journal: {0}; if it is the right file, restore it from a copy, or begin a new journal elsewhere"
    )]
    Damaged(String),
    /// Another version of the program has written the journal.
    #[error("the journal has the version {found}, this program reads version {known}")]
    Version {
        /// The version of the journal.
        found: u64,
        /// The version that this program reads.
        known: u64,
    },
    /// The journal has the records of another shard.
    #[error(
        "the journal belongs to {found}, but was opened for {wanted}; start the server with as many shards as before, or begin new journals elsewhere, which have none of the present jobs"
    )]
    OtherShard {
        /// The shard whose records it has.
        found: Shard,
        /// The shard for which it was opened.
        wanted: Shard,
    },
    /// The journal of one shard is new, and those of others are not: it may have been lost.
    #[error(
        "the journal of {0} is new, but the journals of other shards are not; restore it from a copy, or begin new journals for all shards"
    )]
    NewShard(Shard),
    /// There is a file where a copy was to be written.
    #[error("{0} exists already, and a copy is never written over another file")]
    CopyExists(String),
    /// A copy cannot be written, whereas the journal is not affected.
    #[error("the copy {to} cannot be written: {fault}")]
    Copy {
        /// The path of the copy.
        to: String,
        /// What is wrong, in words.
        fault: String,
    },
    /// Any other error of the system.
    #[error("the journal cannot be used: {0}")]
    Io(String),
}

impl JournalError {
    /// Says of an error of the system that it concerns the copy at `to`, and not the journal.
    #[cfg(feature = "sqlite")]
    fn not_copied(to: &Path, error: JournalError) -> JournalError {
        let fault = match error {
            JournalError::Io(fault) => fault,
            JournalError::Full => "its disk is full".to_owned(),
            other => return other,
        };
        JournalError::Copy { to: to.display().to_string(), fault }
    }

    /// Returns whether trying again cannot help. A server whose journal fails so ends.
    pub fn is_final(&self) -> bool {
        match self {
            JournalError::Incomplete(_)
            | JournalError::Orphaned { .. }
            | JournalError::Gone(_)
            | JournalError::Foreign(_)
            | JournalError::Damaged(_)
            | JournalError::OtherShard { .. }
            | JournalError::NewShard(_)
            | JournalError::Version { .. } => true,
            JournalError::Locked(_)
            | JournalError::Busy
            | JournalError::Full
            | JournalError::CopyExists(_)
            | JournalError::Copy { .. }
            | JournalError::Io(_) => false,
        }
    }
}

/// Who has a journal open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalHolder {
    path: PathBuf,
    process: Option<u32>,
}

impl JournalHolder {
    /// Returns the process that has the journal at a path open, if it is known.
    pub fn new(path: &Path, process: Option<u32>) -> JournalHolder {
        JournalHolder { path: path.to_owned(), process }
    }

    /// Returns the id of the process, if the system tells. It may be this process.
    pub fn process(&self) -> Option<u32> {
        self.process
    }
}

impl std::fmt::Display for JournalHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is in use by another process", self.path.display())?;
        match self.process {
            Some(process) if process == std::process::id() => f.write_str(": this one has opened it already"),
            Some(process) => write!(f, ", {process}"),
            None => Ok(()),
        }
    }
}

impl From<RecordError> for JournalError {
    fn from(error: RecordError) -> JournalError {
        match error {
            RecordError::Version(found) => JournalError::Version { found, known: u64::from(Record::VERSION) },
            RecordError::Unknown(_) | RecordError::Damaged(_) => JournalError::Damaged(error.to_string()),
        }
    }
}

/// Checks that the journals are those of all shards of one server, or that all of them are new. None is changed.
pub(crate) fn check_set(journals: &[Box<dyn Journal>]) -> Result<(), JournalError> {
    if journals.len() < 2 {
        return Ok(());
    }
    let of = u32::try_from(journals.len()).unwrap_or(u32::MAX);
    let mut new = Vec::new();
    for (number, journal) in (0..).zip(journals) {
        let shard = Shard { number, of };
        if shard.check(journal.shard()?)? == Assigned::New {
            new.push(shard);
        }
    }
    match new.first() {
        Some(shard) if new.len() < journals.len() => Err(JournalError::NewShard(*shard)),
        Some(_) | None => Ok(()),
    }
}

/// Restores a runtime from a journal. The records are read as they are needed and are never all in memory.
/// The runtime refuses agents that are not valid.
pub(crate) fn restore(
    config: Config,
    agents: Vec<AgentSpec>,
    seed: [u8; 32],
    now: Time,
    journal: &mut dyn Journal,
) -> Result<Result<(Runtime, Restored), Refused>, JournalError> {
    const AHEAD: usize = 1024;
    let (sender, records) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let loading = scope.spawn(move || journal.load(&mut |seq, record| sender.send((seq, record)).is_ok()));
        let restored = Runtime::restore(config, agents, seed, now, records);
        match loading.join() {
            Ok(loaded) => loaded.map(|()| restored),
            Err(_) => Err(JournalError::Io("it panicked while it was loaded".to_owned())),
        }
    })
}
