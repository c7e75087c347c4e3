//! Where the result goes: stdout, or a file that is there whole or not at all.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use crate::verdict::Trouble;

/// A result's way out.
pub(super) struct Out {
    stdout: tokio::io::Stdout,
    target: Target,
}

enum Target {
    Stdout,
    /// What a user reads: nothing in it moves the cursor or rings the bell. `true` at the beginning of a line.
    Terminal(bool),
    /// It gets its name once it is whole.
    New(NamedTempFile, PathBuf),
    /// A device, a pipe: it cannot be replaced.
    There(File, PathBuf),
    Kept(PathBuf),
}

impl Out {
    /// Before the job runs, so that a file that cannot be written costs nothing.
    pub(super) fn open(path: Option<&Path>) -> Result<Out, Trouble> {
        let target = match path {
            Some(path) if path != Path::new("-") => {
                file(path).map_err(|error| Trouble::Output(path.display().to_string(), error))?
            }
            Some(_) | None if io::stdout().is_terminal() => Target::Terminal(true),
            Some(_) | None => Target::Stdout,
        };
        Ok(Out { stdout: tokio::io::stdout(), target })
    }

    pub(super) fn is_file(&self) -> bool {
        match self.target {
            Target::New(..) | Target::There(..) | Target::Kept(_) => true,
            Target::Stdout | Target::Terminal(_) => false,
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.target, Target::Terminal(_))
    }

    /// The file's name, once the result is in it.
    pub(super) fn file_name(&self) -> Option<String> {
        match &self.target {
            Target::Kept(path) => Some(path.display().to_string()),
            Target::Stdout | Target::Terminal(_) | Target::New(..) | Target::There(..) => None,
        }
    }

    /// Bytes of the result.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        match &mut self.target {
            Target::Stdout => to_stdout(&mut self.stdout, bytes).await,
            Target::Terminal(line_start) => {
                if let Some(last) = bytes.last() {
                    *line_start = *last == b'\n';
                }
                let safe: Vec<u8> = bytes.iter().map(|byte| if acts(*byte) { b'?' } else { *byte }).collect();
                to_stdout(&mut self.stdout, &safe).await
            }
            Target::New(file, path) => file.write_all(bytes).map_err(|error| not_written(path, error)),
            Target::There(file, path) => file.write_all(bytes).map_err(|error| not_written(path, error)),
            Target::Kept(_) => Ok(()),
        }
    }

    /// A line for a program, on stdout in any case.
    pub(super) async fn line(&mut self, line: &impl Serialize) -> Result<(), Trouble> {
        let text = serde_json::to_string(line).map_err(|error| Trouble::Output("JSON".to_owned(), error.into()))?;
        to_stdout(&mut self.stdout, format!("{text}\n").as_bytes()).await
    }

    /// Ends a line that the result has left open on a terminal, for stderr may be the same one.
    pub(super) async fn end_line(&mut self) {
        if let Target::Terminal(line_start @ false) = &mut self.target {
            *line_start = true;
            // A terminal that is gone is told by the next piece.
            drop(to_stdout(&mut self.stdout, b"\n").await);
        }
    }

    /// The result is whole: the file gets its name.
    pub(super) fn keep(&mut self) -> Result<(), Trouble> {
        self.target = match std::mem::replace(&mut self.target, Target::Stdout) {
            Target::New(file, path) => {
                file.persist(&path).map_err(|error| not_written(&path, error.error))?;
                Target::Kept(path)
            }
            Target::There(_, path) => Target::Kept(path),
            other @ (Target::Stdout | Target::Terminal(_) | Target::Kept(_)) => other,
        };
        Ok(())
    }
}

fn not_written(path: &Path, error: io::Error) -> Trouble {
    Trouble::Output(path.display().to_string(), error)
}

/// What a terminal acts on, but for line breaks and tabs.
fn acts(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t')
}

async fn to_stdout(stdout: &mut tokio::io::Stdout, bytes: &[u8]) -> Result<(), Trouble> {
    let written = async {
        stdout.write_all(bytes).await?;
        stdout.flush().await
    };
    written.await.map_err(|error| Trouble::Output("stdout".to_owned(), error))
}

fn file(path: &Path) -> io::Result<Target> {
    // A link stays one: what it points at is replaced.
    let path = match path.canonicalize() {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            let file = File::options().write(true).open(&path)?;
            return Ok(Target::There(file, path));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Target::New(temporary().tempfile_in(folder)?, path))
}

/// With the permissions that any new file gets.
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
