//! The agents. A missing input counts as `{}`.

mod leases;
mod plain;
mod streams;

use nuncio_shared::arcp::{ErrorCode, Failure, JobContext, ServerBuilder};
use nuncio_shared::io::Driver;
use smol::Timer;
use smol::future::or;

/// The bare names of all agents.
pub(crate) const NAMES: [&str; 15] = [
    "echo",
    "slow",
    "stubborn",
    "progress",
    "chunks",
    "bigchunk",
    "rawchunks",
    "ops",
    "tools",
    "delegate",
    "rotate",
    "fail",
    "events",
    "flood",
    "ver",
];

/// Adds all agents to a server.
pub(crate) fn offer<D: Driver>(server: ServerBuilder<D>) -> ServerBuilder<D> {
    server
        .agent("echo", plain::echo)
        .agent("slow", plain::slow)
        .agent("stubborn", plain::stubborn)
        .agent("progress", plain::progress)
        .agent("fail", plain::fail)
        .agent("events", plain::events)
        .agent("flood", plain::flood)
        .agent("ver@1.0.0", plain::version)
        .agent("ver@2.0.0", plain::version)
        .default_version("ver", "2.0.0")
        .agent("chunks", streams::chunks)
        .agent("bigchunk", streams::bigchunk)
        .agent("rawchunks", streams::rawchunks)
        .agent("ops", leases::ops)
        .agent("tools", leases::tools)
        .agent("delegate", leases::delegate)
        .agent("rotate", leases::rotate)
}

/// Sleeps, or fails as soon as the job is cancelled.
async fn pause(ctx: &JobContext, ms: u64) -> Result<(), Failure> {
    let cancelled = async {
        ctx.cancelled().await;
        Err(Failure::new(ErrorCode::Cancelled, "the job was cancelled"))
    };
    or(cancelled, async {
        // A timer that runs on either driver.
        Timer::after(std::time::Duration::from_millis(ms)).await;
        Ok(())
    })
    .await
}
