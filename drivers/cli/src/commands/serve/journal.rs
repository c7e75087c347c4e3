//! The journal of `nuncio serve`: its options, and what was restored from it.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use nuncio_tokio::arcp::journal::{DiskSpace, JournalError, Restored, Shard, SqliteJournal, SqliteOptions, Sync};
use nuncio_tokio::arcp::{Server, Stats};
use serde::Deserialize;

use super::error::ServeError;
use crate::journal_file::{self, JournalFileError};
use crate::size;
use crate::text::{count, eprint_line};
use crate::time::HumanDuration;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Journal")]
pub(super) struct JournalOptions {
    /// Keep sessions, jobs and events in this file, so that they survive a restart. It is created if it does not exist. With
    /// --shards, there is one more file for each further shard: FILE.1, FILE.2 and so on [default: none]
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
    /// What a committed record survives: a power loss (full), or only the end of the process (normal, which is faster)
    /// [default: full]
    #[arg(long, value_enum)]
    pub(super) sync: Option<SyncMode>,
    /// How long the journal keeps events that a client may still ask for [default: 24h]
    #[arg(long, value_name = "DURATION")]
    pub(super) retain: Option<HumanDuration>,
    /// Size of the journal above which the oldest events are deleted before --retain has passed [default: a quarter of the
    /// disk, or less if the disk has less free space]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(super) journal_max: Option<ByteSize>,
}

/// [`Sync`] as an option.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SyncMode {
    Full,
    Normal,
}

/// A journal to use.
#[derive(Clone, Debug)]
pub(super) struct JournalSetting {
    /// The journal of the first shard. The names of the others begin like it.
    file: PathBuf,
    shards: NonZeroU32,
    options: SqliteOptions,
}

impl JournalOptions {
    /// These options, and `others` where they are not given.
    pub(super) fn or(self, others: JournalOptions) -> JournalOptions {
        JournalOptions {
            journal: self.journal.or(others.journal),
            sync: self.sync.or(others.sync),
            retain: self.retain.or(others.retain),
            journal_max: self.journal_max.or(others.journal_max),
        }
    }

    pub(super) fn setting(self, shards: NonZeroU32) -> Result<Option<JournalSetting>, ServeError> {
        let Some(file) = self.journal else {
            let given = [
                (self.sync.is_some(), "sync"),
                (self.retain.is_some(), "retain"),
                (self.journal_max.is_some(), "journal-max"),
            ];
            return match given.into_iter().find(|(is_given, _)| *is_given) {
                Some((_, name)) => Err(ServeError::NoJournal(name)),
                None => Ok(None),
            };
        };
        let defaults = SqliteOptions::default();
        let options = SqliteOptions {
            sync: match self.sync {
                None | Some(SyncMode::Full) => Sync::Full,
                Some(SyncMode::Normal) => Sync::Normal,
            },
            retain: self.retain.map_or(defaults.retain, HumanDuration::get),
            max_bytes: self.journal_max.map(|size| size.as_u64()),
            ..defaults
        };
        Ok(Some(JournalSetting { file, shards, options }))
    }
}

/// Returns how many bytes a journal of `own` bytes may have on a disk, and how many are left free there.
fn share(space: DiskSpace, own: u64) -> (u64, u64) {
    let min_free = (space.size / 20).min(1 << 30);
    let max = (space.size / 4).min(space.free.saturating_add(own).saturating_sub(min_free));
    (max.max(1 << 20), min_free)
}

impl JournalSetting {
    /// Opens the journals of all shards, in their order. Files are created only if those that exist can be opened, and if none
    /// of the set is missing.
    pub(super) fn open(&self) -> Result<Vec<SqliteJournal>, ServeError> {
        self.check()?;
        let options = self.options_here();
        let mut journals = Vec::new();
        for (number, file) in (0..).zip(self.files()) {
            let wanted = Shard { number, of: self.shards.get() };
            let failed = |error| ServeError::Journal(JournalFileError::new(&file, error));
            let journal = SqliteJournal::open(&file, options).map_err(failed)?;
            if let Some(found) = journal.shard().map_err(failed)?.filter(|found| *found != wanted) {
                return Err(failed(JournalError::OtherShard { found, wanted }));
            }
            journals.push(journal);
        }
        Ok(journals)
    }

