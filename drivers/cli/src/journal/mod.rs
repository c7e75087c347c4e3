//! `nuncio journal`: what is in the file of `nuncio serve --journal`, and whether it is sound.

mod unusable;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use nuncio_tokio::arcp::FinalStatus;
use nuncio_tokio::arcp::journal::{JournalContents, JournalStats, SqliteJournal, SqliteOptions};
use serde::Serialize;

use crate::serve::Span;
use crate::text::count;
use crate::verdict::{Trouble, Verdict};
pub(crate) use unusable::Unusable;

const EXAMPLE: &str = "\
Examples:
  nuncio journal check my.journal
  nuncio journal stats my.journal --json | jq .jobs
  nuncio journal compact my.journal --retain 24h

check and stats only look, also while a nuncio uses the journal, which tidies it up by itself.

Exit codes:
  0  done, and the journal is sound
  1  the journal is damaged, or of another version
  2  wrong usage
  6  the journal cannot be read, or is in use
  7  stdout cannot be written";

/// What `nuncio journal` takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reads all of it, and says whether it is what was written
    #[command(after_help = EXAMPLE)]
    Check {
        /// The journal
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Tells what is in it
    #[command(after_help = EXAMPLE)]
    Stats {
        /// The journal
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Prints a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Lets go of what nobody needs any more and gives the room back; no nuncio may be using it
    #[command(after_help = EXAMPLE)]
    Compact {
        /// The journal
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Lets go of older events that may still be asked for, too [default: of none]
        #[arg(long, value_name = "DURATION")]
        retain: Option<Span>,
    },
}

/// Does it.
pub(crate) fn run(options: &Options) -> Result<Verdict, Trouble> {
    let lines = match &options.action {
        Action::Check { file } => {
            let stats = look(file, SqliteJournal::check)?;
            vec![format!("sound: {} in {}", count(stats.records, "record"), shown(stats.bytes))]
        }
        Action::Stats { file, json } => {
            let (stats, contents) = look(file, |journal| Ok((journal.stats()?, journal.contents()?)))?;
            let stats = Stats::of(file, &stats, &contents);
            if *json {
                vec![serde_json::to_string(&stats).map_err(|error| unwritable(error.into()))?]
            } else {
                stats.lines()
            }
        }
        Action::Compact { file, retain } => {
            // What is no journal yet is not to become one.
            look(file, |_| Ok(()))?;
            let before = size(file);
            let retain = retain.map_or(std::time::Duration::MAX, |span| span.0);
            let compacted = SqliteJournal::open(file, SqliteOptions { retain, ..SqliteOptions::default() })
                .and_then(|mut journal| journal.compact());
            let stats = compacted.map_err(|error| Unusable::new(file, error))?;
            let after = size(file);
            vec![format!(
                "{} stay in {}, before it were {}",
                count(stats.records, "record"),
                shown(after),
                shown(before)
            )]
        }
    };
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").map_err(unwritable)?;
    }
    out.flush().map_err(unwritable)?;
    Ok(Verdict::Success)
}

/// Looks at a journal that somebody may be using.
pub(crate) fn look<T>(
    file: &Path,
    at: impl FnOnce(&SqliteJournal) -> Result<T, nuncio_tokio::arcp::journal::JournalError>,
) -> Result<T, Unusable> {
    SqliteJournal::look(file).and_then(|journal| at(&journal)).map_err(|error| Unusable::new(file, error))
}

/// Of all its files.
fn size(file: &Path) -> u64 {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    [file, Path::new(&log)].into_iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn shown(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

fn unwritable(error: io::Error) -> Trouble {
    Trouble::Output("stdout".to_owned(), error)
}

#[derive(Serialize)]
struct Stats<'a> {
    file: &'a Path,
    file_bytes: u64,
    bytes: u64,
    records: u64,
    first_record: u64,
    last_record: u64,
    events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_event: Option<String>,
    sessions: u64,
    jobs: Jobs,
    credentials_unrevoked: u64,
    credentials_unanswered: u64,
}

#[derive(Serialize)]
struct Jobs {
    unfinished: u64,
    success: u64,
    error: u64,
    cancelled: u64,
    timed_out: u64,
}

impl Stats<'_> {
    fn of<'a>(file: &'a Path, stats: &JournalStats, contents: &JournalContents) -> Stats<'a> {
        Stats {
            file,
            file_bytes: size(file),
            bytes: stats.bytes,
            records: stats.records,
            first_record: stats.first,
            last_record: stats.last,
            events: contents.events,
            oldest_event: contents.oldest_event.map(nuncio_tokio::arcp::Time::to_rfc3339),
            sessions: contents.sessions,
            jobs: Jobs {
                unfinished: contents.jobs_unfinished,
                success: contents.ended(FinalStatus::Success),
                error: contents.ended(FinalStatus::Error),
                cancelled: contents.ended(FinalStatus::Cancelled),
                timed_out: contents.ended(FinalStatus::TimedOut),
            },
            credentials_unrevoked: contents.credentials_unrevoked,
            credentials_unanswered: contents.credentials_unanswered,
        }
    }

    fn lines(&self) -> Vec<String> {
        let Jobs { unfinished, success, error, cancelled, timed_out } = self.jobs;
        let oldest = self.oldest_event.as_ref().map(|at| format!(", the oldest of {at}")).unwrap_or_default();
        let line = |name: &str, text: String| format!("{name:<11} {text}");
        vec![
            line(
                "file",
                format!(
                    "{}, {} on the disk, {} in use",
                    self.file.display(),
                    shown(self.file_bytes),
                    shown(self.bytes)
                ),
            ),
            line("records", format!("{}, numbered {} to {}", self.records, self.first_record, self.last_record)),
            line("events", format!("{}{oldest}", self.events)),
            line("sessions", format!("{} that can be resumed or are connected", self.sessions)),
            line(
                "jobs",
                format!(
                    "{unfinished} unfinished, {success} success, {error} error, {cancelled} cancelled, {timed_out} timed out"
                ),
            ),
            line(
                "credentials",
                format!(
                    "{} not revoked, {} asked for without an answer",
                    self.credentials_unrevoked, self.credentials_unanswered
                ),
            ),
        ]
    }
}
