//! `nuncio caracal delegate` and `nuncio caracal revoke`.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use nuncio_tokio::arcp::Time;
use nuncio_tokio::caracal::{ApplicationId, Constraints, EdgeId, SessionId, Ttl};
use serde::Serialize;

use super::connection::{Connection, ttl};
use super::spawn::session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output;
use crate::text::{count, eprint_line, print_json, print_result};

const AFTER_DELEGATE: &str = "\
Example:
  nuncio caracal delegate \"$mine\" \"$theirs\" --to-application app-b \\
      --scope payment:read --ttl 5m --token-scope coordinator.delegate_to:app-b

Creates an edge from a session of the application to another session, and
prints its id on stdout. If the other session belongs to another application,
coordinators for the SDK 0.1 require a scope of the token for it, as above.

Exit codes:
  0  the edge is active
  2  invalid usage
  5  the coordinator refused the edge, or the token service the secret
  6  the coordinator is unreachable, or did not say whether it created one
  7  stdout cannot be written";

const AFTER_REVOKE: &str = "\
Example:
  nuncio caracal revoke \"$edge\"

Ends the edge and the edges that follow it, and terminates the sessions that
they lead to, even if another edge leads to the same session. This cannot be
undone.

Exit codes:
  0  the edge is revoked
  2  invalid usage
  5  the coordinator refused it: the edge is not known, or was revoked before; or
     the token service refused the secret
  6  the coordinator is unreachable, or did not answer";

#[derive(Args, Debug)]
#[command(after_help = AFTER_DELEGATE)]
pub(super) struct DelegateOptions {
    /// Session that delegates
    #[arg(value_name = "FROM", value_parser = session)]
    from: SessionId,
    /// Session that receives
    #[arg(value_name = "TO", value_parser = session)]
    to: SessionId,
    /// Application of the session that receives [default: the application that asks]
    #[arg(long, value_name = "ID", value_parser = application)]
    to_application: Option<ApplicationId>,
    /// Scope that is passed on. Repeat it for more
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = NonEmptyStringValueParser::new())]
    scopes: Vec<String>,
    /// Resource that the edge is limited to. Repeat it for more. Coordinators for the SDK 1.0 need one
    #[arg(long = "resource", value_name = "RESOURCE", value_parser = NonEmptyStringValueParser::new())]
    resources: Vec<String>,
    /// Action that the edge is limited to, with a coordinator for the SDK 0.1. Repeat it for more
    #[arg(long = "action", value_name = "ACTION", value_parser = NonEmptyStringValueParser::new())]
    actions: Vec<String>,
    /// Longest chain of delegations that begins with this edge, this one included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    hops: Option<u32>,
    /// Lifetime of the edge, up to a day
    #[arg(long, value_name = "DURATION", value_parser = ttl, default_value = "15m")]
    ttl: Ttl,
    /// Edge that the new one follows, with a coordinator for the SDK 1.0
    #[arg(long, value_name = "EDGE", value_parser = edge)]
    parent_edge: Option<EdgeId>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args, Debug)]
#[command(after_help = AFTER_REVOKE)]
pub(super) struct RevokeOptions {
    /// Edge to revoke
    #[arg(value_name = "EDGE", value_parser = edge)]
    edge: EdgeId,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

fn application(text: &str) -> Result<ApplicationId, String> {
    ApplicationId::new(text).map_err(|error| error.to_string())
}

fn edge(text: &str) -> Result<EdgeId, String> {
    EdgeId::new(text).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Delegated<'a> {
    edge: &'a str,
    from: &'a str,
    to: &'a str,
    scopes: &'a [Box<str>],
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct RevokedLine<'a> {
    edge: &'a str,
    revoked_edges: u64,
    terminated_sessions: u64,
}

pub(super) async fn delegate(options: &DelegateOptions) -> Exit {
    output::finish_with(options.json, create(options).await).await
}

async fn create(options: &DelegateOptions) -> Result<Exit, Error> {
    let caracal = options.connection.open()?.caracal;
    let context = caracal.attach(options.from.clone()).await?;
    let texts = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect::<Vec<Box<str>>>();
    let constraints = Constraints {
        resources: texts(&options.resources),
        actions: texts(&options.actions),
        max_depth: options.hops,
        ..Constraints::default()
    };
    let mut delegate = caracal
        .delegate(options.to.clone())
        .from(&context)
        .scopes(texts(&options.scopes))
        .ttl(Duration::from_secs(options.ttl.secs().into()));
    if constraints != Constraints::default() {
        delegate = delegate.constraints(constraints);
    }
    if let Some(application) = &options.to_application {
        delegate = delegate.application(application.clone());
    }
    if let Some(edge) = &options.parent_edge {
        delegate = delegate.parent_edge(edge.clone());
    }
    let delegation = delegate.await?;
    caracal.close().await;
    let created = delegation.edge();
    if options.json {
        let line = Delegated {
            edge: created.edge.as_str(),
            from: options.from.as_str(),
            to: options.to.as_str(),
            scopes: &created.scopes,
            expires_at: created.expires_at.map(Time::to_rfc3339),
        };
        print_json(&line).map_err(Error::stdout)?;
    } else {
        print_result(created.edge.as_str()).map_err(Error::stdout)?;
    }
    Ok(Exit::Success)
}

pub(super) async fn revoke(options: &RevokeOptions) -> Exit {
    output::finish_with(options.json, end(options).await).await
}

async fn end(options: &RevokeOptions) -> Result<Exit, Error> {
    let caracal = options.connection.open()?.caracal;
    let revoked = caracal.revoke(options.edge.clone()).await?;
    caracal.close().await;
    if options.json {
        let line = RevokedLine {
            edge: options.edge.as_str(),
            revoked_edges: revoked.edges,
            terminated_sessions: revoked.terminated,
        };
        print_json(&line).map_err(Error::stdout)?;
    } else {
        let (edges, sessions) = (count(revoked.edges, "edge"), count(revoked.terminated, "session"));
        eprint_line(&format!("revoked {edges} and terminated {sessions}"));
    }
    Ok(Exit::Success)
}
