//! `nuncio cap router`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use nuncio_core::cap::{ComponentId, Keyring};
use nuncio_tokio::cap::{
    AuthorityEvent, Dispatch, Enrollment, JetStreamOptions, Peers, Router, RouterEvent, Sessions, SqliteRecords,
};

use super::keys::{Keys, component_id, of_one};
use super::production::ProductionOptions;
use super::servers::BusOptions;
use crate::error::Error;
use crate::exit::Exit;
use crate::logging::LogOptions;
use crate::signals::Termination;
use crate::text::{count, eprint_line};
use crate::time::HumanDuration;

const AFTER_HELP: &str = "\
Example:
  nuncio cap router --id router-1 --keys keys --store jobs.db

Takes the jobs that clients publish on sys.job.submit, sends each to a worker
of its topic, and makes sure that it ends. A job is sent again if its worker is
lost, or if it failed and can be tried again. A job that takes too long ends
with TIMEOUT. A job that failed for good is also published on sys.job.dlq.

With --dispatch queue, the default, workers need not announce themselves. If no
worker serves the topic of a job, the job is sent four times, and ends with
TIMEOUT after about four times --dispatch-timeout. The log warns if no known
worker serves the topic. With --dispatch least-loaded, such a job fails after
--worker-wait.

With --store, a job is on disk before anything that depends on it is published.
A router that is started on the same file continues its jobs. Only one router at
a time may use a file.

With --enroll, workers prove who they are before they get jobs, as `nuncio cap
worker --scheduler` and the Python SDK 2.17 do. The file names of the keys are
the ids: a worker verifies the router with the key of --id, and the router
verifies a worker with the key of the worker's id.

With --production, packets about jobs are also sealed: for one subject, for one
tenant, and for a limited time. Name each client with --submitter, and give
--production to `nuncio cap worker` and `nuncio cap submit`. Jobs go only to
workers of their tenant:

  nuncio cap router --id router-1 --keys keys --store jobs.db --production \\
      --enroll worker-1=tenant-1/agent-1 --submitter client-1=tenant-1

With --jetstream, the nats-server keeps the jobs and results that are published
while the router is away. It keeps them in a stream, which is created if it does
not exist. A message leaves the stream when the router has stored it in its
--store. Clients and workers need no option for it. A stream has one router at a
time, whose --id does not change.

Workers of the Python SDK run a job again each time they get its request, and
send no progress. For them, give --python-workers, and a --dispatch-timeout that
is longer than the longest job.

Exit codes:
  0  ended by a signal
  2  invalid usage, or the file of --store cannot be used
  6  the bus is unreachable, the stream of --jetstream cannot be used, or the
     system refused a resource";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Options {
    /// Id of the router, as the sender of its packets
    #[arg(long, value_name = "ID", value_parser = component_id)]
    id: ComponentId,
    /// File for the jobs, so that they outlive the router. It is created if it does not exist [default: none]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Keep submitted jobs and results in this stream of NATS `JetStream` until the router has stored them, so that it misses
    /// none while it is away [default: none; `NUNCIO_CAP` if no name is given]
    #[arg(
        long,
        value_name = "STREAM",
        env = "NATS_JETSTREAM",
        hide_env_values = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = JetStreamOptions::DEFAULT_STREAM,
        requires = "store"
    )]
    jetstream: Option<String>,
    /// How many servers of the NATS cluster keep the stream
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    jetstream_replicas: u8,
    /// How a job gets to a worker
    #[arg(long, value_enum, default_value_t = To::Queue)]
    dispatch: To,
    /// Sender that may cancel every job. Other senders may cancel only the jobs that they submitted. Repeat it for more
    #[arg(long = "operator", value_name = "ID", value_parser = component_id)]
    operators: Vec<ComponentId>,
    /// How many more times a job is sent after it has failed, if its error allows another attempt
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    retries: u32,
    /// Longest time from the first dispatch of a job to its result [default: the job's own limit]
    #[arg(long, value_name = "DURATION", value_parser = crate::time::positive_duration)]
    max_runtime: Option<Duration>,
    /// Time after which a job is sent again if nothing is heard of it. After the fourth time it ends with TIMEOUT
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = crate::time::positive_duration)]
    dispatch_timeout: Duration,
    /// How long a job waits for a worker of its topic where the router chooses the worker: with --dispatch least-loaded or
    /// --enroll. With --dispatch queue, --dispatch-timeout limits the wait
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    worker_wait: HumanDuration,
    /// Sign requests to workers with the router's own key, for workers that accept no other sender
    #[arg(long, conflicts_with = "unsigned")]
    resign: bool,
    /// Enroll a worker. It proves that it has the key of WORKER.pub.pem in --keys, and gets a session. With this option, only
    /// workers with a session get jobs, and the router chooses the worker of each job. Repeat it for more
    #[arg(long = "enroll", value_name = "WORKER=TENANT/AGENT", conflicts_with = "unsigned")]
    enrolled: Vec<Enrolled>,
    /// Also send jobs to workers without a session, while not all workers are enrolled yet
    #[arg(long, requires = "enrolled", conflicts_with = "production")]
    optional_sessions: bool,
    /// Time for which a session is valid; workers renew it before it ends
    #[arg(long, value_name = "DURATION", default_value = "15m", requires = "enrolled", value_parser = crate::time::positive_duration)]
    session_lifetime: Duration,
    /// Never send a job again to a worker that may have it, because these workers would run it again
    #[arg(long)]
    python_workers: bool,
    /// Accept the jobs of this client, for this tenant. The key of the client is CLIENT.pub.pem in --keys. Repeat it for more
    #[arg(long = "submitter", value_name = "CLIENT=TENANT", requires = "production")]
    submitters: Vec<Submitter>,
    #[command(flatten)]
    production: ProductionOptions,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    bus: BusOptions,
    #[command(flatten)]
    pub(super) logs: LogOptions,
}

