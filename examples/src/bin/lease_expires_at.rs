//! Authority that ends by itself: from the moment on that the lease names, an agent may do nothing any more.
//!
//! `cargo run -p nuncio-examples --bin lease_expires_at`

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use nuncio_tokio::arcp::{Client, ErrorCode, Failure, FinalStatus, JobContext, RemoteFault, Server, Submit, Time};
use nuncio_tokio::auth::StaticTokens;
use serde_json::{Value, json};

/// Knows how much time there is, and hands in what it has before it is up.
async fn prudent((): (), ctx: JobContext) -> Result<&'static str, Failure> {
    ctx.authorize("net.fetch", "https://example.com/feed")?;
    let left = ctx.time_left().ok_or(Failure::invalid("this agent wants a lease that ends"))?;
    // Stands for work that takes too long. It gets half of the time, so that there is some to hand in what there is.
    let done = tokio::time::timeout(left / 2, std::future::pending::<&str>()).await;
    Ok(done.unwrap_or("half of it"))
}

/// Goes on when the time is up, and is refused.
async fn stubborn((): (), ctx: JobContext) -> Result<(), Failure> {
    tokio::time::sleep(ctx.time_left().unwrap_or_default()).await;
    ctx.authorize("net.fetch", "https://example.com/feed")?;
    unreachable!("the lease has ended");
}

/// Waits for something that never comes, and never looks at the clock. The runtime does.
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

    // The server's clock decides, so leave room for the difference; here there is none.
    let soon = now()?.plus_secs(3);
    let mut prudent = client.submit(&Submit::new("prudent").lease(&lease).expires_at(soon)).await?;
    let mut stubborn = client.submit(&Submit::new("stubborn").lease(&lease).expires_at(soon)).await?;
    let mut forgetful = client.submit(&Submit::new("forgetful").lease(&lease).expires_at(soon)).await?;
    let granted: Value = prudent.info().lease_constraints.as_ref().ok_or("the answer says when it ends")?.parse()?;
    println!("granted until {}", granted["expires_at"]);
    let until = granted["expires_at"].as_str().and_then(Time::parse_rfc3339);
    assert_eq!(until.map(Time::millis), Some(soon.millis()));

    assert_eq!(prudent.collect(0).await?.json::<String>()?, "half of it");
    // Who tries something fails; who neither tries nor ends is ended, `Config::expiry_grace` later.
    for job in [&mut stubborn, &mut forgetful] {
        let outcome = job.outcome().await?;
        assert_eq!(outcome.status, FinalStatus::Error);
        assert_eq!(outcome.fault.and_then(|fault| fault.known()), Some(ErrorCode::LeaseExpired));
        assert!(now()? >= soon, "and not a moment earlier");
    }

    // What is over cannot be granted.
    let past = Submit::new("prudent").lease(&lease).expires_at(soon);
    let refused = client.submit(&past).await.err().ok_or("a lease that has ended was granted")?;
    println!("{refused}");
    assert_eq!(refused.fault().and_then(RemoteFault::known), Some(ErrorCode::InvalidRequest));
    Ok(())
}