    /// The files of all shards, in their order.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.shards.get()).map(|shard| journal_file::of_shard(&self.file, shard))
    }

    /// Returns the options of each file, with what the disk allows all of them together.
    fn options_here(&self) -> SqliteOptions {
        let shards = u64::from(self.shards.get());
        let options = self.options_of_all();
        SqliteOptions { max_bytes: options.max_bytes.map(|max| (max / shards).max(1)), ..options }
    }

    fn options_of_all(&self) -> SqliteOptions {
        let own = self.files().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(space) = DiskSpace::of(folder) else { return self.options };
        let (max, min_free) = share(space, own);
        SqliteOptions { max_bytes: self.options.max_bytes.or(Some(max)), min_free, ..self.options }
    }

    /// The error of a server that has lost its journal.
    pub(super) fn lost(&self, error: JournalError) -> ServeError {
        ServeError::JournalLost(JournalFileError::new(&self.file, error))
    }

    /// Checks that the journal can be opened, without opening it: a server may be using it.
    pub(super) fn check(&self) -> Result<(), ServeError> {
        let (mut is_begun, mut lacks) = (false, None);
        for (number, file) in (0..).zip(self.files()) {
            let wanted = Shard { number, of: self.shards.get() };
            let found = if journal_file::is_new(&file) {
                journal_file::check_log(&file).map_err(ServeError::Journal)?;
                None
            } else {
                journal_file::inspect(&file, SqliteJournal::shard).map_err(ServeError::Journal)?
            };
            match found {
                Some(found) if found != wanted => {
                    let error = JournalError::OtherShard { found, wanted };
                    return Err(ServeError::Journal(JournalFileError::new(&file, error)));
                }
                Some(_) => is_begun = true,
                None => lacks = lacks.or(Some((wanted, file))),
            }
        }
        if let Some((shard, file)) = lacks.filter(|_| is_begun) {
            return Err(ServeError::Journal(JournalFileError::MissingShard { file, shard }));
        }
        // The other files may be those of shards that this server would not have.
        journal_file::check_first(&self.file, self.shards.get()).map_err(ServeError::Journal)?;
        if !self.is_new() {
            return Ok(());
        }
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match folder.metadata() {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(self.error(JournalError::Io(format!("{} is not a folder", folder.display())))),
            Err(error) => Err(self.error(JournalError::Io(error.to_string()))),
        }
    }

    pub(super) fn error(&self, error: JournalError) -> ServeError {
        ServeError::Journal(JournalFileError::new(&self.file, error))
    }

    /// Returns whether a server would create the journal.
    pub(super) fn is_new(&self) -> bool {
        journal_file::is_new(&self.file)
    }

    /// The line of `--check`.
    pub(super) fn summary(&self) -> String {
        let new = if self.is_new() { " (new)" } else { "" };
        let sync = match self.options.sync {
            Sync::Full => "full",
            Sync::Normal => "normal",
        };
        let retain = HumanDuration::new(self.options.retain);
        let mut text = format!("{}{new}, sync {sync}, events kept {retain}", self.file.display());
        if let Some(max) = self.options.max_bytes {
            // Writing into a string cannot fail.
            let _infallible = write!(text, ", at most {}", size::format(max));
        }
        text
    }

    /// Prints what a server has restored from the journal, which it has created if `is_new`.
    pub(super) fn print_restored(&self, server: &Server, is_new: bool) {
        let Some(restored) = server.restored() else { return };
        let file = self.file.display();
        if restored.last_store == 0 {
            let state = if is_new { "is new" } else { "has no records yet" };
            let shards = match self.shards.get() {
                1 => String::new(),
                shards => format!("; it is the journal of {shards} shards"),
            };
            eprint_line(&format!("nuncio: the journal {file} {state}{shards}"));
            return;
        }
        eprint_line(&restored_text(&restored, &server.stats(), &file.to_string()));
        if let Some(text) = skipped_text(&restored) {
            eprint_line(&text);
        }
    }
}

