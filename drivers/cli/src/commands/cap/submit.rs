//! `nuncio cap submit`.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use nuncio_core::cap::{ComponentId, JobPriority, JobStatus, Keyring, Topic};
use nuncio_tokio::arcp::Json;
use nuncio_tokio::cap::{BusState, Client, ClientProduction, JobHandle, NoResult, ResultError, Submit, SubmitError};

use super::keys::{Keys, component_id};
use super::label::Label;
use super::production::{self, ProductionOptions};
use super::servers::{BusOptions, StoreOptions};
use super::topic;
use crate::document::Document;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Shown;
use crate::signals::Interrupts;
use crate::text::eprint_line;
use crate::time::HumanDuration;

/// How long nothing is heard of a job before the command says what it waits for.
const SILENCE: Duration = Duration::from_secs(3);

const AFTER_HELP: &str = "\
Examples:
  nuncio cap submit job.count --id client-1 --keys keys --input '[\"to\", \"be\"]'
  nuncio cap submit job.report --id client-1 --keys keys --input @week.json

The output is printed on stdout as JSON, everything else on stderr. Ctrl-C
cancels the job. A second Ctrl-C leaves the command at once.

Jobs reach a worker through a router, which `nuncio cap router` starts. If
nothing is heard of the job for 3 s, a line on stderr says what to check. The
command goes on waiting, up to --wait.

With --production, the request and the result have to be sealed for the tenant.
Name the senders of results with --peer: the router, and the workers of the
tenant.

  nuncio cap submit job.count --id client-1 --keys keys --input '[\"to\"]' \\
      --production --tenant tenant-1 --peer router-1 --peer worker-1

Exit codes:
  0    the job succeeded, or was submitted with --no-wait
  1    the job failed
  2    invalid usage
  3    the job was cancelled
  4    the job timed out, or no result came within --wait
  5    the policy denied the job
  6    the bus or the blob store is unreachable, or the output is lost
  7    the output cannot be written
  130  left by Ctrl-C before the job's end";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Topic of the job
    #[arg(value_name = "TOPIC", value_parser = topic::parse)]
    topic: Topic,
    /// Id of the submitter, as the sender of the request
    #[arg(long, value_name = "ID", value_parser = component_id)]
    id: ComponentId,
    /// Input: JSON text, @FILE for a file that holds it, or - for stdin [default: the content of stdin, if stdin is not a
    /// terminal; otherwise null]
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<Document>,
    /// Id of the job. A job with the same id is not run again [default: a random id]
    #[arg(long, value_name = "ID")]
    job_id: Option<String>,
    /// Trace that the job belongs to [default: a new one]
    #[arg(long, value_name = "ID")]
    trace_id: Option<String>,
    /// Parent of the job. The job is cancelled with its parent
    #[arg(long, value_name = "JOB")]
    parent: Option<String>,
    /// Longest time that the worker may take
    #[arg(long, value_name = "DURATION", value_parser = crate::time::positive_duration)]
    deadline: Option<Duration>,
    /// Priority of the job
    #[arg(long, value_enum, default_value_t = Priority::Interactive)]
    priority: Priority,
    /// Label of the job. Repeat it for more
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<Label>,
    /// Key that identifies the job for its tenant. A second job with the same key gets the result of the first
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Tenant that the job belongs to
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// How long to wait for the result [default: for ever]
    #[arg(long, value_name = "DURATION")]
    wait: Option<HumanDuration>,
    /// Print the id of the job and do not wait for its result
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
    /// Sender whose results and progress are accepted for the tenant: the router, or a worker. Repeat it for more
    #[arg(long = "peer", value_name = "ID", requires = "production", value_parser = component_id)]
    peers: Vec<ComponentId>,
    /// Person or service for whom the job is submitted
    #[arg(long, value_name = "NAME", requires = "production")]
    principal: Option<String>,
    #[command(flatten)]
    production: ProductionOptions,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    bus: BusOptions,
    #[command(flatten)]
    store: StoreOptions,
}

/// The priorities of the protocol.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Priority {
    Interactive,
    Batch,
    Critical,
}

impl Priority {
    const fn get(self) -> JobPriority {
        match self {
            Priority::Interactive => JobPriority::INTERACTIVE,
            Priority::Batch => JobPriority::BATCH,
            Priority::Critical => JobPriority::CRITICAL,
        }
    }
}

