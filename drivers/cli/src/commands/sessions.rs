//! `nuncio sessions`.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::io::{self, Write as _};

use clap::Args;
use nuncio_tokio::arcp::{Client, ClientError, ErrorCode, RequestFailure, SessionQuery, SessionRow};
use serde::Serialize;

use super::listing::{Cursors, Listed, until_interrupted};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, fit, left, terminal_width};
use crate::text::{count, eprint_line, json, sanitize};

const AFTER_HELP: &str = "\
Examples:
  nuncio sessions
  nuncio sessions --all --json | jq -r 'select(.jobs > 0).session_id'

Live sessions are listed first, then those with jobs. The session of this
command is one of them. An operator of the runtime (`nuncio serve --operator`)
sees all sessions, and other principals see their own.

A session is live while it has a connection, detached if the connection was
lost, and closed if its client has closed it. JOBS counts its jobs that have not
ended, and LAST SEQ is the number of its last event. A detached or closed
session can be resumed for the time in RESUMABLE, and is not listed after that.

Exit codes:
  0    the sessions were listed
  2    invalid usage
  5    the runtime refused the token or the request, or does not list sessions
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written
  130  left by Ctrl-C before the sessions were listed";

/// The list of sessions. A runtime that keeps its promises needs fewer pages.
const LISTED: Listed =
    Listed { what: "sessions", most: 9_999, narrower: "tell its operator", instead: "tell its operator" };

const HEADING: [&str; 6] = ["SESSION", "PRINCIPAL", "STATE", "JOBS", "LAST SEQ", "RESUMABLE"];

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// List at most this many sessions, from 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// List all sessions
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print a JSON object per session and line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    let listed = until_interrupted(list(&options), false).await;
    output::finish_with(options.json, listed).await
}

async fn list(options: &Options) -> Result<(), Error> {
    let client = options.connection.connect().await?;
    let mut sessions = all(&client).await?;
    client.close().await;
    sessions.sort_by_key(|session| Reverse((session.state == "live", session.jobs > 0)));
    let most = if options.all { usize::MAX } else { usize::try_from(options.limit).unwrap_or(usize::MAX) };
    let left_out = sessions.split_off(sessions.len().min(most)).len();
    print(&sessions, left_out, options.json).map_err(Error::stdout)
}

/// Returns all sessions that the runtime lists, in its order.
async fn all(client: &Client) -> Result<Vec<SessionRow>, Error> {
    let (mut sessions, mut query) = (Vec::new(), SessionQuery::default());
    let mut cursors = Cursors::new(&LISTED);
    loop {
        let page = client.list_sessions(&query).await.map_err(refused)?;
        sessions.extend(page.sessions);
        let Some(cursor) = page.next_cursor else { return Ok(sessions) };
        cursors.follow(&cursor)?;
        query.cursor = Some(cursor.into());
    }
}

