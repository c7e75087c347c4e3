//! `nuncio journal`.

mod sessions;
mod stats;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use nuncio_tokio::arcp::journal::{JournalError, JournalStats, SqliteJournal, SqliteOptions};

use crate::error::Error;
use crate::exit::Exit;
use crate::journal_file::{self, JournalFileError};
use crate::output;
use crate::size;
use crate::text::{self, count, sanitize};
use crate::time::HumanDuration;
use stats::{Stats, lacks_records};

const AFTER_HELP: &str = "\
Examples:
  nuncio journal check my.journal
  nuncio journal stats my.journal --json | jq .jobs
  nuncio journal sessions my.journal
  nuncio journal compact my.journal --retain 24h
  nuncio journal backup my.journal /backups/my.journal
  nuncio journal restore /backups/my.journal my.journal

All commands except compact only read the journal, and may run while a nuncio
uses it. A running nuncio compacts its journal itself, in small steps.

A server with --shards has a file for each shard: FILE, FILE.1 and so on. Give
the first file. It contains the number of shards, and every command uses the
files of all of them. The copies that backup and restore write are named in the
same way.

check counts the records that the files have now. Compaction deletes those that
are no longer needed, and so the number falls.

The state of a session is one of these:
  open          its client is connected, or was when the server was killed
  disconnected  its client has lost the connection
  closed        its client has closed it
  over          it can no longer be resumed
A disconnected or closed session can be resumed until the --resume-window of the
server has passed.

Do not copy the file of a journal that a nuncio is using: the copy would lack
the write-ahead log, and nuncio would refuse it. backup makes a complete copy.

