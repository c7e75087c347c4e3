//! A client whose answer was lost submits again with the same idempotency key. The work is done once.
//!
//! `cargo run -p nuncio-examples --bin idempotent_retry`

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nuncio_tokio::arcp::{Client, ErrorCode, Failure, JobContext, Server, Submit};
use nuncio_tokio::auth::StaticTokens;
use serde_json::json;

/// Returns a submit that has an effect once, however often it is sent.
fn payment(amount: u32) -> Submit {
    Submit::new("pay").input(&json!({"to": "landlord", "amount": amount})).idempotency_key("rent-2026-05")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let payments = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&payments);
    let pay = move |order: serde_json::Value, _: JobContext| {
        let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Ok::<_, Failure>(json!({"receipt": number, "for": order["amount"]})) }
    };
    let tokens = StaticTokens::new().with("secret", "me@example.com").with("other", "you@example.com");
    let server = Server::builder().verifier(tokens).agent("pay", pay).build()?;
    let listening = server.listen("127.0.0.1:0").await?;

    let first = Client::builder(listening.url(), "secret")?.connect().await?;
    let mut job = first.submit(&payment(900)).await?;
    let receipt = job.collect(0).await?.text().map(str::to_owned);
    first.close().await;

    // A second client of the same principal, which may be another process, submits the same again.
    let again = Client::builder(listening.url(), "secret")?.connect().await?;
    let mut repeated = again.submit(&payment(900)).await?;
    println!("{} is {}", repeated.job_id(), job.job_id());
    assert_eq!(repeated.job_id(), job.job_id(), "the same job is accepted again");
    assert_eq!(repeated.collect(0).await?.text().map(str::to_owned), receipt, "the result is sent again");
    assert_eq!(payments.load(Ordering::Relaxed), 1, "the agent ran once");

    // A key identifies one request. Another amount with the same key is refused.
    let refused = again.submit(&payment(950)).await.err().ok_or("another request with a used key was accepted")?;
    println!("{refused}");
    let fault = refused.fault().ok_or("the runtime did not refuse it")?;
    assert_eq!(fault.known(), Some(ErrorCode::DuplicateKey));
    assert!(
        fault.details.as_ref().is_some_and(|details| details.as_str().contains(job.job_id().as_str())),
        "the error names the job"
    );

    // Different principals may use the same key independently.
    let other = Client::builder(listening.url(), "other")?.connect().await?;
    let mut theirs = other.submit(&payment(900)).await?;
    theirs.outcome().await?;
    assert_ne!(theirs.job_id(), job.job_id());
    assert_eq!(payments.load(Ordering::Relaxed), 2);
    Ok(())
}
