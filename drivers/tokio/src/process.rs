//! Child processes.

use std::io;
use std::process::Stdio;

use nuncio_shared::io::{BoxFuture, Process};
use tokio::process::{Child, Command};
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

pub(crate) fn spawn(mut command: Command) -> io::Result<Process> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => Ok(Process {
            stdin: Box::pin(stdin.compat_write()),
            stdout: Box::pin(stdout.compat()),
            child: Box::new(Running(child)),
        }),
        (None, _) | (_, None) => Err(io::Error::other("the child process has no pipes")),
    }
}

struct Running(Child);

impl nuncio_shared::io::Child for Running {
    fn wait(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async { self.0.wait().await.map(drop) })
    }

    fn kill(&mut self) -> io::Result<()> {
        self.0.start_kill()
    }
}