Exit codes:
  0  done, and the journal is sound
  1  the journal is damaged, or has another version
  2  invalid usage
  6  the journal cannot be read, or is in use
  7  stdout cannot be written";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read the whole journal, with the files of all its shards, and verify every record
    #[command(after_help = AFTER_HELP)]
    Check {
        #[command(flatten)]
        journal: Journal,
    },
    /// Count what is in the journal
    #[command(after_help = AFTER_HELP)]
    Stats {
        #[command(flatten)]
        journal: Journal,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the sessions in the journal, for `nuncio replay`
    #[command(after_help = AFTER_HELP)]
    Sessions {
        #[command(flatten)]
        journal: Journal,
        /// Print a JSON object per session and line, with the ids of its jobs
        #[arg(long)]
        json: bool,
    },
    /// Copy a journal, which a nuncio may be using, to a new file for each shard, and verify the copy
    #[command(after_help = AFTER_HELP)]
    Backup {
        #[command(flatten)]
        journal: Journal,
        /// File to write, which must not exist. The files of further shards are named TO.1, TO.2 and so on
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
    /// Verify a copy, and write it to the file that a nuncio will use
    #[command(after_help = AFTER_HELP)]
    Restore {
        /// File that `nuncio journal backup` has written
        #[arg(value_name = "COPY")]
        copy: PathBuf,
        /// File of the journal, which must not exist. The files of further shards are named FILE.1, FILE.2 and so on
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Delete what is no longer needed and shrink the file. No nuncio may be using the journal
    #[command(after_help = AFTER_HELP)]
    Compact {
        #[command(flatten)]
        journal: Journal,
        /// Also delete events older than this, although a client may still ask for them [default: keep them]
        #[arg(long, value_name = "DURATION")]
        retain: Option<HumanDuration>,
    },
}

#[derive(Args, Debug)]
struct Journal {
    /// File of the journal, as given to `nuncio serve --journal`. With --shards, the files of the other shards belong
    /// to it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(options: &Options) -> Exit {
    let lines = options.action.lines();
    output::finish(lines.and_then(|lines| print(&lines).map_err(Error::stdout)).map(|()| Exit::Success))
}

impl Action {
    /// Carries it out. Returns the lines to print.
    fn lines(&self) -> Result<Vec<String>, Error> {
        match self {
            Action::Check { journal } => {
                let files = journal_file::files(&journal.file)?;
                let stats = each(&files, SqliteJournal::check)?;
                Ok(vec![format!("sound: {}{}", summary(&stats), deleted(&stats))])
            }
            Action::Stats { journal: Journal { file }, json } => {
                let files = journal_file::files(file)?;
                let read =
                    |journal: &SqliteJournal| Ok((journal.stats()?, journal.contents()?, sessions::read(journal)?));
                let mut shards = Vec::new();
                let mut sessions = Vec::new();
                for (file, (stats, contents, found)) in files.iter().zip(each(&files, read)?) {
                    shards.push(stats::File::new(file, file_bytes(file), &stats, contents));
                    sessions.extend(found);
                }
                let sessions = sessions::sorted(sessions);
                let stats = Stats::new(&shards, &sessions);
                if *json {
                    Ok(vec![to_json(&stats)?])
                } else {
                    Ok(stats.lines().iter().map(|line| sanitize(line).into_owned()).collect())
                }
            }
            Action::Sessions { journal, json } => {
                let files = journal_file::files(&journal.file)?;
                let sessions = each(&files, sessions::read)?.into_iter().flatten().collect();
                let sessions = sessions::sorted(sessions);
                if *json { sessions.iter().map(to_json).collect() } else { Ok(sessions::table(&sessions)) }
            }
            Action::Backup { journal, to } => {
                let files = journal_file::files(&journal.file)?;
                Ok(vec![copied("backed up", &copy_all(&files, to)?, to)])
            }
            Action::Restore { copy, file } => {
                let files = journal_file::files(copy)?;
                each(&files, SqliteJournal::check)?;
                let stats = copy_all(&files, file).map_err(JournalFileError::of_restore)?;
                Ok(vec![copied("restored", &stats, file)])
            }
            Action::Compact { journal, retain } => Ok(vec![compact(&journal.file, *retain)?]),
        }
    }
}

/// Applies `read` to the file of every shard.
fn each<T>(
    files: &[PathBuf],
    read: impl Fn(&SqliteJournal) -> Result<T, JournalError>,
) -> Result<Vec<T>, JournalFileError> {
    files.iter().map(|file| journal_file::inspect(file, &read)).collect()
}

/// Copies the files of all shards. If one cannot be copied, none is left.
///
/// The shards have nothing in common, so the copies need not be of the same moment.
fn copy_all(files: &[PathBuf], to: &Path) -> Result<Vec<JournalStats>, JournalFileError> {
    let mut copies: Vec<PathBuf> = Vec::new();
    let mut stats = Vec::new();
    let numbered: Vec<(u32, &PathBuf)> = (0..).zip(files).collect();
    // The first file comes last, because the others belong to it.
    for (shard, file) in numbered.into_iter().rev() {
        let copy = journal_file::of_shard(to, shard);
        match journal_file::inspect(file, |journal| journal.backup(&copy)) {
            Ok(found) => stats.push(found),
            Err(error) => {
                for copy in copies {
                    // The next attempt names one that cannot be removed.
                    drop(std::fs::remove_file(copy));
                }
                return Err(error);
            }
        }
        copies.push(copy);
    }
    Ok(stats)
}

fn copied(what: &str, stats: &[JournalStats], to: &Path) -> String {
    let others = match stats.len() - 1 {
        0 => String::new(),
        1 => format!(" and {}", journal_file::of_shard(to, 1).display()),
        more => format!(" and the files named like it, to .{more}"),
    };
    format!("{what}: {}, to {}{others}", summary(stats), to.display())
}

/// Says how much is in the files of all shards.
fn summary(stats: &[JournalStats]) -> String {
    let sum = |of: fn(&JournalStats) -> u64| stats.iter().map(of).sum::<u64>();
    let (records, bytes) = (sum(|stats| stats.records), sum(|stats| stats.bytes));
    let files = if stats.len() > 1 { format!(", in {}", count(stats.len() as u64, "file")) } else { String::new() };
    format!("{} in {}{files}", count(records, "record"), size::format(bytes))
}

/// Says that the files of all shards no longer have all records, if their numbers show it.
fn deleted(stats: &[JournalStats]) -> &'static str {
    if stats.iter().any(|stats| lacks_records(stats.records, stats.last)) {
        "; compaction has deleted others, which were no longer needed"
    } else {
        ""
    }
}

fn compact(file: &Path, retain: Option<HumanDuration>) -> Result<String, JournalFileError> {
    // Opening a file to write would turn one that is not a journal into a new journal.
    let files = journal_file::files(file)?;
    let bytes = || files.iter().map(|file| file_bytes(file)).sum();
    let before = bytes();
    let retain = retain.map_or(Duration::MAX, HumanDuration::get);
    let options = SqliteOptions { retain, ..SqliteOptions::default() };
    let open = |file: &PathBuf| SqliteJournal::open(file, options).map_err(|error| JournalFileError::new(file, error));
    // Before one of them is changed, all have to be free.
    let journals = files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut records = 0;
    for (file, mut journal) in files.iter().zip(journals) {
        records += journal.compact().map_err(|error| JournalFileError::new(file, error))?.records;
    }
    let (records, after) = (count(records, "record"), bytes());
    Ok(format!("compacted from {} to {}, which hold {records}", size::format(before), size::format(after)))
}

fn print(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn to_json(value: &impl serde::Serialize) -> Result<String, Error> {
    text::json(value).map_err(|error| Error::stdout(error.into()))
}

/// The size of the journal's file and its write-ahead log.
fn file_bytes(file: &Path) -> u64 {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    [file, Path::new(&log)].into_iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
}
