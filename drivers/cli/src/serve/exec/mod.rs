//! Any program as an agent.
//!
//! ```text
//! job --> process.rs: starts it, ends it, outlives the job until it is gone
//!            |  stdin, stdout, stderr              guard.rs: a process that ends what nuncio leaves behind
//!         talk.rs: pipes <-> job
//!            |
//!         lines.rs, protocol.rs: bytes -> lines -> what they mean, and the answers (no IO)
//! ```

mod environment;
mod guard;
mod lines;
mod process;
mod protocol;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use nuncio_tokio::arcp::{Agent, Failure, JobContext, Json, Output};
use nuncio_tokio::io::{BoxFuture, CancellationToken};
use tokio::sync::{oneshot, watch};
use tracing::Instrument;

pub(crate) use guard::{GuardOptions, guard};

use super::program::Program;
use guard::Guard;

/// What all programs of a server share.
#[derive(Clone)]
pub(super) struct Host(Arc<Shared>);

struct Shared {
    /// How many run.
    running: watch::Sender<usize>,
    guard: Guard,
    /// From SIGTERM to SIGKILL.
    grace: Duration,
    /// Bytes of the longest line on stdout.
    line: usize,
    /// There is no time left for SIGTERM.
    at_once: CancellationToken,
}

impl Host {
    pub(super) fn start(grace: Duration, line: usize) -> std::io::Result<Host> {
        let guard = Guard::start(grace)?;
        let running = watch::Sender::new(0);
        Ok(Host(Arc::new(Shared { running, guard, grace, line, at_once: CancellationToken::new() })))
    }

    pub(super) fn agent(&self, program: Program) -> Arc<dyn Agent> {
        Arc::new(Exec { program: Arc::new(program), host: self.clone() })
    }

    /// Waits until none runs, which is for good once the server has ended.
    pub(super) async fn idle(&self) {
        // The sender lives as long as this.
        drop(self.0.running.subscribe().wait_for(|running| *running == 0).await);
    }

    /// SIGKILL for all that still run.
    pub(super) fn end_at_once(&self) {
        self.0.at_once.cancel();
    }
}

/// One program that runs.
struct Running(Arc<Shared>);

impl Running {
    fn one_more(host: &Host) -> Running {
        host.0.running.send_modify(|running| *running += 1);
        Running(Arc::clone(&host.0))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

/// A program that is run once for every job.
struct Exec {
    program: Arc<Program>,
    host: Host,
}

impl Agent for Exec {
    fn run(&self, _input: Option<Box<Json>>, ctx: JobContext) -> BoxFuture<'static, Result<Output, Failure>> {
        let (done, ended) = oneshot::channel();
        let (program, host) = (Arc::clone(&self.program), Running::one_more(&self.host));
        // A task of its own, for the job may end before the program does: this future is dropped then.
        let running = async move {
            let ended = process::run(&program, &host.0, ctx).await;
            // The job may have ended.
            drop(done.send(ended));
            drop(host);
        };
        tokio::spawn(running.in_current_span());
        Box::pin(async move {
            ended.await.unwrap_or_else(|_| Err(Failure::internal("the program was stopped before it had finished")))
        })
    }
}
