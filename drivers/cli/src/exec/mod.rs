//! Programs that nuncio runs: for ARCP as agents, for CAP as the handlers of a worker.
//!
//! ```text
//! program.rs    a program, as the command line and the configuration file name it
//! group.rs      its process group        host.rs   what all programs of a process share
//! run.rs        one run of it            guard.rs  ends all programs if nuncio is killed
//! pipe.rs       what it writes           init.rs   reaps what programs leave behind, as process 1
//! terminal.rs   a terminal as its stdout
//! lines.rs, protocol.rs    bytes -> lines -> messages, without IO
//! lost.rs                  lines that may have been meant as messages
//! ending.rs                what they say about the end of the job
//! answer.rs                what is written to it
//! ```

#[cfg(unix)]
pub(crate) mod answer;
#[cfg(unix)]
pub(crate) mod ending;
#[cfg(unix)]
pub(crate) mod group;
#[cfg(unix)]
pub(crate) mod guard;
#[cfg(unix)]
pub(crate) mod host;
#[cfg(unix)]
pub(crate) mod init;
#[cfg(unix)]
pub(crate) mod lines;
#[cfg(unix)]
pub(crate) mod lost;
#[cfg(unix)]
pub(crate) mod pipe;
pub(crate) mod program;
#[cfg(unix)]
pub(crate) mod protocol;
#[cfg(unix)]
pub(crate) mod run;
#[cfg(unix)]
pub(crate) mod terminal;