impl Options {
    /// Reads the input, on a thread of its own, because reading stdin may block for ever.
    async fn read_input(&self) -> Result<Box<Json>, Error> {
        let input = self.input.clone();
        let read = move || match input {
            Some(input) => input.read("--input"),
            None => Document::read_default("--input"),
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| Error::System(error.into()))?
    }

    fn submit(&self, input: &Json) -> Submit {
        let mut submit =
            Submit::new(self.topic.as_str()).raw_input(input.get().to_owned()).priority(self.priority.get());
        for Label { name, value } in &self.labels {
            submit = submit.label(name, value);
        }
        if let Some(id) = &self.job_id {
            submit = submit.job_id(id);
        }
        if let Some(id) = &self.trace_id {
            submit = submit.trace_id(id);
        }
        if let Some(parent) = &self.parent {
            submit = submit.parent(parent);
        }
        if let Some(tenant) = &self.tenant {
            submit = submit.tenant(tenant);
        }
        if let Some(key) = &self.idempotency_key {
            submit = submit.idempotency_key(key);
        }
        if let Some(deadline) = self.deadline {
            submit = submit.deadline(deadline);
        }
        if let Some(wait) = self.wait {
            submit = submit.wait(wait.get());
        }
        submit
    }

    /// Returns how packets are sealed, if they are, and whose are admitted.
    fn production(&self, keys: &Keyring) -> Result<Option<ClientProduction>, Error> {
        let Some(terms) = self.production.terms()? else { return Ok(None) };
        let tenant = self.tenant.as_deref().filter(|tenant| !tenant.is_empty());
        let tenant = tenant.ok_or_else(|| Error::Usage("--production needs --tenant NAME".to_owned()))?;
        if self.peers.is_empty() {
            let message = "--production needs --peer ID for the router and for each worker of the tenant";
            return Err(Error::Usage(message.to_owned()));
        }
        let principal = self.principal.as_deref().unwrap_or_default();
        let production = production::of_client(&self.id, keys, (tenant, principal), &self.peers, terms);
        production.map(Some).map_err(|error| Error::Usage(format!("--peer {error}")))
    }
}

pub(super) async fn run(options: &Options) -> Result<Exit, Error> {
    let mut first = Interrupts::listen().map_err(Error::System)?;
    let mut second = first.clone();
    let input = tokio::select! {
        input = options.read_input() => input?,
        () = first.reach(1) => {
            eprint_line("nuncio: interrupted; nothing was submitted");
            return Ok(Exit::Cancelled);
        }
    };
    let submit = options.submit(&input);
    let identity = options.keys.identity(&options.id)?;
    let production = identity.as_ref().map(|identity| options.production(&identity.keys)).transpose()?.flatten();
    let is_signed = identity.is_some();
    let is_sealed = production.is_some();
    let connecting = options.bus.connect(options.id.as_str());
    let Some(bus) = options.bus.reached(connecting, first.reach(1)).await else {
        eprint_line("nuncio: interrupted; nothing was submitted");
        return Ok(Exit::Interrupted);
    };
    let bus = bus?;
    let mut builder = Client::builder().id(options.id.as_str());
    if let Some(identity) = identity {
        builder = builder.signer(identity.signer).keys(identity.keys);
    }
    if let Some(production) = production {
        builder = builder.production(production);
    }
    let client = builder.connect(bus, options.store.open()?).map_err(|error| Error::Usage(error.to_string()))?;
    let mut job = tokio::select! {
        job = async {
            client.ready().await.map_err(|error| Error::NoBus(error.to_string()))?;
            Ok::<_, Error>(client.submit(submit).await?)
        } => job?,
        () = first.reach(1) => {
            eprint_line("nuncio: interrupted; the job may have been submitted");
            return Ok(Exit::Interrupted);
        }
    };
    eprint_line(&format!("submitted {}", job.job_id()));
    if options.no_wait {
        client.ready().await.map_err(|error| Error::NoBus(error.to_string()))?;
        return print(job.job_id().as_bytes());
    }
    let mut cancelled = false;
    let (mut is_silent, silence) = (true, tokio::time::sleep(SILENCE));
    let mut silence = pin!(silence);
    loop {
        let next = next(&mut job);
        tokio::select! {
            progress = next => match progress {
                Some(line) => {
                    is_silent = false;
                    eprint_line(&line);
                }
                None => return ended(&mut job).await,
            },
            () = &mut silence, if is_silent => {
                is_silent = false;
                for line in unheard(options, &client, (is_signed, is_sealed)) {
                    eprint_line(&line);
                }
            }
            () = first.reach(1), if !cancelled => {
                cancelled = true;
                eprint_line("cancelling the job; press Ctrl-C again to leave it");
                // Fails if the job has ended, and then its result is there.
                drop(job.cancel("cancelled by the submitter with Ctrl-C"));
            }
            () = second.reach(2) => return Ok(Exit::Interrupted),
        }
    }
}

