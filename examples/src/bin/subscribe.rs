//! Principals other than the owner watch a job: its history first, then its live events. A policy decides who may.
//!
//! `cargo run -p nuncio-examples --bin subscribe`

use std::error::Error;
use std::sync::Arc;

use nuncio_tokio::arcp::{
    Access, Client, Config, ErrorCode, EventKind, Failure, FinalStatus, JobContext, Policy, RemoteFault, Server,
    Submit, Subscribe,
};
use nuncio_tokio::auth::StaticTokens;
use tokio::sync::Notify;

/// Principals of the same domain may watch each other's jobs. For all others, the jobs do not exist.
struct Colleagues;

impl Policy for Colleagues {
    fn access(&self, observer: &str, owner: &str, _agent: &str) -> Access {
        let domain = |principal: &str| principal.split_once('@').map(|(_, domain)| domain.to_owned());
        if domain(observer) == domain(owner) { Access::Observed } else { Access::Hidden }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let proceed = Arc::new(Notify::new());
    let waiting = Arc::clone(&proceed);
    let bake = move |(): (), ctx: JobContext| {
        let proceed = Arc::clone(&waiting);
        async move {
            ctx.thought("kneading").await?;
            proceed.notified().await;
            ctx.thought("baking").await?;
            Ok::<_, Failure>("bread")
        }
    };
    let tokens = StaticTokens::new()
        .with("cook", "cook@bakery.example")
        .with("chef", "chef@bakery.example")
        .with("guest", "guest@elsewhere.example");
    let config = Config::default().with(|config| config.policy = Arc::new(Colleagues));
    let server = Server::builder().config(config).verifier(tokens).agent("bake", bake).build()?;
    let listening = server.listen("127.0.0.1:0").await?;

    let cook = Client::builder(listening.url(), "cook")?.connect().await?;
    let mut job = cook.submit(&Submit::new("bake")).await?;
    while job.events().try_next().await?.is_some_and(|event| event.kind != EventKind::Thought) {}

    // The chef subscribes after the job has begun, and still receives all of its events.
    let chef = Client::builder(listening.url(), "chef")?.connect().await?;
    let everything = Subscribe { history: true, ..Subscribe::default() };
    let mut watched = chef.subscribe(job.job_id(), everything).await?;
    assert_eq!(watched.info().current_status.as_deref(), Some("running"));
    assert!(watched.info().replayed);

    // A watcher may not cancel the job, and a principal that may not watch it does not learn that it exists.
    let refused = watched.cancel(None).await.err().ok_or("a watcher has cancelled the job")?;
    assert_eq!(refused.fault().and_then(RemoteFault::known), Some(ErrorCode::PermissionDenied));
    let guest = Client::builder(listening.url(), "guest")?.connect().await?;
    let hidden = guest.subscribe(job.job_id(), everything).await.err().ok_or("a stranger watches")?;
    println!("{hidden}");
    assert_eq!(hidden.fault().and_then(RemoteFault::known), Some(ErrorCode::JobNotFound));

    proceed.notify_one();
    let mut thoughts = Vec::new();
    while let Some(event) = watched.events().try_next().await? {
        println!("{} {}", event.kind.as_str(), event.body.as_str());
        if event.kind == EventKind::Thought {
            thoughts.push(event.body.as_str().to_owned());
        }
    }
    assert_eq!(
        thoughts,
        [r#"{"text":"kneading"}"#, r#"{"text":"baking"}"#],
        "history and live events arrive once each, in order"
    );
    assert_eq!(watched.outcome().await?.status, FinalStatus::Success);
    assert_eq!(job.collect(0).await?.json::<String>()?, "bread");
    Ok(())
}
