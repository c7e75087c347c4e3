//! `nuncio caracal token`.

use clap::Args;
use nuncio_tokio::arcp::Time;
use nuncio_tokio::caracal::{BearerToken, Ttl};
use serde::Serialize;

use super::connection::{Connection, ttl};
use crate::error::Error;
use crate::exit::Exit;
use crate::output;
use crate::text::{print_json, print_result};

const AFTER_HELP: &str = "\
Example:
  export CARACAL_COORDINATOR_URL=http://127.0.0.1:4000
  export CARACAL_ZONE_ID=my-zone CARACAL_APPLICATION_ID=my-app
  export CARACAL_SUBJECT_TOKEN=$(CARACAL_APP_CLIENT_SECRET=s3cret \\
      nuncio caracal token --ttl 1h)

Exchanges the client secret of the application for a token, and prints the token
on stdout. Everyone who has the token can act as the application until it
expires.

Exit codes:
  0  the token was printed
  2  invalid usage
  5  the token service refused the exchange
  6  the token service is unreachable
  7  stdout cannot be written";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Lifetime of the token [default: what the token service chooses, such as 15m]
    #[arg(long, value_name = "DURATION", value_parser = ttl)]
    ttl: Option<Ttl>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Issued<'a> {
    token: &'a str,
    expires_at: Option<String>,
}

pub(super) async fn run(options: &Options) -> Exit {
    output::finish_with(options.json, issue(options).await).await
}

async fn issue(options: &Options) -> Result<Exit, Error> {
    let connected = options.connection.open_for(options.ttl)?;
    let headers = connected.caracal.headers().await?;
    let token = headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| Error::Unanswered("the token cannot be printed".to_owned()))?;
    if options.json {
        let expires_at = BearerToken::new(token).ok().and_then(|token| token.expires_at()).map(Time::to_rfc3339);
        print_json(&Issued { token, expires_at }).map_err(Error::stdout)?;
    } else {
        print_result(token).map_err(Error::stdout)?;
    }
    connected.caracal.close().await;
    Ok(Exit::Success)
}
