//! What a submit asks for, from the command line.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use nuncio_core::budget::parse_amount;
use nuncio_core::trace::TraceId;
use nuncio_tokio::arcp::{Json, Submit};
use serde_json::{Map, Value};

use crate::text::tell;
use crate::times::{duration, now};
use crate::verdict::Trouble;

/// More of an input than a frame can hold is not read.
const MAX_INPUT: u64 = 64 << 20;

/// The job.
#[derive(Args, Debug)]
pub(super) struct Request {
    /// The agent, NAME or NAME@VERSION
    #[arg(value_name = "AGENT")]
    agent: String,
    /// The agent's input: JSON, a file that holds it, or `-` for stdin
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<Document>,
    #[arg(long, value_name = "JSON|@FILE")]
    #[arg(help = r#"What the job may do, such as {"net.fetch":["https://example.com/**"]}"#)]
    lease: Option<Document>,
    /// Ends the lease so long after now, such as `90s`, `10m` or `1h30m`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expires_in: Option<Duration>,
    /// What the job may spend, such as `USD:5`; may be repeated for other currencies
    #[arg(long = "budget", value_name = "CURRENCY:AMOUNT", value_parser = amount)]
    budgets: Vec<String>,
    /// Makes a repeated submit the same job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Ends the job after so long a run: seconds, or a duration such as `10m`
    #[arg(long, value_name = "DURATION", value_parser = runtime)]
    max_runtime: Option<Duration>,
    /// The trace the job belongs to: 32 hexadecimal digits, or a W3C traceparent
    #[arg(long, value_name = "ID", value_parser = trace)]
    trace_id: Option<TraceId>,
}

impl Request {
    pub(super) fn agent(&self) -> &str {
        &self.agent
    }

    /// Reads the files it names, and puts the request together.
    pub(super) fn read(&self) -> Result<Submit, Trouble> {
        let unwritable = |error| Trouble::Usage(format!("cannot write the request: {error}"));
        let mut submit = Submit::new(&self.agent);
        if let Some(input) = &self.input {
            submit = submit.input(&input.read("--input")?).map_err(unwritable)?;
        }
        if let Some(lease) = self.lease()? {
            submit = submit.lease(&lease).map_err(unwritable)?;
        }
        if let Some(expires_in) = self.expires_in {
            submit = submit.expires_at(now().plus_micros(u64::try_from(expires_in.as_micros()).unwrap_or(u64::MAX)));
        }
        if let Some(key) = &self.idempotency_key {
            submit = submit.idempotency_key(key);
        }
        if let Some(runtime) = self.max_runtime {
            submit = submit.max_runtime(runtime);
        }
        if let Some(trace_id) = self.trace_id {
            submit = submit.trace_id(trace_id);
        }
        Ok(submit)
    }

    /// The lease with the budgets in it.
    fn lease(&self) -> Result<Option<Map<String, Value>>, Trouble> {
        const BUDGET: &str = "cost.budget";
        let mut lease = match &self.lease {
            Some(lease) => {
                let json = lease.read("--lease")?;
                let lease = serde_json::from_str(json.get());
                Some(lease.map_err(|_| {
                    Trouble::Usage(r#"--lease is no JSON object; write it as {"net.fetch":["https://…"]}"#.to_owned())
                })?)
            }
            None => None,
        };
        if !self.budgets.is_empty() {
            let lease = lease.get_or_insert_with(Map::new);
            if lease.contains_key(BUDGET) {
                return Err(Trouble::Usage("give the budget in --lease or with --budget, not both".to_owned()));
            }
            lease.insert(BUDGET.to_owned(), self.budgets.iter().cloned().map(Value::String).collect());
        }
        Ok(lease)
    }
}

/// JSON, or where it is.
#[derive(Clone, Debug)]
enum Document {
    Here(Box<Json>),
    File(PathBuf),
    Stdin,
}

impl FromStr for Document {
    type Err = String;

    fn from_str(text: &str) -> Result<Document, String> {
        match text.strip_prefix('@') {
            Some("-") => Ok(Document::Stdin),
            Some("") => Err("name the file: @FILE".to_owned()),
            Some(path) => Ok(Document::File(path.into())),
            None if text == "-" => Ok(Document::Stdin),
            None => serde_json::from_str(text).map(Document::Here).map_err(|error| {
                format!("that is no JSON: {error}; a text has quotes of its own, '\"text\"', and a file is @FILE")
            }),
        }
    }
}

impl Document {
    fn read(&self, flag: &str) -> Result<Box<Json>, Trouble> {
        let mut text = String::new();
        let (name, read) = match self {
            Document::Here(json) => return Ok(json.clone()),
            Document::File(path) => {
                let file = std::fs::File::open(path);
                (path.display().to_string(), file.and_then(|file| file.take(MAX_INPUT).read_to_string(&mut text)))
            }
            Document::Stdin => {
                if std::io::stdin().is_terminal() {
                    tell(&format!("type the JSON for {flag}, and end it with Ctrl-D on a line of its own"));
                }
                ("stdin".to_owned(), std::io::stdin().take(MAX_INPUT).read_to_string(&mut text))
            }
        };
        read.map_err(|error| Trouble::Usage(format!("{flag}: cannot read {name}: {error}")))?;
        serde_json::from_str(&text).map_err(|error| Trouble::Usage(format!("{flag}: {name} holds no JSON: {error}")))
    }
}

fn runtime(text: &str) -> Result<Duration, String> {
    let runtime = match text.parse() {
        Ok(0) => return Err("a job runs a second at least".to_owned()),
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => duration(text)?,
    };
    if runtime.as_secs() < u64::from(u32::MAX) { Ok(runtime) } else { Err("that is too long".to_owned()) }
}

fn amount(text: &str) -> Result<String, String> {
    parse_amount(text).map(|_| text.to_owned()).map_err(|error| format!("{error}; write it as USD:5 or EUR:0.25"))
}

fn trace(text: &str) -> Result<TraceId, &'static str> {
    TraceId::parse_lenient(text).ok_or("a trace id is 32 lower-case hexadecimal digits, not all of them zero")
}
