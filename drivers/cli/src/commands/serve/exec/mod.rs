//! Runs any program as an agent.
//!
//! ```text
//! job --> process.rs: one run of a program, which may outlast its job
//!            |   |
//!            |  plain.rs: what it prints as the result;
//!            |  stdio.rs: between its pipes and the job; reservations.rs: the amounts that it holds
//!            |
//!         environment.rs: its environment variables
//! ```

mod environment;
mod plain;
mod process;
mod reservations;
mod stdio;

use std::sync::Arc;

use nuncio_tokio::arcp::{Agent, Failure, JobContext, Json, Output};
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::exec::host::Host;
use crate::exec::program::Program;
use stdio::Silence;

/// An agent that runs `program` once for every job.
pub(super) fn agent(program: Program, host: Host) -> impl Agent {
    Exec { program: Arc::new(program), host, silence: Arc::default() }
}

struct Exec {
    program: Arc<Program>,
    host: Host,
    silence: Arc<Silence>,
}

impl Agent for Exec {
    async fn run(&self, input: Option<Box<Json>>, ctx: JobContext) -> Result<Output, Failure> {
        // The program gets that of the context. This copy would be held as long as the job runs.
        drop(input);
        let (sender, result) = oneshot::channel();
        let (program, host, running) = (Arc::clone(&self.program), self.host.clone(), self.host.count_running());
        let silence = Arc::clone(&self.silence);
        // A task of its own, because the job's end drops the returned future, and the program has to be ended all the same.
        let run = async move {
            let ended = process::run(&program, &host, ctx, &silence).await;
            // Fails if the job has ended already.
            drop(sender.send(ended));
            drop(running);
        };
        tokio::spawn(run.in_current_span());
        result.await.unwrap_or_else(|_| Err(Failure::internal("the program was stopped before it had ended")))
    }
}
