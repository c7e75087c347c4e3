//! Child processes.

use std::io;
use std::process::Stdio;

use nuncio_shared::io::{BoxFuture, Process};
use smol::process::{Child, Command};

pub(crate) fn spawn(mut command: Command) -> io::Result<Process> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => {
            Ok(Process { stdin: Box::pin(stdin), stdout: Box::pin(stdout), child: Box::new(Running(child)) })
        }
        (None, _) | (_, None) => Err(io::Error::other("the child process has no pipes")),
    }
}

struct Running(Child);

impl nuncio_shared::io::Child for Running {
    fn wait(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async { self.0.status().await.map(drop) })
    }

    fn kill(&mut self) -> io::Result<()> {
        self.0.kill()
    }
}