/// Says what a job of which nothing was heard waits for, and what to check: lines, with one cause each.
fn unheard(options: &Options, client: &Client, form: (bool, bool)) -> Vec<String> {
    if !matches!(client.connection().state, BusState::Connected(_)) {
        let cause = "the bus is not reached; still waiting: check that nats-server or `nuncio cap bus` is running";
        return vec![format!("nuncio: {cause}")];
    }
    let (topic, id, tenant) = (&options.topic, &options.id, options.tenant.as_deref().unwrap_or_default());
    let mut lines = vec![
        format!("nuncio: nothing has been heard of the job for {} s; still waiting. Check that", SILENCE.as_secs()),
        "- `nuncio cap router` is running on this bus".to_owned(),
    ];
    // What both sides have in common, or nothing that this command sends or receives is accepted.
    lines.extend(match form {
        (true, true) => vec![
            format!("- the router has --production and --submitter {id}={tenant}"),
            "- the router has the public key of this client in its --keys".to_owned(),
            "- --peer names the router and each worker of the tenant".to_owned(),
        ],
        (true, false) => vec![
            "- the router has the public key of this client in its --keys".to_owned(),
            "- the router has no --production".to_owned(),
        ],
        (false, _) => vec!["- the router has --unsigned, as this command does".to_owned()],
    });
    lines.push(format!("- a worker serves the topic, such as `nuncio cap worker --topic {topic}=COMMAND`"));
    lines.push("If all this is so, the job may be running: not every worker reports progress".to_owned());
    lines
}

/// Returns the job's next progress as a line, or `None` once the job has ended.
async fn next(job: &mut JobHandle) -> Option<String> {
    let mut progress = job.progress();
    let progress = poll_fn(|cx| futures_core::Stream::poll_next(std::pin::Pin::new(&mut progress), cx)).await?;
    let step = if progress.step_id.is_empty() { String::new() } else { format!(" {}", progress.step_id) };
    Some(format!("{} %{step} {}", progress.percent, progress.message).trim_end().to_owned())
}

async fn ended(job: &mut JobHandle) -> Result<Exit, Error> {
    let error = match job.raw_result().await {
        Ok(output) => return print(&output),
        Err(error) => error,
    };
    match error {
        ResultError::Job(failed) => {
            eprint_line(&failed.to_string());
            Ok(match failed.status {
                JobStatus::CANCELLED => Exit::Cancelled,
                JobStatus::TIMEOUT => Exit::TimedOut,
                JobStatus::DENIED => Exit::Refused,
                _ => Exit::Failed,
            })
        }
        ResultError::NoResult(late @ (NoResult::TimedOut | NoResult::Unheard { .. })) => {
            eprint_line(&format!("{late}; submit the same --job-id again to wait on"));
            Ok(Exit::TimedOut)
        }
        other => Err(Error::NoBus(other.to_string())),
    }
}

/// Prints the id of a job or its result. A terminal is shown what it would act on.
fn print(bytes: &[u8]) -> Result<Exit, Error> {
    let mut out = io::stdout().lock();
    let mut shown = Shown::default();
    let bytes = if out.is_terminal() { Cow::Owned(shown.next(bytes).into_bytes()) } else { Cow::Borrowed(bytes) };
    out.write_all(&bytes).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).map_err(Error::stdout)?;
    Ok(Exit::Success)
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Error {
        let sentence = format!("the job was not submitted: {error}");
        match error {
            SubmitError::Input(_) | SubmitError::Refused(_) => Error::Usage(sentence),
            SubmitError::System(error) => Error::System(error),
            SubmitError::Store(_) => Error::NoStore(sentence),
            _ => Error::NoBus(sentence),
        }
    }
}
