//! Agents: the functions that do the work.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_lite::FutureExt as _;
use futures_lite::future::or;
use nuncio_core::arcp::{self, AgentSpec, Denied, ErrorCode, Fault, JobResult, Json, Refused};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument, Span, debug, error, warn};

pub(crate) mod context;
pub(crate) mod delegate;
pub(crate) mod job;
pub(crate) mod span;
pub(crate) mod writer;

use crate::arcp::agent::context::JobContext;
use crate::arcp::agent::job::Job;
use crate::arcp::server::hub::Hub;
use crate::io::BoxFuture;

/// What runs for a job. Functions `async fn(Input, JobContext) -> Result<Output, Failure>` are given to
/// [`ServerBuilder::agent`](crate::arcp::ServerBuilder::agent) as they are; this is for what is no function.
pub trait Agent: Send + Sync + 'static {
    /// Runs one job. It runs on the runtime the server was built on; it is dropped when the job ends without it.
    fn run(&self, input: Option<Box<Json>>, ctx: JobContext) -> BoxFuture<'static, Result<Output, Failure>>;
}

/// What an agent returns.
#[derive(Clone, Debug)]
pub enum Output {
    /// An inline result: any JSON value.
    Inline(Box<Json>),
    /// What was written with [`JobContext::writer`] is the result, or there is none.
    Streamed {
        /// `summary` of the terminal message.
        summary: Option<String>,
    },
}

impl Output {
    /// The result was written with [`JobContext::writer`].
    pub fn streamed(summary: impl Into<String>) -> Output {
        Output::Streamed { summary: Some(summary.into()) }
    }
}

/// What an agent function may return: an [`Output`], or any value serde can write.
pub trait IntoOutput {
    /// The output, or why it cannot be written as JSON.
    fn into_output(self) -> Result<Output, serde_json::Error>;
}

impl IntoOutput for Output {
    fn into_output(self) -> Result<Output, serde_json::Error> {
        Ok(self)
    }
}

impl<T: Serialize> IntoOutput for T {
    fn into_output(self) -> Result<Output, serde_json::Error> {
        serde_json::value::to_raw_value(&self).map(Output::Inline)
    }
}

/// Why an agent gives up (§7.3). Everything in it goes to the client.
#[derive(Clone, Debug)]
pub struct Failure {
    code: String,
    message: String,
    details: Option<Box<Json>>,
}

impl Failure {
    /// A failure with a code, best one of [`ErrorCode`]; another one is shown as `INTERNAL_ERROR` with the code in its
    /// details.
    pub fn new(code: impl AsRef<str>, message: impl Into<String>) -> Failure {
        Failure { code: code.as_ref().to_owned(), message: message.into(), details: None }
    }

    /// `INVALID_REQUEST`: the input is not what the agent takes.
    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(ErrorCode::InvalidRequest.as_str(), message)
    }

    /// `INTERNAL_ERROR`.
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure::new(ErrorCode::InternalError.as_str(), message)
    }

    /// Adds details: a value that is a JSON object. Anything else is left out.
    pub fn with_details(mut self, details: &impl Serialize) -> Failure {
        let raw = serde_json::value::to_raw_value(details).ok();
        self.details = raw.filter(|raw| raw.get().starts_with('{'));
        self
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        let details = fault.details.and_then(|details| serde_json::from_str(&details).ok());
        Failure { details, ..Failure::new(fault.code.as_str(), fault.message) }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Failure {
        denied.fault().into()
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        Failure::internal(refused.to_string())
    }
}

impl From<arcp::InvalidBody> for Failure {
    fn from(invalid: arcp::InvalidBody) -> Failure {
        Failure::internal(invalid.to_string())
    }
}

impl From<Failure> for arcp::Failure {
    fn from(failure: Failure) -> arcp::Failure {
        arcp::Failure { code: failure.code, message: failure.message, details: failure.details }
    }
}

/// A function as an agent.
pub(crate) struct Function<F, I>(F, PhantomData<fn(I)>);

impl<F, I> Function<F, I> {
    pub(crate) fn new(function: F) -> Function<F, I> {
        Function(function, PhantomData)
    }
}

impl<F, I, O, R> Agent for Function<F, I>
where
    F: Fn(I, JobContext) -> R + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    O: IntoOutput,
    R: Future<Output = Result<O, Failure>> + Send + 'static,
{
    fn run(&self, input: Option<Box<Json>>, ctx: JobContext) -> BoxFuture<'static, Result<Output, Failure>> {
        let parsed = serde_json::from_str(input.as_ref().map_or("null", |input| input.get()));
        drop(input);
        let running = match parsed {
            Ok(input) => (self.0)(input, ctx),
            Err(error) => {
                let failure = Failure::invalid(format!("the input is not what this agent takes: {error}"));
                return Box::pin(std::future::ready(Err(failure)));
            }
        };
        Box::pin(async move {
            running.await?.into_output().map_err(|error| {
                error!(%error, "the agent's output cannot be written as JSON");
                Failure::internal("the agent's output cannot be written as JSON")
            })
        })
    }
}

