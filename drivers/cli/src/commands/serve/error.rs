//! Why `nuncio serve` does not start.

use std::io;
use std::path::PathBuf;

use nuncio_tokio::arcp::{BuildError, LeaseError};

use super::agent::AgentName;
use super::limits::LimitError;
use super::security::SecurityError;
use crate::error::listen_advice;
use crate::exit::Exit;
use crate::files;
use crate::journal_file::JournalFileError;

#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    #[error("cannot read the configuration file {}: {error}{}", path.display(), files::advice(error))]
    FileUnreadable {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("the configuration file {} is not valid: {complaint}; see nuncio serve --help", path.display())]
    FileInvalid { path: PathBuf, complaint: String },
    #[error(
        "the versions of agent {0:?} have different values of max-concurrent, which is one value for all versions; \
         give it for one version only"
    )]
    DifferentConcurrency(String),
    #[error(
        "the versions of agent {0:?} have different values of restart, which is one value for all versions; \
         give it for one version only"
    )]
    DifferentRestart(String),
    #[error("--{option} names {name:?}, which is not an agent of this server; {known}")]
    UnknownAgent { option: &'static str, name: String, known: String },
    #[error("--{option} has one value for all versions of an agent; write --{option} {name}=VALUE")]
    OneForAllVersions { option: &'static str, name: String },
    #[error(
        "the agent {} is offered twice; give each a name of its own, or a version of its own as in {name}@1 and {name}@2",
        .0.as_str(), name = .0.name()
    )]
    TwoAgents(AgentName),
    #[error(
        "with --no-self-approval, someone else has to approve what --ask matches; give --approver PRINCIPAL, or leave it out"
    )]
    NoApprover,
    #[error("--ask: {0}")]
    Ask(LeaseError),
    #[error("{0}")]
    Pool(String),
    #[error("{0}; check that nats-server or `nuncio cap bus` is running there, and that --cap is right")]
    NoPool(String),
    #[error("there are no agents; give --agent NAME=COMMAND, or --demo-agents to try nuncio out")]
    NoAgents,
    #[error(
        "there is no program {program} that can be run as the agent {agent}; check that it is installed, on PATH and \
         executable"
    )]
    Program { agent: String, program: String },
    #[cfg(not(unix))]
    #[error("programs can be agents on Unix only; write the agent in Rust, with nuncio_tokio")]
    Platform,
    #[error("--{0} needs --journal FILE")]
    NoJournal(&'static str),
    #[error(transparent)]
    Journal(JournalFileError),
    #[error("stopped, because the journal is lost: {0}")]
    JournalLost(JournalFileError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Security(#[from] SecurityError),
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("cannot resolve the address {address:?}: {error}; write {option} as HOST:PORT")]
    Address {
        address: String,
        #[source]
        error: io::Error,
        /// The option that gives the address.
        option: &'static str,
    },
    #[error(
        "refusing to listen on {0} without a token, because anyone who reaches it could run agents; give --token \
         TOKEN=PRINCIPAL, or listen on a loopback address such as 127.0.0.1:7777"
    )]
    Unprotected(String),
    #[error("cannot listen on {address}: {error}{}", listen_advice(error, option))]
    Listen {
        address: String,
        #[source]
        error: io::Error,
        /// The option that gives the address.
        option: &'static str,
    },
    #[error("{earlier} and {option} have the same port, {port}; give each a port of its own")]
    SamePort { option: &'static str, earlier: &'static str, port: u16 },
    #[error("cannot write stdout: {0}")]
    Stdout(io::Error),
    #[error("the operating system refused a resource: {0}")]
    System(#[from] io::Error),
    #[error("the operating system returned no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl ServeError {
    /// An option names an agent that is not one of the `known` ones.
    pub(super) fn unknown_agent(option: &'static str, name: &str, known: &[&str]) -> ServeError {
        let known = match known {
            [] => "it has no such agents".to_owned(),
            known => format!("its agents: {}", known.join(", ")),
        };
        ServeError::UnknownAgent { option, name: name.to_owned(), known }
    }

    /// `Usage` if the flags or the file have to be corrected, `Failed` if they are right and cannot be carried out, `Lost` if
    /// the server has ended because its journal is lost.
    pub(super) fn exit(&self) -> Exit {
        match self {
            ServeError::FileUnreadable { .. }
            | ServeError::FileInvalid { .. }
            | ServeError::DifferentConcurrency(_)
            | ServeError::DifferentRestart(_)
            | ServeError::UnknownAgent { .. }
            | ServeError::OneForAllVersions { .. }
            | ServeError::Ask(_)
            | ServeError::NoApprover
            | ServeError::TwoAgents(_)
            | ServeError::Pool(_)
            | ServeError::NoAgents
            | ServeError::Program { .. }
            | ServeError::NoJournal(_)
            | ServeError::Limit(_)
            | ServeError::Security(_)
            | ServeError::Address { .. }
            | ServeError::SamePort { .. }
            | ServeError::Build(BuildError::Agent(_)) => Exit::Usage,
            #[cfg(not(unix))]
            ServeError::Platform => Exit::Failed,
            ServeError::JournalLost(_) => Exit::Lost,
            ServeError::Stdout(_) => Exit::NotWritten,
            ServeError::NoPool(_)
            | ServeError::Journal(_)
            | ServeError::Build(_)
            | ServeError::Unprotected(_)
            | ServeError::Listen { .. }
            | ServeError::System(_)
            | ServeError::Random(_) => Exit::Failed,
        }
    }
}
