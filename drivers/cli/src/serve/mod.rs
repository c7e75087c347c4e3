//! `nuncio serve`.
//!
//! ```text
//! options.rs + file --settle--> Settings --offer.rs--> Server + what stays of its programs
//!                                                         |
//! exec/: any program as an agent                       run below, until a signal, or the end of stdin
//! ```

#[cfg(unix)]
mod exec;
mod journal;
mod limits;
mod metrics;
mod offer;
mod options;
mod program;
mod units;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nuncio_tokio::arcp::{BuildError, ListenOptions, Listening, Server};

use crate::journal::Unusable;
use crate::security::SecurityError;
use crate::signals::Signals;
use crate::text::{show, tell};
#[cfg(unix)]
pub(crate) use exec::{GuardOptions, guard};
use limits::LimitError;
use offer::Offer;
pub(crate) use options::Options;
use options::Settings;
pub(crate) use units::Span;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the configuration file {} cannot be read: {error}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("the configuration file {} is not valid: {complaint}; see nuncio serve --help", path.display())]
    File { path: PathBuf, complaint: String },
    #[error(
        "the versions of agent {0:?} have different max-concurrent; it counts for all of them together: give it once"
    )]
    Concurrency(String),
    #[error("--max-concurrent is given for {0:?}, which is no agent here")]
    Unknown(String),
    #[error("nothing is offered; give --agent NAME=COMMAND, or --demo-agents to try nuncio out")]
    NoAgents,
    #[error("the program of agent {agent} cannot be run: {program}: {error}; is it installed, on PATH and executable?")]
    Program { agent: String, program: String, error: which::Error },
    #[cfg(not(unix))]
    #[error("programs as agents need Unix; use nuncio_tokio to write the agent in Rust")]
    Platform,
    #[error("{0} is given and no journal; give --journal FILE, too")]
    NoJournal(&'static str),
    #[error(transparent)]
    Journal(Unusable),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Security(#[from] SecurityError),
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("{0:?} is no address to listen on ({1}); write it as HOST:PORT")]
    Address(String, #[source] io::Error),
    #[error(
        "refusing to listen on {0} without a token, for others could run agents here; \
         give --token TOKEN=PRINCIPAL, or listen on a loopback address such as 127.0.0.1:7777"
    )]
    Open(String),
    #[error("cannot listen on {0}: {1}; is another program there, or is the port reserved?")]
    Listen(String, #[source] io::Error),
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl ServeError {
    /// 2 if it was told something wrong, 1 if it was told right and cannot.
    fn exit_code(&self) -> ExitCode {
        match self {
            ServeError::Unreadable { .. }
            | ServeError::File { .. }
            | ServeError::Concurrency(_)
            | ServeError::Unknown(_)
            | ServeError::NoAgents
            | ServeError::Program { .. }
            | ServeError::NoJournal(_)
            | ServeError::Limit(_)
            | ServeError::Security(_)
            | ServeError::Address(..)
            | ServeError::Build(BuildError::Agent(_)) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Serves until a signal, or the end of stdin where that is what is served.
pub(crate) async fn run(options: Options) -> ExitCode {
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // An error in the file is shown with the place, over several lines.
            for line in format!("nuncio: {error}").lines() {
                tell(line);
            }
            error.exit_code()
        }
    }
}

async fn serve(options: Options) -> Result<(), ServeError> {
    let check = options.check;
    let settings = options.settle()?;
    let addresses = match &settings.listen {
        Some(address) => resolve(address, &settings).await?,
        None => Vec::new(),
    };
    let offer = Offer::new(&settings, check)?;
    let options = settings.security.listen_options()?;
    if check {
        offer.summarize(&settings);
        return Ok(());
    }
    let mut stop = Signals::install()?;
    let listening = match &settings.listen {
        Some(address) => Some(listen(&offer.server, address, &addresses, options, &settings).await?),
        None => None,
    };
    if let Some(address) = &settings.metrics {
        let got = metrics::serve(address, &offer.server).await;
        let got = got.map_err(|error| ServeError::Listen(address.clone(), error))?;
        tell(&format!("nuncio: metrics on http://{got}/metrics"));
    }
    if let Some(journal) = &settings.journal {
        journal.tell(&offer.server);
    }
    ready(&offer, listening.as_ref(), settings.stdio)?;
    if settings.stdio {
        tokio::select! {
            () = offer.server.serve_stdio() => {}
            () = stop.next() => {}
        }
    } else {
        stop.next().await;
    }
    tell(&format!("nuncio: stopping; running jobs have {}, a second signal ends them at once", settings.drain));
    tokio::select! {
        () = wind_up(&offer, settings.drain.0) => tell("nuncio: stopped"),
        () = stop.next() => {
            offer.end_at_once().await;
            tell("nuncio: stopped at once");
        }
    }
    Ok(())
}

async fn wind_up(offer: &Offer, drain: Duration) {
    if !offer.server.shutdown(drain).await {
        tell("nuncio: jobs that still ran were ended");
    }
    offer.programs_are_gone().await;
}

async fn resolve(address: &str, settings: &Settings) -> Result<Vec<SocketAddr>, ServeError> {
    let found = tokio::net::lookup_host(address).await;
    let addresses: Vec<SocketAddr> = found.map_err(|error| ServeError::Address(address.to_owned(), error))?.collect();
    let is_local = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
    if settings.security.is_open() && !is_local { Err(ServeError::Open(address.to_owned())) } else { Ok(addresses) }
}

async fn listen(
    server: &Server,
    address: &str,
    addresses: &[SocketAddr],
    options: ListenOptions,
    settings: &Settings,
) -> Result<Listening, ServeError> {
    let path = settings.path.as_ref().map(|path| path.0.clone());
    let options = ListenOptions { path, ..options };
    let listening = server.listen_with(addresses, options).await;
    listening.map_err(|error| ServeError::Listen(address.to_owned(), error))
}

/// Says where it is served, and with what token if that was made up: on stdout, unless that is what is served on.
fn ready(offer: &Offer, listening: Option<&Listening>, stdio: bool) -> Result<(), io::Error> {
    let mut lines = String::new();
    if let Some(token) = &offer.generated {
        // Writing into a string cannot fail.
        let _infallible = writeln!(lines, "TOKEN {token}");
    }
    let url = listening.map_or("stdio", Listening::url);
    let _infallible = writeln!(lines, "READY {url}");
    if stdio {
        io::stderr().write_all(lines.as_bytes())
    } else {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush()
    }
}
