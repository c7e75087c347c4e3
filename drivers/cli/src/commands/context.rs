//! `nuncio context`.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use nuncio_tokio::arcp::{ClientOptions, Secret};
use serde::Serialize;

use crate::connection::contexts::{Context, Contexts};
use crate::connection::secret;
use crate::error::Error;
use crate::exit::Exit;
use crate::files;
use crate::output::{self, grid};
use crate::text::{eprint_line, json, sanitize};

const AFTER_HELP: &str = "\
Examples:
  nuncio context add home --url ws://127.0.0.1:7777/arcp --token-file token
  nuncio context add work --url wss://agents.example/arcp --token s3cret
  nuncio context use home
  nuncio jobs --context work

Contexts are saved in contexts.json in $XDG_CONFIG_HOME/nuncio, by default
~/.config/nuncio. Only you may read the file. A new context replaces one with
the same name. The token of a context is sent to its own URL only. --url,
--token, NUNCIO_URL and the like take precedence.

Exit codes:
  0  done
  2  invalid usage
  7  the file, or stdout, cannot be written";

/// The longest name.
const MAX_NAME: usize = 64;

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Save the URL and the token of a runtime under a name, and use it from now on
    Add(Add),
    /// Use another saved runtime from now on
    Use {
        /// Name of the context
        name: String,
    },
    /// List the saved runtimes
    List {
        /// Print a JSON object per context and line, without its token
        #[arg(long)]
        json: bool,
    },
    /// Forget a saved runtime
    Remove {
        /// Name of the context
        name: String,
    },
}

#[derive(Args, Debug)]
struct Add {
    /// Name of the context: letters, digits, `-`, `_` and `.`
    #[arg(value_parser = name)]
    name: String,
    /// URL of the runtime, such as `ws://127.0.0.1:7777/arcp`
    #[arg(long, value_name = "URL", value_parser = url)]
    url: String,
    /// Bearer token to save. Other users of this machine can read it in the list of processes; prefer the environment
    /// variable `NUNCIO_TOKEN`
    #[arg(long, value_name = "TOKEN", env = "NUNCIO_TOKEN", hide_env_values = true, value_parser = secret)]
    token: Option<Secret>,
    /// File that holds the bearer token, which must exist; its path is saved
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

fn name(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(is_plain) {
        return Err("a name has 1 to 64 letters, digits, -, _ and .");
    }
    Ok(text.to_owned())
}

fn url(text: &str) -> Result<String, String> {
    ClientOptions::new(text).map_err(|error| format!("{error}; write it as ws://HOST:PORT/arcp"))?;
    Ok(text.to_owned())
}

pub(crate) fn run(options: Options) -> Exit {
    let done = match options.command {
        Command::Add(add) => add.save(),
        Command::Use { name } => use_it(&name),
        Command::List { json } => list(json),
        Command::Remove { name } => remove(&name),
    };
    output::finish(done.map(|()| Exit::Success))
}

impl Add {
    fn save(self) -> Result<(), Error> {
        let Add { name, url, token, token_file } = self;
        let token_file = token_file.map(std::path::absolute).transpose().map_err(Error::System)?;
        if let Some(file) = &token_file {
            let unreadable = |error: io::Error| {
                Error::Usage(format!("cannot read the token file {}: {error}{}", file.display(), files::advice(&error)))
            };
            std::fs::File::open(file).map_err(unreadable)?;
        }
        let mut contexts = Contexts::read()?;
        let said = match (&token, &token_file) {
            (None, None) => ", without a token",
            _ => "",
        };
        let message = format!("the context {name} is saved and used from now on{said}");
        contexts.contexts.insert(name.clone(), Context::new(url, token.as_ref(), token_file));
        contexts.current = Some(name);
        contexts.write()?;
        eprint_line(&message);
        Ok(())
    }
}

fn use_it(name: &str) -> Result<(), Error> {
    let mut contexts = Contexts::read()?;
    let Some(context) = contexts.contexts.get(name) else { return Err(contexts.unknown(name)) };
    let message = format!("{name} is used from now on: {}", context.url);
    contexts.current = Some(name.to_owned());
    contexts.write()?;
    eprint_line(&message);
    Ok(())
}

fn remove(name: &str) -> Result<(), Error> {
    let mut contexts = Contexts::read()?;
    if contexts.contexts.remove(name).is_none() {
        return Err(contexts.unknown(name));
    }
    let was_used = contexts.current.as_deref() == Some(name);
    if was_used {
        contexts.current = None;
    }
    contexts.write()?;
    eprint_line(&format!("the context {name} is removed"));
    if was_used && !contexts.contexts.is_empty() {
        eprint_line("no context is in use now; choose one with `nuncio context use NAME`");
    }
    Ok(())
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    url: &'a str,
    current: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<&'a PathBuf>,
    has_token: bool,
}

fn list(as_json: bool) -> Result<(), Error> {
    let contexts = Contexts::read()?;
    if contexts.contexts.is_empty() && !as_json {
        eprint_line("no context is saved; `nuncio context add NAME --url URL` adds one");
        return Ok(());
    }
    print(&contexts, as_json).map_err(Error::stdout)
}

fn print(contexts: &Contexts, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let is_current = |name: &str| contexts.current.as_deref() == Some(name);
    if as_json {
        for (name, context) in &contexts.contexts {
            let (token_file, has_token) = (context.token_file.as_ref(), context.token().is_some());
            let line = Line { name, url: &context.url, current: is_current(name), token_file, has_token };
            writeln!(out, "{}", json(&line)?)?;
        }
        return out.flush();
    }
    let rows: Vec<[Cow<'_, str>; 4]> = contexts
        .contexts
        .iter()
        .map(|(name, context)| {
            let token = match (&context.token_file, context.token()) {
                (Some(file), _) => format!("in {}", file.display()).into(),
                (None, Some(_)) => "saved".into(),
                (None, None) => "none".into(),
            };
            let mark = if is_current(name) { "*" } else { "" };
            [mark.into(), sanitize(name), sanitize(&context.url), token]
        })
        .collect();
    for line in grid(["", "NAME", "URL", "TOKEN"], &rows, 4, |_, cell| cell.to_owned()) {
        writeln!(out, "{line}")?;
    }
    out.flush()
}
