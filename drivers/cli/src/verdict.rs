//! How a command came out, and what the shell is told of it.

use std::process::ExitCode;

use crate::journal::Unusable;
use nuncio_tokio::arcp::{
    ClientBuildError, ClientError, CloseReason, ConnectError, FinalStatus, RequestFailure, SessionEnd,
};

/// The end of every help of a command that follows a job.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  the job failed
  2  wrong usage
  3  cancelled by Ctrl-C here, or from elsewhere
  4  the job timed out
  5  refused by the runtime: the token, the request
  6  lost: the runtime is unreachable, or the session or a part of the result is gone
  7  the result could not be written here
  130  left before the end";

/// How it came out; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    Failed,
    Usage,
    Cancelled,
    TimedOut,
    Refused,
    Lost,
    NotWritten,
    Left,
}

impl Verdict {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Verdict::Success => 0,
            Verdict::Failed => 1,
            // As for arguments that cannot be read at all.
            Verdict::Usage => 2,
            Verdict::Cancelled => 3,
            Verdict::TimedOut => 4,
            Verdict::Refused => 5,
            Verdict::Lost => 6,
            Verdict::NotWritten => 7,
            // As a shell shows a program that SIGINT has ended.
            Verdict::Left => 130,
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> ExitCode {
        ExitCode::from(verdict.code())
    }
}

impl From<FinalStatus> for Verdict {
    fn from(status: FinalStatus) -> Verdict {
        match status {
            FinalStatus::Success => Verdict::Success,
            FinalStatus::Error => Verdict::Failed,
            FinalStatus::Cancelled => Verdict::Cancelled,
            FinalStatus::TimedOut => Verdict::TimedOut,
        }
    }
}

/// Why a command has nothing to show: a sentence that says what to do, too.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Usage(String),
    #[error("{0}; is the runtime running there, and is --url right?")]
    Unreachable(String),
    #[error("{0}; is the token right? it is taken from --token, --token-file or NUNCIO_TOKEN")]
    Unwelcome(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}; jobs go on in the runtime: see them with `nuncio jobs`, follow one with `nuncio tail JOB`")]
    Lost(String),
    #[error("the result is incomplete: {0}; what came of it is not all of it, so submit the job again")]
    Broken(&'static str),
    #[error("cannot write {0}: {1}; jobs go on in the runtime without a reader")]
    Output(String, #[source] std::io::Error),
    #[error(transparent)]
    Journal(#[from] Unusable),
    #[error("{0}")]
    Absent(String),
    #[error("the system refused: {0}")]
    System(#[source] std::io::Error),
}

impl Trouble {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Trouble::Usage(_) => Verdict::Usage,
            Trouble::Unwelcome(_) | Trouble::Refused(_) => Verdict::Refused,
            Trouble::Absent(_) => Verdict::Failed,
            Trouble::Journal(unusable) if unusable.is_damaged() => Verdict::Failed,
            Trouble::Unreachable(_)
            | Trouble::Lost(_)
            | Trouble::Broken(_)
            | Trouble::System(_)
            | Trouble::Journal(_) => Verdict::Lost,
            Trouble::Output(..) => Verdict::NotWritten,
        }
    }
}

impl From<ClientBuildError> for Trouble {
    fn from(error: ClientBuildError) -> Trouble {
        let sentence = error.to_string();
        match error {
            ClientBuildError::Url(_) => Trouble::Usage(format!("{sentence}; give --url as ws://HOST:PORT/arcp")),
            ClientBuildError::Session(SessionEnd::Closed(CloseReason::Refused(_))) => Trouble::Unwelcome(sentence),
            ClientBuildError::Session(SessionEnd::Unreachable(ConnectError::Refused(_))) => Trouble::Refused(sentence),
            ClientBuildError::Session(_) | ClientBuildError::System(_) => Trouble::Unreachable(sentence),
        }
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        let sentence = error.to_string();
        match error {
            ClientError::Refused(_) => Trouble::Refused(format!("this cannot be asked of the runtime: {sentence}")),
            ClientError::Failed(RequestFailure::NotNegotiated(feature)) => {
                Trouble::Refused(format!("the runtime does not offer {feature}, which this needs"))
            }
            ClientError::Failed(RequestFailure::Refused(fault)) => Trouble::Refused(match advice(&fault.code) {
                Some(advice) => format!("the runtime refused it: {sentence}; {advice}"),
                None => format!("the runtime refused it: {sentence}"),
            }),
            ClientError::Failed(RequestFailure::TooLarge { .. }) => {
                Trouble::Refused(format!("{sentence}; pass large data by reference, or have its frame limit raised"))
            }
            ClientError::ResultBroken(reason) => Trouble::Broken(reason),
            ClientError::Ended(_) | ClientError::Failed(_) | ClientError::ResultTooLarge { .. } => {
                Trouble::Lost(sentence)
            }
        }
    }
}

/// What to do about a refusal (§12).
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "AGENT_NOT_AVAILABLE" | "AGENT_VERSION_NOT_AVAILABLE" => {
            "is the agent's name right, and does this runtime offer it?"
        }
        "DUPLICATE_KEY" => "another request was made with this --idempotency-key: use a new one",
        "JOB_NOT_FOUND" => "see what is there with `nuncio jobs`; jobs of others are not shown",
        "LEASE_EXPIRED" => "give it longer with --expires-in",
        "INVALID_REQUEST" => "correct the request and try again",
        _ => return None,
    })
}
