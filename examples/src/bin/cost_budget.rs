//! A job has a budget. Amounts are exact decimals: ten calls at 0.10 spend exactly 1.00.
//!
//! `cargo run -p nuncio-examples --bin cost_budget`

use std::error::Error;

use nuncio_tokio::arcp::{
    Client, ErrorCode, EventKind, Failure, FinalStatus, JobContext, LeaseRequest, Namespace, Number, Server, Submit,
};
use nuncio_tokio::auth::StaticTokens;
use serde_json::Value;

/// Calls a paid service until the budget is exhausted.
async fn ask(price: String, ctx: JobContext) -> Result<u32, Failure> {
    let price = Number::parse(&price).ok_or(Failure::invalid("the price is not a number"))?;
    let mut calls = 0;
    loop {
        // Before a call, check that some of the budget is left.
        match ctx.authorize("tool.call", "oracle.ask") {
            Ok(_) => calls += 1,
            Err(denied) if denied.fault().code == ErrorCode::BudgetExhausted => return Ok(calls),
            Err(denied) => return Err(denied.into()),
        }
        // After the call, report its cost. Metrics named `cost.` in a budgeted unit are charged to the budget.
        ctx.metric("cost.oracle", price.clone()).unit("USD").await?;
        ctx.metric("cost.patience", 1).unit("minutes").await?; // this unit has no budget
    }
}

/// Reserves the most that a call may cost before it calls, and pays less. Nobody in its family can overdraw the budget.
async fn careful(_: String, ctx: JobContext) -> Result<u32, Failure> {
    let number = |text| Number::parse(text).ok_or(Failure::invalid("not a number"));
    let mut calls = 0;
    // The operation is allowed together with its reservation, or not at all.
    while let Ok((_, reservation)) = ctx.authorize_reserving("tool.call", "oracle.ask", "USD", number("0.40")?) {
        calls += 1;
        ctx.metric("cost.oracle", number("0.25")?).settle(reservation).await?;
    }
    Ok(calls)
}

/// Overspends without checking the budget. The next operation is refused.
async fn spendthrift((): (), ctx: JobContext) -> Result<(), Failure> {
    ctx.metric("cost.oracle", 5).unit("USD").await?;
    ctx.authorize("tool.call", "oracle.ask")?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("ask", ask);
    let server = server.agent("careful", careful).agent("spendthrift", spendthrift).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;
    let lease = LeaseRequest::new().allow(Namespace::ToolCall, "oracle.*").budget("USD", "1.00");

    let mut job = client.submit(&Submit::new("ask").input(&"0.10").lease(&lease)).await?;
    assert_eq!(job.info().budget, [("USD".to_owned(), "1".to_owned())]);
    // The runtime reports after each charge what remains.
    let mut left = Vec::new();
    while let Some(event) = job.events().try_next().await? {
        let body: Value = event.body.parse()?;
        if event.kind == EventKind::Metric && body["name"] == "cost.budget.remaining" {
            left.push(body["value"].to_string());
        }
    }
    println!("left after each call: {}", left.join(", "));
    assert_eq!(left, ["0.9", "0.8", "0.7", "0.6", "0.5", "0.4", "0.3", "0.2", "0.1", "0"]);
    assert_eq!(job.collect(0).await?.json::<u32>()?, 10);

    // A cost is known only after the call, so one call may overdraw the budget. The next is refused.
    let mut job = client.submit(&Submit::new("ask").input(&"0.40").lease(&lease)).await?;
    assert_eq!(job.collect(0).await?.json::<u32>()?, 3);

    // After two calls 0.50 are left, after three 0.25, which is less than a call may cost.
    let mut job = client.submit(&Submit::new("careful").input(&"").lease(&lease)).await?;
    assert_eq!(job.collect(0).await?.json::<u32>()?, 3);

    let outcome = client.submit(&Submit::new("spendthrift").lease(&lease)).await?.outcome().await?;
    assert_eq!(outcome.status, FinalStatus::Error);
    assert_eq!(outcome.fault.and_then(|fault| fault.known()), Some(ErrorCode::BudgetExhausted));
    Ok(())
}
