//! `nuncio cap worker`.

mod process;
mod protocol;
mod trust;

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use nuncio_core::cap::{ComponentId, Topic};
use nuncio_tokio::cap::{Drained, JobContext, Worker};
use serde_json::Value;

use self::trust::Trust;
use super::keys::{Keys, component_id};
use super::label::Label;
use super::production::ProductionOptions;
use super::servers::{BusOptions, StoreOptions};
use super::topic;
use crate::error::Error;
use crate::exec::host::Host;
use crate::exec::program::{CommandLine, Program};
use crate::exit::Exit;
use crate::logging::LogOptions;
use crate::signals::Termination;
use crate::text::{count, eprint_line};
use crate::time::HumanDuration;

/// Bytes of the longest line that a program may write.
const MAX_LINE: usize = 1 << 20;

const AFTER_HELP: &str = "\
Example:
  nuncio cap worker --id worker-1 --keys keys \\
      --topic 'job.count=jq -c {result:length}' --topic 'job.sort=jq -c {result:sort}'

A program is run once for every job, with the job's input as one line of JSON
on stdin, and writes JSON objects to stdout, one per line, as it does under
`nuncio serve --agent`:

  {\"kind\": \"progress\", \"body\": {\"current\": 1, \"total\": 4, \"message\": \"…\"}}
  {\"result\": …}                 the output; without one it is null
  {\"chunk\": \"text\"}             a piece of an output that is a text
  {\"error\": {\"message\": \"…\", \"code\": 1001, \"retryable\": true}}

Other lines and stderr are logged. A job fails if its program ends with an exit
status other than 0. The program finds the job in NUNCIO_JOB_ID, NUNCIO_TOPIC,
NUNCIO_TRACE_ID and NUNCIO_ATTEMPT, and the time by which it has to be done in
NUNCIO_DEADLINE. When the job is cancelled or its time has passed, the program
gets SIGTERM, and SIGKILL after --kill-grace.

With --scheduler, the worker takes jobs only from this router. Before it gets
any, it proves to the router that it has its key: see `nuncio cap router
--enroll`. With --production, the packets of its jobs are also sealed:

  nuncio cap worker --id worker-1 --keys keys --topic 'job.count=jq -c {result:length}' \\
      --scheduler router-1 --tenant tenant-1 --agent agent-1 --production

On SIGTERM, SIGHUP or Ctrl-C, the worker takes no more jobs, and waits for the
running ones until --drain has passed. A second SIGTERM or Ctrl-C ends it at
once.

Exit codes:
  0    ended by a signal, and every job that ran has its result
  1    ended by a signal, and jobs were left without a result, or results unsent
  2    invalid usage
  6    the bus is unreachable, or the system refused a resource";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Topic and the program that runs its jobs. Repeat it for more
    #[arg(long = "topic", value_name = "TOPIC=COMMAND", required = true)]
    topics: Vec<TopicCommand>,
    /// Id of the worker, as the sender of its packets. Every worker needs its own id
    #[arg(long, value_name = "ID", value_parser = component_id)]
    id: ComponentId,
    /// Jobs that run at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    parallel: u32,
    /// How often a program that has failed is run again for the same job
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    retries: u32,
    /// Longest time from the arrival of a job to its result [default: the job's own limit]
    #[arg(long, value_name = "DURATION", value_parser = crate::time::positive_duration)]
    max_runtime: Option<Duration>,
    /// Pool that the worker's heartbeats name
    #[arg(long, value_name = "NAME", default_value = "")]
    pool: String,
    /// Label of the worker's heartbeats. Repeat it for more
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<Label>,
    /// How long to wait for running jobs before the worker ends
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    drain: HumanDuration,
    /// Time between SIGTERM and SIGKILL for a program that has to stop
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    kill_grace: HumanDuration,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    production: ProductionOptions,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    bus: BusOptions,
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    pub(super) logs: LogOptions,
}

/// The value of `--topic`: `TOPIC=COMMAND`.
#[derive(Clone, Debug)]
struct TopicCommand {
    topic: Topic,
    command: CommandLine,
}

impl FromStr for TopicCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<TopicCommand, String> {
        let (topic, command) = text.split_once('=').ok_or("write it as TOPIC=COMMAND, such as 'job.echo=cat'")?;
        let topic = topic::parse(topic)?;
        let command = command.parse::<CommandLine>().map_err(|error| error.to_string())?;
        Ok(TopicCommand { topic, command })
    }
}

/// Says what is left when the time of --drain is over.
fn left(jobs: u64, results: u64) -> String {
    let jobs = (jobs > 0).then(|| format!("{} left without a result", count(jobs, "job")));
    let results = (results > 0).then(|| format!("{} not sent to the bus", count(results, "result")));
    let parts: Vec<String> = jobs.into_iter().chain(results).collect();
    match &*parts {
        [] => "the bus has not confirmed what was sent to it by the end of --drain".to_owned(),
        parts => format!("{} by the end of --drain", parts.join(", and ")),
    }
}

pub(super) async fn run(options: &Options) -> Result<Exit, Error> {
    let mut termination = Termination::listen().map_err(Error::System)?;
    let identity = match options.keys.identity(&options.id)? {
        Some(identity) => {
            let (signer, keys) = (Arc::new(identity.signer), identity.keys);
            let terms = options.production.terms()?;
            let trust = options.trust.get(&options.id, terms, Arc::clone(&signer), &keys)?;
            Some((signer, keys, trust))
        }
        None => None,
    };
    let host = Host::start(options.kill_grace.get(), MAX_LINE).map_err(Error::System)?;
    let connecting = options.bus.connect(options.id.as_str());
    let Some(bus) = options.bus.reached(connecting, termination.requested()).await else { return Ok(Exit::Success) };
    let bus = bus?;
    let store = options.store.open()?;
    let mut builder = Worker::builder()
        .id(options.id.as_str())
        .parallel(usize::try_from(options.parallel).unwrap_or(usize::MAX))
        .retries(options.retries)
        .pool(&options.pool)
        // The program is killed after the grace period, and then its handler ends.
        .cancel_grace(options.kill_grace.get() + Duration::from_secs(5));
    if let Some(runtime) = options.max_runtime {
        builder = builder.max_runtime(runtime);
    }
    for Label { name, value } in &options.labels {
        builder = builder.label(name, value);
    }
    for TopicCommand { topic, command } in &options.topics {
        let program = Program::find(command.clone(), false).map_err(|_| {
            let program = command.program();
            let advice = "check that it is installed, on PATH and executable";
            Error::Usage(format!("there is no program {program:?} that can be run for {topic}; {advice}"))
        })?;
        let (program, host) = (Arc::new(program), host.clone());
        builder = builder.job(topic.as_str(), move |ctx: JobContext, input: Value| {
            process::run(Arc::clone(&program), host.clone(), ctx, input)
        });
    }
    if let Some((signer, keys, trust)) = identity {
        builder = builder.signer(signer).keys(keys).trust(trust);
    }
    let worker = builder.start(bus, store).map_err(|error| Error::Usage(error.to_string()))?;
    worker.ready().await.map_err(|error| Error::NoBus(error.to_string()))?;
    eprint_line(&format!("the worker {} is ready; end it with Ctrl-C", options.id));
    termination.requested().await;
    let (jobs, unsent) = ((worker.running() + worker.queued()) as u64, worker.unsent() as u64);
    let jobs = (jobs > 0).then(|| format!("for {} to end", count(jobs, "job")));
    let unsent = (unsent > 0).then(|| format!("for the bus, to send {}", count(unsent, "result")));
    let awaited: Vec<String> = jobs.into_iter().chain(unsent).collect();
    match &*awaited {
        [] => eprint_line("stopping"),
        awaited => eprint_line(&format!("stopping; waiting {}", awaited.join(", and "))),
    }
    let finished = tokio::select! {
        drained = worker.drain(options.drain.get()) => match drained {
            Drained::Finished => true,
            Drained::TimedOut { jobs, results } => {
                eprint_line(&left(jobs as u64, results as u64));
                false
            }
        },
        () = termination.insisted() => {
            eprint_line("ended by a second signal; jobs may be left without a result");
            false
        }
    };
    host.kill_all();
    tokio::time::timeout(Duration::from_secs(2), host.idle())
        .await
        .map_err(|_| Error::System(io::Error::other("a program did not end")))?;
    Ok(if finished { Exit::Success } else { Exit::Failed })
}
