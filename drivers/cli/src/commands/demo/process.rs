//! A server in a process of its own.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use nuncio_tokio::arcp::{ClientOptions, Transport};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::error::DemoError;

pub(super) const TOKEN: &str = "demo-token";
const PRINCIPAL: &str = "you@example.com";

/// A `nuncio serve --journal`, which is killed when this is dropped.
pub(super) struct Process {
    child: Child,
    url: String,
    greeting: String,
}

impl Process {
    /// Starts it on a free port with further arguments, and waits until it listens.
    pub(super) async fn start(journal: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<Process, DemoError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--journal"]).arg(journal).args(arguments);
        // The token is not an argument, because other users can read those.
        command
            .env("NUNCIO_TOKENS", format!("{TOKEN}={PRINCIPAL}"))
            .env_remove("NUNCIO_CONFIG")
            .env_remove("NUNCIO_CAP")
            .env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let url = line(child.stdout.take(), |line| line.strip_prefix("READY ").map(str::to_owned)).await?;
        // Printed before READY: what was restored.
        let greeting = line(child.stderr.take(), |line| line.strip_prefix("nuncio: ").map(str::to_owned)).await?;
        match (url, greeting) {
            (Some(url), Some(greeting)) => {
                let path = journal.display().to_string();
                let greeting = greeting.replace(&format!(" {path}"), "");
                Ok(Process { child, url, greeting })
            }
            (_, greeting) => Err(DemoError::Start(greeting.unwrap_or_else(|| "it printed no error".to_owned()))),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// What the server has restored from its journal.
    pub(super) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Kills it with SIGKILL.
    pub(super) async fn kill(&mut self) -> Result<(), DemoError> {
        Ok(self.child.kill().await?)
    }
}

/// Reads to the first line that `parse` accepts. Lines after it are read and dropped, so that the process can go on
/// writing.
async fn line<T: Send + 'static>(
    stream: Option<impl AsyncRead + Send + Unpin + 'static>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, DemoError> {
    let Some(stream) = stream else { return Ok(None) };
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(found) = parse(&line) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Connects to the process that runs, or waits for the next one.
pub(super) async fn dial(mut addresses: watch::Receiver<Option<String>>) -> std::io::Result<Transport> {
    let url = addresses.wait_for(Option::is_some).await.map_err(std::io::Error::other)?.clone().unwrap_or_default();
    let options = ClientOptions::new(&url).map_err(std::io::Error::other)?;
    let stream = TcpStream::connect((options.host(), options.port())).await?;
    Ok(Transport::websocket(nuncio_tokio::stream(stream), options))
}
