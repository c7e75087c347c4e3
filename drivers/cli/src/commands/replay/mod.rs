//! `nuncio replay`.

mod text;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};
use nuncio_core::arcp::{JobUlid, Record, Transcribed, Transcript};
use nuncio_tokio::arcp::SessionUlid;
use nuncio_tokio::arcp::journal::SqliteJournal;

use super::find;
use crate::error::Error;
use crate::exit::Exit;
use crate::journal_file::{self, JournalFileError};
use crate::output::{self, kind};
use crate::signals::Termination;
use crate::text::{eprint_line, json_for_stdout};
use text::Texts;

const AFTER_HELP: &str = "\
Examples:
  nuncio replay my.journal --job job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB --text
  nuncio journal sessions my.journal
  nuncio replay my.journal --session sess_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB \\
    --follow | jq .payload

Prints the numbered frames of the session as a resume sends them: one JSON
envelope per line. If the client of the session has the feature
x-vendor.nuncio.accepted_replay, as the clients of nuncio do, each job.accepted
comes before the first frame of its job. Other clients do not get it again. With
--job alone, the frames come from the session that submitted the job. The
command only reads the journal, and may run while a nuncio uses it. With
--follow, it ends when the session can no longer be resumed, or at Ctrl-C with
exit code 0.

Exit codes:
  0    the frames were printed
  1    the journal is damaged, or does not have the session or the job
  2    invalid usage
  6    the journal cannot be read
  7    stdout cannot be written
  130  left by Ctrl-C before all frames were printed";

/// How often a journal that is followed is read again.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long after a signal a line that is being printed may take to complete.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
#[command(group = ArgGroup::new("what").args(["session", "job"]).multiple(true).required(true))]
#[command(group = ArgGroup::new("where").args(["file", "journal"]).required(true))]
pub(crate) struct Options {
    /// File of the journal, as given to `nuncio serve --journal`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same as FILE
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Id of the session, or a part of it that no other session of the journal has; `nuncio journal sessions FILE` lists
    /// them [default: the one that submitted the job of --job]
    #[arg(long, value_name = "SESSION", value_parser = NonEmptyStringValueParser::new())]
    session: Option<String>,
    /// Print only frames with a number greater than this
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after_seq: u64,
    /// Print only frames of this job: its id, or a part of it that no other job of the journal has
    #[arg(long, value_name = "JOB", value_parser = NonEmptyStringValueParser::new())]
    job: Option<String>,
    /// Print only events of this kind, such as log. Frames that are not events are always printed. Repeat it, or
    /// separate kinds with commas, for several
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<String>,
    /// Print lines for people, as tail does, instead of the frames
    #[arg(long)]
    text: bool,
    /// With --text, begin lines with the time, such as 2026-11-21T07:12:03.123Z, instead of the time since the first event
    #[arg(long, requires = "text")]
    timestamps: bool,
    /// Continue with frames that are written to the journal from now on
    #[arg(long)]
    follow: bool,
}

impl Options {
    /// The file of the journal. The command line has one of the two.
    fn path(&self) -> &Path {
        self.file.as_ref().or(self.journal.as_ref()).map_or(Path::new(""), PathBuf::as_path)
    }
}

pub(crate) async fn run(options: Options) -> Exit {
    output::finish(print_until_terminated(options).await)
}

async fn print_until_terminated(options: Options) -> Result<Exit, Error> {
    let mut termination = Termination::listen().map_err(Error::System)?;
    let stop = Arc::new(AtomicBool::new(false));
    let follows = options.follow;
    // On a thread of its own, so that a signal is noticed while a slow reader blocks stdout.
    let mut printing = tokio::task::spawn_blocking({
        let stop = Arc::clone(&stop);
        move || Replay::open(options, stop)?.print()
    });
    tokio::select! {
        printed = &mut printing => printed.unwrap_or_else(|error| Err(Error::System(error.into()))),
        () = termination.requested() => {
            stop.store(true, Ordering::SeqCst);
            // Lets the thread complete the line it is printing, unless nothing reads it.
            drop(tokio::time::timeout(STOP_TIMEOUT, printing).await);
            Ok(if follows { Exit::Success } else { Exit::Interrupted })
        }
    }
}

