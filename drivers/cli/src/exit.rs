//! Exit codes.

use std::process::ExitCode;

use nuncio_tokio::arcp::FinalStatus;

/// The exit codes of a command that follows a job, for its help.
pub(crate) const FOLLOWING: &str = "\
Exit codes:
  0    the job succeeded
  1    the job failed
  2    invalid usage: a flag, a file or the input
  3    the job was cancelled
  4    the job timed out
  5    the runtime refused the token or the request
  6    the runtime is unreachable, or the session or part of the result is lost
  7    the result cannot be written
  130  left by Ctrl-C before the job's end
If the reader of stdout closes it early, as head does, the exit code is 0. A
stdout that is closed from the start (>&-) counts as /dev/null.
If the connection is lost, the command connects again for as long as the runtime
keeps the session: 10 minutes, unless `nuncio serve --resume-window` says
otherwise. Then it ends with 6, and the job goes on.";

/// How a command ends; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Success,
    Failed,
    /// The code that clap uses for arguments it cannot parse.
    Usage,
    Cancelled,
    TimedOut,
    Refused,
    Lost,
    NotWritten,
    /// The code that a shell reports for a program ended by SIGINT.
    Interrupted,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Cancelled => 3,
            Exit::TimedOut => 4,
            Exit::Refused => 5,
            Exit::Lost => 6,
            Exit::NotWritten => 7,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

impl From<FinalStatus> for Exit {
    fn from(status: FinalStatus) -> Exit {
        match status {
            FinalStatus::Success => Exit::Success,
            FinalStatus::Error => Exit::Failed,
            FinalStatus::Cancelled => Exit::Cancelled,
            FinalStatus::TimedOut => Exit::TimedOut,
        }
    }
}
