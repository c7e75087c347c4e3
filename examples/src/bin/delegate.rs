//! An agent delegates parts of its work to other agents, within its own lease and budget.
//!
//! `cargo run -p nuncio-examples --bin delegate`

use std::error::Error;

use nuncio_tokio::arcp::{
    Client, Delegation, Failure, FinalStatus, JobContext, JobHandle, LeaseRequest, Namespace, Number, Server, Submit,
    Update,
};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

/// The sub-agent, which has only the lease that its parent gave it.
async fn square(number: u64, ctx: JobContext) -> Result<u64, Failure> {
    ctx.authorize("tool.call", "calculator")?;
    let price = Number::parse("0.10").ok_or(Failure::internal("the price is not a number"))?;
    ctx.metric("cost.compute", price).unit("USD").await?;
    Ok(number * number)
}

/// Returns the sum of the squares, each of which a child computes.
async fn sum(numbers: Vec<u64>, ctx: JobContext) -> Result<Value, Failure> {
    let mut children = Vec::new();
    for number in &numbers {
        let work = Delegation::new("square").input(number).lease(&tools("calculator"));
        children.push(ctx.delegate(&work).await?);
    }
    let mut sum = 0;
    for child in &mut children {
        sum += child.result::<u64>().await?;
    }
    // A child never gets a larger lease than its parent has.
    let greedy = ctx.delegate(&Delegation::new("square").input(&1).lease(&tools("*"))).await;
    let refused = greedy.err().map(|denied| denied.fault().code.as_str());
    let left = ctx.budget().map(|budget| budget.to_json_numbers());
    Ok(json!({ "sum": sum, "refused": refused, "left": left }))
}

fn tools(pattern: &str) -> LeaseRequest {
    LeaseRequest::new().allow(Namespace::ToolCall, pattern)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("sum", sum).agent("square", square).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;

    let lease = json!({"tool.call": ["calculator"], "agent.delegate": ["square"], "cost.budget": ["USD:1.00"]});
    let submit = Submit::new("sum").input(&[1, 2, 3]).lease(&lease);
    let mut job = client.submit(&submit).await?;
    // The client has a handle for each child, with which it could follow or cancel it.
    let mut children: Vec<JobHandle> = Vec::new();
    while let Some(update) = job.try_next().await? {
        if let Update::Child(child) = update {
            println!("{} delegated {}", job.job_id(), child.job_id());
            children.push(*child);
        }
    }
    let answer: Value = job.collect(0).await?.json()?;
    println!("{answer}");

    assert_eq!(answer, json!({"sum": 14, "refused": "LEASE_SUBSET_VIOLATION", "left": r#"{"USD":0.7}"#}));
    assert_eq!(children.len(), 3);
    for child in &mut children {
        assert_eq!(child.info().parent_job_id.as_ref(), Some(job.job_id()));
        assert_eq!(child.outcome().await?.status, FinalStatus::Success);
    }
    client.close().await;
    Ok(())
}
