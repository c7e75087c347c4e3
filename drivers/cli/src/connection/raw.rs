//! The token of a command that speaks raw frames, which needs its text.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use nuncio_tokio::arcp::Secret;

pub(crate) use super::secret;
use crate::error::Error;
use crate::files;

const NO_TOKEN: &str = "there is no token; set NUNCIO_TOKEN, or give --token-file FILE or --token TOKEN";

#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct TokenOptions {
    /// Bearer token. Other users of this machine can read it in the list of processes; prefer --token-file or the
    /// environment variable `NUNCIO_TOKEN`
    #[arg(long, value_name = "TOKEN", value_parser = secret, conflicts_with = "token_file")]
    token: Option<Secret>,
    /// File that holds the bearer token
    /// [default: the token in `NUNCIO_TOKEN`, or in the file that `NUNCIO_TOKEN_FILE` names]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenOptions {
    /// Returns the token, from where the other commands take theirs.
    pub(crate) fn read(&self) -> Result<Secret, Error> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let file = match (&self.token, &self.token_file) {
            (Some(token), _) => return Ok(token.clone()),
            (None, Some(file)) => file.clone(),
            (None, None) => match (variable("NUNCIO_TOKEN"), variable("NUNCIO_TOKEN_FILE")) {
                (Some(token), _) => return Ok(Secret::new(token)),
                (None, Some(file)) => file.into(),
                (None, None) => return Err(Error::Usage(NO_TOKEN.to_owned())),
            },
        };
        let opened = File::open(&file);
        let opened = opened.map_err(|error| {
            Error::Usage(format!("cannot read the token file {}: {error}{}", file.display(), files::advice(&error)))
        })?;
        super::read_token(opened, &file).map_err(Error::Usage)
    }
}
