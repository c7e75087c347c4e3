//! Connection options: which runtime a client's command talks to, and with which token.

pub(crate) mod contexts;
pub(crate) mod raw;
pub(crate) mod silence;
pub(crate) mod tls;

use std::fs::File;
use std::io::{Error as Failure, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use nuncio_tokio::arcp::{Client, ClientBuilder, InvalidUrl, Reconnect, Secret, TokenSource};

use crate::error::Error;
use crate::files;
use crate::private;
use contexts::{Context, Contexts};
use tls::TlsOptions;

/// Bytes of a token file that are read; no token is longer.
const MAX_TOKEN: u64 = 64 * 1024;

/// The URL on which `nuncio serve` listens by default.
const DEFAULT_URL: &str = "ws://127.0.0.1:7777/arcp";

/// The runtime, the token and TLS.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// URL of the runtime [default: `NUNCIO_URL`, or the URL of the context, or `ws://127.0.0.1:7777/arcp`, where `nuncio
    /// serve` listens]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Use the URL and the token of this saved runtime, instead of those in environment variables. `nuncio context` saves
    /// them [default: `NUNCIO_CONTEXT`, or the choice of `nuncio context use`]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Bearer token. Other users of this machine can read it in the list of processes; prefer --token-file or the
    /// environment variable `NUNCIO_TOKEN`
    #[arg(long, value_name = "TOKEN", value_parser = secret, conflicts_with = "token_file")]
    token: Option<Secret>,
    /// File that holds the bearer token. It is read again if the runtime refuses the token, which may have expired
    /// [default: the token in `NUNCIO_TOKEN`, or in the file that `NUNCIO_TOKEN_FILE` names, or of the context]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsOptions,
}

pub(crate) fn secret(text: &str) -> Result<Secret, &'static str> {
    if text.is_empty() { Err("the token is empty") } else { Ok(Secret::new(text)) }
}

impl Connection {
    /// Opens a session, and says on stderr if the runtime does not answer for a while.
    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        self.connect_unless_quiet(false).await
    }

    /// Opens a session. With `is_quiet`, nothing is said meanwhile.
    pub(crate) async fn connect_unless_quiet(&self, is_quiet: bool) -> Result<Client, Error> {
        let (builder, url) = (self.builder()?, self.url()?);
        silence::connect(builder, &url, is_quiet).await.map_err(|error| Error::from(error).at(&url))
    }

    /// Returns a client that is not connected yet.
    pub(crate) fn builder(&self) -> Result<ClientBuilder, Error> {
        let contexts = Contexts::read()?;
        let context = self.context_in(&contexts)?;
        let url = self.url_in(context);
        let advice = contexts.advice();
        let token = self.token(context.filter(|context| context.url == url), advice)?;
        let builder = Client::builder(&url, token).map_err(|error| self.not_a_url(&error, context))?;
        // Makes one attempt, so that an unreachable runtime is reported at once.
        let builder = builder.reconnect(Reconnect::default().connect_within(Duration::ZERO));
        Ok(match self.tls.client_tls()? {
            Some(tls) => builder.tls(tls),
            None => builder,
        })
    }

    /// Returns the URL of the runtime.
    pub(crate) fn url(&self) -> Result<String, Error> {
        let contexts = Contexts::read()?;
        Ok(self.url_in(self.context_in(&contexts)?))
    }

    /// Says which URL is not valid, and where it came from.
    fn not_a_url(&self, error: &InvalidUrl, context: Option<&Context>) -> Error {
        let source = match () {
            () if self.url.is_some() => "--url",
            () if self.context.is_none() && variable("NUNCIO_URL").is_some() => "NUNCIO_URL",
            () if context.is_some() => "the URL of the context",
            () => "--url",
        };
        Error::Usage(format!("{error}; write {source} as ws://HOST:PORT/arcp"))
    }

    fn context_in<'a>(&self, contexts: &'a Contexts) -> Result<Option<&'a Context>, Error> {
        let name = self.context.clone().or_else(|| variable("NUNCIO_CONTEXT"));
        contexts.find(name.as_deref())
    }

    fn url_in(&self, context: Option<&Context>) -> String {
        let saved = || context.map(|context| context.url.clone());
        let otherwise = || if self.context.is_some() { saved() } else { variable("NUNCIO_URL").or_else(saved) };
        self.url.clone().or_else(otherwise).unwrap_or_else(|| DEFAULT_URL.to_owned())
    }

    /// Returns the token. `context` is the context if the runtime has its URL: its token is sent to no other one.
    /// `advice` says what to do if there is none.
    fn token(&self, context: Option<&Context>, advice: &str) -> Result<TokenSource, Error> {
        match (&self.token, &self.token_file) {
            (Some(token), _) => return Ok(TokenSource::fixed(token.clone())),
            (None, Some(file)) => return token_of(file),
            (None, None) => {}
        }
        if self.context.is_some()
            && let Some(token) = saved_token(context)
        {
            return token;
        }
        match (variable("NUNCIO_TOKEN"), variable("NUNCIO_TOKEN_FILE")) {
            (Some(token), _) => Ok(TokenSource::from(token)),
            (None, Some(file)) => token_of(Path::new(&file)),
            (None, None) => saved_token(context).unwrap_or_else(|| {
                let set = "there is no token; set NUNCIO_TOKEN, or give --token-file FILE or --token TOKEN";
                Err(Error::Usage(format!("{set}, or {advice}")))
            }),
        }
    }
}

/// Returns the value of an environment variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the token of a context, if it has one.
fn saved_token(context: Option<&Context>) -> Option<Result<TokenSource, Error>> {
    let context = context?;
    match &context.token_file {
        Some(file) => Some(token_of(file)),
        None => Some(Ok(TokenSource::fixed(context.token()?))),
    }
}

/// Returns the token of a file, which is read again when the runtime refuses it. A pipe is read once.
fn token_of(path: &Path) -> Result<TokenSource, Error> {
    let name = path.display();
    let open =
        |error: Failure| Error::Usage(format!("cannot read the token file {name}: {error}{}", files::advice(&error)));
    let file = File::open(path).map_err(open)?;
    private::warn_of_readers(path);
    let is_pipe = !file.metadata().map_err(open)?.is_file();
    let first = read_token(file, path).map_err(Error::Usage)?;
    if is_pipe {
        return Ok(TokenSource::fixed(first));
    }
    let path = path.to_owned();
    let again = TokenSource::new(move || {
        let opened = File::open(&path).map_err(|error| format!("cannot read {}: {error}", path.display()));
        std::future::ready(opened.and_then(|file| read_token(file, &path)))
    });
    Ok(again.starting_with(first))
}

fn read_token(file: File, path: &Path) -> Result<Secret, String> {
    let name = path.display();
    let mut text = String::new();
    let read = file.take(MAX_TOKEN).read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        ErrorKind::InvalidData => format!("the token file {name} is not UTF-8; write nothing but the token into it"),
        _ => format!("cannot read the token file {name}: {error}{}", files::advice(&error)),
    })?;
    match text.trim() {
        "" => Err(format!("there is no token in {name}; write the token into it, on one line")),
        lines if lines.contains('\n') => {
            Err(format!("{name} has more than one line; write nothing but the token into it"))
        }
        token => Ok(Secret::new(token)),
    }
}
