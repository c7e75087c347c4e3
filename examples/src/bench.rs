//! Processes of the programs that measure speed, and numbers over several rounds.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A process that answers lines with lines. It is killed when it is dropped.
pub struct Talker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Talker {
    /// Starts a process and waits for its first line, which is `ready`.
    pub fn start(mut command: Command) -> Result<Talker> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (child.stdin.take().ok_or("stdin is piped")?, child.stdout.take().ok_or("stdout is piped")?);
        let mut talker = Talker { child, to, from: BufReader::new(from) };
        let line = talker.line()?;
        if line != "ready" {
            return Err(format!("a process does not get ready: it says {line:?}").into());
        }
        Ok(talker)
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line and waits for the next one of the process.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.to, "{line}")?;
        self.line()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // It may already have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Says that the process is ready, and answers each line of stdin: the other end of a [`Talker`].
pub async fn answer(mut to: impl AsyncFnMut(String) -> Result<String>) -> Result<()> {
    println!("ready");
    loop {
        let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await?;
        let Some(line) = line else { return Ok(()) };
        println!("{}", to(line?).await?);
    }
}

/// Says that the process is ready, and waits until its parent has ended: the other end of a [`Talker`] that is asked nothing.
pub async fn serve() -> Result<()> {
    println!("ready");
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(())
}

/// Returns how many of `count` there are in a second.
#[expect(clippy::cast_precision_loss, reason = "the counts are small enough to be exact")]
pub fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Returns the median, or NaN if there are no values.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
