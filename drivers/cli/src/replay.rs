//! `nuncio replay`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use nuncio_core::arcp::{JobUlid, Transcript};
use nuncio_tokio::arcp::SessionId;
use nuncio_tokio::arcp::journal::SqliteJournal;

use crate::journal::Unusable;
use crate::signals::Signals;
use crate::text::tell;
use crate::verdict::{Trouble, Verdict};

const EXAMPLE: &str = "\
Examples:
  nuncio replay --journal my.journal --session sess_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB | jq .payload
  nuncio replay --journal my.journal --session sess_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB --follow

Prints the numbered frames of a session, and the job.accepted before the first one of each job,
as a resume sends them: an envelope per line. It only looks, also while a nuncio uses the journal.
What it follows ends with the session, or with Ctrl-C and exit code 0.

Exit codes:
  0  shown
  1  the journal is damaged, or has no such session
  2  wrong usage
  6  the journal cannot be read
  7  stdout cannot be written";

/// Between two looks at a journal that is followed.
const PACE: Duration = Duration::from_millis(200);
/// What is begun may be ended in this time after a signal.
const LONGEST: Duration = Duration::from_secs(1);

/// What `nuncio replay` takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// The file that a `nuncio serve --journal` keeps or has kept
    #[arg(long, value_name = "FILE")]
    journal: PathBuf,
    /// The session, as its welcome named it
    #[arg(long, value_name = "SESSION", value_parser = session)]
    session: SessionId,
    /// Only what has a greater number in the session
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    after_seq: u64,
    /// Only what is of this job
    #[arg(long, value_name = "JOB", value_parser = job)]
    job: Option<JobUlid>,
    /// Goes on with what is written to the journal from now on
    #[arg(long)]
    follow: bool,
}

fn session(text: &str) -> Result<SessionId, &'static str> {
    SessionId::parse(text).ok_or("a session is sess_ and 26 characters, as its welcome named it")
}

fn job(text: &str) -> Result<JobUlid, &'static str> {
    JobUlid::parse(text).ok_or("a job is job_ and 26 characters, as `nuncio jobs` names it")
}

/// Prints, until the end or a signal.
pub(crate) async fn run(options: Options) -> Result<Verdict, Trouble> {
    let mut signals = Signals::install().map_err(Trouble::System)?;
    let stop = Arc::new(AtomicBool::new(false));
    let follows = options.follow;
    // Of its own thread: a reader of stdout who takes his time is no reason not to hear a signal.
    let mut printing = tokio::task::spawn_blocking({
        let stop = Arc::clone(&stop);
        move || Replay::new(options, stop)?.print()
    });
    tokio::select! {
        printed = &mut printing => printed.unwrap_or_else(|died| Err(Trouble::System(died.into()))),
        () = signals.next() => {
            stop.store(true, Ordering::SeqCst);
            // So that its last line is whole, unless nobody takes it.
            drop(tokio::time::timeout(LONGEST, printing).await);
            Ok(if follows { Verdict::Success } else { Verdict::Left })
        }
    }
}

struct Replay {
    options: Options,
    stop: Arc<AtomicBool>,
    journal: SqliteJournal,
    transcript: Transcript,
    /// The last record that was read.
    at: u64,
    /// The last number that was seen.
    seq: u64,
}

/// Whether there is somebody to print for.
#[derive(PartialEq, Eq)]
enum Reader {
    There,
    Gone,
}

impl Replay {
    fn new(options: Options, stop: Arc<AtomicBool>) -> Result<Replay, Trouble> {
        let journal = SqliteJournal::look(&options.journal).map_err(|error| Unusable::new(&options.journal, error))?;
        let (transcript, seq) = (Transcript::new(options.session), options.after_seq);
        Ok(Replay { options, stop, journal, transcript, at: 0, seq })
    }

    fn print(mut self) -> Result<Verdict, Trouble> {
        if self.catch_up()? == Reader::Gone || self.stopped() {
            return Ok(Verdict::Success);
        }
        if !self.transcript.is_known() {
            return Err(Trouble::Absent(format!(
                "the journal {} has nothing of {}; is that its whole name, and was it closed long ago?",
                self.options.journal.display(),
                self.options.session
            )));
        }
        while self.options.follow && !self.stopped() {
            if self.transcript.is_closed() {
                tell("nuncio: the session is closed");
                break;
            }
            std::thread::sleep(PACE);
            if has_left(&io::stdout()) || self.catch_up()? == Reader::Gone {
                break;
            }
        }
        Ok(Verdict::Success)
    }

    /// Prints what is there.
    fn catch_up(&mut self) -> Result<Reader, Trouble> {
        while !self.stopped() {
            let committed = self.journal.after(self.at).map_err(|error| Unusable::new(&self.options.journal, error))?;
            let Some(committed) = committed else { break };
            self.at = committed.last;
            let mut lines = Vec::new();
            for (_, record) in &committed.records {
                let Some(sent) = self.transcript.take(record).filter(|sent| sent.seq > self.seq) else { continue };
                let expected = self.seq + 1;
                self.seq = sent.seq;
                if sent.seq > expected {
                    tell(&missing(expected, sent.seq - 1));
                }
                if self.options.job.is_none_or(|job| job == sent.job) {
                    for frame in sent.accepted.iter().chain([&sent.frame]) {
                        lines.extend_from_slice(frame);
                        lines.push(b'\n');
                    }
                }
            }
            let mut out = io::stdout().lock();
            match out.write_all(&lines).and_then(|()| out.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Reader::Gone),
                Err(error) => return Err(Trouble::Output("stdout".to_owned(), error)),
            }
        }
        Ok(Reader::There)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

fn missing(from: u64, to: u64) -> String {
    let which = if from == to { format!("event {from} is") } else { format!("events {from} to {to} are") };
    format!("nuncio: the {which} no longer in the journal: acknowledged, or older than it keeps them")
}

/// Whether the other end of a pipe is closed.
#[cfg(unix)]
fn has_left(out: &io::Stdout) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut polled = [PollFd::new(out, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&at_once)).is_ok() && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

#[cfg(not(unix))]
fn has_left(_: &io::Stdout) -> bool {
    false
}
