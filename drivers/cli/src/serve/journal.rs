//! What outlives the process: the flags, and what became of it at the start.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use nuncio_tokio::arcp::Server;
use nuncio_tokio::arcp::journal::{JournalError, SqliteJournal, SqliteOptions, Sync};
use serde::Deserialize;

use super::ServeError;
use super::units::Span;
use crate::journal::Unusable;
use crate::text::{count, tell};

/// The flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Journal")]
pub(crate) struct Durability {
    /// Keeps sessions, jobs and events in this file, so that they outlive nuncio; it is made if it is not there
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
    /// What the journal survives: a loss of power, or only the end of nuncio, which costs less [default: full]
    #[arg(long, value_enum)]
    pub(super) sync: Option<Survives>,
    /// How long the journal keeps events that may still be asked for; then the oldest go [default: 24h]
    #[arg(long, value_name = "DURATION")]
    pub(super) retain: Option<Span>,
    /// The size of the journal beyond which the oldest events go before their time [default: none]
    #[arg(long, value_name = "SIZE")]
    pub(super) journal_max: Option<ByteSize>,
}

/// [`Sync`] as it is written.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Survives {
    Full,
    Normal,
}

/// A journal to be used.
#[derive(Clone, Debug)]
pub(crate) struct JournalSetting {
    file: PathBuf,
    options: SqliteOptions,
}

impl Durability {
    /// These, and for the rest the others.
    pub(super) fn or(self, others: Durability) -> Durability {
        Durability {
            journal: self.journal.or(others.journal),
            sync: self.sync.or(others.sync),
            retain: self.retain.or(others.retain),
            journal_max: self.journal_max.or(others.journal_max),
        }
    }

    pub(super) fn settle(self) -> Result<Option<JournalSetting>, ServeError> {
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
                None | Some(Survives::Full) => Sync::Full,
                Some(Survives::Normal) => Sync::Normal,
            },
            retain: self.retain.map_or(defaults.retain, |span| span.0),
            max_bytes: self.journal_max.map(|size| size.as_u64()),
        };
        Ok(Some(JournalSetting { file, options }))
    }
}

impl JournalSetting {
    pub(super) fn open(&self) -> Result<SqliteJournal, ServeError> {
        SqliteJournal::open(&self.file, self.options).map_err(|error| self.unusable(error))
    }

    /// Whether it could be opened, without doing so: a server may be using it.
    pub(super) fn look(&self) -> Result<(), ServeError> {
        if !self.is_new() {
            return SqliteJournal::look(&self.file).map(drop).map_err(|error| self.unusable(error));
        }
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match folder.metadata() {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(self.unusable(JournalError::Io(format!("{} is no folder", folder.display())))),
            Err(error) => Err(self.unusable(JournalError::Io(error.to_string()))),
        }
    }

    /// An empty file is as good as none.
    fn is_new(&self) -> bool {
        self.file.metadata().map_or_else(|error| error.kind() == std::io::ErrorKind::NotFound, |file| file.len() == 0)
    }

    pub(super) fn unusable(&self, error: JournalError) -> ServeError {
        ServeError::Journal(Unusable::new(&self.file, error))
    }

    pub(super) fn summary(&self) -> String {
        let mut text = self.file.display().to_string();
        if self.is_new() {
            text.push_str(" (new)");
        }
        let sync = match self.options.sync {
            Sync::Full => "full",
            Sync::Normal => "normal",
        };
        // Writing into a string cannot fail.
        let _infallible = write!(text, ", sync {sync}, events kept {}", Span(self.options.retain));
        if let Some(max) = self.options.max_bytes {
            let _infallible = write!(text, ", at most {}", ByteSize(max).display().iec());
        }
        text
    }

    /// Says what a server has begun with.
    pub(super) fn tell(&self, server: &Server) {
        let Some(restored) = server.restored() else { return };
        let file = self.file.display();
        if restored.last_store == 0 {
            tell(&format!("nuncio: the journal {file} is new"));
            return;
        }
        let stats = server.stats();
        let sessions = stats.sessions_live + stats.sessions_detached;
        let jobs = stats.jobs_pending + stats.jobs_running + stats.jobs_cancelling + stats.jobs_kept;
        let mut text = format!(
            "nuncio: restored {} and {} from the journal {file}",
            count(sessions as u64, "session"),
            count(jobs as u64, "job")
        );
        if restored.interrupted > 0 {
            let _infallible = write!(text, "; {} interrupted", count(restored.interrupted, "job"));
        }
        if restored.unrevoked > 0 {
            let _infallible = write!(text, "; {} to be revoked", count(restored.unrevoked, "credential"));
        }
        tell(&text);
        let passed_over = restored.repeated + restored.ignored;
        if passed_over > 0 {
            tell(&format!(
                "nuncio: {} of the journal did not fit, or were beyond a limit, and were passed over",
                count(passed_over, "record")
            ));
        }
    }
}
