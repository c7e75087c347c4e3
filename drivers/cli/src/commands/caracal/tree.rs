//! `nuncio caracal tree`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use clap::Args;
use serde::Serialize;

use super::connection::Connection;
use super::listing::{Edge, Session};
use crate::error::Error;
use crate::exit::Exit;
use crate::output;
use crate::text::{eprint_line, json, sanitize};

const AFTER_HELP: &str = "\
Example:
  nuncio caracal tree

Prints the sessions of the zone that have not ended, each below its parent, and
the edges into the sessions of the application. With --json, each session is one
line, in the same order.

Exit codes:
  0  the sessions were printed
  2  invalid usage
  5  the coordinator refused the listing, or the token service the secret
  6  the coordinator is unreachable, or its answer cannot be read
  7  stdout cannot be written";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Also print sessions that have ended, and edges that are not active
    #[arg(long)]
    all: bool,
    /// Print a JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A session at its place.
#[derive(Serialize)]
struct Node<'a> {
    #[serde(flatten)]
    session: &'a Session,
    /// The number of sessions above it.
    level: usize,
    /// The edges into it.
    edges: Vec<&'a Edge>,
}

pub(super) async fn run(options: &Options) -> Exit {
    output::finish_with(options.json, show(options).await).await
}

async fn show(options: &Options) -> Result<Exit, Error> {
    let connected = options.connection.open()?;
    let mut sessions = connected.sessions().await?;
    sessions.retain(|session| options.all || session.is_live());
    let mut edges = connected.edges(&sessions).await?;
    edges.retain(|edge| options.all || edge.is_active());
    connected.caracal.close().await;
    let nodes = nodes(&sessions, &edges)
        .ok_or_else(|| Error::Unanswered("the coordinator lists sessions that are above themselves".to_owned()))?;
    print(options.json, &nodes).map_err(Error::stdout)?;
    Ok(Exit::Success)
}

/// Returns the sessions in the order in which they are printed, or `None` if some are above themselves.
fn nodes<'a>(sessions: &'a [Session], edges: &'a [Edge]) -> Option<Vec<Node<'a>>> {
    let known: BTreeSet<&str> = sessions.iter().map(|session| &*session.id).collect();
    let above = |session: &'a Session| session.parent_id.as_deref().filter(|parent| known.contains(parent));
    let mut below: BTreeMap<Option<&str>, Vec<&Session>> = BTreeMap::new();
    for session in sessions {
        below.entry(above(session)).or_default().push(session);
    }
    let mut into: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        into.entry(&edge.target_session_id).or_default().push(edge);
    }
    let mut waiting: Vec<(&Session, usize)> = Vec::new();
    let mut push = |waiting: &mut Vec<_>, parent: Option<&'a str>, level| {
        waiting.extend(below.remove(&parent).unwrap_or_default().into_iter().rev().map(|session| (session, level)));
    };
    push(&mut waiting, None, 0);
    let mut nodes = Vec::with_capacity(sessions.len());
    while let Some((session, level)) = waiting.pop() {
        push(&mut waiting, Some(&session.id), level + 1);
        nodes.push(Node { session, level, edges: into.remove(&*session.id).unwrap_or_default() });
    }
    (nodes.len() == sessions.len()).then_some(nodes)
}

fn print(as_json: bool, nodes: &[Node<'_>]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if nodes.is_empty() && !as_json {
        eprint_line("there are no sessions; --all prints also those that have ended");
    }
    for node in nodes {
        if as_json {
            writeln!(out, "{}", json(node)?)?;
        } else {
            for line in lines(node) {
                writeln!(out, "{}", sanitize(&line))?;
            }
        }
    }
    out.flush()
}

fn lines(node: &Node<'_>) -> Vec<String> {
    let (session, indent) = (node.session, "  ".repeat(node.level));
    let mut lines = vec![format!("{indent}{} {} {}", session.id, session.application_id, session.status)];
    for edge in &node.edges {
        let until = edge.expires_at.as_ref().map(|at| format!(" until {at}")).unwrap_or_default();
        let (scopes, from) = (edge.scopes.join(", "), &edge.source_session_id);
        lines.push(format!("{indent}  <- {scopes} from {from} by {}, {}{until}", edge.id, edge.status));
    }
    lines
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::{Edge, Session, lines, nodes};

    fn session(id: &str, parent: Option<&str>) -> Session {
        let parent_id = parent.map(str::to_owned);
        let (application_id, status) = ("app".to_owned(), "active".to_owned());
        Session { id: id.to_owned(), application_id, parent_id, status, started_at: None, ended_at: None }
    }

    #[test]
    fn a_session_is_below_its_parent_with_the_edges_into_it() {
        let sessions =
            [session("a", Some("gone")), session("b", None), session("c", Some("a")), session("d", Some("c"))];
        let edge = Edge {
            id: "e".to_owned(),
            source_session_id: "b".to_owned(),
            target_session_id: "c".to_owned(),
            scopes: vec!["read".to_owned(), "write".to_owned()],
            status: "active".to_owned(),
            expires_at: Some("2026-11-21T07:12:03Z".to_owned()),
        };
        let edges = [edge];
        let shown: Vec<String> = nodes(&sessions, &edges).unwrap().iter().flat_map(lines).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        a app active
          c app active
            <- read, write from b by e, active until 2026-11-21T07:12:03Z
            d app active
        b app active
        ");
    }

    #[test]
    fn sessions_above_themselves_are_not_printed() {
        assert!(nodes(&[session("a", Some("b")), session("b", Some("a"))], &[]).is_none());
    }
}