struct Replay {
    options: Options,
    session: SessionUlid,
    /// The only job whose frames are printed, if not all are.
    job: Option<JobUlid>,
    stop: Arc<AtomicBool>,
    journal: SqliteJournal,
    transcript: Transcript,
    /// With `--text`.
    texts: Option<Texts>,
    /// The number of the last record that was read.
    last_record: u64,
    /// The number of the last frame that was read.
    last_seq: u64,
}

/// Whether stdout is still read.
#[derive(PartialEq, Eq)]
enum Reader {
    Present,
    Gone,
}

impl Replay {
    fn open(options: Options, stop: Arc<AtomicBool>) -> Result<Replay, Error> {
        let mut journals = journal_file::open_all(options.path())?;
        let job = options.job.as_deref().map(|text| job_of(&journals, text, options.path())).transpose()?;
        let session = match (&options.session, job) {
            (Some(text), _) => session_named(&journals, text, options.path())?,
            (None, Some(job)) => session_of(&journals, job, options.path())?,
            // clap requires one of them.
            (None, None) => return Err(Error::Usage("give --session or --job".to_owned())),
        };
        let journal = journals.swap_remove(shard_of(&journals, session)?);
        let (transcript, last_seq) = (Transcript::new(session), options.after_seq);
        let texts = options.text.then(|| Texts::new(options.timestamps, job.is_none()));
        Ok(Replay { options, session, job, stop, journal, transcript, texts, last_record: 0, last_seq })
    }

    fn print(mut self) -> Result<Exit, Error> {
        if self.catch_up()? == Reader::Gone || self.is_stopped() {
            return Ok(Exit::Success);
        }
        if !self.transcript.is_known() {
            let file = self.options.path().display();
            return Err(Error::NotFound(format!(
                "the journal {file} has no session {}; `nuncio journal sessions {file}` lists those it has",
                self.session
            )));
        }
        while self.options.follow && !self.is_stopped() {
            if self.transcript.is_closed() {
                eprint_line("nuncio: the session is over, because it can no longer be resumed");
                break;
            }
            std::thread::sleep(POLL_INTERVAL);
            if is_closed(&io::stdout()) || self.catch_up()? == Reader::Gone {
                break;
            }
        }
        Ok(Exit::Success)
    }

