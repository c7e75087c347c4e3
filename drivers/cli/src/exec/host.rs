//! What all programs of a server share.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nuncio_tokio::io::CancellationToken;
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::watch;
use tracing::info;

use super::group::Group;
use super::guard::Guard;

/// Counts the programs that run, and holds how they are ended. Clones share everything.
#[derive(Clone)]
pub(crate) struct Host(Arc<Shared>);

struct Shared {
    running: watch::Sender<usize>,
    guard: Guard,
    kill_grace: Duration,
    max_line: usize,
    kill_all: CancellationToken,
}

impl Host {
    /// Starts the guard process. A program has `kill_grace` between SIGTERM and SIGKILL, and writes lines of at most
    /// `max_line` bytes.
    pub(crate) fn start(kill_grace: Duration, max_line: usize) -> io::Result<Host> {
        let guard = Guard::start(kill_grace)?;
        let (running, kill_all) = (watch::Sender::new(0), CancellationToken::new());
        Ok(Host(Arc::new(Shared { running, guard, kill_grace, max_line, kill_all })))
    }

    /// Waits until no program runs. After the server's end no other is started.
    pub(crate) async fn idle(&self) {
        // Cannot fail, because the sender lives as long as this.
        drop(self.0.running.subscribe().wait_for(|running| *running == 0).await);
    }

    /// Sends SIGKILL to every program that runs, and to every one that is told to end from now on.
    pub(crate) fn kill_all(&self) {
        self.0.kill_all.cancel();
    }

    /// Counts a program as running until the returned value is dropped.
    pub(crate) fn count_running(&self) -> Running {
        self.0.running.send_modify(|running| *running += 1);
        Running(Arc::clone(&self.0))
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    pub(crate) fn max_line(&self) -> usize {
        self.0.max_line
    }

    /// Ends a program with everything that it has started: with SIGTERM first, unless [`kill_all`](Host::kill_all) was
    /// called.
    pub(crate) async fn stop(&self, child: &mut Child, group: &Group) -> io::Result<ExitStatus> {
        let Shared { kill_grace, kill_all, .. } = &*self.0;
        if !kill_all.is_cancelled() {
            group.signal(Signal::TERM);
            tokio::select! {
                status = child.wait() => return status,
                () = tokio::time::sleep(*kill_grace) => {
                    info!(?kill_grace, "the program did not end after SIGTERM, so it is killed");
                }
                () = kill_all.cancelled() => {}
            }
        }
        group.signal(Signal::KILL);
        child.wait().await
    }
}

/// A program that runs.
pub(crate) struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}
