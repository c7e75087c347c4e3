//! `nuncio caracal spawn` and `nuncio caracal terminate`.

use clap::{Args, ValueEnum};
use nuncio_tokio::caracal::{Kind, SessionId, Ttl};
use serde::Serialize;
use serde_json::{Map, Value};

use super::connection::{Connection, ttl};
use crate::document::Document;
use crate::error::Error;
use crate::exit::Exit;
use crate::output;
use crate::text::{eprint_line, print_json, print_result};

const AFTER_SPAWN: &str = "\
Example:
  session=$(nuncio caracal spawn --ttl 10m --metadata '{\"job\": 7}')
  nuncio caracal spawn --parent \"$session\"

Opens a session and prints its id on stdout. The session stays open until its
lifetime has passed or `nuncio caracal terminate` ends it. The options of the
connection use the environment variables of the Caracal SDK. This command does
not renew the lease that a coordinator for the SDK 1.0 gives a service.

Exit codes:
  0  the session is open
  2  invalid usage
  5  the coordinator refused the session, or the token service the secret
  6  the coordinator is unreachable, or did not say whether it opened one
  7  stdout cannot be written";

const AFTER_TERMINATE: &str = "\
Example:
  nuncio caracal terminate \"$session\"

Ends a session, those below it, and the edges from and to them.

Exit codes:
  0  the session has ended, now or before
  2  invalid usage
  5  the coordinator refused it: the session is not known, or belongs to another
     application; or the token service refused the secret
  6  the coordinator is unreachable, or did not answer";

#[derive(Args, Debug)]
#[command(after_help = AFTER_SPAWN)]
pub(super) struct SpawnOptions {
    /// Kind of the session
    #[arg(long, value_enum, default_value_t = SessionKind::Instance)]
    kind: SessionKind,
    /// Lifetime, up to a day [default: what the coordinator chooses, such as 1h]
    #[arg(long, value_name = "DURATION", value_parser = ttl)]
    ttl: Option<Ttl>,
    /// Parent of the session. The session ends with it [default: none]
    #[arg(long, value_name = "SESSION", value_parser = session)]
    parent: Option<SessionId>,
    /// Metadata, a JSON object: its text, @FILE for a file that holds it, or - for stdin
    #[arg(long, value_name = "JSON|@FILE|-")]
    metadata: Option<Document>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
#[command(after_help = AFTER_TERMINATE)]
pub(super) struct TerminateOptions {
    /// Session to end
    #[arg(value_name = "SESSION", value_parser = session)]
    session: SessionId,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// [`Kind`] as an option.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SessionKind {
    /// A long-running service
    Service,
    /// An instance of an agent
    Instance,
    /// A short task
    Ephemeral,
}

impl SessionKind {
    const fn get(self) -> Kind {
        match self {
            SessionKind::Service => Kind::Service,
            SessionKind::Instance => Kind::Instance,
            SessionKind::Ephemeral => Kind::Ephemeral,
        }
    }
}

pub(super) fn session(text: &str) -> Result<SessionId, String> {
    SessionId::new(text).map_err(|error| error.to_string())
}

fn metadata(document: &Document) -> Result<Map<String, Value>, Error> {
    let json = document.read("--metadata")?;
    let object = serde_json::from_str(json.get());
    object.map_err(|_| Error::Usage("--metadata is not a JSON object; write it as {\"job\": 7}".to_owned()))
}

#[derive(Serialize)]
struct Spawned<'a> {
    session: &'a str,
    parent: Option<&'a str>,
    kind: &'a str,
    lease_until: Option<String>,
}

#[derive(Serialize)]
struct Terminated<'a> {
    session: &'a str,
    had_ended: bool,
}

pub(super) async fn spawn(options: &SpawnOptions) -> Exit {
    output::finish_with(options.json, open(options).await).await
}

async fn open(options: &SpawnOptions) -> Result<Exit, Error> {
    let metadata = options.metadata.as_ref().map(metadata).transpose()?;
    let caracal = options.connection.open()?.caracal;
    let kind = options.kind.get();
    let mut spawn = caracal.spawn().kind(kind);
    if let Some(ttl) = options.ttl {
        spawn = spawn.ttl(std::time::Duration::from_secs(ttl.secs().into()));
    }
    if let Some(parent) = &options.parent {
        spawn = spawn.parent(parent.clone());
    }
    if let Some(metadata) = &metadata {
        spawn = spawn.metadata(metadata);
    }
    let scope = spawn.await?;
    let deadline = scope.lease().and_then(|lease| lease.deadline);
    let session = scope.leave();
    caracal.close().await;
    if options.json {
        let spawned = Spawned {
            session: session.as_str(),
            parent: options.parent.as_ref().map(SessionId::as_str),
            kind: kind.as_str(),
            lease_until: deadline.map(nuncio_tokio::arcp::Time::to_rfc3339),
        };
        print_json(&spawned).map_err(Error::stdout)?;
    } else {
        print_result(session.as_str()).map_err(Error::stdout)?;
    }
    Ok(Exit::Success)
}

pub(super) async fn terminate(options: &TerminateOptions) -> Exit {
    output::finish_with(options.json, end(options).await).await
}

async fn end(options: &TerminateOptions) -> Result<Exit, Error> {
    let connected = options.connection.open()?;
    let had_ended = connected.caracal.terminate(options.session.clone()).await?;
    // A client that repeats a termination must not fail, so for it a session that is not known has ended. A person may have
    // mistyped it.
    let known = if had_ended { connected.knows(options.session.as_str()).await } else { Some(true) };
    connected.caracal.close().await;
    if known == Some(false) {
        return Err(Error::Refused(format!(
            "the coordinator knows no session {}; check the id: `nuncio caracal list --all` shows those that it keeps",
            options.session
        )));
    }
    if options.json {
        let ended = Terminated { session: options.session.as_str(), had_ended };
        print_json(&ended).map_err(Error::stdout)?;
    } else if had_ended && known.is_none() {
        eprint_line("the session had ended before, or is not known");
    } else if had_ended {
        eprint_line("the session had ended before");
    } else {
        eprint_line("the session is terminated");
    }
    Ok(Exit::Success)
}
