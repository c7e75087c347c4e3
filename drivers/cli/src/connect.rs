//! Where the runtime is, and who asks: the flags that all commands of the client's side share.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use nuncio_tokio::arcp::{Client, ClientBuildError, ClientBuilder, Secret};

use crate::security::ClientSecurity;
use crate::text::tell;
use crate::verdict::Trouble;

/// Longer than any token; more of a file is not read.
const MAX_TOKEN: u64 = 64 * 1024;

/// The runtime and the token.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Where the runtime is, such as `ws://127.0.0.1:7777/arcp`
    #[arg(long, value_name = "URL", env = "NUNCIO_URL", hide_env_values = true)]
    url: String,
    /// The bearer token. Others on this machine may see it in the list of processes: prefer `--token-file` or `NUNCIO_TOKEN`
    #[arg(long, value_name = "TOKEN", value_parser = secret, conflicts_with = "token_file")]
    token: Option<Secret>,
    /// A file with the bearer token; without either flag it is the value of `NUNCIO_TOKEN`, or in the file that
    /// `NUNCIO_TOKEN_FILE` names
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    security: ClientSecurity,
}

fn secret(text: &str) -> Result<Secret, &'static str> {
    if text.is_empty() { Err("a token is not empty") } else { Ok(Secret::new(text)) }
}

impl Connection {
    /// Opens a session.
    pub(crate) async fn connect(&self) -> Result<Client, Trouble> {
        Ok(self.builder()?.connect().await?)
    }

    /// A client that is not connected yet.
    pub(crate) fn builder(&self) -> Result<ClientBuilder, Trouble> {
        let token = self.token()?;
        let builder = Client::builder(&self.url, token.expose()).map_err(ClientBuildError::Url)?;
        let tls = self.security.tls().map_err(|error| Trouble::Usage(error.to_string()))?;
        Ok(match tls {
            Some(tls) => builder.tls(tls),
            None => builder,
        })
    }

    /// Where the runtime is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn token(&self) -> Result<Secret, Trouble> {
        match (&self.token, &self.token_file) {
            (Some(token), _) => return Ok(token.clone()),
            (None, Some(file)) => return token_in(file),
            (None, None) => {}
        }
        let text = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        match (text("NUNCIO_TOKEN"), text("NUNCIO_TOKEN_FILE")) {
            (Some(token), _) => Ok(Secret::new(token)),
            (None, Some(file)) => token_in(Path::new(&file)),
            (None, None) => Err(Trouble::Usage(
                "there is no token: set NUNCIO_TOKEN, or give --token-file FILE or --token TOKEN".to_owned(),
            )),
        }
    }
}

fn token_in(path: &Path) -> Result<Secret, Trouble> {
    let name = path.display();
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        if open_to_others(&file)? {
            tell(&format!("nuncio: other users may read {name}; `chmod 600` it"));
        }
        file.take(MAX_TOKEN).read_to_string(&mut text)
    });
    read.map_err(|error| Trouble::Usage(format!("cannot read the token file {name}: {error}")))?;
    match text.trim() {
        "" => Err(Trouble::Usage(format!("there is no token in {name}; write it there on one line"))),
        token => Ok(Secret::new(token)),
    }
}

/// Whether a file, if it is one and no pipe, can be read by others than its owner.
#[cfg(unix)]
fn open_to_others(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata()?;
    Ok(metadata.is_file() && metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn open_to_others(_file: &File) -> std::io::Result<bool> {
    Ok(false)
}
