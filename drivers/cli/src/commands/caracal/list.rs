//! `nuncio caracal list`.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::connection::Connection;
use super::listing::{Edge, Session};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, grid};
use crate::text::{eprint_line, json, sanitize};

const AFTER_HELP: &str = "\
Examples:
  nuncio caracal list
  nuncio caracal list --status suspended --below 01a1...
  nuncio caracal list --edges --all --json | jq -r .edge

Lists the sessions of the zone that have not ended, or the edges from and to
the sessions of the application, oldest first. A row is listed if it matches all
options. With --json, each session or edge is one line.

Exit codes:
  0  the sessions or edges were listed
  2  invalid usage
  5  the coordinator refused the listing, or the token service the secret
  6  the coordinator is unreachable, or its answer cannot be read
  7  stdout cannot be written";

/// The statuses of sessions and edges.
const STATUSES: [&str; 5] = ["active", "suspended", "terminated", "expired", "revoked"];
const OF_SESSIONS: [&str; 4] = ["active", "suspended", "terminated", "expired"];
const OF_EDGES: [&str; 3] = ["active", "revoked", "expired"];

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// List edges instead of sessions
    #[arg(long)]
    edges: bool,
    /// Also list sessions that have ended, or edges that are not active
    #[arg(long)]
    all: bool,
    /// List only rows with this status. Sessions are active, suspended, terminated or expired, edges active, revoked or expired
    #[arg(long, value_name = "STATUS", value_parser = PossibleValuesParser::new(STATUSES))]
    status: Option<String>,
    /// List only the sessions of this application
    #[arg(long, value_name = "ID", conflicts_with = "edges")]
    of: Option<String>,
    /// List only the sessions directly below this session, or the edges from and to it
    #[arg(long, value_name = "SESSION")]
    below: Option<String>,
    /// List at most this many, the newest ones
    #[arg(long, value_name = "NUMBER")]
    limit: Option<NonZeroUsize>,
    /// Print a JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Options {
    fn selects_session(&self, session: &Session) -> bool {
        let is_shown = match &self.status {
            Some(status) => session.status == *status,
            None => self.all || session.is_live(),
        };
        is_shown
            && self.of.as_ref().is_none_or(|application| session.application_id == *application)
            && self.below.as_ref().is_none_or(|parent| session.parent_id.as_ref() == Some(parent))
    }

    fn selects_edge(&self, edge: &Edge) -> bool {
        let is_shown = match &self.status {
            Some(status) => edge.status == *status,
            None => self.all || edge.is_active(),
        };
        let ends = [&edge.source_session_id, &edge.target_session_id];
        is_shown && self.below.as_ref().is_none_or(|session| ends.contains(&session))
    }

    /// Errors: no row has the status.
    fn check(&self) -> Result<(), Error> {
        let (rows, known) = if self.edges { ("edges", &OF_EDGES[..]) } else { ("sessions", &OF_SESSIONS[..]) };
        match &self.status {
            Some(status) if !known.contains(&status.as_str()) => {
                Err(Error::Usage(format!("--status {status}: {rows} are {}", known.join(", "))))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Says why there is no row.
    fn nothing(&self) -> &'static str {
        if self.status.is_some() || self.of.is_some() || self.below.is_some() {
            "nothing matches the options; check the ids, or leave options out"
        } else if self.all {
            "there is nothing to list"
        } else {
            "there is nothing to list; --all lists also what has ended"
        }
    }

    /// Returns as many rows as are wanted. The latest are the last ones.
    fn latest<'a, T>(&self, rows: &'a [T]) -> &'a [T] {
        let skipped = self.limit.map_or(0, |limit| rows.len().saturating_sub(limit.get()));
        rows.get(skipped..).unwrap_or_default()
    }
}

pub(super) async fn run(options: &Options) -> Exit {
    output::finish_with(options.json, list(options).await).await
}

async fn list(options: &Options) -> Result<Exit, Error> {
    options.check()?;
    let connected = options.connection.open()?;
    let mut sessions = connected.sessions().await?;
    if options.edges {
        let mut edges = connected.edges(&sessions).await?;
        edges.retain(|edge| options.selects_edge(edge));
        print(options, options.latest(&edges), edge_table).map_err(Error::stdout)?;
    } else {
        sessions.retain(|session| options.selects_session(session));
        print(options, options.latest(&sessions), session_table).map_err(Error::stdout)?;
    }
    connected.caracal.close().await;
    Ok(Exit::Success)
}

fn print<T: Serialize>(options: &Options, rows: &[T], table: fn(&[T]) -> Vec<String>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if options.json {
        for row in rows {
            writeln!(out, "{}", json(row)?)?;
        }
    } else if rows.is_empty() {
        eprint_line(options.nothing());
    } else {
        for line in table(rows) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}

fn session_table(sessions: &[Session]) -> Vec<String> {
    let rows: Vec<[Cow<'_, str>; 5]> = sessions
        .iter()
        .map(|session| {
            [
                sanitize(&session.id),
                sanitize(&session.application_id),
                sanitize(&session.status),
                sanitize(session.started_at.as_deref().unwrap_or_default()),
                sanitize(session.parent_id.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    grid(["SESSION", "APPLICATION", "STATUS", "STARTED", "PARENT"], &rows, 5, |_, cell| cell.to_owned())
}

fn edge_table(edges: &[Edge]) -> Vec<String> {
    let scopes: Vec<String> = edges.iter().map(|edge| edge.scopes.join(",")).collect();
    let rows: Vec<[Cow<'_, str>; 6]> = edges
        .iter()
        .zip(&scopes)
        .map(|(edge, scopes)| {
            [
                sanitize(&edge.id),
                sanitize(&edge.source_session_id),
                sanitize(&edge.target_session_id),
                sanitize(&edge.status),
                sanitize(edge.expires_at.as_deref().unwrap_or_default()),
                sanitize(scopes),
            ]
        })
        .collect();
    grid(["EDGE", "FROM", "TO", "STATUS", "EXPIRES", "SCOPES"], &rows, 6, |_, cell| cell.to_owned())
}
