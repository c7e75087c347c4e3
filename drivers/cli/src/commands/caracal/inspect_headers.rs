//! `nuncio caracal inspect-headers`.

use std::io::{self, Read as _};

use clap::Args;
use nuncio_core::caracal::{BearerToken, Envelope};
use nuncio_core::time::Time;
use serde::Serialize;

use crate::error::Error;
use crate::exit::Exit;
use crate::text::{print_json, print_result};

const AFTER_HELP: &str = "\
Example:
  nuncio caracal inspect-headers \\
      'baggage: caracal.agent_session=s1,caracal.hop=2'
  curl -sv http://127.0.0.1:8080/ 2>&1 | sed -n 's/^> //p' |
      nuncio caracal inspect-headers -

Prints what a service that receives these headers knows of its caller. The
headers are not verified. The token itself is not printed, only whether there
is one and when it expires.

Exit codes:
  0  the headers name a session
  1  the headers do not name a session
  2  invalid usage, or a line is not a header
  7  stdout cannot be written";

/// Bytes of headers that are read from stdin.
const MAX_INPUT: u64 = 1 << 20;

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Headers as `NAME: VALUE`, or - to read them from stdin, one per line
    #[arg(value_name = "HEADER", required = true)]
    headers: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What the headers say.
#[derive(Serialize)]
struct Inspected {
    session: Option<String>,
    edge: Option<String>,
    parent_edge: Option<String>,
    authority: Option<String>,
    hop: Option<u8>,
    hop_is_number: Option<bool>,
    has_token: bool,
    token_expires_at: Option<String>,
    trace_id: Option<String>,
    parent_span: Option<String>,
    other_baggage: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<Exit, Error> {
    let mut lines = Vec::new();
    for header in &options.headers {
        if header == "-" {
            let mut text = String::new();
            let read = io::stdin().lock().take(MAX_INPUT).read_to_string(&mut text);
            read.map_err(|error| Error::Usage(format!("cannot read the headers from stdin: {error}")))?;
            // A request line before them, and the empty line after them, are not headers.
            lines.extend(text.lines().filter(|line| !line.is_empty() && !line.contains(" HTTP/")).map(str::to_owned));
        } else {
            lines.push(header.clone());
        }
    }
    let fields: Result<Vec<(&str, &str)>, Error> =
        (1..).zip(&lines).map(|(number, line)| field(number, line)).collect();
    let inspected = Inspected::of(&Envelope::read(fields?));
    if options.json {
        print_json(&inspected).map_err(Error::stdout)?;
    } else {
        inspected.rows().iter().try_for_each(|row| print_result(row)).map_err(Error::stdout)?;
    }
    Ok(if inspected.session.is_some() { Exit::Success } else { Exit::Failed })
}

fn field(number: usize, line: &str) -> Result<(&str, &str), Error> {
    let (name, value) = line.split_once(':').filter(|(name, _)| !name.is_empty() && !name.contains(' ')).ok_or_else(
        // The line is not repeated: it may be a token.
        || Error::Usage(format!("header {number} is not valid; write it as 'NAME: VALUE'")),
    )?;
    Ok((name, value.trim()))
}

impl Inspected {
    fn of(envelope: &Envelope) -> Inspected {
        let baggage = &envelope.baggage;
        let parent = envelope.trace.and_then(|trace| trace.parent);
        Inspected {
            session: baggage.session.as_ref().map(|id| id.as_str().to_owned()),
            edge: baggage.edge.as_ref().map(|id| id.as_str().to_owned()),
            parent_edge: baggage.parent_edge.as_ref().map(|id| id.as_str().to_owned()),
            authority: baggage.authority.as_ref().map(|id| id.as_str().to_owned()),
            hop: envelope.hop_is_number.map(|_| baggage.hop.count()),
            hop_is_number: envelope.hop_is_number,
            has_token: envelope.token.is_some(),
            token_expires_at: envelope.token.as_ref().and_then(BearerToken::expires_at).map(Time::to_rfc3339),
            trace_id: envelope.trace.map(|trace| trace.trace_id.to_string()),
            parent_span: parent.map(|parent| parent.span_id.to_string()),
            other_baggage: baggage.foreign.members().map(str::to_owned).collect(),
        }
    }

    fn rows(&self) -> Vec<String> {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        let token = match (self.has_token, &self.token_expires_at) {
            (false, _) => "none".to_owned(),
            (true, None) => "there is one, which does not say when it ends".to_owned(),
            (true, Some(at)) => format!("there is one, which ends at {at}"),
        };
        let hop = match (self.hop, self.hop_is_number) {
            (Some(hop), Some(true)) => hop.to_string(),
            (Some(hop), _) => format!("not a number, which counts as {hop}"),
            (None, _) => "none".to_owned(),
        };
        let other = (!self.other_baggage.is_empty()).then(|| self.other_baggage.join(","));
        let rows = [
            ("session", or_none(&self.session)),
            ("edge", or_none(&self.edge)),
            ("parent edge", or_none(&self.parent_edge)),
            ("authority", or_none(&self.authority)),
            ("hop", hop),
            ("token", token),
            ("trace", or_none(&self.trace_id)),
            ("parent span", or_none(&self.parent_span)),
            ("other baggage", or_none(&other)),
        ];
        rows.iter().map(|(name, text)| format!("{name:<13} {text}")).collect()
    }
}
