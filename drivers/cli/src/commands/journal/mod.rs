//! `nuncio journal`.

mod sessions;
mod stats;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use nuncio_tokio::arcp::journal::{JournalStats, SqliteJournal, SqliteOptions};

use crate::error::Error;
use crate::exit::Exit;
use crate::journal_file::{self, JournalFileError};
use crate::output;
use crate::size;
use crate::text::{self, count, sanitize};
use crate::time::HumanDuration;
use stats::Stats;

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
    /// Read the whole journal and verify every record
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
    /// Copy a journal, which a nuncio may be using, to a new file, and verify the copy
    #[command(after_help = AFTER_HELP)]
    Backup {
        #[command(flatten)]
        journal: Journal,
        /// File to write, which must not exist
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
    /// Verify a copy, and copy it to where a nuncio will use it
    #[command(after_help = AFTER_HELP)]
    Restore {
        /// File that `nuncio journal backup` has written
        #[arg(value_name = "COPY")]
        copy: PathBuf,
        /// File of the journal, which must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Delete what is no longer needed and shrink the file. No nuncio may be using the journal
    #[command(after_help = AFTER_HELP)]
    Compact {
        #[command(flatten)]
        journal: Journal,
        /// Delete events older than this, too, although a client may still ask for them [default: keep them]
        #[arg(long, value_name = "DURATION")]
        retain: Option<HumanDuration>,
    },
}

#[derive(Args, Debug)]
struct Journal {
    /// File of the journal, as given to `nuncio serve --journal`
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
                let stats = journal_file::inspect(&journal.file, SqliteJournal::check)?;
                Ok(vec![format!("sound: {} in {}", count(stats.records, "record"), size::format(stats.bytes))])
            }
            Action::Stats { journal: Journal { file }, json } => {
                let read =
                    |journal: &SqliteJournal| Ok((journal.stats()?, journal.contents()?, sessions::read(journal)?));
                let (stats, contents, sessions) = journal_file::inspect(file, read)?;
                let stats = Stats::new(file, file_bytes(file), &stats, &contents, &sessions);
                if *json {
                    Ok(vec![to_json(&stats)?])
                } else {
                    Ok(stats.lines().iter().map(|line| sanitize(line).into_owned()).collect())
                }
            }
            Action::Sessions { journal, json } => {
                let sessions = journal_file::inspect(&journal.file, sessions::read)?;
                if *json { sessions.iter().map(to_json).collect() } else { Ok(sessions::table(&sessions)) }
            }
            Action::Backup { journal, to } => {
                let stats = journal_file::inspect(&journal.file, |journal| journal.backup(to))?;
                Ok(vec![copied("backed up", &stats, to)])
            }
            Action::Restore { copy, file } => {
                journal_file::inspect(copy, SqliteJournal::check)?;
                let stats = journal_file::inspect(copy, |journal| journal.backup(file))?;
                Ok(vec![copied("restored", &stats, file)])
            }
            Action::Compact { journal, retain } => Ok(vec![compact(&journal.file, *retain)?]),
        }
    }
}

fn copied(what: &str, stats: &JournalStats, to: &Path) -> String {
    format!("{what}: {} in {}, to {}", count(stats.records, "record"), size::format(stats.bytes), to.display())
}

fn compact(file: &Path, retain: Option<HumanDuration>) -> Result<String, JournalFileError> {
    // Opening a file to write would turn one that is not a journal into a new journal.
    journal_file::inspect(file, |_| Ok(()))?;
    let before = file_bytes(file);
    let retain = retain.map_or(Duration::MAX, HumanDuration::get);
    let compacted = SqliteJournal::open(file, SqliteOptions { retain, ..SqliteOptions::default() })
        .and_then(|mut journal| journal.compact());
    let stats = compacted.map_err(|error| JournalFileError::new(file, error))?;
    let (records, after) = (count(stats.records, "record"), file_bytes(file));
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
