//! The agents. A missing input counts as `{}`.

mod leases;
mod plain;
mod streams;

use nuncio_tokio::{Failure, JobContext, ServerBuilder};

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

/// Puts all of them on offer.
pub(crate) fn offer(server: ServerBuilder) -> ServerBuilder {
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
    tokio::select! {
        () = ctx.cancelled() => Err(Failure::new("CANCELLED", "the job was cancelled")),
        () = tokio::time::sleep(std::time::Duration::from_millis(ms)) => Ok(()),
    }
}