/// [`Dispatch`] as an option.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    /// The queue group of the topic: NATS chooses the worker
    Queue,
    /// The live worker with the least load. While all workers are full, jobs wait
    LeastLoaded,
}

pub(super) async fn run(options: &Options) -> Result<Exit, Error> {
    let mut termination = Termination::listen().map_err(Error::System)?;
    let identity = options.keys.identity(&options.id)?;
    let sessions = identity.as_ref().map(|identity| options.sessions(&identity.keys)).transpose()?.flatten();
    let jetstream = options.jetstream.as_ref().map(|stream| {
        let mut jetstream = JetStreamOptions::new(options.id.as_str());
        stream.clone_into(&mut jetstream.stream);
        jetstream.replicas = options.jetstream_replicas.into();
        jetstream
    });
    let connecting = options.bus.connect_router(options.id.as_str(), jetstream);
    let Some(bus) = options.bus.reached(connecting, termination.requested()).await else { return Ok(Exit::Success) };
    let bus = bus?;
    let dispatch = match options.dispatch {
        To::Queue => Dispatch::Queue,
        To::LeastLoaded => Dispatch::LeastLoaded,
    };
    let operators = options.operators.iter().map(|id| id.as_str().to_owned()).collect();
    let (retries, max_runtime, resign) = (options.retries, options.max_runtime, options.resign);
    let (dispatch_timeout, worker_wait) = (options.dispatch_timeout, options.worker_wait.get());
    let python_workers = options.python_workers;
    let mut builder =
        Router::builder().id(options.id.as_str()).dispatch(dispatch).on_event(say).configure(move |config| {
            config.operators = operators;
            config.retries = retries;
            config.max_runtime = max_runtime;
            config.resign = resign;
            config.dispatch_timeout = dispatch_timeout;
            config.worker_wait = worker_wait;
            config.workers_deduplicate = !python_workers;
        });
    if let Some(file) = &options.store {
        builder = builder.records(SqliteRecords::open(file).map_err(|error| Error::Usage(error.to_string()))?);
    }
    if let Some(sessions) = sessions {
        builder = builder.sessions(sessions);
    }
    if let Some(identity) = identity {
        builder = builder.signer(identity.signer).keys(identity.keys);
    }
    let router = builder.start(bus).map_err(|error| Error::Usage(error.to_string()))?;
    router.ready().await.map_err(|error| Error::NoBus(error.to_string()))?;
    let live = count(router.live() as u64, "job");
    eprint_line(&format!("the router {} is ready with {live}; end it with Ctrl-C", options.id));
    termination.requested().await;
    let live = count(router.live() as u64, "job");
    router.close().await;
    let kept = if options.store.is_some() { "kept in the store" } else { "forgotten, because there is no --store" };
    eprint_line(&format!("ended; {live} {kept}"));
    Ok(Exit::Success)
}

