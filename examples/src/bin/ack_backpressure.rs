//! An agent that is faster than its client is slowed to the client's pace. No event is lost, and none pile up.
//!
//! `cargo run -p nuncio-examples --bin ack_backpressure`

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nuncio_tokio::arcp::{
    Client, ClientConfig, Config, EventKind, Failure, FinalStatus, JobContext, Level, Server, Submit,
};
use nuncio_tokio::auth::StaticTokens;
use serde_json::Value;

const EVENTS: u64 = 3_000;
/// How many events the agent may be ahead: those in its session's log, in the send window, and queued at the client.
const AHEAD: u64 = 64 + 128 + 16;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let emitted = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&emitted);
    let flood = move |events: u64, ctx: JobContext| {
        let emitted = Arc::clone(&counter);
        async move {
            for number in 0..events {
                // Waits while the log is full of unsent events.
                ctx.log(Level::Info, &"word ".repeat(200)).field("number", number).await?;
                emitted.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(())
        }
    };
    let config = Config::default().with(|config| {
        config.limits.log_events = 64;
        config.limits.back_pressure = 100;
    });
    let tokens = StaticTokens::new().with("secret", "me@example.com");
    let server = Server::builder().config(config).verifier(tokens).agent("flood", flood).build()?;
    // In memory, because the buffers of a TCP connection would hold more than this example sends.
    let config = ClientConfig::default().with(|config| config.limits.events = 16);
    let client = Client::over(server.memory_connector(), "secret").config(config).auto_ack(None).connect().await?;

    // Once a client has acknowledged, the runtime expects it to continue. By default clients do that automatically.
    client.submit(&Submit::new("flood").input(&1)).await?.outcome().await?;
    client.ack(None)?;
    emitted.store(0, Ordering::Relaxed);

    let mut job = client.submit(&Submit::new("flood").input(&EVENTS)).await?;
    let (mut taken, mut told) = (0, 0);
    while let Some(event) = job.events().try_next().await? {
        let body: Value = event.body.parse()?;
        match event.kind {
            EventKind::Log => {
                assert_eq!(body["attributes"]["number"], taken, "every event arrives, in order");
                taken += 1;
                let ahead = emitted.load(Ordering::Relaxed).saturating_sub(taken);
                assert!(ahead <= AHEAD, "the agent is {ahead} events ahead");
            }
            // The runtime asks for an acknowledgement. Until it comes, it keeps the sent events within its limits.
            EventKind::Status if body["phase"] == "back_pressure" => {
                println!("after {taken} events: {}", body["message"]);
                client.ack(None)?;
                told += 1;
            }
            _ => {}
        }
    }
    println!("{taken} events, reminded {told} time(s)");
    assert_eq!(taken, EVENTS);
    assert!(told > 0, "a client that forgets to acknowledge is reminded");
    assert_eq!(job.outcome().await?.status, FinalStatus::Success);
    Ok(())
}
