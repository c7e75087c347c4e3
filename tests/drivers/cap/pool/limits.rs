//! Ends that the server decides: cancelling, deadlines, and budgets.

use std::time::Duration;

use serde_json::json;
use smol::channel::{Receiver, Sender, unbounded};
use smol::future::or;

use super::super::arcp::{self, Agent, CallError, ErrorCode, FinalStatus, Json, Output, Server, Shutdown, Submit};
use super::super::bridge::{Pool, PoolAgent};
use super::super::cap::{self, Client, Failure, JobContext, Worker, WorkerBuilder};
use super::{Net, connect};
use crate::on::within;

/// A worker whose jobs report costs, then wait until they are told to stop, and tell it.
fn waits(costs: &'static [&'static str]) -> (WorkerBuilder, Receiver<()>) {
    let (stopped, was_stopped) = unbounded();
    let work = move |ctx: JobContext, (): ()| {
        let stopped = stopped.clone();
        async move {
            for cost in costs {
                ctx.progress(0).step("x-cost").message(*cost).await?;
            }
            ctx.progress(1).await?;
            ctx.cancelled().await;
            stopped.send(()).await.map_err(|error| Failure::fatal(error.to_string()))
        }
    };
    (Worker::builder().job("job.work", work), was_stopped)
}

#[test]
fn cancelling_a_job_cancels_it_in_the_pool() {
    within(async {
        let net = Net::new().await;
        let (builder, was_stopped) = waits(&[]);
        let _worker = net.worker(builder).await;
        let server = net.front().build().unwrap();
        let client = connect(&server).await;
        let mut job = client.submit(&Submit::new("work")).await.unwrap();
        while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "progress" {}
        job.control().cancel(Some("enough")).await.unwrap();
        was_stopped.recv().await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
    });
}

#[test]
fn a_job_that_is_too_late_is_cancelled_in_the_pool() {
    within(async {
        let net = Net::new().await;
        let (builder, was_stopped) = waits(&[]);
        let _worker = net.worker(builder).await;
        let server = net.front().build().unwrap();
        let submit = Submit::new("work").max_runtime(Duration::from_secs(1));
        let mut job = connect(&server).await.submit(&submit).await.unwrap();
        let CallError::Job(error) = job.result::<()>().await.unwrap_err() else { panic!("the job has a result") };
        assert_eq!(error.code, ErrorCode::Timeout);
        was_stopped.recv().await.unwrap();
    });
}

#[test]
fn a_server_that_is_shut_down_cancels_the_jobs_that_it_ends() {
    within(async {
        let net = Net::new().await;
        let (builder, was_stopped) = waits(&[]);
        let _worker = net.worker(builder).await;
        let server = net.front().build().unwrap();
        let mut job = connect(&server).await.submit(&Submit::new("work")).await.unwrap();
        while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "progress" {}
        assert_eq!(server.shutdown(Duration::ZERO).await, Shutdown::Aborted);
        was_stopped.recv().await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Error);
    });
}

/// An agent of the pool within another one, which drops it when the job is cancelled, or when it is told to.
struct Within {
    agent: PoolAgent,
    told: Receiver<()>,
}

impl Agent for Within {
    async fn run(&self, input: Option<Box<Json>>, ctx: arcp::JobContext) -> Result<Output, arcp::Failure> {
        let dropped = async {
            let told = async { assert_eq!(self.told.recv().await, Ok(()), "the test waits for the job") };
            or(ctx.cancelled(), told).await;
            Err(arcp::Failure::internal("the inner agent was dropped"))
        };
        or(dropped, self.agent.run(input, ctx.clone())).await
    }
}

/// A server with such an agent, and what tells it to drop the other.
fn within_another(net: &Net) -> (Server, Sender<()>) {
    let client = Client::builder().id("front").connect(net.bus.another(), net.store.clone()).unwrap();
    let (tell, told) = unbounded();
    let agent = Within { agent: Pool::new(client).agent("job.work").unwrap(), told };
    let tokens = nuncio_shared::auth::StaticTokens::new().with("tok-alice", "alice");
    (Server::builder().verifier(tokens).agent_type("work", agent).build().unwrap(), tell)
}

#[test]
fn a_job_that_is_cancelled_is_cancelled_in_the_pool_though_its_agent_was_dropped() {
    within(async {
        let net = Net::new().await;
        let (builder, was_stopped) = waits(&[]);
        let _worker = net.worker(builder).await;
        let (server, _tell) = within_another(&net);
        let client = connect(&server).await;
        let mut job = client.submit(&Submit::new("work")).await.unwrap();
        while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "progress" {}
        job.control().cancel(None).await.unwrap();
        was_stopped.recv().await.unwrap();
    });
}

/// As when the executor of the agents ends with its process.
#[test]
fn an_agent_that_is_dropped_alone_leaves_its_job_to_the_pool() {
    within(async {
        let net = Net::new().await;
        let (builder, was_stopped) = waits(&[]);
        let _worker = net.worker(builder.parallel(2).job("job.echo", |_: JobContext, (): ()| async { Ok(1) })).await;
        let (server, tell) = within_another(&net);
        let client = connect(&server).await;
        let mut job = client.submit(&Submit::new("work")).await.unwrap();
        while job.events().try_next().await.unwrap().unwrap().kind.as_str() != "progress" {}
        tell.send(()).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Error);
        // What was sent before has come to the worker, too.
        let client = Client::builder().connect(net.bus.another(), net.store.clone()).unwrap();
        let mut echo = client.submit(cap::Submit::new("job.echo")).await.unwrap();
        assert_eq!(echo.result::<i32>().await.unwrap(), 1);
        assert!(was_stopped.is_empty());
    });
}

#[test]
fn costs_are_charged_and_a_job_without_budget_is_cancelled() {
    within(async {
        let net = Net::new().await;
        let (builder, was_stopped) = waits(&["0.30 USD", "nonsense", "0.30 USD", "-1 USD", "1 EUR", "0.40 USD"]);
        let _worker = net.worker(builder).await;
        let server = net.front().build().unwrap();
        let client = connect(&server).await;
        let submit = Submit::new("work").lease(&json!({"cost.budget": ["USD:1.00"]}));
        let mut job = client.submit(&submit).await.unwrap();
        let mut costs = Vec::new();
        let mut complaints = 0;
        while let Some(event) = job.events().try_next().await.unwrap() {
            let body: serde_json::Value = event.body.parse().unwrap();
            match event.kind.as_str() {
                "metric" if body["name"] == "cost.pool" => costs.push(body["value"].to_string()),
                "log" => complaints += 1,
                _ => {}
            }
        }
        assert_eq!(complaints, 2, "what cannot be charged is said");
        assert_eq!(costs, ["0.3", "0.3", "1", "0.4"]);
        let CallError::Job(error) = job.result::<()>().await.unwrap_err() else { panic!("the job has a result") };
        assert_eq!(error.code, ErrorCode::BudgetExhausted);
        was_stopped.recv().await.unwrap();
    });
}