/// The agents of a server, by name and version.
#[derive(Default)]
pub(crate) struct Registry {
    agents: BTreeMap<String, Entry>,
}

#[derive(Default)]
struct Entry {
    unversioned: Option<Arc<dyn Agent>>,
    /// In the order they were added.
    versions: Vec<(String, Arc<dyn Agent>)>,
    default: Option<String>,
    max_concurrent: Option<u32>,
}

impl Registry {
    pub(crate) fn add(&mut self, agent: &str, run: Arc<dyn Agent>) {
        match agent.split_once('@') {
            None => self.entry(agent).unversioned = Some(run),
            Some((name, version)) => {
                let versions = &mut self.entry(name).versions;
                versions.retain(|(other, _)| other != version);
                versions.push((version.to_owned(), run));
            }
        }
    }

    pub(crate) fn set_default(&mut self, name: &str, version: &str) {
        self.entry(name).default = Some(version.to_owned());
    }

    pub(crate) fn set_concurrency(&mut self, name: &str, max: u32) {
        self.entry(name).max_concurrent = Some(max);
    }

    /// The first thing that makes no sense among the names.
    pub(crate) fn fault(&self) -> Option<String> {
        self.agents.iter().find_map(|(name, entry)| {
            if entry.unversioned.is_some() != entry.versions.is_empty() {
                let what = if entry.versions.is_empty() { "no implementation" } else { "both a version and none" };
                return Some(format!("the agent {name:?} has {what}"));
            }
            let default = entry.default.as_ref()?;
            let known = entry.versions.iter().any(|(version, _)| version == default);
            (!known).then(|| format!("the agent {name:?} has no version {default:?} to be its default"))
        })
    }

    pub(crate) fn specs(&self) -> impl Iterator<Item = AgentSpec> {
        self.agents.iter().map(|(name, entry)| AgentSpec {
            name: name.clone(),
            versions: entry.versions.iter().map(|(version, _)| version.clone()).collect(),
            default: entry.default.clone(),
            max_concurrent: entry.max_concurrent,
        })
    }

    fn find(&self, name: &str, version: Option<&str>) -> Option<Arc<dyn Agent>> {
        let entry = self.agents.get(name)?;
        let Some(version) = version else { return entry.unversioned.clone() };
        entry.versions.iter().find(|(other, _)| other == version).map(|(_, run)| Arc::clone(run))
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        self.agents.entry(name.to_owned()).or_default()
    }
}

/// Runs a job's agent on the runtime of agents.
pub(crate) fn start(hub: &Arc<Hub>, job: &Arc<Job>, parent: &Span) {
    let span = span::of_job(job, parent);
    job.show(&span);
    let Some(agent) = hub.registry.find(&job.agent, job.version.as_deref()) else {
        error!(parent: &span, "an agent on offer is not there");
        conclude(hub, job, Err(Failure::internal("the agent is not there")));
        return;
    };
    let guard = Unfinished { hub: Arc::clone(hub), job: Arc::clone(job) };
    let ctx = JobContext::new(Arc::clone(hub), Arc::clone(job));
    let input = job.input.clone();
    let running = async move {
        debug!("the agent starts");
        // Made inside, for the agent may panic before it is a future.
        let work = async { agent.run(input, ctx).await };
        let ended = or(async { Some(AssertUnwindSafe(work).catch_unwind().await) }, async {
            guard.job.over().await;
            None
        })
        .await;
        match ended {
            Some(Ok(ended)) => conclude(&guard.hub, &guard.job, ended),
            Some(Err(_)) => {
                error!("the agent panicked");
                conclude(&guard.hub, &guard.job, Err(Failure::internal("the agent panicked")));
            }
            // The job has ended without it.
            None => {}
        }
    };
    (hub.agents)(Box::pin(running.instrument(span)));
}

fn conclude(hub: &Arc<Hub>, job: &Job, ended: Result<Output, Failure>) {
    let told = match ended {
        Ok(Output::Inline(result)) => {
            hub.run(|state, now| state.runtime.finish(now, job.key, JobResult::Inline(&result)))
        }
        Ok(Output::Streamed { summary }) => {
            let summary = summary.map(Into::into);
            hub.run(|state, now| state.runtime.finish(now, job.key, JobResult::Streamed { summary }))
        }
        Err(failure) => fail(hub, job, failure),
    };
    let told = match told {
        Err(Refused::Terminal | Refused::Stale) | Ok(()) => return,
        Err(refused) => {
            warn!(job = %job.id, %refused, "the agent's result is refused");
            fail(hub, job, refused.into())
        }
    };
    if let Err(refused) = told {
        warn!(job = %job.id, %refused, "the job's end is refused");
    }
}

fn fail(hub: &Arc<Hub>, job: &Job, failure: Failure) -> Result<(), Refused> {
    hub.run(|state, now| state.runtime.fail(now, job.key, failure.into()))
}

/// Ends the job of an agent that did not come to its end: its runtime was shut down.
struct Unfinished {
    hub: Arc<Hub>,
    job: Arc<Job>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.job.has_ended() {
            return;
        }
        let failure = Failure::internal("the agent was stopped before it had finished");
        conclude(&self.hub, &self.job, Err(failure));
    }
}
