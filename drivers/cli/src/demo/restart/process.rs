//! A runtime in a process of its own.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::super::{DemoError, PRINCIPAL, TOKEN};

/// A `nuncio serve --journal`, killed with this.
pub(super) struct Process {
    child: Child,
    url: String,
    said: String,
}

impl Process {
    /// Starts it, on a free port, and waits until it listens.
    pub(super) async fn start(journal: &Path) -> Result<Process, DemoError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--journal"]).arg(journal);
        // Where others see it, arguments are no place for a token.
        command.env("NUNCIO_TOKENS", format!("{TOKEN}={PRINCIPAL}")).env_remove("NUNCIO_CONFIG").env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let url = line(child.stdout.take(), |line| line.strip_prefix("READY ").map(str::to_owned)).await?;
        // It says what it has restored before it is ready.
        let said = line(child.stderr.take(), |line| line.strip_prefix("nuncio: ").map(str::to_owned)).await?;
        match (url, said) {
            (Some(url), Some(said)) => {
                let path = journal.display().to_string();
                let said = said.replace(&format!(" {path}"), "");
                Ok(Process { child, url, said })
            }
            (_, said) => Err(DemoError::Runtime(said.unwrap_or_else(|| "it said nothing".to_owned()))),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// What it has begun with.
    pub(super) fn said(&self) -> &str {
        &self.said
    }

    /// Kills it, without a warning.
    pub(super) async fn kill(&mut self) -> Result<(), DemoError> {
        Ok(self.child.kill().await?)
    }
}

/// The first line that is wanted; the others are read, too, so that the process never waits for a reader.
async fn line<T: Send + 'static>(
    stream: Option<impl AsyncRead + Send + Unpin + 'static>,
    wanted: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, DemoError> {
    let Some(stream) = stream else { return Ok(None) };
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(found) = wanted(&line) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(Some(found));
        }
    }
    Ok(None)
}
