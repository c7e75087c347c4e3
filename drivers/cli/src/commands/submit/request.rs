//! The job to submit, from the command line.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use nuncio_core::budget::parse_amount;
use nuncio_core::trace::TraceId;
use nuncio_tokio::arcp::Submit;
use serde_json::{Map, Value};

use crate::document::Document;
use crate::error::Error;
use crate::time::{HumanDuration, now, positive_duration};

/// The help of `--lease`.
const LEASE: &str = r#"What the job may do, such as {"net.fetch":["https://example.com/**"],"tool.call":["search"]}: patterns by namespace. The namespaces are fs.read, fs.write, net.fetch, tool.call, agent.delegate, model.use, cost.budget, and those of vendors, such as x-vendor.acme.gpu [default: nothing]"#;

#[derive(Args, Debug)]
pub(super) struct Request {
    /// Agent to run, as NAME or NAME@VERSION
    #[arg(value_name = "AGENT", value_parser = NonEmptyStringValueParser::new())]
    agent: String,
    /// Input of the agent: JSON text, @FILE for a file that holds it, or - for stdin [default: none]
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<Document>,
    #[arg(long, value_name = "JSON|@FILE", value_parser = lease)]
    #[arg(help = LEASE)]
    lease: Option<Document>,
    /// Let the lease expire after this time, such as 90s, 10m or 1h30m. From then on, every operation is refused. The runtime ends
    /// the job if it has not ended by itself within a grace (1s in Nuncio) [default: never]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    expires_in: Option<Duration>,
    /// Amount the job may spend, such as USD:5. Repeat it for other currencies [default: no budget]
    #[arg(long = "budget", value_name = "CURRENCY:AMOUNT", value_parser = amount)]
    budgets: Vec<String>,
    /// Name for this submit, of at most 256 bytes. A submit with the key of an earlier one gets that job, and starts no second one
    #[arg(long, value_name = "KEY", value_parser = key)]
    idempotency_key: Option<String>,
    /// Time after which a running job is ended, in whole seconds such as 90 or 10m [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = runtime)]
    max_runtime: Option<Duration>,
    /// Trace that the job belongs to: 32 hexadecimal digits, or a W3C traceparent [default: a new one]
    #[arg(long, value_name = "ID", value_parser = trace)]
    trace_id: Option<TraceId>,
}

impl Request {
    pub(super) fn agent(&self) -> &str {
        &self.agent
    }

    /// Reads the files it names and builds the request.
    pub(super) fn read(&self) -> Result<Submit, Error> {
        let mut submit = Submit::new(&self.agent);
        if let Some(input) = &self.input {
            submit = submit.input(&input.read("--input")?);
        }
        if let Some(lease) = self.lease()? {
            submit = submit.lease(&lease);
        }
        if let Some(expires_in) = self.expires_in {
            submit = submit.expires_at(now().plus_micros(HumanDuration::new(expires_in).micros()));
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

    /// The lease, with the budgets in it.
    fn lease(&self) -> Result<Option<Map<String, Value>>, Error> {
        const BUDGET: &str = "cost.budget";
        let mut lease = match &self.lease {
            Some(lease) => {
                let json = lease.read("--lease")?;
                Some(serde_json::from_str(json.get()).map_err(|_| {
                    let sentence = r#"--lease is not a JSON object; write it as {"net.fetch":["https://…"]}"#;
                    Error::Usage(sentence.to_owned())
                })?)
            }
            None => None,
        };
        if !self.budgets.is_empty() {
            let lease = lease.get_or_insert_with(Map::new);
            if lease.contains_key(BUDGET) {
                return Err(Error::Usage("give the budget in --lease or with --budget, not both".to_owned()));
            }
            lease.insert(BUDGET.to_owned(), self.budgets.iter().cloned().map(Value::String).collect());
        }
        Ok(lease)
    }
}

fn key(text: &str) -> Result<String, &'static str> {
    if (1..=256).contains(&text.len()) { Ok(text.to_owned()) } else { Err("a key has 1 to 256 bytes") }
}

/// A document that is an object. A bare word is a slip, and not a string without its quotes.
fn lease(text: &str) -> Result<Document, String> {
    text.parse().map_err(|error| {
        if text.starts_with('@') {
            error
        } else {
            r#"not a JSON object; write it as {"tool.call":["search"]}, or a file as @FILE"#.to_owned()
        }
    })
}

fn runtime(text: &str) -> Result<Duration, &'static str> {
    let runtime = text.parse::<HumanDuration>()?.get();
    if runtime.subsec_nanos() > 0 {
        return Err("write whole seconds, such as 90s or 10m");
    }
    match runtime.as_secs() {
        0 => Err("the shortest runtime is 1s"),
        seconds if seconds < u64::from(u32::MAX) => Ok(runtime),
        _ => Err("the longest runtime is 4294967294s"),
    }
}

fn amount(text: &str) -> Result<String, String> {
    parse_amount(text).map(|_| text.to_owned()).map_err(|error| format!("{error}; write it as USD:5 or EUR:0.25"))
}

fn trace(text: &str) -> Result<TraceId, &'static str> {
    TraceId::parse_lenient(text).ok_or("a trace id is 32 lower-case hexadecimal digits that are not all zero")
}
