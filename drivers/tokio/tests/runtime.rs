//! The tokio runtime of the agents, which only this driver has: it must exist, and it may shut down early.
#![allow(missing_docs, clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use nuncio_tokio::arcp::{BuildError, Client, ErrorCode, FinalStatus, JobContext, Server, Submit};
use nuncio_tokio::auth::StaticTokens;
use nuncio_tokio::cap;
use serde_json::Value;

#[test]
fn without_a_tokio_runtime_no_server_is_built() {
    let built = Server::builder().verifier(StaticTokens::new().with("t", "p")).build();
    assert!(matches!(built, Err(BuildError::NoRuntime)));
}

#[tokio::test]
async fn jobs_fail_when_the_agents_runtime_shuts_down() {
    let agents = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let forever = |_: Value, _: JobContext| async move {
        std::future::pending::<()>().await;
        Ok(())
    };
    let tokens = StaticTokens::new().with("t", "p");
    let builder = Server::builder().verifier(tokens).agent("forever", forever);
    let server = builder.agent_runtime(agents.handle().clone()).build().unwrap();
    let client = Client::over(server.memory_connector(), "t").connect().await.unwrap();
    let mut job = client.submit(&Submit::new("forever")).await.unwrap();
    assert!(job.try_next().await.unwrap().is_some());
    agents.shutdown_background();
    let fault = job.outcome().await.unwrap().fault.unwrap();
    assert_eq!(fault.known(), Some(ErrorCode::InternalError));
    let mut job = client.submit(&Submit::new("forever")).await.unwrap();
    assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Error);
}

#[tokio::test]
async fn jobs_of_cap_fail_and_can_be_tried_again_when_the_runtime_of_the_handlers_shuts_down() {
    let handlers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (bus, store) = (cap::MemoryBus::new(), cap::MemoryStore::new());
    let router = cap::Router::builder().configure(|config| config.redispatches = 0).start(bus.another()).unwrap();
    let (starts, mut running) = tokio::sync::mpsc::unbounded_channel();
    let forever = move |_: cap::JobContext, (): ()| {
        starts.send(()).unwrap();
        std::future::pending::<Result<(), cap::Failure>>()
    };
    let worker = cap::Worker::builder().job("job.forever", forever).job_runtime(handlers.handle().clone());
    let worker = worker.start(bus.another(), store.clone()).unwrap();
    router.ready().await.unwrap();
    worker.ready().await.unwrap();
    let client = cap::Client::builder().connect(bus, store).unwrap();
    let mut job = client.submit(cap::Submit::new("job.forever")).await.unwrap();
    running.recv().await.unwrap();
    handlers.shutdown_background();
    let result = job.outcome().await.unwrap();
    assert_eq!(result.error_message, "the handler was stopped before it had finished");
    assert_ne!(result.status, cap::JobStatus::SUCCEEDED);
}
