//! Why a client's command fails, what to do about it, and its exit code.

use std::time::Duration;

use nuncio_tokio::arcp::{
    ClientBuildError, ClientError, ClientRefused, CloseReason, ConnectError, ErrorCode, JobId, Outcome, OutcomeSource,
    RequestFailure, SessionEnd,
};
use nuncio_tokio::auth::TlsConnectError;

use crate::exit::Exit;
use crate::files;
use crate::journal_file::JournalFileError;

/// Why a command fails: a sentence that says what happened and what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}; check that nats-server or `nuncio cap bus` is running there, and that --nats or NATS_URL is right")]
    NoBus(String),
    #[error("{0}; check that Redis is running there and that --redis or REDIS_URL is right")]
    NoStore(String),
    #[error(
        "{0}; check that the service is running there and that --coordinator and --sts, or CARACAL_*_URL, are right"
    )]
    NoCoordinator(String),
    /// An answer of a coordinator is missing or cannot be read.
    #[error("{0}")]
    Unanswered(String),
    /// The certificate of the runtime or of this client is not accepted, or only one of the two speaks TLS.
    #[error("{0}")]
    Untrusted(String),
    #[error(
        "{0}; check the token, which is taken from --token, --token-file, NUNCIO_TOKEN, NUNCIO_TOKEN_FILE or the context"
    )]
    Unauthenticated(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}; `nuncio jobs` lists the jobs that the runtime still has, and `nuncio tail JOB` follows one")]
    Lost(String),
    #[error(
        "the runtime never said how the job ended, and no longer knows it; look for its effects before you submit it again"
    )]
    Silent,
    #[error(
        "the runtime has ended the subscription before the job ended, because this command did not keep up or a part of the runtime was restarted; run the command again"
    )]
    Dropped,
    /// A job is to be cancelled, and the runtime is not reached, or does not answer.
    #[error("the runtime has not answered for {} s, so the job may still be running", .0.as_secs())]
    NotCancelled(Duration),
    #[error("the result is incomplete: {0}; discard the part that was written and submit the job again")]
    Incomplete(&'static str),
    #[error("cannot listen on {address}: {error}{}", listen_advice(error, option))]
    Address {
        address: String,
        #[source]
        error: std::io::Error,
        option: &'static str,
    },
    #[error("cannot write {0}: {1}{advice}", advice = files::advice(.1))]
    Write(String, #[source] std::io::Error),
    /// The output of a job cannot be written.
    #[error("{error}; the job is not affected: `nuncio tail {job_id}` shows its events and result")]
    JobWrite { error: Box<Error>, job_id: JobId },
    #[error(transparent)]
    Journal(#[from] JournalFileError),
    #[error("{0}")]
    NotFound(String),
    #[error("the operating system refused a resource: {0}")]
    System(#[source] std::io::Error),
}

impl Error {
    pub(crate) fn stdout(error: std::io::Error) -> Error {
        Error::Write("stdout".to_owned(), error)
    }

    /// Adds how to see a job whose output cannot be written.
    pub(crate) fn for_job(self, job_id: &JobId) -> Error {
        match self {
            Error::Write(..) => Error::JobWrite { error: Box::new(self), job_id: job_id.clone() },
            other => other,
        }
    }

    /// Returns whether the reader of stdout has closed it, as `head` does. This is no error for the user.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        match self {
            Error::Write(_, error) => error.kind() == std::io::ErrorKind::BrokenPipe,
            Error::JobWrite { error, .. } => error.is_closed_pipe(),
            _ => false,
        }
    }

    /// Adds which runtime is not reached. Parameters of its URL, which may be secret, are left out.
    pub(crate) fn at(self, url: &str) -> Error {
        match self {
            Error::Unreachable(sentence) => Error::Unreachable(format!("{}: {sentence}", without_parameters(url))),
            Error::Untrusted(sentence) => Error::Untrusted(format!("{}: {sentence}", without_parameters(url))),
            other => other,
        }
    }

    /// Returns why an outcome does not tell how the job ended.
    pub(crate) fn of_unknown_end(outcome: &Outcome) -> Option<Error> {
        match outcome.source {
            OutcomeSource::Silence => Some(Error::Silent),
            OutcomeSource::Dropped => Some(Error::Dropped),
            _ => None,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Error::Usage(_) => Exit::Usage,
            Error::Address { error, .. } if error.kind() == std::io::ErrorKind::InvalidInput => Exit::Usage,
            Error::Unauthenticated(_) | Error::Refused(_) => Exit::Refused,
            Error::NotFound(_) => Exit::Failed,
            Error::Journal(error) if error.is_content() => Exit::Failed,
            Error::Unreachable(_)
            | Error::NoBus(_)
            | Error::NoStore(_)
            | Error::NoCoordinator(_)
            | Error::Unanswered(_)
            | Error::Untrusted(_)
            | Error::Lost(_)
            | Error::Silent
            | Error::Dropped
            | Error::Incomplete(_)
            | Error::System(_)
            | Error::Address { .. }
            | Error::Journal(_) => Exit::Lost,
            Error::NotCancelled(_) => Exit::Interrupted,
            Error::Write(..) | Error::JobWrite { .. } => Exit::NotWritten,
        }
    }
}

impl From<ClientBuildError> for Error {
    fn from(error: ClientBuildError) -> Error {
        let sentence = error.to_string();
        match error {
            ClientBuildError::Url(_) => Error::Usage(format!("{sentence}; write --url as ws://HOST:PORT/arcp")),
            ClientBuildError::Session(
                SessionEnd::Closed(CloseReason::Refused(fault))
                | SessionEnd::Unreachable { last: ConnectError::Refused(fault), .. },
            ) => match fault.known() {
                Some(ErrorCode::Unauthenticated) => {
                    Error::Unauthenticated(format!("the runtime refused the token: {fault}"))
                }
                _ => Error::Refused(format!("the runtime refused the connection: {fault}")),
            },
            ClientBuildError::Session(SessionEnd::Unreachable {
                last: ConnectError::Upgrade { status, reason, .. },
                ..
            }) => Error::Unreachable(format!("{reason}{}", of_web_server(status))),
            // Something runs there, as below.
            ClientBuildError::Session(SessionEnd::Unreachable { last: ConnectError::Tls, .. }) => {
                Error::Untrusted(sentence)
            }
            ClientBuildError::Session(SessionEnd::Unreachable { last: ConnectError::Io(cause), .. }) => {
                match cause.get_ref().and_then(|cause| cause.downcast_ref::<TlsConnectError>()) {
                    // Something runs there, so that other advice would not fit.
                    Some(tls) => Error::Untrusted(match tls_advice(tls) {
                        Some(advice) => format!("{sentence}; {advice}"),
                        None => sentence,
                    }),
                    None => Error::Unreachable(format!("{sentence}; {REACH}")),
                }
            }
            _ => Error::Unreachable(format!("{sentence}; {REACH}")),
        }
    }
}

/// Returns a URL without its parameters, which may be secret.
pub(crate) fn without_parameters(url: &str) -> &str {
    url.split_once('?').map_or(url, |(url, _)| url)
}

/// What to do where nothing answers.
const REACH: &str =
    "check that the runtime is running there and that the URL of --url, NUNCIO_URL or the context is right";

/// What to do about an address that cannot be listened on, which `option` gives.
pub(crate) fn listen_advice(error: &std::io::Error, option: &str) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!("; another program uses this port: stop it, or give another port with {option} HOST:PORT")
        }
        ErrorKind::AddrNotAvailable => format!("; give an address of this machine with {option} HOST:PORT"),
        ErrorKind::InvalidInput => format!("; write {option} as HOST:PORT"),
        ErrorKind::PermissionDenied => format!("; give a port above 1023 with {option} HOST:PORT"),
        _ => format!("; give another address with {option} HOST:PORT"),
    }
}

