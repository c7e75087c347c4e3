//! A lease that expires: after the time that it names, its agent is not authorized to do anything.
//!
//! `cargo run -p nuncio-examples --bin lease_expires_at`

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use nuncio_tokio::arcp::{Client, ErrorCode, Failure, FinalStatus, JobContext, RemoteFault, Server, Submit, Time};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

/// Checks how much time is left, and returns a partial result before the lease expires.
async fn prudent((): (), ctx: JobContext) -> Result<&'static str, Failure> {
    ctx.authorize("net.fetch", "https://example.com/feed")?;
    let left = ctx.time_left().ok_or(Failure::invalid("this agent wants a lease that ends"))?;
    // Stands in for work that takes too long. It gets half of the time, which leaves enough to return a partial result.
    let done = tokio::time::timeout(left / 2, std::future::pending::<&str>()).await;
    Ok(done.unwrap_or("half of it"))
}

/// Continues after the lease has expired, and is refused.
async fn stubborn((): (), ctx: JobContext) -> Result<(), Failure> {
    tokio::time::sleep(ctx.time_left().unwrap_or_default()).await;
    ctx.authorize("net.fetch", "https://example.com/feed")?;
    unreachable!("the lease has ended");
}

/// Waits forever without checking the time. The runtime checks it.
async fn forgetful((): (), ctx: JobContext) -> Result<(), Failure> {
    ctx.cancelled().await;
    Ok(())
}

fn now() -> Result<Time, Box<dyn Error>> {
    Ok(Time(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().verifier(tokens).agent("prudent", prudent);
    let server = server.agent("stubborn", stubborn).agent("forgetful", forgetful).build()?;
    let listening = server.listen("127.0.0.1:0").await?;
    let client = Client::builder(listening.url(), "secret")?.connect().await?;
    let lease = json!({"net.fetch": ["https://example.com/**"]});

    // The server's clock decides, so allow for a difference between the clocks. Here there is none.
    let soon = now()?.plus_secs(3);
    let mut prudent = client.submit(&Submit::new("prudent").lease(&lease).expires_at(soon)).await?;
    let mut stubborn = client.submit(&Submit::new("stubborn").lease(&lease).expires_at(soon)).await?;
    let mut forgetful = client.submit(&Submit::new("forgetful").lease(&lease).expires_at(soon)).await?;
    let granted: Value =
        prudent.info().lease_constraints.as_ref().ok_or("the acceptance has no constraints")?.parse()?;
    println!("granted until {}", granted["expires_at"]);
    let until = granted["expires_at"].as_str().and_then(Time::parse_rfc3339);
    assert_eq!(until.map(Time::millis), Some(soon.millis()));

    assert_eq!(prudent.collect(0).await?.json::<String>()?, "half of it");
    // An agent that tries another operation fails. One that does not end is ended after `Config::expiry_grace`.
    for job in [&mut stubborn, &mut forgetful] {
        let outcome = job.outcome().await?;
        assert_eq!(outcome.status, FinalStatus::Error);
        assert_eq!(outcome.fault.and_then(|fault| fault.known()), Some(ErrorCode::LeaseExpired));
        assert!(now()? >= soon, "no job ends before the lease expires");
    }

    // A lease that has already expired is not granted.
    let past = Submit::new("prudent").lease(&lease).expires_at(soon);
    let refused = client.submit(&past).await.err().ok_or("a lease that has ended was granted")?;
    println!("{refused}");
    assert_eq!(refused.fault().and_then(RemoteFault::known), Some(ErrorCode::InvalidRequest));
    Ok(())
}