    /// Prints the frames that have been written since the last call.
    fn catch_up(&mut self) -> Result<Reader, Error> {
        while !self.is_stopped() {
            let committed = self.journal.after(self.last_record);
            let committed = committed.map_err(|error| JournalFileError::new(self.journal.path(), error))?;
            let Some(committed) = committed else { break };
            self.last_record = committed.last;
            let mut lines = Vec::new();
            for (_, record) in &committed.records {
                let sent = self.transcript.take(record);
                let Some(sent) = sent.filter(|sent| sent.seq > self.last_seq) else { continue };
                let expected = self.last_seq + 1;
                self.last_seq = sent.seq;
                if sent.seq > expected {
                    eprint_line(&missing(expected, sent.seq - 1));
                }
                if self.prints(&sent) {
                    for frame in sent.accepted.iter().chain([&sent.frame]) {
                        let frame = String::from_utf8_lossy(frame);
                        let line = self.texts.as_mut().and_then(|texts| texts.line(&frame));
                        lines.extend_from_slice(line.unwrap_or_else(|| json_for_stdout(frame.into_owned())).as_bytes());
                        lines.push(b'\n');
                    }
                }
            }
            let mut out = io::stdout().lock();
            match out.write_all(&lines).and_then(|()| out.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Reader::Gone),
                Err(error) => return Err(Error::stdout(error)),
            }
        }
        Ok(Reader::Present)
    }

    /// Whether a frame is printed.
    fn prints(&self, sent: &Transcribed) -> bool {
        let kinds = &self.options.kinds;
        let is_of_job = self.job.is_none_or(|job| job == sent.job);
        is_of_job && (kinds.is_empty() || text::event_kind(&sent.frame).is_none_or(|kind| kinds.contains(&kind)))
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Returns the job that a text means: a whole id, or the beginning or the end of one that the journal has.
fn job_of(journals: &[SqliteJournal], text: &str, file: &Path) -> Result<JobUlid, Error> {
    if let Some(job) = JobUlid::parse(text) {
        return Ok(job);
    }
    let mut jobs = BTreeSet::new();
    for journal in journals {
        search(journal, |record| {
            jobs.extend(record.job());
            None::<()>
        })?;
    }
    let ids: Vec<String> = jobs.iter().map(JobUlid::to_string).collect();
    let found = find::named(find::JOB, text, ids.iter().map(String::as_str))?;
    JobUlid::parse(&found).ok_or_else(|| {
        let file = file.display();
        let advice = format!("`nuncio journal sessions {file} --json` lists those it has");
        Error::NotFound(format!("the journal {file} has no job with an id like {text:?}; {advice}"))
    })
}

/// Returns the session that a text means: a whole id, or the beginning or the end of one that the journal has.
fn session_named(journals: &[SqliteJournal], text: &str, file: &Path) -> Result<SessionUlid, Error> {
    if let Some(session) = SessionUlid::parse(text) {
        return Ok(session);
    }
    let mut sessions = BTreeSet::new();
    for journal in journals {
        search(journal, |record| {
            sessions.extend(record.session());
            sessions.extend(record.owner());
            sessions.extend(record.targets().iter().map(|target| target.session));
            None::<()>
        })?;
    }
    let ids: Vec<String> = sessions.iter().map(SessionUlid::to_string).collect();
    let found = find::named(find::SESSION, text, ids.iter().map(String::as_str))?;
    SessionUlid::parse(&found).ok_or_else(|| {
        let file = file.display();
        Error::NotFound(format!(
            "the journal {file} has no session with an id like {text:?}; `nuncio journal sessions {file}` lists those it has"
        ))
    })
}

/// Finds the session that has submitted a job, or whose job has delegated it; if the journal no longer says, the first session
/// that has watched it.
fn session_of(journals: &[SqliteJournal], job: JobUlid, file: &Path) -> Result<SessionUlid, Error> {
    let mut watched = None;
    for journal in journals {
        let owner = search(journal, |record| {
            let record = Some(record).filter(|record| record.job() == Some(job))?;
            watched = watched.or(record.session()).or(record.targets().first().map(|target| target.session));
            record.owner()
        })?;
        if let Some(owner) = owner {
            return Ok(owner);
        }
    }
    let file = file.display();
    watched.ok_or_else(|| {
        let advice = format!("`nuncio journal sessions {file} --json` lists those it has");
        Error::NotFound(format!("the journal {file} has no events of a job {job}; {advice}"))
    })
}

/// Finds the shard that has a session; the first one, if none does.
fn shard_of(journals: &[SqliteJournal], session: SessionUlid) -> Result<usize, Error> {
    if journals.len() == 1 {
        return Ok(0);
    }
    let has = |record: &Record| {
        let targets = || record.targets().iter().any(|target| target.session == session);
        (record.session() == Some(session) || targets()).then_some(())
    };
    for (number, journal) in journals.iter().enumerate() {
        if search(journal, has)?.is_some() {
            return Ok(number);
        }
    }
    Ok(0)
}

/// Reads the records of a shard, until `find` returns something.
fn search<T>(
    journal: &SqliteJournal,
    mut find: impl FnMut(&Record) -> Option<T>,
) -> Result<Option<T>, JournalFileError> {
    let mut last = 0;
    while let Some(committed) = journal.after(last).map_err(|error| JournalFileError::new(journal.path(), error))? {
        last = committed.last;
        if let Some(found) = committed.records.iter().find_map(|(_, record)| find(record)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn missing(from: u64, to: u64) -> String {
    let which = if from == to { format!("event {from} is") } else { format!("events {from} to {to} are") };
    format!("nuncio: {which} no longer in the journal: acknowledged, or older than --retain of `nuncio serve`")
}

/// Returns whether the reader of a pipe has closed it.
#[cfg(unix)]
fn is_closed(out: &io::Stdout) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut polled = [PollFd::new(out, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&at_once)).is_ok() && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

#[cfg(not(unix))]
fn is_closed(_: &io::Stdout) -> bool {
    false
}
