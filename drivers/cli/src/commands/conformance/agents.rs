//! The agents that the checks use.

use clap::Args;

/// The names of the agents that the checks use. The defaults are those of `interop_agents`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Agents")]
pub(super) struct Agents {
    /// Logs once and returns its input as `echoed`
    #[arg(long = "echo-agent", value_name = "NAME", default_value = "echo")]
    pub(super) echo: String,
    /// Emits as many progress events as `ticks` says, and stops when it is cancelled
    #[arg(long = "slow-agent", value_name = "NAME", default_value = "slow")]
    pub(super) slow: String,
    /// Runs for `ms` milliseconds, and as long again when it is cancelled
    #[arg(long = "stubborn-agent", value_name = "NAME", default_value = "stubborn")]
    pub(super) stubborn: String,
    /// Emits `n` log events
    #[arg(long = "flood-agent", value_name = "NAME", default_value = "flood")]
    pub(super) flood: String,
    /// Fails with `code` and `message`, or unexpectedly
    #[arg(long = "fail-agent", value_name = "NAME", default_value = "fail")]
    pub(super) fail: String,
    /// Emits an event of every kind
    #[arg(long = "events-agent", value_name = "NAME", default_value = "events")]
    pub(super) events: String,
    /// Streams `chunks` as its result
    #[arg(long = "chunks-agent", value_name = "NAME", default_value = "chunks")]
    pub(super) chunks: String,
    /// Streams `chunks` chunks (1 by default) of `chunk_bytes` bytes each
    #[arg(long = "bigchunk-agent", value_name = "NAME", default_value = "bigchunk")]
    pub(super) bigchunk: String,
    /// Emits `bodies` as chunks, and returns `inline`
    #[arg(long = "rawchunks-agent", value_name = "NAME", default_value = "rawchunks")]
    pub(super) rawchunks: String,
    /// Performs `ops`: operations, metrics and pauses
    #[arg(long = "ops-agent", value_name = "NAME", default_value = "ops")]
    pub(super) ops: String,
    /// Delegates to the agent that its input names
    #[arg(long = "delegate-agent", value_name = "NAME", default_value = "delegate")]
    pub(super) delegate: String,
    /// Rotates its credential
    #[arg(long = "rotate-agent", value_name = "NAME", default_value = "rotate")]
    pub(super) rotate: String,
    /// An agent with two versions or more
    #[arg(long = "version-agent", value_name = "NAME", default_value = "ver")]
    pub(super) versioned: String,
}