impl Options {
    /// Returns the sessions that workers get, if some are enrolled.
    fn sessions(&self, keys: &Keyring) -> Result<Option<Sessions>, Error> {
        let terms = self.production.terms()?;
        if self.enrolled.is_empty() {
            let without = || Error::Usage("--production needs --enroll WORKER=TENANT/AGENT for each worker".to_owned());
            return if terms.is_some() { Err(without()) } else { Ok(None) };
        }
        let mut sessions = Sessions::new(self.id.as_str()).lifetime(self.session_lifetime);
        for Enrolled { worker, tenant, agent } in &self.enrolled {
            let keys = of_one(keys, worker)
                .map_err(|error| Error::Usage(format!("the worker {worker} cannot be enrolled: {error}")))?;
            let (agent_id, tenant_id) = (agent.clone(), tenant.clone());
            sessions = sessions.worker(worker.as_str(), Enrollment { agent_id, tenant_id, keys, topics: None });
        }
        if self.optional_sessions {
            sessions = sessions.optional();
        }
        if let Some(terms) = terms {
            sessions = sessions.production(terms, self.submitters(keys)?);
        }
        Ok(Some(sessions))
    }

    /// Returns the clients whose sealed packets are admitted.
    fn submitters(&self, keys: &Keyring) -> Result<Peers, Error> {
        if self.submitters.is_empty() {
            return Err(Error::Usage("--production needs --submitter CLIENT=TENANT for each client".to_owned()));
        }
        let mut peers = Peers::default();
        for Submitter { client, tenant } in &self.submitters {
            let keys = of_one(keys, client).map_err(|error| Error::Usage(format!("--submitter {client}: {error}")))?;
            peers.add(client.as_str(), tenant, keys);
        }
        match self.operators.iter().find(|operator| peers.of(operator.as_str()).is_none()) {
            Some(operator) => Err(Error::Usage(format!(
                "with --production the operator {operator} also needs --submitter {operator}=TENANT, with the tenant whose \
                 jobs it may cancel"
            ))),
            None => Ok(peers),
        }
    }
}

/// Whether a text can be the name of a tenant or an agent.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A worker with its tenant and its agent, as an option.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Enrolled {
    worker: ComponentId,
    tenant: String,
    agent: String,
}

impl FromStr for Enrolled {
    type Err = String;

    fn from_str(text: &str) -> Result<Enrolled, String> {
        let parts = text.split_once('=').and_then(|(worker, rest)| Some((worker, rest.split_once('/')?)));
        let (worker, (tenant, agent)) = parts.ok_or("write it as WORKER=TENANT/AGENT")?;
        if !is_name(tenant) || !is_name(agent) {
            return Err("tenant and agent are visible ASCII without spaces".to_owned());
        }
        Ok(Enrolled { worker: component_id(worker)?, tenant: tenant.to_owned(), agent: agent.to_owned() })
    }
}

/// A client with its tenant, as an option.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Submitter {
    client: ComponentId,
    tenant: String,
}

impl FromStr for Submitter {
    type Err = String;

    fn from_str(text: &str) -> Result<Submitter, String> {
        let (client, tenant) = text.split_once('=').ok_or("write it as CLIENT=TENANT")?;
        if !is_name(tenant) {
            return Err("a tenant is visible ASCII without spaces".to_owned());
        }
        Ok(Submitter { client: component_id(client)?, tenant: tenant.to_owned() })
    }
}

/// Says who comes and goes. Everything else is in the log.
fn say(event: &RouterEvent, _job: Option<&str>) {
    match event {
        RouterEvent::WorkerJoined { worker } => eprint_line(&format!("the worker {worker} has joined")),
        RouterEvent::Trust(AuthorityEvent::Trusted { worker, is_renewal: false, .. }) => {
            eprint_line(&format!("the worker {worker} has proved its identity"));
        }
        RouterEvent::WorkerLost { worker } => eprint_line(&format!("the worker {worker} is lost")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails where an unwrap does")]

    use super::*;

    #[test]
    fn a_worker_is_enrolled_with_its_tenant_and_agent() {
        let enrolled: Enrolled = "worker-1=tenant-1/agent/1".parse().unwrap();
        let names = (enrolled.worker.as_str(), enrolled.tenant.as_str(), enrolled.agent.as_str());
        assert_eq!(names, ("worker-1", "tenant-1", "agent/1"));
        for wrong in ["worker-1", "worker-1=tenant", "worker-1=/agent", "worker-1=tenant/", "a b=t/a", "w=t t/a"] {
            assert!(wrong.parse::<Enrolled>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_submitter_is_named_with_its_tenant() {
        let submitter: Submitter = "client-1=tenant/1".parse().unwrap();
        assert_eq!((submitter.client.as_str(), submitter.tenant.as_str()), ("client-1", "tenant/1"));
        for wrong in ["client-1", "client-1=", "=tenant", "a b=t", "c=a tenant"] {
            assert!(wrong.parse::<Submitter>().is_err(), "{wrong}");
        }
    }
}
