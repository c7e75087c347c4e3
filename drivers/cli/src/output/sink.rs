//! Where the result goes: stdout, or a file that is complete or not there at all.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use super::shown::Shown;
use crate::error::Error;
use crate::text::{self, eprint_line};

pub(super) struct Sink {
    stdout: tokio::io::Stdout,
    target: Target,
    /// Whether stdout and stderr are one file, such as a pipe, and the result has left a line open there.
    shared: Shared,
}

/// What a reader of stdout and stderr together has before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shared {
    /// Stdout and stderr are not one file.
    No,
    LineBegins,
    InLine,
}

enum Target {
    Stdout,
    /// Stdout, if it is a terminal.
    Terminal(Shown),
    /// A temporary file that gets its name when the result is complete.
    New(NamedTempFile, PathBuf),
    /// A device or a pipe, which is written to directly.
    Device(File, PathBuf),
    /// A file that holds the complete result.
    Complete(PathBuf),
}

impl Sink {
    /// Opens the sink before the job is submitted, so that a path that cannot be written fails early. Without a path, and
    /// with `-`, the result goes to stdout.
    pub(super) fn open(path: Option<&Path>) -> Result<Sink, Error> {
        let target = match path {
            Some(path) if path != Path::new("-") => {
                open_file(path).map_err(|error| Error::Write(path.display().to_string(), error))?
            }
            Some(_) | None if io::stdout().is_terminal() => Target::Terminal(Shown::default()),
            Some(_) | None => Target::Stdout,
        };
        let shared = if are_stdout_and_stderr_one() { Shared::LineBegins } else { Shared::No };
        Ok(Sink { stdout: tokio::io::stdout(), target, shared })
    }

    pub(super) fn is_file(&self) -> bool {
        match self.target {
            Target::New(..) | Target::Device(..) | Target::Complete(_) => true,
            Target::Stdout | Target::Terminal(_) => false,
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.target, Target::Terminal(_))
    }

    /// The file's name, once it holds the complete result.
    pub(super) fn file_name(&self) -> Option<String> {
        match &self.target {
            Target::Complete(path) => Some(path.display().to_string()),
            Target::Stdout | Target::Terminal(_) | Target::New(..) | Target::Device(..) => None,
        }
    }

    /// Writes bytes of the result.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.target {
            Target::Stdout => {
                to_stdout(&mut self.stdout, bytes).await?;
                if self.shared != Shared::No
                    && let Some(last) = bytes.last()
                {
                    self.shared = if *last == b'\n' { Shared::LineBegins } else { Shared::InLine };
                }
                Ok(())
            }
            Target::Terminal(shown) => {
                let safe = shown.next(bytes);
                to_stdout(&mut self.stdout, safe.as_bytes()).await
            }
            Target::New(file, path) => file.write_all(bytes).map_err(|error| not_written(path, error)),
            Target::Device(file, path) => file.write_all(bytes).map_err(|error| not_written(path, error)),
            Target::Complete(_) => Ok(()),
        }
    }

    /// Writes a JSON line to stdout, wherever the result goes.
    pub(super) async fn line(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let text = text::json(line).map_err(|error| Error::stdout(error.into()))?;
        to_stdout(&mut self.stdout, format!("{text}\n").as_bytes()).await
    }

    /// Ends the line that the result has left open on a terminal, because stderr may be the same terminal.
    pub(super) async fn end_line(&mut self) {
        if let Target::Terminal(shown) = &mut self.target {
            let rest = shown.end();
            // If the terminal is gone, the next write reports it.
            drop(to_stdout(&mut self.stdout, rest.as_bytes()).await);
        }
    }

    /// Begins a line of stderr that is for people. What is on stdout stays exactly the result: if stderr is the same pipe or
    /// file, the line that the result has left open is ended there.
    pub(super) async fn begin_message(&mut self) {
        self.end_line().await;
        if self.shared == Shared::InLine {
            self.shared = Shared::LineBegins;
            eprint_line("");
        }
    }

    /// Gives the file its name, now that the result is complete.
    pub(super) fn persist(&mut self) -> Result<(), Error> {
        self.target = match std::mem::replace(&mut self.target, Target::Stdout) {
            Target::New(file, path) => {
                file.persist(&path).map_err(|error| not_written(&path, error.error))?;
                Target::Complete(path)
            }
            Target::Device(_, path) => Target::Complete(path),
            other @ (Target::Stdout | Target::Terminal(_) | Target::Complete(_)) => other,
        };
        Ok(())
    }
}

#[cfg(unix)]
fn are_stdout_and_stderr_one() -> bool {
    let [stdout, stderr] = [rustix::fs::fstat(io::stdout()), rustix::fs::fstat(io::stderr())];
    stdout.ok().zip(stderr.ok()).is_some_and(|(out, err)| (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino))
}

#[cfg(not(unix))]
fn are_stdout_and_stderr_one() -> bool {
    false
}

fn not_written(path: &Path, error: io::Error) -> Error {
    Error::Write(path.display().to_string(), error)
}

async fn to_stdout(stdout: &mut tokio::io::Stdout, bytes: &[u8]) -> Result<(), Error> {
    let written = async {
        stdout.write_all(bytes).await?;
        stdout.flush().await
    };
    written.await.map_err(Error::stdout)
}

fn open_file(path: &Path) -> io::Result<Target> {
    // Resolved, so that the file a link points at is replaced and not the link.
    let path = match path.canonicalize() {
        Ok(existing) => existing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            let file = File::options().write(true).open(&path)?;
            return Ok(Target::Device(file, path));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A missing folder would be reported with the name of the temporary file.
    folder.metadata()?;
    Ok(Target::New(temporary().tempfile_in(folder)?, path))
}

/// Temporary files with the permissions of an ordinary new file.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nuncio-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}