/// Says of a runtime that does not know the request that it does not.
fn refused(error: ClientError) -> Error {
    const UNKNOWN: &str = "the runtime does not list its sessions: it is not nuncio, or an older version of it";
    match error {
        ClientError::Failed(RequestFailure::Refused(fault))
            if matches!(fault.known(), None | Some(ErrorCode::InvalidRequest)) =>
        {
            Error::Refused(format!("{UNKNOWN}; it answered {fault}"))
        }
        ClientError::Failed(RequestFailure::TimedOut) => Error::Lost(
            "the runtime did not answer in time; if it is not nuncio, or an older version of it, it may not list its \
             sessions"
                .to_owned(),
        ),
        error => error.into(),
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Session {
        session_id: &'a str,
        principal: &'a str,
        state: &'a str,
        jobs: u64,
        dialect: &'a str,
        last_event_seq: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        resumable_until: Option<&'a str>,
    },
}

impl<'a> Line<'a> {
    fn of(session: &'a SessionRow) -> Line<'a> {
        Line::Session {
            session_id: session.session_id.as_str(),
            principal: &session.principal,
            state: &session.state,
            jobs: session.jobs,
            dialect: &session.dialect,
            last_event_seq: session.last_event_seq,
            resumable_until: session.resumable_until.as_deref(),
        }
    }
}

fn print(sessions: &[SessionRow], left_out: usize, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        for session in sessions {
            writeln!(out, "{}", json(&Line::of(session))?)?;
        }
        return out.flush();
    }
    if sessions.is_empty() {
        eprint_line("there are no sessions to list");
        return Ok(());
    }
    for line in lines(sessions.iter().map(cells).collect(), terminal_width()) {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    if left_out > 0 {
        let more = count(left_out as u64, "more session");
        eprint_line(&format!("{more} not shown: add --limit N for more, or --all for all"));
    }
    Ok(())
}

fn cells(session: &SessionRow) -> [Cow<'_, str>; 6] {
    [
        sanitize(session.session_id.as_str()),
        sanitize(&session.principal),
        sanitize(&session.state),
        session.jobs.to_string().into(),
        session.last_event_seq.to_string().into(),
        session.resumable_until.as_deref().and_then(left).unwrap_or_default().into(),
    ]
}

/// Returns a table of the sessions that fits the terminal. The last column is left out if it is empty.
fn lines(rows: Vec<[Cow<'_, str>; 6]>, terminal: Option<usize>) -> Vec<String> {
    let columns =
        if rows.iter().any(|[.., resumable]| !resumable.is_empty()) { HEADING.len() } else { HEADING.len() - 1 };
    fit(HEADING, rows, columns, terminal, &[(1, HEADING[1].len())], |_, cell| cell.to_owned())
}

#[cfg(test)]
mod tests {
    use nuncio_tokio::arcp::{ClientError, RemoteFault, RequestFailure};

    use super::{Cow, lines, refused};

    fn row<'a>(principal: &'a str, state: &'a str, resumable: &'a str) -> [Cow<'a, str>; 6] {
        ["sess_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB", principal, state, "2", "12345678", resumable].map(Cow::Borrowed)
    }

    #[test]
    fn a_table_of_sessions_fits_80_columns() {
        console::set_colors_enabled(false);
        let rows = vec![row("alice@example.com", "live", ""), row("bob", "detached", "59m59s")];
        insta::assert_snapshot!(lines(rows.clone(), Some(80)).join("\n"), @r"
        SESSION                          PRINCIPAL   STATE     JOBS  LAST SEQ  RESUMABLE
        sess_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB  alice@exa…  live      2     12345678
        sess_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB  bob         detached  2     12345678  59m59s
        ");
        assert!(lines(rows, None)[1].contains(" alice@example.com "), "nothing is cut off elsewhere");
        let all_live = lines(vec![row("alice@example.com", "live", "")], Some(80));
        insta::assert_snapshot!(all_live.join("\n"), @r"
        SESSION                          PRINCIPAL          STATE  JOBS  LAST SEQ
        sess_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB  alice@example.com  live   2     12345678
        ");
        for columns in [10, 40, 79, 100] {
            let table = lines(vec![row("alice@example.com", "detached", "59m59s")], Some(columns));
            assert!(table.iter().all(|line| console::measure_text_width(line) <= columns), "{columns}: {table:?}");
        }
    }

    #[test]
    fn a_runtime_that_does_not_know_the_request_is_named_as_such() {
        let fault = |code: &str| {
            let (code, message) = (code.to_owned(), "m".to_owned());
            let fault = RemoteFault { code, message, retryable: false, details: None };
            refused(ClientError::Failed(RequestFailure::Refused(fault))).to_string()
        };
        for code in ["INVALID_REQUEST", "UNIMPLEMENTED"] {
            let said = fault(code);
            assert!(
                said.contains("does not list its sessions") && said.ends_with(&format!("it answered {code}: m")),
                "{said}"
            );
        }
        assert!(!fault("PERMISSION_DENIED").contains("does not list"));
        let said = refused(ClientError::Failed(RequestFailure::TimedOut)).to_string();
        assert!(said.contains("did not answer in time"), "{said}");
    }
}