/// What an HTTP status means in the place of a WebSocket, and what to do. A server runs there.
pub(crate) fn of_web_server(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => {
            ", so it refuses this client; check the URL and the token, and if the server is a proxy, what it asks of clients"
        }
        429 => {
            ", so it has refused too many tokens or requests from this address; wait a minute, and try again with a token \
             that is valid"
        }
        408 | 425 | 500.. => {
            ", so it cannot serve this client now; if it is a proxy, check that the runtime behind it is running; then try \
             again"
        }
        _ => {
            ", so it does not speak ARCP at this URL: it is a web server, such as a console, or the path is wrong; check \
             the port, and the path, which is /arcp unless the runtime has another"
        }
    }
}

/// The options that help against a failure of TLS.
fn tls_advice(error: &TlsConnectError) -> Option<&'static str> {
    match error {
        TlsConnectError::UnknownAuthority { .. } => Some("give the authority's certificate with --ca-file"),
        TlsConnectError::CertificateRequired { .. } | TlsConnectError::CertificateRefused { .. } => {
            Some("give a client certificate with --client-cert and --client-key")
        }
        _ => None,
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Error {
        let sentence = error.to_string();
        match error {
            ClientError::Invalid(_) | ClientError::Refused(ClientRefused::Invalid(_)) => Error::Usage(sentence),
            ClientError::Refused(_) => Error::Refused(format!("this request cannot be sent: {sentence}")),
            ClientError::Failed(RequestFailure::NotNegotiated(feature)) => {
                Error::Refused(format!("the runtime does not offer {feature}, which this request needs"))
            }
            ClientError::Failed(RequestFailure::Refused(fault)) if fault.known() == Some(ErrorCode::JobNotFound) => {
                Error::Refused(format!(
                    "the runtime refused the request: {sentence}; `nuncio jobs` lists the jobs that you may see"
                ))
            }
            ClientError::Failed(RequestFailure::Refused(fault)) => Error::Refused(match advice(&fault.code) {
                Some(advice) => format!("the runtime refused the request: {sentence}; {advice}"),
                None => format!("the runtime refused the request: {sentence}"),
            }),
            ClientError::Failed(RequestFailure::TooLarge { .. }) => Error::Refused(format!(
                "{sentence}; pass large data by reference, or raise --frame-bytes of the runtime"
            )),
            ClientError::Ended(SessionEnd::Closed(CloseReason::Refused(fault)))
                if fault.known() == Some(ErrorCode::ResumeWindowExpired) =>
            {
                Error::Lost(
                    "the runtime no longer has this session: either the connection was lost for longer than the runtime keeps \
                     a session, or the runtime was restarted without a journal and has also lost its jobs"
                        .to_owned(),
                )
            }
            _ => Error::Lost(sentence),
        }
    }
}

/// What to do about a refusal with this code (§12), where the message of a runtime does not say it.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "AGENT_NOT_AVAILABLE" | "AGENT_VERSION_NOT_AVAILABLE" => {
            "check the agent's name and version, and that this runtime offers it"
        }
        "LEASE_EXPIRED" => "give the job a later end with --expires-in",
        _ => return None,
    })
}