/// Returns what is there again from the journal of this name.
fn restored_text(restored: &Restored, stats: &Stats, file: &str) -> String {
    let sessions = stats.sessions_live + stats.sessions_detached;
    let jobs = stats.jobs_pending + stats.jobs_running + stats.jobs_cancelling + stats.jobs_kept;
    let mut text = format!(
        "nuncio: restored {} and {} from the journal {file}",
        count(sessions as u64, "session"),
        count(jobs as u64, "job")
    );
    let others = [
        (restored.interrupted, "job", " interrupted"),
        (restored.rerun, "job", " taken up again"),
        (restored.waiting, "job", " that had not run"),
        (restored.unrevoked, "credential", " to revoke"),
    ];
    for (number, what, how) in others.into_iter().filter(|(number, ..)| *number > 0) {
        // Writing into a string cannot fail.
        let _infallible = write!(text, "; {}{how}", count(number, what));
    }
    text
}

/// Returns how many records had no effect, if there are any.
fn skipped_text(restored: &Restored) -> Option<String> {
    let skipped = restored.repeated + restored.ignored;
    let records = count(skipped, "record");
    (skipped > 0)
        .then(|| format!("nuncio: {records} of the journal contradicted others or exceeded a limit, and had no effect"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_an_effect_are_counted_if_there_are_any() {
        let text = |repeated, ignored| skipped_text(&Restored { repeated, ignored, ..Restored::default() });
        assert_eq!(text(0, 0), None);
        for (repeated, ignored, said) in [(3, 2, "5 records of"), (1, 0, "1 record of"), (0, 2, "2 records of")] {
            let text = text(repeated, ignored).unwrap_or_default();
            assert!(text.contains(said), "{text}");
        }
    }

    #[test]
    fn everything_that_is_restored_is_counted() {
        let stats = Stats {
            sessions_live: 1,
            sessions_detached: 2,
            jobs_pending: 10,
            jobs_running: 200,
            jobs_cancelling: 3_000,
            jobs_kept: 40_000,
            ..Stats::default()
        };
        let restored = Restored { interrupted: 1, rerun: 2, waiting: 3, unrevoked: 4, ..Restored::default() };
        assert_eq!(
            restored_text(&restored, &stats, "a.journal"),
            "nuncio: restored 3 sessions and 43210 jobs from the journal a.journal; 1 job interrupted; 2 jobs taken up \
             again; 3 jobs that had not run; 4 credentials to revoke"
        );
        assert_eq!(
            restored_text(&Restored::default(), &Stats { jobs_kept: 1, ..Stats::default() }, "a.journal"),
            "nuncio: restored 0 sessions and 1 job from the journal a.journal"
        );
    }

    #[test]
    fn a_journal_has_a_share_of_the_disk_and_leaves_some_of_it_free() {
        const GIB: u64 = 1 << 30;
        let share = |size, free, own| share(DiskSpace { size, free }, own);
        assert_eq!(share(100 * GIB, 90 * GIB, 0), (25 * GIB, GIB));
        assert_eq!(share(100 * GIB, 10 * GIB, 0), (9 * GIB, GIB), "what is free, without what is left so");
        assert_eq!(share(100 * GIB, 10 * GIB, 5 * GIB), (14 * GIB, GIB), "its own bytes count as free");
        assert_eq!(share(20 << 20, 10 << 20, 0), (5 << 20, 1 << 20));
        assert_eq!(share(100 * GIB, 0, 0), (1 << 20, GIB), "a journal may always have something");
    }

    /// What is left free is the disk's, however many bytes the operator allows the journal.
    #[test]
    fn a_journal_leaves_some_of_its_disk_free_also_if_its_size_is_given() {
        let file = std::env::temp_dir().join(format!("nuncio-journal-that-is-not-{}", std::process::id()));
        let Some(space) = DiskSpace::of(&std::env::temp_dir()) else { return };
        let (_, min_free) = share(space, 0);
        assert!(min_free > 0);
        let options = |max_bytes, shards| {
            let shards = NonZeroU32::new(shards).unwrap_or(NonZeroU32::MIN);
            let options = SqliteOptions { max_bytes, ..SqliteOptions::default() };
            JournalSetting { file: file.clone(), shards, options }.options_here()
        };
        assert_eq!(options(None, 1).min_free, min_free);
        let given = options(Some(10_000), 4);
        assert_eq!((given.max_bytes, given.min_free), (Some(2_500), min_free), "each of four has a quarter");
    }
}
