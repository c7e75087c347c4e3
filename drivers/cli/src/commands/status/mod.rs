//! `nuncio status`.

mod document;
mod lines;

use std::io::{self, Write as _};

use clap::Args;
use nuncio_tokio::arcp::{Client, ClientError, ClientRefused, RequestFailure, RuntimeStatus, Welcome};

use super::listing::until_interrupted;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output;
use crate::text::{json, sanitize};
use document::Document;

const AFTER_HELP: &str = "\
Examples:
  nuncio status
  nuncio status --json | jq .journal.bytes

Only operators may read the state (`nuncio serve --operator`).

Exit codes:
  0    the state was printed
  2    invalid usage
  5    the runtime refused the token or the request, or cannot report its state
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written
  130  left by Ctrl-C before the state was printed";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    let shown = until_interrupted(show(&options), false).await;
    output::finish_with(options.json, shown).await
}

async fn show(options: &Options) -> Result<(), Error> {
    let client = options.connection.connect().await?;
    let status = read(&client).await?;
    let welcome = client.welcome();
    client.close().await;
    print(&status, welcome.as_deref(), options.json).map_err(Error::stdout)
}

async fn read(client: &Client) -> Result<RuntimeStatus, Error> {
    client.status().await.map_err(|error| match error {
        ClientError::Refused(ClientRefused::NotNegotiated(_))
        | ClientError::Failed(RequestFailure::NotNegotiated(_)) => Error::Refused(
            "the runtime does not report its state: it is not nuncio, or an older version of it".to_owned(),
        ),
        ClientError::Failed(RequestFailure::Refused(fault)) if fault.code == "PERMISSION_DENIED" => {
            Error::Refused(format!("{fault}; `nuncio serve --operator PRINCIPAL` makes a principal an operator"))
        }
        error => error.into(),
    })
}

fn print(status: &RuntimeStatus, welcome: Option<&Welcome>, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", json(&Document::of(status))?)?;
        return out.flush();
    }
    for (name, text) in lines::lines(status, welcome) {
        writeln!(out, "{name:<11} {}", sanitize(&text))?;
    }
    out.flush()
}
