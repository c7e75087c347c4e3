//! One run of a program: it is started, its pipes are served, and nothing of it is left when it has ended.

use std::io;
use std::process::{ExitStatus, Stdio};

use nuncio_tokio::io::CancellationToken;
use rustix::process::Signal;
use tokio::io::AsyncRead;
use tokio::process::{ChildStderr, ChildStdin, Command};
use tokio::task::{JoinError, JoinHandle};

use super::group::Group;
use super::host::Host;
use super::terminal::Terminal;

/// The stdout of a program: a pipe or a terminal.
pub(crate) type Stdout = Box<dyn AsyncRead + Send + Unpin>;

/// The pipes of a program that was started.
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: Stdout,
    pub(crate) stderr: ChildStderr,
    /// Cancelled when the program has ended.
    pub(crate) ended: CancellationToken,
}

/// The tasks that serve the pipes of a program.
pub(crate) struct Tasks<E> {
    /// Writes stdin. It is aborted when the program has ended.
    pub(crate) writing: JoinHandle<()>,
    /// Reads stderr to its end.
    pub(crate) logging: JoinHandle<()>,
    /// Reads stdout to its end. Returns what the program has said about the end of its job.
    pub(crate) listening: JoinHandle<E>,
}

/// Why a program was not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{0}")]
    Start(io::Error),
    #[error("it has no pipes")]
    NoPipes,
    #[error("{0}")]
    Terminal(io::Error),
    #[error("cannot wait for the program's end: {0}")]
    Wait(io::Error),
    #[error("the program's stderr was not read: {0}")]
    Stderr(JoinError),
    #[error("the program's stdout was not read: {0}")]
    Stdout(JoinError),
}

impl RunError {
    /// Returns the error as a sentence about the program of an agent or a topic.
    pub(crate) fn of(&self, whose: &str) -> String {
        match self {
            RunError::Start(error) => format!("the program of the {whose} cannot be started: {error}"),
            RunError::NoPipes => format!("the program of the {whose} has no pipes"),
            RunError::Terminal(error) => format!("there is no terminal for the program of the {whose}: {error}"),
            RunError::Wait(_) | RunError::Stderr(_) | RunError::Stdout(_) => self.to_string(),
        }
    }
}

/// How a program has ended, as the end of a sentence: `ended with exit status 3`, `was killed by signal 9 (SIGKILL)`.
pub(crate) fn ended(status: ExitStatus) -> String {
    // The standard library writes `exit status: 3` and `signal: 9 (SIGKILL)`.
    let what = status.to_string().replacen(": ", " ", 1);
    let verb = if status.code().is_some() { "ended with" } else { "was killed by" };
    format!("{verb} {what}")
}

/// Starts a program, lets `tasks` serve its pipes, and waits until all of it has ended. If its job is cancelled before, the
/// program is stopped. With `terminal`, its stdout is a terminal.
pub(crate) async fn to_end<E>(
    mut command: Command,
    terminal: bool,
    host: &Host,
    cancelled: impl Future<Output = ()>,
    tasks: impl FnOnce(Pipes) -> Tasks<E>,
) -> Result<(ExitStatus, E), RunError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let terminal = if terminal {
        let (ours, theirs) = Terminal::open().map_err(RunError::Terminal)?;
        command.stdout(theirs);
        Some(ours)
    } else {
        None
    };
    // A group of its own reaches everything the program starts, and is spared by Ctrl-C in nuncio's terminal.
    command.process_group(0);
    let mut child = command.spawn().map_err(RunError::Start)?;
    // Holds the program's end of the terminal, which is read until nothing holds it.
    drop(command);
    let group = Group::of(&child);
    host.guard().add(&group).await;
    let stdout = match terminal {
        Some(terminal) => Some(Box::new(terminal) as Stdout),
        None => child.stdout.take().map(|pipe| Box::new(pipe) as Stdout),
    };
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), stdout, child.stderr.take()) else {
        return Err(RunError::NoPipes);
    };
    let ended = CancellationToken::new();
    let Tasks { writing, logging, listening } = tasks(Pipes { stdin, stdout, stderr, ended: ended.clone() });
    let status = tokio::select! {
        status = child.wait() => status,
        () = cancelled => host.stop(&mut child, &group).await,
    };
    // Ends what the program has started and left behind.
    group.signal(Signal::KILL);
    ended.cancel();
    let ending = listening.await;
    let logged = logging.await;
    writing.abort();
    host.guard().remove(&group).await;
    group.release();
    let status = status.map_err(RunError::Wait)?;
    logged.map_err(RunError::Stderr)?;
    Ok((status, ending.map_err(RunError::Stdout)?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::{ExitStatus, ended};

    #[test]
    fn the_end_of_a_program_is_told_in_words() {
        assert_eq!(ended(ExitStatus::from_raw(3 << 8)), "ended with exit status 3");
        assert_eq!(ended(ExitStatus::from_raw(9)), "was killed by signal 9 (SIGKILL)");
    }
}
